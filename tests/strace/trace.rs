//! Running nightreel under strace, and reading what it wrote.

use std::process::Command;

use crate::api::Api;
use crate::story::Story;

/// Whether the suite runs, and how thoroughly: every how-manieth call is tried.
#[expect(clippy::disallowed_methods, reason = "a switch of this suite, and no setting")]
pub(crate) fn step() -> Option<usize> {
    match std::env::var("NIGHTREEL_STRACE").ok().as_deref() {
        Some("long") => Some(1),
        Some(_) => Some(10),
        None => {
            println!("!!! SKIPPED: NIGHTREEL_STRACE is not set; nothing was traced !!!");
            None
        }
    }
}

/// The one call whose faults are tried, where only one is wanted.
#[expect(clippy::disallowed_methods, reason = "a switch of this suite, and no setting")]
pub(crate) fn only() -> Option<String> {
    std::env::var("NIGHTREEL_SWEEP").ok()
}

/// Runs the story's manifest under strace with these options, one download at a time: strace counts for
/// each thread, and so one thread makes most of them. Returns the exit code, -1 after a kill.
pub(crate) fn strace(story: &Story, api: &Api, budget: &str, options: &[&str]) -> i32 {
    let status = Command::new("timeout")
        .args(["60", "strace", "-f", "-qq"])
        .args(options)
        .arg(env!("CARGO_BIN_EXE_nightreel"))
        .args(["run", "m.csv", "--base-url", api.url(), "--concurrency", "8"])
        .args(["--downloads", "1", "--budget", budget])
        .current_dir(story.path(""))
        .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    status.code().unwrap_or(-1)
}

/// One line of a trace: the thread, and what it did.
pub(crate) struct Line<'a> {
    pub(crate) thread: &'a str,
    pub(crate) call: &'a str,
}

pub(crate) fn lines(trace: &str) -> impl Iterator<Item = Line<'_>> {
    trace.lines().filter_map(|line| {
        let (thread, call) = line.split_once(' ')?;
        Some(Line { thread, call: call.trim_start() })
    })
}
