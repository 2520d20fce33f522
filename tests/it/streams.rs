//! Where a command writes: standard output and error that take nothing, pipes that nobody reads, and
//! files that hold something else.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Output};

use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// `nightreel` in a shell that redirects what it says.
fn redirected(story: &Story, args: &str, to: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_nightreel");
    let line = format!("exec timeout 60 '{program}' {args} {to}");
    Command::new("sh").args(["-c", &line]).current_dir(story.path("")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn events_wait_for_no_reader_of_a_pipe() {
    let story = Story::of_jobs(1);
    let pipe = story.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    story.file("scenario.toml", QUICK);
    let args = ["run", "m.csv", "--simulate", "scenario.toml", "--events", "pipe"];
    let unread = story.nightreel(args).end();
    assert_eq!(unread.code(), 2, "{unread}");
    assert!(unread.err.contains("pipe: nobody reads that pipe"), "{unread}");
    assert!(!story.path("state/simulator").exists(), "nothing is sent");
    let at_once = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    let mut reader = File::from(rustix::fs::open(&pipe, at_once, 0.into()).unwrap());
    let ended = story.nightreel(args).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert!(told.contains("run_started") && told.contains("run_finished"), "{told}");
}

#[test]
fn a_full_standard_error_ends_no_run_and_a_full_standard_output_is_named() {
    let story = Story::of_jobs(1);
    story.file("scenario.toml", QUICK);
    let run = "run m.csv --simulate scenario.toml";
    let ended = redirected(&story, run, "2>/dev/full");
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stdout));
    assert!(text(&ended.stdout).contains("1 of 1 job done"));
    for args in ["status", "list", "completions bash", "--help"] {
        let ended = redirected(&story, args, ">/dev/full");
        assert_eq!(ended.status.code(), Some(1), "{args}");
        let said = text(&ended.stderr);
        assert_eq!(said.matches("cannot write to standard output").count(), 1, "{args}: {said}");
        assert_eq!(said.matches("No space left").count(), 1, "{args}: {said}");
    }
    let ended = redirected(&story, "status --format json", "| head -c 1");
    assert_eq!(text(&ended.stderr), "", "a reader who has seen enough is no error");
}

#[test]
fn what_stands_there_already_is_never_written_over() {
    let story = Story::of_jobs(1);
    story.file("scenario.toml", QUICK);
    let run = |events: &str| {
        let args = ["run", "m.csv", "--simulate", "scenario.toml", "--events", events];
        story.nightreel(args).end()
    };
    let plan =
        |file: &str| story.nightreel(["plan", "m.csv", "--simulate", "--output-file", file]).end();
    assert_eq!(run("state/events.jsonl").code(), 0);
    story.file("notes.txt", "my own words\n");
    std::os::unix::fs::symlink(story.path("m.csv"), story.path("link.jsonl")).unwrap();
    let kept = [
        ("./m.csv", "that is the manifest"),
        ("link.jsonl", "that is the manifest"),
        ("state/ledger.db", "the state folder is nightreel's own"),
        ("state/owner.lock", "the state folder is nightreel's own"),
        ("nightreel.toml", "it holds something else"),
        ("notes.txt", "it holds something else"),
    ];
    for (file, why) in kept {
        let before = fs::read(story.path(file)).unwrap();
        for ended in [run(file), plan(file)] {
            assert_eq!(ended.code(), 2, "{file}: {ended}");
            assert!(ended.err.contains(why), "{file}: {ended}");
        }
        assert_eq!(fs::read(story.path(file)).unwrap(), before, "{file}");
    }
    assert_eq!(plan("state/new.jsonl").code(), 2);
    assert_eq!(plan("state/events.jsonl").code(), 2);
    for again in 0..2 {
        assert_eq!(run("state/events.jsonl").code(), 0, "{again}");
        assert_eq!(plan("plan.txt").code(), 0, "{again}");
        let json = ["--output-file", "plan.json", "--format", "json"];
        let planned = story.nightreel(["plan", "m.csv", "--simulate"]).with(json).end();
        assert_eq!(planned.code(), 0, "{planned}");
    }
    let plan = fs::read_to_string(story.path("plan.txt")).unwrap();
    assert_eq!(plan.matches("m: 1 row").count(), 1, "the earlier plan has made way: {plan}");
}
