//! Rows 61 to 69: manifests and paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nightreel::manifest::Source;
use unicode_normalization::UnicodeNormalization as _;

use crate::case::{Case, Seen};
use crate::night::Night;
use crate::process::Ended;
use crate::story::Story;
use crate::submit::peak_kib;

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(61, "edited between runs", "added = new; changed refused; never silent", edited),
    case(
        62,
        "duplicate rows; duplicate ids",
        "rows: both run; ids: error with both lines",
        doubled,
    ),
    case(
        63,
        "BOM, CRLF, quotes, ragged, `;`, UTF-16, Latin-1, NUL",
        "parsed right or refused with the place",
        encodings,
    ),
    case(
        64,
        "10 MB prompt, 2 million columns, huge cell",
        "refused at a cap, memory bounded",
        huge,
    ),
    case(
        65,
        "emoji, ZWJ, RTL, combining marks",
        "byte-exact in the request; safe on screen",
        scripts,
    ),
    case(66, "hostile names", "contained, mapped, unique", names),
    case(67, "names equal but for case or form", "two files", equal_names),
    case(68, "formula, HTML, template, ESC in a prompt", "inert in every output there is", prompts),
    case(69, "FIFO, folder, link, 0 rows, changing while read", "clear error", odd_files),
];

const MODEL: &str = "minimax/hailuo-02/t2v-standard";

/// A CSV manifest of these rows; each is `id,MODEL,prompt` and what comes after.
fn manifest(header: &str, rows: &[String]) -> Story {
    let story = Story::new();
    story.file("m.csv", format!("{header}\n{}\n", rows.join("\n")));
    story
}

fn row(id: &str, prompt: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    format!("{},{MODEL},{}", quoted(id), quoted(prompt))
}

fn edited(seen: &mut Seen) {
    let [a, b, c] = [row("a", "one"), row("b", "two"), row("c", "three")];
    let night = Night::of(manifest("id,model,prompt", &[a.clone(), b, c.clone()]), 4, "");
    night.ends(0, &[]);
    let added = row("d", "four");
    let rows = [added, c, row("b", "two, changed"), a];
    night.story.file("m.csv", format!("id,model,prompt\n{}\n", rows.join("\n")));
    let refused = night.ends(2, &[]);
    assert!(refused.err.contains("m.csv:4"), "{refused}");
    assert_eq!(night.charges(), 3, "nothing is sent");
    night.ends(0, &["--changed", "keep"]);
    assert_eq!(night.charges(), 4, "only the added row");
    night.story.file("m.csv", format!("id,model,prompt\n{}\n", rows[0]));
    night.ends(0, &[]);
    assert_eq!(night.charges(), 4, "removed and reordered rows cost nothing");
    seen.judge(&night);
    seen.says(
        "1 added: 1 charge; 1 changed: exit 2 with its line, or kept; moved and removed: nothing",
    );
}

fn doubled(seen: &mut Seen) {
    let same = format!("{MODEL},the same");
    let night = Night::of(manifest("model,prompt", &[same.clone(), same]), 2, "");
    night.ends(0, &[]);
    assert_eq!(night.charges(), 2);
    let keys: BTreeSet<String> =
        night.story.list().iter().map(|job| job["key"].to_string()).collect();
    assert_eq!(keys.len(), 2);
    let rows = [row("a", "one"), row("b", "two"), row("a", "three")];
    let twice = Night::of(manifest("id,model,prompt", &rows), 0, "");
    let refused = twice.ends(2, &[]);
    assert!(refused.err.contains("m.csv:4") && refused.err.contains("m.csv:2"), "{refused}");
    assert_eq!(twice.charges(), 0);
    seen.says("equal rows: 2 keys, 2 charges; equal ids: exit 2 with both lines, nothing sent");
}

fn plan(story: &Story, name: &str) -> Ended {
    story.nightreel(["plan", name]).end()
}

fn encodings(seen: &mut Seen) {
    let story = Story::new();
    let of = |text: &str| text.replace('T', MODEL).into_bytes();
    let utf16: Vec<u8> =
        "\u{feff}id,model\na,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [of("id,model,prompt\na,T,caf"), vec![0xe9, b'\n']].concat();
    let cases: [(&str, Vec<u8>, i32, &str); 11] = [
        ("bom.csv", of("\u{feff}id,model,prompt\na,T,x\n"), 0, "1 row"),
        ("crlf.csv", of("id,model,prompt\r\na,T,x\r\nb,T,y\r\n"), 0, "2 rows"),
        ("cr.csv", of("id,model,prompt\ra,T,x\rb,T,y\r"), 0, "2 rows"),
        ("quoted.csv", of("id,model,prompt\na,T,\"x\ny\"\nb,T,z"), 0, "2 rows"),
        ("nul.csv", of("id,model,prompt\na,T,x\0y\n"), 0, "1 row"),
        (
            "ragged.csv",
            of("id,model,prompt\na,T,x,more\n"),
            2,
            "ragged.csv:2:1: this row has 4 cells",
        ),
        ("short.csv", of("id,model,prompt\na,T\n"), 2, "short.csv:2:1: this row has 2 cells"),
        ("semi.csv", of("id;model;prompt\na;T;x\n"), 2, "semi.csv:1:1: the columns are separated"),
        ("utf16.csv", utf16, 2, "is UTF-16"),
        ("latin.csv", latin, 2, "is not UTF-8"),
        ("open.csv", of("id,model,prompt\na,T,\"x\n"), 2, "open.csv:2"),
    ];
    for (name, bytes, code, words) in &cases {
        story.file(name, bytes);
        let ended = plan(&story, name);
        assert_eq!(ended.code(), *code, "{name}: {ended}");
        let told = format!("{}{}", ended.out, ended.err);
        assert!(told.contains(words), "{name}: {ended}");
    }
    seen.says(format!("{} forms: 5 read whole, 6 refused with their places", cases.len()));
}

fn huge(seen: &mut Seen) {
    let story = Story::new();
    let head = format!("id,model,prompt\na,{MODEL},");
    story.file("prompt.csv", format!("{head}{}\n", "x".repeat(10_000_000)));
    story.file("cell.csv", format!("{head}\"{}\"\n", "y".repeat(100_000_000)));
    let columns: Vec<String> = (0..2_000_000).map(|n| format!("c{n}")).collect();
    story.file("columns.csv", format!("id,model,prompt,{}\n", columns.join(",")));
    let mut most = 0;
    for (name, words) in
        [("prompt.csv", "1 MiB"), ("cell.csv", "16 MiB"), ("columns.csv", "at most 1000")]
    {
        let mut run = story.nightreel(["plan", name]).start();
        let pid = run.pid();
        run.until(|| {
            most = most.max(peak_kib(pid));
            false
        });
        let ended = run.end();
        assert_eq!(ended.code(), 2, "{name}: {ended}");
        assert!(format!("{}{}", ended.out, ended.err).contains(words), "{name}: {ended}");
    }
    assert!((1..300 << 10).contains(&most), "{most} KiB");
    seen.says(format!("all three refused with exit 2; at most {} MiB", most >> 10));
}

const SCRIPTS: [&str; 6] = [
    "👩‍👩‍👧‍👦 on the beach 🏖️",
    "שלום \u{202e}reversed\u{202c} world",
    "e\u{301} and é, Å and A\u{30a}",
    "ﷺ 漢字 \u{200b}zero width",
    "tab\tand \"quotes\", and, commas",
    "line\nbreak and \u{85} next line",
];

fn scripts(seen: &mut Seen) {
    let rows: Vec<String> =
        SCRIPTS.iter().enumerate().map(|(n, text)| row(&format!("s{n}"), text)).collect();
    let night = Night::of(manifest("id,model,prompt", &rows), rows.len(), "");
    night.ends(0, &[]);
    let sent: BTreeSet<String> = night.api.book().kept().into_keys().collect();
    let wanted: BTreeSet<String> = SCRIPTS.iter().map(ToString::to_string).collect();
    assert_eq!(sent, wanted);
    let shown = night.story.nightreel(["list", "--long"]).end().out;
    assert!(!shown.contains(['\u{202e}', '\u{202c}', '\u{85}']), "{shown}");
    seen.judge(&night);
    // JSON may hold half a surrogate pair; TOML and CSV have no way to write one.
    night.story.file("half.toml", format!("[[job]]\nmodel = \"{MODEL}\"\nprompt = \"\\ud83d\"\n"));
    assert_eq!(plan(&night.story, "half.toml").code(), 2);
    seen.says(
        "6 prompts byte-exact in the API's book, controls shown escaped; a lone surrogate refused",
    );
}

const NAMES: [&str; 16] = [
    "../../etc/x",
    "/abs",
    "C:\\x",
    "a/../b",
    ".",
    "..",
    "CON",
    "con.png",
    "COM¹",
    "x.",
    "x ",
    "-rf",
    "a\nb",
    "~",
    ".nightreel-1-1.part",
    "a\u{0}b",
];

/// Each text as the name of an output; the names of the videos that came of it.
fn named(seen: &mut Seen, texts: &[String]) -> Vec<String> {
    let rows: Vec<String> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| format!("{},{{{{ prompt }}}}.{{{{ ext }}}}", row(&format!("n{n}"), text)))
        .collect();
    let night = Night::of(manifest("id,model,prompt,output", &rows), rows.len(), "");
    night.ends(0, &["--concurrency", "8"]);
    seen.judge(&night);
    let files = night.story.files("outputs");
    let videos: Vec<String> = files.iter().filter(|name| is_a(name, "mp4")).cloned().collect();
    assert_eq!(videos.len(), texts.len(), "{files:?}");
    let folded: BTreeSet<String> =
        videos.iter().map(|name| name.to_lowercase().nfc().collect()).collect();
    assert_eq!(folded.len(), videos.len(), "{files:?}");
    for name in &videos {
        let file = name.rsplit('/').next().unwrap();
        assert!(file.len() <= 255 && !file.starts_with(['.', '-']), "{name:?}");
        assert!(!name.contains(['\\', ':', '\n', '\0']), "{name:?}");
        let stem = file.split('.').next().unwrap().to_lowercase();
        assert!(!["con", "com¹"].contains(&&*stem), "{name:?}");
    }
    let beside = night.story.files("");
    assert!(!beside.iter().any(|f| is_a(f, "mp4") && !f.starts_with("outputs/")), "{beside:?}");
    videos
}

fn is_a(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn names(seen: &mut Seen) {
    let mut texts: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
    texts.push("n".repeat(300));
    // As ids most are refused, each with its place.
    let rows: Vec<String> = texts.iter().map(|id| row(id, "x")).collect();
    let refused = Night::of(manifest("id,model,prompt", &rows), 0, "");
    let ended = refused.ends(2, &[]);
    assert_eq!(ended.err.matches("the id `").count(), 11, "{ended}");
    assert_eq!(refused.charges(), 0);
    let leads_out = [".", ".."].map(str::to_owned);
    texts.retain(|text| !leads_out.contains(text));
    let videos = named(seen, &texts);
    seen.says(format!(
        "as ids: 11 of {} refused; as names, `.` and `..` refused, {} files below the output folder",
        rows.len(),
        videos.len()
    ));
}

fn equal_names(seen: &mut Seen) {
    let texts = ["Cat", "cat", "CAT", "caf\u{e9}", "cafe\u{301}"].map(str::to_owned);
    let videos = named(seen, &texts);
    seen.says(format!("{} files, different under case folding and normalization", videos.len()));
}

fn prompts(seen: &mut Seen) {
    let texts = [
        "=HYPERLINK(\"http://evil.test\",\"x\")",
        "<img src=x onerror=alert(1)>",
        "\u{1b}]52;c;aGk=\u{7}",
        "@SUM(1)",
    ];
    let rows: Vec<String> =
        texts.iter().enumerate().map(|(n, t)| row(&format!("p{n}"), t)).collect();
    let night = Night::of(manifest("id,model,prompt", &rows), rows.len(), "");
    let ended = night.ends(0, &["-vv"]);
    for args in [&["list", "--long"][..], &["show", "p2"], &["list", "--format", "json"]] {
        let told = night.story.nightreel(args).end().out;
        assert!(!told.contains(['\u{1b}', '\u{7}']), "{told}");
    }
    assert!(!ended.err.contains('\u{1b}'), "{ended}");
    for sidecar in night.story.files("outputs").iter().filter(|name| is_a(name, "json")) {
        let text = fs::read_to_string(night.story.path("outputs").join(sidecar)).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    seen.judge(&night);
    night.story.file("t.csv", format!("id,model,prompt\nt,{MODEL},{{{{template}}}}\n"));
    let refused = plan(&night.story, "t.csv");
    assert_eq!(refused.code(), 2, "{refused}");
    seen.says("terminal, logs, JSON, sidecars inert; an unknown template refused");
    seen.elsewhere("tests/it/report.rs", "nothing_that_was_written_elsewhere_is_read_as_html");
    seen.holds_here();
}

/// Edited between two passes, as while `--at` waits: what is sent must be what was planned.
fn changing(seen: &mut Seen) {
    let story = manifest("id,model,prompt", &[row("a", "one"), row("b", "two")]);
    let opened = nightreel::manifest::open(&Source::Path(story.path("m.csv"))).unwrap();
    assert_eq!(opened.rows().unwrap().flatten().count(), 2);
    opened.require_unchanged().unwrap();
    story.file("m.csv", format!("id,model,prompt\n{}", row("a", "three")));
    for refused in [opened.require_unchanged(), opened.rows().map(|_| ())] {
        let said = refused.unwrap_err()[0].to_string();
        assert!(said.contains("m.csv") && said.contains("changed since it was planned"), "{said}");
    }
    seen.says("a file changed between two passes is refused before anything is sent");
}

fn odd_files(seen: &mut Seen) {
    let story = Story::new();
    fs::create_dir(story.path("folder.csv")).unwrap();
    story.file("empty.csv", "");
    story.file("header.csv", "id,model,prompt\n");
    let made = std::process::Command::new("mkfifo").arg(story.path("pipe.csv")).status().unwrap();
    assert!(made.success());
    for (name, words) in [
        ("pipe.csv", "is a pipe"),
        ("folder.csv", "is a folder"),
        ("empty.csv", "empty manifest"),
        ("header.csv", "empty manifest"),
    ] {
        let ended = plan(&story, name);
        assert_eq!(ended.code(), 2, "{name}: {ended}");
        assert!(ended.err.contains(words), "{name}: {ended}");
    }
    story.file("real.csv", format!("id,model,prompt\na,{MODEL},x\n"));
    std::os::unix::fs::symlink("real.csv", story.path("link.csv")).unwrap();
    assert_eq!(plan(&story, "link.csv").code(), 0);
    seen.says("pipe, folder, nothing, only a header: exit 2 in clear words; a link is followed");
    changing(seen);
}
