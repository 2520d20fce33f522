//! The sources themselves: which room may know which, who may spend money, and how long files get.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import beside itself (docs/ARCHITECTURE.md); `commands` joins them all.
const ARROWS: [(&str, &[&str]); 18] = [
    ("artifacts", &["domain"]),
    ("atlas", &["domain"]),
    ("catalog", &["atlas", "domain"]),
    ("cli", &["domain", "settings"]),
    ("domain", &[]),
    ("exit", &[]),
    ("ledger", &["domain"]),
    ("main", &["cli", "commands"]),
    ("manifest", &["domain"]),
    ("notify", &["domain", "settings"]),
    ("plan", &["catalog", "domain", "ledger", "manifest"]),
    ("progress", &["domain"]),
    ("report", &["domain", "ledger"]),
    ("dashboard", &["domain", "ledger", "report"]),
    ("runner", &["artifacts", "atlas", "domain", "ledger"]),
    ("settings", &["domain"]),
    ("simulator", &["atlas", "domain"]),
    ("telemetry", &["domain"]),
];

/// Rooms that join others and that nobody but `main` imports.
const JOINS_ALL: [&str; 2] = ["commands", "lib"];

struct Source {
    path: PathBuf,
    /// The file or folder right below `src`, without its extension.
    room: String,
    text: String,
}

impl Source {
    /// Lines that are code of the program: no comments, and no inline tests.
    fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        lines.filter(|line| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        let parts = self.path.iter().map(|part| part.to_string_lossy());
        parts.into_iter().any(|part| part == "tests" || part.ends_with("tests.rs"))
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

fn sources() -> Vec<Source> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![package.join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(package).unwrap().to_owned();
                let room = path.iter().nth(1).unwrap().to_string_lossy();
                let room = room.trim_end_matches(".rs").to_owned();
                sources.push(Source { path, room, text });
            }
        }
    }
    assert!(sources.len() > 100, "the sources were found");
    sources
}

/// What follows `crate::` or `nightreel::` in a line, room and item.
fn imports(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let heads = ["crate::", "nightreel::"];
    let tails = heads.into_iter().flat_map(|head| line.split(head).skip(1));
    tails.map(|tail| {
        let end = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (room, rest) = tail.split_at(end(tail).unwrap_or(tail.len()));
        let rest = rest.trim_start_matches("::");
        (room, &rest[..end(rest).unwrap_or(rest.len())])
    })
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let mut seen = BTreeSet::new();
    for source in sources() {
        seen.insert(source.room.clone());
        if JOINS_ALL.contains(&source.room.as_str()) {
            continue;
        }
        let arrows = ARROWS.iter().find(|(room, _)| *room == source.room);
        let (_, arrows) = arrows.unwrap_or_else(|| panic!("{}: a new room", source.shown()));
        for line in source.code() {
            for (room, item) in imports(line) {
                let known = room == source.room || arrows.contains(&room);
                assert!(known, "{} must not know `{room}`: {line}", source.shown());
                let wire = source.room != "simulator" || room != "atlas" || item == "wire";
                assert!(wire, "{}: of atlas only `wire`: {line}", source.shown());
            }
        }
    }
    let listed: BTreeSet<_> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    let gone: Vec<_> = listed.difference(&seen).collect();
    assert!(gone.is_empty(), "no such rooms any more: {gone:?}");
}

#[test]
fn only_one_file_can_spend_money() {
    let calls = sources().into_iter().filter(|source| {
        source.room != "atlas" && source.code().any(|line| line.contains(".submit("))
    });
    let files: Vec<_> = calls.map(|source| source.shown()).collect();
    assert_eq!(files, ["src/runner/submit.rs"]);
}

#[test]
fn statements_are_written_in_the_ledger_only() {
    let words = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "CREATE TABLE", "PRAGMA", "sqlx"];
    for source in sources().iter().filter(|source| source.room != "ledger") {
        for line in source.code() {
            let word = words.into_iter().find(|word| line.contains(word));
            assert_eq!(word, None, "{}: {line}", source.shown());
        }
    }
}

#[test]
fn the_program_ends_and_prints_in_one_place_only() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        for line in source.code() {
            for word in ["process::exit", "println!", "eprintln!", "dbg!", "todo!", "unsafe {"] {
                assert!(!line.contains(word), "{}: {line}", source.shown());
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_one_can_read_at_once() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let tests = source.text.lines().position(|line| line.starts_with("#[cfg(test)]"));
        let lines = tests.unwrap_or_else(|| source.text.lines().count());
        assert!(lines <= 450, "{} has {lines} lines", source.shown());
        let head = source.text.lines().next().unwrap_or_default();
        assert!(head.starts_with("//!"), "{} does not say what it is for", source.shown());
    }
}
