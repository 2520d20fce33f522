//! Rows 1 to 16: what the API answers to a submission.

use std::time::Duration;

use nightreel::atlas::{Api, ApiSettings, SubmitOutcome};
use nightreel::domain::{Endpoint, Micros};

use crate::answers::{RawServer, answer};
use crate::case::{Case, Seen};
use crate::night::{Night, between, block_on, fault, of_job, once, one_each};

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(
        1,
        "429 without Retry-After",
        "pending, jittered pause, no try counted, fewer in flight",
        throttled,
    ),
    case(2, "429 with Retry-After", "no POST by any worker before that", throttled_for_a_time),
    case(
        3,
        "429 with odd Retry-After",
        "dates honoured, nonsense ignored, 15 min at most",
        odd_waits,
    ),
    case(4, "5xx after charging", "adopted, or unknown without a history; charge 1", charged_5xx),
    case(5, "5xx before charging", "unknown, absent, resubmitted once; charge 1", uncharged_5xx),
    case(6, "503 with Retry-After", "a rejection (contract 5): waits; no storm", unavailable),
    case(7, "400, 413, 422 for one row", "that row failed, reason kept, others go on", bad_rows),
    case(8, "401 mid-run", "exit 6, nothing failed, resumes", key_refused),
    case(9, "402 with paid jobs in flight", "exit 6, all paid collected, resumes", balance),
    case(10, "200 with a login page", "unknown, clear text; charge 1", login_page),
    case(11, "JSON as text/plain", "accepted, said once", plain_text),
    case(12, "JSON cut, NaN, doubled keys, deep, 50 MB", "unknown, bounded memory", broken_json),
    case(
        13,
        "ids missing, null, number, empty, huge, wild, repeated",
        "unknown, never used",
        odd_ids,
    ),
    case(14, "redirects", "never followed, key and body stay", redirects),
    case(15, "answer after our timeout, charged", "unknown, adopted; charge 1", slow_accept),
    case(16, "lands late", "absence not concluded before the wait; charge 1", lands_late),
];

fn throttled(seen: &mut Seen) {
    let night = Night::new(6, &once("submit", "status_429"));
    night.ends(0, &["--max-attempts", "1", "--concurrency", "4"]);
    assert_eq!((night.submits(), night.charges()), (12, 6));
    let retries = night.story.count_events("job_retry_scheduled");
    assert_eq!(retries, 6);
    let limits: Vec<u64> = night
        .story
        .events()
        .iter()
        .filter(|event| event["kind"] == "limit_changed" && event["limit"] == "concurrency")
        .map(|event| event["value"].as_u64().unwrap())
        .collect();
    assert_eq!(limits.first(), Some(&3), "lowered from 4: {limits:?}");
    assert!(limits.windows(2).any(|two| two[1] > two[0]), "and raised again: {limits:?}");
    seen.judge(&night);
    seen.says("6 throttled once, all done with --max-attempts 1; 12 POSTs, 6 charges");
}

fn throttled_for_a_time(seen: &mut Seen) {
    let night = Night::new(8, &fault("submit", "status_429", "nth = [1]\nretry_after = \"2\""));
    night.ends(0, &["--concurrency", "4"]);
    let events = night.story.events();
    let refused = events.iter().find(|event| event["kind"] == "attempt_failed").unwrap();
    let later = events.iter().filter(|event| event["kind"] == "attempt_submitted");
    // A POST that had left when the refusal came is no POST after it.
    let mut gaps: Vec<Duration> = later
        .map(|event| between(refused, event))
        .filter(|gap| *gap > Duration::from_millis(100))
        .collect();
    gaps.sort();
    // The refusal's event comes after its commit, which on a busy disk takes part of the two seconds.
    assert!(!gaps.is_empty() && gaps[0] >= Duration::from_millis(1500), "{gaps:?}");
    seen.judge(&night);
    seen.says(format!(
        "asked for 2 s; the next POST of any worker came {} ms later",
        gaps[0].as_millis()
    ));
}

fn odd_waits(seen: &mut Seen) {
    let cap = Some(Duration::from_mins(15));
    let cases: [(&str, Option<Duration>); 7] = [
        ("Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n", cap),
        ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some(Duration::ZERO)),
        ("Retry-After: -1\r\n", None),
        ("Retry-After: abc\r\n", None),
        ("Retry-After: 1e9\r\n", None),
        ("Retry-After: 1000000000\r\n", cap),
        ("Retry-After: 3\r\nRetry-After: 5\r\n", Some(Duration::from_secs(5))),
    ];
    for (headers, expected) in cases {
        let outcome = submit_to(&answer("429 Too Many Requests", headers, "{}"));
        let SubmitOutcome::Rejected { retry_after, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(retry_after, expected, "{headers}");
    }
    let night = Night::new(
        4,
        &["abc", "-1", "1e9", "date+1s"]
            .iter()
            .enumerate()
            .map(|(n, wait)| {
                of_job(
                    n + 1,
                    "submit",
                    "status_429",
                    &format!("times = 1\nretry_after = \"{wait}\""),
                )
            })
            .collect::<String>(),
    );
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says("a date waits, nonsense backs off, of two headers the longer, 15 min at most");
}

/// What a submission with this answer is.
pub(crate) fn submit_to(act: &crate::answers::Act) -> SubmitOutcome {
    rustls::crypto::ring::default_provider().install_default().ok();
    block_on(async {
        let server = RawServer::start(vec![act.clone()]).await;
        let settings = ApiSettings {
            base_url: server.base.parse().unwrap(),
            key: Some("apikey-of-the-tests".into()),
            proxy: None,
            submit_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(20),
        };
        let submitted = Api::new(settings)
            .unwrap()
            .submit(Endpoint::Video, r#"{"model":"m","prompt":"a cat"}"#.to_owned())
            .await;
        assert!(server.requests().len() <= 1);
        assert_eq!(server.connections().await, 1, "sent once");
        submitted.outcome
    })
}

const CHARGED: [&str; 3] = ["charged_then_500", "charged_then_502", "charged_then_504"];

fn charged_5xx(seen: &mut Seen) {
    let night = Night::new(3, &one_each("submit", &CHARGED, "times = 1"));
    night.ends(0, &[]);
    assert_eq!((night.submits(), night.charges()), (3, 3));
    seen.judge(&night);
    let night = Night::new(
        3,
        &format!("[history]\nmode = \"absent\"\n{}", one_each("submit", &CHARGED, "times = 1")),
    );
    let night = night.within(Micros(700_000));
    for _ in 0..2 {
        night.ends(4, &["--budget", "0.70"]);
        night.has(&[("unknown", 3)]);
    }
    assert_eq!((night.submits(), night.charges()), (3, 3));
    assert_eq!(night.money("unknown"), "0.690000");
    seen.judge(&night);
    seen.says(
        "500, 502, 504: adopted from the history; without one unknown in two runs; 1 charge each",
    );
}

fn uncharged_5xx(seen: &mut Seen) {
    let kinds = ["status_500", "status_502", "status_504"];
    let night = Night::new(3, &one_each("submit", &kinds, "times = 1"));
    let night = night.within(Micros(700_000));
    night.ends(0, &["--budget", "0.70"]);
    assert_eq!((night.submits(), night.charges()), (6, 3));
    let how = night.story.events();
    assert_eq!(how.iter().filter(|event| event["how"] == "absent").count(), 3);
    seen.judge(&night);
    seen.says("3 proved absent, each resubmitted once, 1 charge each");
}

fn unavailable(seen: &mut Seen) {
    let night =
        Night::new(8, &fault("submit", "status_503", "nth = [1, 2, 3, 4]\nretry_after = \"1\""));
    let ended = night.ends(0, &["--concurrency", "4"]);
    assert!(ended.took >= Duration::from_secs(1), "{:?}", ended.took);
    let submits = night.submits();
    assert_eq!(submits, 12, "each refusal costs one request more");
    assert_eq!(night.story.count_events("outcome_unknown"), 0);
    seen.judge(&night);
    seen.says(format!("4 refused, waited 1 s, {submits} POSTs for 8 jobs"));
}

fn bad_rows(seen: &mut Seen) {
    let long = format!("\\u001b]52;c;aGk=\\u0007<script>{}", "x".repeat(20_000));
    let more = format!("message = \"{long}\"");
    let kinds = ["status_400", "status_413", "status_422"];
    let night = Night::new(6, &one_each("submit", &kinds, &more));
    night.ends(3, &[]);
    night.has(&[("failed", 3), ("done", 3)]);
    for number in 1..=3 {
        let error = night.error(number);
        assert!(error.contains("script"), "{error}");
        assert!(error.len() <= 5000 && !error.contains('\u{1b}'), "{} bytes", error.len());
    }
    seen.judge(&night);
    seen.says("3 failed with their reasons (escaped, under 5 kB), 3 done");
}

/// The account refuses at the fifth submission, with four jobs in flight.
fn account(seen: &mut Seen, kind: &str) {
    let night = Night::new(
        12,
        &format!(
            "[latency]\nkind = \"fixed\"\nlength = \"300ms\"\n{}",
            fault("submit", kind, "nth = [5]")
        ),
    );
    night.ends(6, &["--concurrency", "8"]);
    let status = night.story.status();
    assert_eq!((&status["jobs"]["failed"], &status["jobs"]["submitted"]), (&0.into(), &0.into()));
    let done = status["jobs"]["done"].as_u64().unwrap();
    assert!(done >= 4, "{status}");
    assert_eq!(u64::try_from(night.charges()).unwrap(), done, "all that was paid is collected");
    night.ends(0, &[]);
    night.api.book().assert_paid_once(12);
    seen.judge(&night);
    seen.says(format!("exit 6 with {done} paid and collected, 0 failed; resumed to 12 done"));
}

fn key_refused(seen: &mut Seen) {
    account(seen, "status_401");
}

fn balance(seen: &mut Seen) {
    account(seen, "status_402");
}

fn login_page(seen: &mut Seen) {
    let night = Night::new(6, &fault("submit", "html", "per = \"job\"\ntimes = 1"));
    let ended = night.ends(0, &["--concurrency", "2"]);
    let unknown = night.story.events();
    let told = unknown.iter().find(|event| event["kind"] == "outcome_unknown").unwrap();
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("html") || message.contains("page"), "{message}");
    assert_eq!((night.submits(), night.charges()), (12, 6), "{ended}");
    seen.judge(&night);
    seen.says(format!("6 unknown ({message}), proved absent, paid once"));
}

fn plain_text(seen: &mut Seen) {
    let night = Night::new(3, &fault("submit", "text_plain", ""));
    let ended = night.ends(0, &[]);
    assert_eq!(ended.err.matches("JSON comes as `text/plain").count(), 1, "{ended}");
    assert_eq!((night.submits(), night.charges()), (3, 3));
    night.acted(&["text_plain"]);
    seen.judge(&night);
    seen.says("3 accepted");
}

fn broken_json(seen: &mut Seen) {
    for body in [
        r#"{"code":200,"data":{"id":NaN}}"#,
        r#"{"code":200,"data":{"id":"a1"},"data":{"id":"b2"}}"#,
        r#"{"code":200,"data":{"id":"a1","id":"b2"}}"#,
        "\u{feff}",
        "[]",
    ] {
        let outcome = submit_to(&answer("200 OK", "Content-Type: application/json\r\n", body));
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{body}: {outcome:?}");
    }
    let kinds = ["cut_json", "garbage", "deep_json", "huge_json", "empty_body"];
    let night = Night::new(6, &one_each("submit", &kinds, "times = 1"));
    let mut run = night.run(&[]).start();
    let pid = run.pid();
    let mut most = 0;
    run.until(|| {
        most = most.max(peak_kib(pid));
        false
    });
    let ended = run.end();
    assert_eq!(ended.code(), 0, "{ended}");
    night.acted(&kinds);
    assert_eq!(night.story.count_events("outcome_unknown"), 5);
    assert!((1..200 << 10).contains(&most), "{most} KiB");
    seen.judge(&night);
    seen.says(format!(
        "10 forms unknown, 5 of them settled by the history; at most {} MiB",
        most >> 10
    ));
}

/// The most memory a process has had, in KiB; 0 where it has gone.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn odd_ids(seen: &mut Seen) {
    let kinds =
        ["missing_id", "null_id", "number_id", "empty_id", "huge_id", "wild_id", "repeated_id"];
    // The first job is answered as it should be: its id is the one that is repeated.
    let faults = kinds.iter().enumerate();
    let faults: String =
        faults.map(|(n, kind)| of_job(n + 2, "submit", kind, "times = 1")).collect();
    let night = Night::new(9, &faults);
    night.ends(0, &["--concurrency", "1"]);
    assert_eq!((night.submits(), night.charges()), (9, 9));
    seen.judge(&night);
    let night = Night::new(9, &format!("[history]\nmode = \"absent\"\n{faults}"));
    night.ends(4, &["--concurrency", "1"]);
    night.has(&[("unknown", 7), ("done", 2)]);
    assert_eq!(night.charges(), 9);
    let asked = night.api.figures().endpoints;
    assert!(!asked.keys().any(|path| path.contains("..")), "{asked:?}");
    seen.judge(&night);
    seen.says("7 adopted from the history; without one 7 unknown; no POST again");
}

fn redirects(seen: &mut Seen) {
    for kind in ["redirect_301", "redirect_303", "redirect_307", "redirect_308"] {
        let night = Night::new(2, &fault("submit", kind, ""));
        let ended = night.run(&["--for", "600ms", "--concurrency", "1"]).end();
        let figures = night.api.figures();
        assert!(!figures.endpoints.contains_key("__sink"), "{kind}: {figures:?}");
        assert_eq!(night.charges(), 0);
        assert_ne!(ended.code(), 0, "{kind}: {ended}");
        seen.judge(&night);
        seen.says(format!("{kind}: exit {}, {} POSTs, sink 0", ended.code(), figures.submits));
    }
}

fn slow_accept(seen: &mut Seen) {
    let night =
        Night::new(3, &fault("submit", "slow", "per = \"job\"\ntimes = 1\nfor = \"1500ms\""));
    let settings = std::fs::read_to_string(night.story.path("nightreel.toml")).unwrap();
    night.story.file("nightreel.toml", format!("submit_timeout = \"300ms\"\n{settings}"));
    night.ends(0, &["--absence-wait", "3s"]);
    assert_eq!((night.submits(), night.charges()), (3, 3));
    assert_eq!(night.story.count_events("outcome_unknown"), 3);
    seen.judge(&night);
    seen.says("3 unknown after 300 ms, adopted, 3 POSTs, 3 charges");
}

fn lands_late(seen: &mut Seen) {
    let night =
        Night::new(2, &fault("submit", "lands_late", "per = \"job\"\ntimes = 1\nfor = \"1s\""));
    night.ends(0, &["--absence-wait", "3s"]);
    assert_eq!((night.submits(), night.charges()), (2, 2));
    seen.judge(&night);
    seen.says("landed 1 s after the reset, within the wait of 3 s: adopted, 2 POSTs, 2 charges");
}
