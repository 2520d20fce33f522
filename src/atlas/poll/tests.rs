//! Every HTTP status and every documented body of a poll, with its meaning, as snapshots.

use std::fmt::Write as _;

use reqwest::header::HeaderMap;

use super::*;
use crate::atlas::tests::{ASKED, fixtures, status_table};

fn read(answer: &Answer) -> PollAnswer {
    understand(answer, &PredictionId::parse(ASKED).unwrap())
}

fn poll(status: u16, body: &str) -> PollAnswer {
    read(&Answer::new(status, &HeaderMap::new(), Ok(body.into())))
}

#[test]
fn a_poll_means_this_for_every_status() {
    let table = status_table(|answer| match read(answer) {
        PollAnswer::NotFound { .. } => "not found".to_owned(),
        PollAnswer::KeyRefused { .. } => "key refused".to_owned(),
        PollAnswer::Throttled { .. } => "throttled".to_owned(),
        PollAnswer::Trouble { class, .. } => format!("trouble {class}"),
        other => format!("{other:?}"),
    });
    insta::assert_snapshot!(table);
}

#[test]
fn a_poll_means_this_for_every_documented_body() {
    let mut table = String::new();
    for (name, answer) in fixtures("poll-") {
        writeln!(table, "{name} ({}): {:?}", answer.status, read(&answer)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn only_a_believable_failure_releases_money() {
    for (status, body) in [
        (500, r#"{"status":"failed","message":"gateway"}"#),
        (200, r#"{"status":"failed"}"#),
        (503, r#"{"code":503,"data":null,"status":"error"}"#),
        (502, r#"{"data":{"status":"error"}}"#),
        (200, r#"{"data":{"status":7}}"#),
        (200, r#"{"data":[{"status":"failed"}]}"#),
    ] {
        let answer = poll(status, body);
        assert!(matches!(answer, PollAnswer::Trouble { .. }), "{status} {body}: {answer:?}");
    }
}

#[test]
fn outputs_of_a_running_prediction_do_not_complete_it() {
    let body =
        format!(r#"{{"data":{{"id":"{ASKED}","status":"PROCESSING","outputs":["https://a/1"]}}}}"#);
    let expected = PollAnswer::Running { status: "PROCESSING".into(), known: true };
    assert_eq!(poll(200, &body), expected);
}

#[test]
fn a_status_word_is_shown_harmless_and_short() {
    let word = format!("\\u001b[2J{}", "x".repeat(500));
    let PollAnswer::Running { status, known } =
        poll(200, &format!(r#"{{"data":{{"status":"{word}"}}}}"#))
    else {
        panic!("an unknown word counts as running");
    };
    assert!(!known && status.starts_with("\\u{1b}[2Jxx") && status.len() <= STATUS_LIMIT);
}
