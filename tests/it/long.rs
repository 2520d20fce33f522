//! A manifest of 100,000 rows: planned with little memory, and with a line on a terminal that tells how
//! far it is. Takes about four seconds.

use std::process::{Child, Command, Stdio};

use crate::process::Running;
use crate::story::Story;

const ROWS: usize = 100_000;
/// What a hundred thousand rows may take more than a thousand, in kB: a few words for each key.
const MORE: u64 = 16_000;

#[test]
fn a_hundred_thousand_rows_take_little_memory_and_are_counted_on_a_terminal_only() {
    let story = Story::of_jobs(ROWS);
    // The bar is asked for: without a terminal there is none all the same.
    story.file("nightreel.toml", "progress = \"bar\"\n");
    let on_terminal = terminal(&story, "plan m.csv");

    let long = story.nightreel(["plan", "m.csv"]).start();
    let (long, ended) = peak(long);
    assert!(ended.out.contains("new  100000  will be submitted"), "{ended}");
    assert_eq!(ended.err, "");
    let few = Story::of_jobs(1000);
    let (short, _) = peak(few.nightreel(["plan", "m.csv"]).start());
    assert!(long <= short + MORE, "{long} kB for {ROWS} rows, {short} kB for 1000");

    let Some(on_terminal) = on_terminal else { return };
    let shown = on_terminal.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains(" reading m.csv: "), "{shown}");
    assert!(shown.contains("\r\x1b[2Km: 100000 rows\r\n"), "it vanishes before the plan: {shown}");
    assert!(!shown.contains("\x1b[3"), "no colors: {shown}");
}

/// The most memory a process had in use, in kB, and how it ended. 0 where the system does not tell.
fn peak(mut running: Running) -> (u64, crate::process::Ended) {
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    running.until(|| {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        false
    });
    (peak, running.end())
}

/// Starts the program on a terminal of its own, where util-linux can make one.
fn terminal(story: &Story, words: &str) -> Option<Child> {
    let about = Command::new("script").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&about.stdout).contains("util-linux") {
        return None;
    }
    let line = format!("{} {words}", env!("CARGO_BIN_EXE_nightreel"));
    let started = Command::new("timeout")
        .args(["100", "script", "-qec", &line, "/dev/null"])
        .current_dir(story.path(""))
        .env("NO_COLOR", "1")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    Some(started.unwrap())
}
