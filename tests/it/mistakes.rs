//! Exit code 2: what is wrong is told with its place, nothing is sent and nothing is made.

use crate::api::Api;
use crate::story::Story;

const TEXT: &str = "minimax/hailuo-02/t2v-standard";
const IMAGE: &str = "minimax/hailuo-02/fast";

/// A manifest's name, its text, and how each mistake is told.
fn cases() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let text = |text: &str| text.replace("TEXT", TEXT).replace("IMAGE", IMAGE).into_bytes();
    let mut not_utf8 = text("id,model,prompt\na,TEXT,x");
    not_utf8.extend([0xff, b'\n']);
    vec![
        ("a.csv", not_utf8, vec!["a.csv:2:35: byte 50 of the file is not UTF-8"]),
        ("b.csv", text("id,model,prompt\na,TEXT,\"x\n"), vec!["b.csv:2:34: the quote that opens"]),
        (
            "c.toml",
            text("[defaults]\nmodel = \"TEXT\"\n[[job]]\npromt = \"x\"\n"),
            vec!["c.toml:4:1: unknown key `promt`, did you mean `prompt`?"],
        ),
        (
            "d.toml",
            text("[run]\nconcurency = 4\n[[job]]\nmodel = \"TEXT\"\nprompt = \"x\"\n"),
            vec!["d.toml:2:1: unknown setting `concurency`; did you mean `concurrency`?"],
        ),
        ("e.csv", text("id,model,prompt\na,TEXT,\n"), vec!["e.csv:2:1: TEXT needs `prompt`"]),
        ("f.csv", text("id,model,prompt\na,IMAGE,x\n"), vec!["f.csv:2:1: IMAGE needs `image`"]),
        (
            "g.csv",
            text("id,model,prompt\na,TEXT,x\nb,TEXT,y\na,TEXT,z\n"),
            vec!["g.csv:4:1: two jobs have the id `a`: this one and the one at g.csv:2"],
        ),
        (
            "h.csv",
            text(
                "id,model,prompt,image\na,IMAGE,x,no.png\nb,IMAGE,x,empty.png\nc,IMAGE,x,dir.png\n",
            ),
            vec![
                "h.csv:2:28: the file `no.png` does not exist",
                "h.csv:3:28: the file `empty.png` is empty",
                "h.csv:4:28: the file `dir.png` is a folder",
            ],
        ),
        (
            "i.toml",
            text(
                "[[job]]\nmodel = \"TEXT\"\nprompt = \"a {{ subjct }}\"\n[matrix]\nsubject = [\"x\"]\n",
            ),
            vec!["i.toml:3:16: unknown variable `subjct`, did you mean `subject`?"],
        ),
        ("j.csv", Vec::new(), vec!["j.csv: empty manifest"]),
        ("k.csv", text("id,model,prompt\n"), vec!["k.csv: empty manifest"]),
        ("l.toml", text("[batch]\nname = \"x\"\n"), vec!["l.toml: empty manifest"]),
        (
            "m.csv",
            text("id,model,prompt,output\na,TEXT,x,/etc/{{ key }}\n"),
            vec![
                "m.csv:2:1: outputs stay inside the output folder (--output-dir), so their template must be a relative path",
            ],
        ),
        ("missing.csv", Vec::new(), vec!["missing.csv: there is no such file"]),
    ]
}

#[test]
fn every_mistake_is_told_with_its_place_and_nothing_happens() {
    let story = Story::new();
    let api = Api::start(&story, "");
    story.file("empty.png", "");
    story.file("dir.png/inside", "");
    for (name, text, told) in cases() {
        if name != "missing.csv" {
            story.file(name, text);
        }
        for command in ["run", "plan"] {
            let ended = story.nightreel([command, name]).at(&api).end();
            assert_eq!(ended.code(), 2, "{command} {name}: {ended}");
            for told in &told {
                let told = told.replace("TEXT", TEXT).replace("IMAGE", IMAGE);
                let told = ended.out.contains(&told) || ended.err.contains(&told);
                assert!(told, "{command} {name}: {ended}");
            }
        }
    }
    let made = story.files("").into_iter().filter(|file| {
        file.starts_with("state") || file.starts_with("outputs") || file.starts_with("events")
    });
    assert_eq!(made.collect::<Vec<_>>(), Vec::<String>::new());
    let asked: Vec<_> = api.figures().endpoints.into_keys().collect();
    assert_eq!(asked, ["__figures"], "nothing is sent");
}

#[test]
fn wrong_usage_and_settings_are_two_as_well() {
    let story = Story::of_jobs(1);
    let told = |args: &[&str], words: &str| {
        let ended = story.nightreel(args).env("ATLASCLOUD_API_KEY", "k").end();
        assert_eq!(ended.code(), 2, "{args:?}: {ended}");
        assert!(ended.err.contains(words), "{args:?}: {ended}");
    };
    told(&["rum", "m.csv"], "unrecognized subcommand");
    told(&["run", "m.csv", "--concurrency", "0"], "--concurrency");
    told(&["run", "m.csv", "--base-url", "http://example.com"], "https");
    told(&["run", "m.csv", "--api-key-file", "no.key"], "no.key");
    told(&["run"], "for example `nightreel run ");
    told(&["plan"], "for example `nightreel plan ");
    for flag in ["--for", "--job-timeout", "--submit-timeout", "--retry-base", "--absence-wait"] {
        told(&["run", "m.csv", flag, "0s"], &format!("{flag} 0s leaves no time at all"));
    }
    told(&["run", "m.csv", "--poll-min", "0s"], "--poll-min is too short");
    for flag in ["--concurrency", "--downloads", "--rpm", "--max-attempts"] {
        told(&["run", "m.csv", flag, "0"], "expected a whole number from 1");
    }
    for money in ["1e3", "$5", "-1", "5,00"] {
        told(&["run", "m.csv", &format!("--budget={money}")], "is not an amount of dollars");
    }
    story.file("wrong.toml", "concurency = 3\n");
    told(&["run", "m.csv", "--config", "wrong.toml"], "did you mean `concurrency`");
    let without_key = story.nightreel(["run", "m.csv"]).end();
    assert_eq!(without_key.code(), 2, "{without_key}");
    assert!(without_key.err.contains("ATLASCLOUD_API_KEY"), "{without_key}");
    assert!(!story.path("state").exists(), "nothing is made");
}
