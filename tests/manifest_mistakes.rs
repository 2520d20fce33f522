//! Bad manifests: each mistake with the place and the words it is told with.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use nightreel::manifest::{self, Source};

/// Everything that is wrong with the manifest `name` in `folder`, without the folder's own name.
fn told(folder: &Path, name: &str) -> Vec<String> {
    let source = Source::Path(folder.join(name));
    let mistakes = match manifest::open(&source).and_then(|manifest| manifest.rows()) {
        Err(mistakes) => mistakes,
        Ok(rows) => rows.filter_map(Result::err).flat_map(|unread| unread.mistakes).collect(),
    };
    let prefix = format!("{}/", folder.display());
    mistakes.iter().map(|mistake| mistake.to_string().replace(&prefix, "")).collect()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let mut file = fs::File::create(folder.join(name)).unwrap();
    file.write_all(bytes).unwrap();
}

#[track_caller]
fn check(name: &str, text: &[u8], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, text);
    put(folder.path(), "cat.png", b"cat");
    put(folder.path(), "empty.png", b"");
    let told = told(folder.path(), name);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\ndoes not begin with\n{expected}");
    }
}

fn check_all(name: &str, cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        check(name, text.as_bytes(), expected);
    }
}

#[test]
fn a_wrong_header_or_shape_of_a_csv_file_is_told() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["m.csv: empty manifest: write a header"]),
        ("model,prompt\n", &["m.csv: empty manifest: there is a header, but no rows"]),
        ("model,prompt\n\n,\n", &["m.csv: empty manifest"]),
        ("model;prompt\nm;x\n", &["m.csv:1:1: the columns are separated by semicolons"]),
        (
            "model,modle,promt\nm,m,x\n",
            &["m.csv:1:13: unknown column `promt`, did you mean `prompt`?"],
        ),
        (
            "model,,seed,seed\nm,1,2,3\n",
            &["m.csv:1:7: this column has no name", "m.csv:1:13: there are two columns `seed`"],
        ),
        (
            "model,var.a.b,vars.x,var.row\nm,1,2,3\n",
            &[
                "m.csv:1:7: `a.b` cannot be the name of a variable",
                "m.csv:1:15: unknown column `vars.x`; write a variable for templates as `var.NAME`",
                "m.csv:1:22: the variable `row` is nightreel's own",
            ],
        ),
        (
            "model,prompt\nm,\"a\nb\nm,c\n",
            &["m.csv:2:3: the quote that opens this cell is never closed"],
        ),
        (
            "model,prompt\nm\nm,a,b\nm,\"a\nb\",c\n",
            &[
                "m.csv:2:1: this row has 1 cell, but the header names 2 columns",
                "m.csv:3:1: this row has 3 cells, but the header names 2 columns; put quotes",
                "m.csv:4:1: this row has 3 cells, but the header names 2 columns; a quote in it",
            ],
        ),
    ];
    check_all("m.csv", cases);
}

#[test]
fn a_wrong_cell_is_told_with_its_line_and_column() {
    let cases: &[(&str, &[&str])] = &[
        ("prompt\nx\n", &["m.csv:2:1: this row names no `model`"]),
        ("model,prompt\na b,x\n", &["m.csv:2:1: `a b` is not the id of a model"]),
        (
            "model,prompt,count,priority,price\nm,é,0,high,1\nm,x,1001,1,cheap\n",
            &[
                "m.csv:2:5: `count` must be a whole number from 1 to 1000, found `0`",
                "m.csv:3:5: `count` must be a whole number from 1 to 1000, found `1001`",
            ],
        ),
        (
            "model,prompt,priority,price\nm,é,high,1\nm,x,1,cheap\nm,x,1.5,-1\n",
            &[
                "m.csv:2:5: `priority` must be a whole number, found `high`",
                "m.csv:3:7: `cheap` is not an amount of dollars",
                "m.csv:4:5: `priority` must be a whole number, found `1.5`",
                "m.csv:4:9: `-1` is not an amount of dollars",
            ],
        ),
        (
            "id,model\na,m\nb,m\na,m\n",
            &["m.csv:4:1: two jobs have the id `a`: this one and the one at m.csv:2"],
        ),
        (
            "id,model\na b,m\na/b,m\n",
            &[
                "m.csv:2:1: the id `a b` contains a blank; allowed are letters",
                "m.csv:3:1: the id `a/b` contains `/`; allowed are letters",
            ],
        ),
        (
            "model,prompt,var.hero\nm,\"a\n\"\"b\"\" {{ heroo }}\",cat\nm,{{ a,\n",
            &[
                "m.csv:3:10: unknown variable `heroo`, did you mean `hero`?",
                "m.csv:4:6: unexpected end of input",
            ],
        ),
    ];
    check_all("m.csv", cases);
}

#[test]
fn a_wrong_file_or_output_is_told_with_its_line_and_column() {
    let cases: &[(&str, &[&str])] = &[
        (
            "model,prompt,image\nm,x,none.png\nm,x,empty.png\nm,x,.\nm,x,cat.txtt\nm,x,file:///x.png\nm,x,cat.png\n",
            &[
                "m.csv:2:5: the file `none.png` does not exist",
                "m.csv:3:5: the file `empty.png` is empty",
                "m.csv:4:5: `.` is no URL and no file of a kind the API takes",
                "m.csv:5:5: `cat.txtt` is no URL",
                "m.csv:6:5: addresses of the scheme `file` are not sent",
            ],
        ),
        (
            "model,images\nm,\"[\"\"a.png\"\", \"\"b.png\"\"]\"\nm,[cat\n",
            &[
                "m.csv:2:3: the file `a.png` does not exist",
                "m.csv:2:3: the file `b.png` does not exist",
                "m.csv:3:3: expected a JSON list such as",
            ],
        ),
        (
            "model,output\nm,{{ batc }}\nm,{{ batch }}/{{ key }}.{{ ext }}\n",
            &["m.csv:2:6: unknown variable `batc`, did you mean `batch`?"],
        ),
        (
            "model,voice\nm,upload:sha256-00\n",
            &["m.csv:2:3: a text that begins with `upload:sha256-`"],
        ),
    ];
    check_all("m.csv", cases);
}

#[test]
fn other_encodings_are_named() {
    check(
        "m.csv",
        b"model,prompt\nm,ok\nm,caf\xe9\n",
        &["m.csv:3:6: byte 23 of the file is not UTF-8"],
    );
    check("m.csv", b"\xff\xfem\0o\0", &["m.csv: the file is UTF-16"]);
    check("m.toml", b"# caf\xe9\n", &["m.toml: byte 5 of the file, on line 1, is not UTF-8"]);
    check("m.txt", b"x", &["m.txt: is neither .csv nor .toml"]);
}

#[test]
fn toml_mistakes_are_told_with_file_line_and_column() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["m.toml: empty manifest: write at least one [[job]]"]),
        (
            "[batch]\nname='a/b'\n[[job]]\n",
            &["m.toml:2:6: `a/b` cannot be the name of a batch: it contains a slash"],
        ),
        (
            "[batch]\nrows='x.csv'\n",
            &["m.toml:2:6: the file `x.csv` named by `rows`: there is no such file"],
        ),
        (
            "[[job]]\nmodel='m'\npromt='x'\n",
            &["m.toml:3:1: unknown key `promt`, did you mean `prompt`?"],
        ),
        ("[[job]]\nprompt='x'\n\n[[job]]\nmodel='m'\n", &["m.toml:1:1: this row names no `model`"]),
        (
            "[matrix]\na=[1,2]\n[defaults]\nmodel='m'\n[[job]]\nid='x'\n[[job]]\nvars={a=1}\n",
            &["m.toml:8:7: the variable `a` is an axis of [matrix] already"],
        ),
        (
            "[matrix]\na=[1,2]\n[[job]]\nmodel='m'\nid='x'\n",
            &[
                "m.toml:5:4: [matrix] makes 2 jobs of this row, all with the id `x`; make it a template such as `x-{{ a }}`",
            ],
        ),
        (
            "[[job]]\nmodel='m'\nid='x'\n[[job]]\nmodel='m'\nid='x'\n",
            &["m.toml:6:4: two jobs have the id `x`: this one and the one at m.toml:1"],
        ),
        (
            "[defaults]\nmodel='m'\nprompt='a {{ b }}'\n[[job]]\n",
            &["m.toml:3:14: unknown variable `b`, there are "],
        ),
        (
            "[batch]\noutput='{{ kee }}'\n[[job]]\nmodel='m'\n",
            &["m.toml:2:12: unknown variable `kee`, did you mean `key`?"],
        ),
        (
            "[[job]]\nmodel='m'\nimage='no.png'\nmask=3\n",
            &[
                "m.toml:3:7: the file `no.png` does not exist",
                "m.toml:4:6: expected a URL, a `data:` URI or the path of a file, found `3`",
            ],
        ),
    ];
    check_all("m.toml", cases);
}

#[test]
fn what_is_no_readable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("dir.csv")).unwrap();
    assert_eq!(told(path, "none.csv"), ["none.csv: there is no such file"]);
    assert_eq!(told(path, "dir.csv"), ["dir.csv: is a folder, not a file"]);
    let fifo = path.join("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    assert!(told(path, "pipe.csv")[0].starts_with("pipe.csv: is a pipe"));
}

#[test]
fn cells_and_prompts_beyond_their_limits_are_refused() {
    let long = "x".repeat((1 << 20) + 1);
    check(
        "m.csv",
        format!("model,prompt\nm,{long}\n").as_bytes(),
        &["m.csv:2:3: this prompt has 1.0 MB"],
    );
    let endless = format!("model,prompt\nm,ok\nm,\"{}", "x\n".repeat(9 << 20));
    check("m.csv", endless.as_bytes(), &["m.csv:3:3: this cell is longer than 16 MiB"]);
}
