//! Rows 44 to 50: the process, its limits and its clock.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::case::{Case, Seen};
use crate::night::{Night, fault, of_job};
use crate::process::Running;

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(44, "SIGKILL at each kill point and durable call", "nothing lost, nothing twice", killed),
    case(45, "signals, SIGPIPE, closed stdout", "ends in order; no half line of JSON", signals),
    case(46, "SIGSTOP past a takeover, then SIGCONT", "no commit, no POST of the first", overtaken),
    case(47, "panic in a worker", "unknown if submitting; exit not 0; resumes", panics),
    case(48, "no descriptors left; out of memory", "back-pressure or a clear stop", limits),
    case(49, "the wall clock jumps mid-run", "durations hold; charge 1", clock_jumps),
    case(50, "power loss", "nothing lost, nothing twice", power),
];

fn killed(seen: &mut Seen) {
    seen.elsewhere(
        "tests/crash/points.rs",
        "a_kill_at_any_point_loses_nothing_and_pays_nothing_twice",
    );
    seen.elsewhere(
        "tests/strace/sweep.rs",
        "a_kill_or_an_error_at_the_nth_call_loses_nothing_and_pays_nothing_twice",
    );
}

fn overtaken(seen: &mut Seen) {
    seen.elsewhere(
        "tests/crash/fence.rs",
        "an_owner_that_slept_through_a_takeover_writes_and_sends_nothing_more",
    );
}

fn power(seen: &mut Seen) {
    seen.elsewhere(
        "tests/power/main.rs",
        "a_power_cut_at_any_sync_loses_nothing_that_was_promised",
    );
}

fn slow() -> Night {
    Night::new(6, "[latency]\nkind = \"fixed\"\nlength = \"150ms\"\n")
}

fn signals(seen: &mut Seen) {
    hung_up(seen);
    nobody_reads(seen);
    seen.elsewhere(
        "tests/crash/signals.rs",
        "a_signal_at_any_phase_ends_in_order_and_a_second_one_at_once",
    );
    seen.holds_here();
}

/// The terminal goes away.
fn hung_up(seen: &mut Seen) {
    let night = slow();
    let mut run: Running = night.run(&["--concurrency", "2"]).start();
    assert!(run.until(|| night.story.count_events("prediction_accepted") >= 2));
    run.signal(Signal::HUP);
    let ended = run.end();
    assert_ne!(ended.code(), 0, "{ended}");
    let events = std::fs::read_to_string(night.story.path("events.jsonl")).unwrap();
    let whole = events.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert!(whole, "{events}");
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says(format!("SIGHUP: {}", ended.status));
}

/// Nobody reads what is said: a closed stdout, and a pipe whose reader has gone.
fn nobody_reads(seen: &mut Seen) {
    for (what, script) in [
        ("closed stdout", "exec >&-; exec \"$@\""),
        ("closed stdout and stderr", "exec >&- 2>&-; exec \"$@\""),
        ("a reader that has gone", "\"$@\" | head -c 0; exit ${PIPESTATUS[0]}"),
    ] {
        let night = slow();
        let ended = Command::new("bash")
            .args(["-c", script, "bash", env!("CARGO_BIN_EXE_nightreel"), "run", "m.csv"])
            .args(["--no-ramp", "--format", "json", "--base-url", night.api.url()])
            .current_dir(night.story.path(""))
            .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        night.has(&[("done", 6)]);
        seen.judge(&night);
        seen.says(format!("{what}: all done, {}", ended.status));
    }
}

/// A lane panics in the middle of its work.
fn panics(seen: &mut Seen) {
    for point in
        ["post_due", "answer_in:2", "accepted", "completed", "download_begun", "group_begun:5"]
    {
        let night = Night::new(6, &of_job(1, "submit", "failed_later", "times = 1"));
        let ended = night.run(&["--concurrency", "2"]).env("NIGHTREEL_PANIC_AT", point).end();
        assert!(ended.err.contains("a test wants a panic"), "{point}: {ended}");
        // A download is tried again; everywhere else the run ends.
        let expected = i32::from(point != "download_begun");
        assert_eq!(ended.code(), expected, "{point}: {ended}");
        for _ in 0..2 {
            night.ends(0, &[]);
        }
        seen.judge(&night);
    }
    seen.says(
        "a panic ends the run with 1 (a download is tried again); the next ones finish all 6",
    );
}

/// A run with 64 descriptors and many connections; and one whose memory is bounded.
fn limits(seen: &mut Seen) {
    let night = Night::new(80, "[latency]\nkind = \"fixed\"\nlength = \"100ms\"\n");
    let ended = limited(&night, "ulimit -n 64", &["--concurrency", "60", "--downloads", "60"]);
    assert!(ended.0 == 2 && ended.1.contains("ulimit -n"), "{}", ended.1);
    assert_eq!(night.api.figures().submits, 0);
    night.ends(0, &[]);
    night.api.book().assert_paid_once(80);
    seen.judge(&night);
    seen.says(format!(
        "64 descriptors for 60 + 60 connections: exit {} before a POST; then 80 done",
        ended.0
    ));
    let night = Night::new(6, "");
    let ended = limited(&night, "ulimit -v 400000", &[]);
    assert_ne!(ended.0, 2, "{}", ended.1);
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says(format!("400 MB of address space: exit {}; done", ended.0));
}

fn limited(night: &Night, limit: &str, flags: &[&str]) -> (i32, String) {
    let ended = Command::new("sh")
        .args(["-c", &format!("{limit} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_nightreel")])
        .args(["run", "m.csv", "--no-ramp", "--absence-wait", "200ms"])
        .args(["--base-url", night.api.url()])
        .args(flags)
        .current_dir(night.story.path(""))
        .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    (ended.status.code().unwrap_or(-1), said)
}

/// The shim of the clock, built for one night.
fn clock(night: &Night) -> PathBuf {
    let library = night.story.path("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix/clock.c");
    let mut cc = Command::new("cc");
    let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(built.unwrap().success(), "the shim does not build");
    library
}

fn clock_jumps(seen: &mut Seen) {
    for (what, seconds) in [("-1 h", "-3600"), ("+1 h", "3600"), ("+10 y", "315360000")] {
        jump(seen, what, seconds);
    }
}

/// The clock is set while a throttled job waits, one is in flight, and one may still land.
fn jump(seen: &mut Seen, what: &str, seconds: &str) {
    let night = Night::new(
        4,
        &format!(
            "[latency]\nkind = \"fixed\"\nlength = \"1500ms\"\n{}{}",
            of_job(1, "submit", "status_429", "times = 2\nretry_after = \"1\""),
            fault("submit", "lands_late", "match = \"number 0002\"\ntimes = 1\nfor = \"1500ms\""),
        ),
    );
    let library = clock(&night);
    let shift = night.story.file("shift", "0");
    let mut run = night
        .run(&["--absence-wait", "4s", "--concurrency", "4"])
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("SHIFT", shift.to_str().unwrap())
        .start();
    assert!(run.until(|| night.story.count_events("outcome_unknown") >= 1
        && night.story.count_events("prediction_accepted") >= 2));
    night.story.file("shift", seconds);
    let ended = run.end();
    assert!(ended.took < Duration::from_secs(15), "{what}: {:?}", ended.took);
    assert_eq!(night.charges(), 4, "{what}: {ended}");
    let again = night
        .run(&["--absence-wait", "4s"])
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("SHIFT", shift.to_str().unwrap())
        .end();
    assert_eq!(again.code(), 0, "{what}: {again}");
    night.api.book().assert_paid_once(4);
    seen.judge(&night);
    seen.says(format!("{what}: exit {}, then 0; 4 charges", ended.code()));
}
