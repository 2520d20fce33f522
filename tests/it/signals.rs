//! Signals: the first one asks, the second one ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::api::Api;
use crate::story::Story;

/// Submissions that take a while to be answered.
fn slow_posts(length: &str) -> String {
    format!(
        "[latency]\nkind = \"fixed\"\nlength = \"100ms\"\n\
         [[fault]]\non = \"submit\"\nkind = \"slow\"\nfor = \"{length}\"\n"
    )
}

#[test]
fn the_first_signal_lets_running_submissions_end_and_sends_no_other() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let story = Story::of_jobs(24);
        let api = Api::start(&story, &slow_posts("600ms"));
        let mut run = story.run(&api).with(["--concurrency", "4", "--format", "json"]).start();
        // Right after a round of four was sent: the next one is 600 ms away.
        assert!(run.until(|| api.figures().submits >= 8));
        run.signal(signal);
        let ended = run.end();
        assert_eq!((ended.code(), &ended.json()["exit"]), (code, &code.into()), "{ended}");
        let figures = api.figures();
        assert_eq!(figures.submits, 8, "{figures:?}");
        assert_eq!(story.count_events("prediction_accepted"), 8, "every answer is recorded");
        let jobs = ended.json()["batches"][0]["jobs"].clone();
        assert_eq!((&jobs["submitting"], &jobs["unknown"]), (&0.into(), &0.into()), "{jobs}");
        let resumed = story.run(&api).with(["--concurrency", "24"]).end();
        assert_eq!(resumed.code(), 0, "{resumed}");
        api.book().assert_paid_once(24);
        story.verify();
    }
}

#[test]
fn the_second_signal_ends_at_once_and_what_was_under_way_is_found_again() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let story = Story::of_jobs(4);
        let api = Api::start(&story, &slow_posts("3s"));
        let mut run = story.run(&api).start();
        assert!(run.until(|| api.book().charges().count() == 4));
        run.signal(signal);
        let err = run.err_path();
        let heard = || std::fs::read_to_string(&err).unwrap().contains("second signal");
        assert!(run.until(heard), "the first signal is answered");
        let asked = Instant::now();
        run.signal(signal);
        let ended = run.end();
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert_eq!(ended.code(), code, "{ended}");
        let resumed = story.run(&api).end();
        assert_eq!(resumed.code(), 0, "{resumed}");
        api.book().assert_paid_once(4);
        assert_eq!(api.figures().submits, 4, "all four were found in the history");
    }
}
