//! Every HTTP status and every documented body, with its meaning, as snapshots.

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};

use super::*;
use crate::atlas::answer::Fault;
use crate::atlas::submit::{SubmitOutcome, outcome};
use crate::atlas::tests::{fixtures, status_table};

fn line(answer: &Answer) -> String {
    match outcome(answer) {
        SubmitOutcome::Accepted { id } => format!("accepted {id}"),
        SubmitOutcome::NotSent { .. } => "not sent".to_owned(),
        SubmitOutcome::Rejected { next, class, .. } => format!("rejected {next:?} {class}"),
        SubmitOutcome::Unknown { class, .. } => format!("unknown {class}"),
    }
}

#[test]
fn a_submit_means_this_for_every_status() {
    insta::assert_snapshot!(status_table(line));
}

#[test]
fn a_submit_means_this_for_every_documented_body() {
    let mut table = String::new();
    for (name, answer) in fixtures("submit-") {
        writeln!(table, "{name} ({}): {}", answer.status, line(&answer)).unwrap();
        if let SubmitOutcome::Rejected { message, .. } | SubmitOutcome::Unknown { message, .. } =
            outcome(&answer)
        {
            writeln!(table, "    {message}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn broken_bodies_of_a_success_are_unknown() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long_id = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(1 << 20));
    for body in [
        "",
        "<!doctype html><title>Sign in</title>",
        r#"{"code":200,"data":{"id":"6fc"#,
        r#"{"data":{"id":NaN}}"#,
        r#"{"data":{"id":"a","id":"b"}}"#,
        r#"["6fca"]"#,
        "null",
        r#"{"code":0,"data":{}}"#,
        r#"{"code":200,"data":{"id":""}}"#,
        &deep,
        &long_id,
    ] {
        for status in [200, 201, 202, 204, 206] {
            let answer = Answer::new(status, &HeaderMap::new(), Ok(body.into()));
            let shown = &body[..body.len().min(60)];
            assert_eq!(line(&answer), "unknown bad_answer", "{status} {shown}");
        }
    }
}

#[test]
fn a_cut_answer_is_unknown_unless_its_status_refuses() {
    let cut = |status| {
        let fault =
            Fault { class: class::RESET, message: "connection closed".into(), maybe_sent: true };
        line(&Answer::new(status, &HeaderMap::new(), Err(fault)))
    };
    assert_eq!(cut(200), "unknown reset");
    assert_eq!(cut(500), "unknown reset");
    assert_eq!(cut(503), "unknown reset");
    assert_eq!(cut(429), "rejected Wait rate_limited");
    assert_eq!(cut(401), "rejected StopKey key_refused");
}

#[test]
fn a_refusal_keeps_its_wait_its_request_id_and_harmless_words() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("7"));
    headers.insert("x-request-id", HeaderValue::from_bytes(b"r\xff1").unwrap());
    let body = r#"{"code":429,"msg":"\u001b]0;x\u0007slow\u202e","request_id":"other"}"#;
    let answer = Answer::new(429, &headers, Ok(body.into()));
    assert_eq!(answer.request_id.as_deref(), Some("r\u{fffd}1"));
    let SubmitOutcome::Rejected { message, retry_after, .. } = outcome(&answer) else {
        panic!("a 429 is a rejection");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    assert_eq!(message, "\\u{1b}]0;x\\u{7}slow\\u{202e}");
}

#[test]
fn the_body_names_the_request_where_no_header_does() {
    let body = format!(r#"{{"code":500,"request_id":"{}"}}"#, "r".repeat(900));
    let answer = Answer::new(500, &HeaderMap::new(), Ok(body.into()));
    let id = answer.request_id.unwrap();
    assert!(id.starts_with("rrr") && id.len() <= 200, "{id}");
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(status in 100_u16..=999, body in "\\PC{0,80}", code in -2_i64..2000) {
        for body in [body.clone(), format!(r#"{{"code":{code},"msg":"{body}"}}"#)] {
            let answer = Answer::new(status, &HeaderMap::new(), Ok(body.into()));
            // Without an id nothing is ever taken for accepted.
            proptest::prop_assert!(!line(&answer).starts_with("accepted"));
        }
    }
}
