//! The clock on the wall: times of the week, and a machine that is kept awake.

use jiff::{ToSpan as _, Zoned};

use crate::api::Api;
use crate::story::Story;

/// A window from `from` to `to` hours from now.
fn window(from: i64, to: i64) -> String {
    let now = Zoned::now();
    let at = |hours: i64| now.checked_add(hours.hours()).unwrap().strftime("%H:%M").to_string();
    format!("windows = \"{}-{}\"\n", at(from), at(to))
}

#[test]
fn nothing_is_submitted_outside_the_windows_and_what_is_paid_is_collected() {
    let story = Story::of_jobs(3);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"2s\"\n");
    // Two are paid for, and the run ends before they are finished.
    let mut first = story.run(&api).with(["--concurrency", "2"]).start();
    assert!(first.until(|| api.book().charges().count() == 2));
    first.signal(rustix::process::Signal::KILL);
    first.end();
    story.file("nightreel.toml", window(2, 4));
    let ended = story.run(&api).with(["--for", "3s", "--concurrency", "2"]).end();
    assert_eq!(ended.code(), 8, "{ended}");
    assert!(ended.err.contains("submitting waits"), "{ended}");
    assert!(ended.err.contains("it goes on"), "{ended}");
    assert_eq!(api.book().charges().count(), 2);
    assert_eq!(story.status()["jobs"]["done"], 2);
    story.file("nightreel.toml", window(-1, 1));
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(3);
}

#[test]
fn a_window_that_cannot_be_read_is_told_with_its_place() {
    let story = Story::of_jobs(1);
    story.file("nightreel.toml", "concurrency = 4\nwindows = [\"nights\"]\n");
    let ended = story.nightreel(["run", "m.csv", "--simulate"]).end();
    assert_eq!(ended.code(), 2, "{ended}");
    assert!(
        ended.err.contains("nightreel.toml:2:1: `nights` is not a time of the week"),
        "{ended}"
    );
}

/// The tool is a script here that says when it begins, and that it ended with its input.
#[cfg(target_os = "linux")]
#[test]
fn the_machine_is_kept_awake_as_long_as_a_run_goes_on_however_it_ends() {
    use std::os::unix::fs::PermissionsExt as _;
    let story = Story::of_jobs(1);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"60s\"\n");
    let script = "#!/bin/sh\necho \"$@\" > awake\ncat\nmv awake slept\n";
    let tool = story.file("bin/systemd-inhibit", script);
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", story.path("bin").display());
    let mut run = story.run(&api).env("PATH", &path).start();
    let (awake, slept) = (story.path("awake"), story.path("slept"));
    assert!(run.until(|| awake.exists() && api.book().charges().count() == 1));
    assert!(std::fs::read_to_string(&awake).unwrap().contains("--what=sleep:idle"));
    run.signal(rustix::process::Signal::KILL);
    run.end();
    let since = std::time::Instant::now();
    while !slept.exists() && since.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    assert!(slept.exists(), "it ends with the run that was killed");
}
