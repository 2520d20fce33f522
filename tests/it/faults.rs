//! A night in which many things go wrong: everything is done in the end, and paid for once.

use crate::api::Api;
use crate::story::Story;

/// About one request in twenty meets a fault, of every kind that a run must get over by itself.
const BAD_NIGHT: &str = r#"
seed = 20261123
[latency]
kind = "uniform"
from = "20ms"
to = "150ms"
[output]
link_lifetime = "5s"
"#;

/// Where, what, and with which probability.
const MIXED: [(&str, &str, &str); 27] = [
    ("submit", "status_429", "0.006"),
    ("submit", "status_503", "0.006"),
    ("submit", "status_500", "0.005"),
    ("submit", "status_504", "0.003"),
    ("submit", "reset", "0.003"),
    ("submit", "html_502", "0.003"),
    ("submit", "charged_then_reset", "0.005"),
    ("submit", "charged_then_502", "0.005"),
    ("submit", "missing_id", "0.003"),
    ("submit", "cut_body", "0.003"),
    ("submit", "failed_later", "0.006"),
    ("submit", "failed_later_5xx", "0.006"),
    ("submit", "timeout_later", "0.003"),
    ("poll", "status_500", "0.01"),
    ("poll", "garbage", "0.01"),
    ("poll", "reset", "0.01"),
    ("poll", "unknown_status", "0.005"),
    ("poll", "flap", "0.01"),
    ("poll", "outputs_empty", "0.01"),
    ("poll", "outputs_expired", "0.01"),
    ("download", "truncated", "0.01"),
    ("download", "reset", "0.01"),
    ("download", "status_500", "0.01"),
    ("download", "html", "0.01"),
    ("download", "wrong_magic", "0.005"),
    ("download", "no_length_cut", "0.005"),
    ("history", "status_500", "0.05"),
];

fn bad_night() -> String {
    let faults = MIXED.iter().map(|(on, kind, share)| {
        format!("[[fault]]\non = \"{on}\"\nkind = \"{kind}\"\nprobability = {share}\n")
    });
    format!("{BAD_NIGHT}{}", faults.collect::<String>())
}

#[test]
fn a_thousand_jobs_get_through_a_bad_night_and_each_is_paid_for_once() {
    const JOBS: usize = 1000;
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, &bad_night());
    let ended = story
        .run(&api)
        .with(["--concurrency", "64", "--poll-min", "50ms", "--absence-wait", "2s"])
        .end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(story.status()["jobs"]["done"], JOBS, "{ended}");
    api.book().assert_paid_once(JOBS);
    let figures = api.figures();
    assert!(figures.max_in_flight <= 64, "{figures:?}");
    assert!(figures.faults.len() >= 20, "{figures:?}");
    let mut files = story.files("outputs");
    files.retain(|name| !name.ends_with(".suspect"));
    assert_eq!(files.len(), JOBS * 2, "each with its sidecar");
    story.verify();
}
