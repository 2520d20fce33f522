//! Rows 37 to 43: the way to the API.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nightreel::atlas::SubmitOutcome;

use crate::answers::Act;
use crate::case::{Case, Seen};
use crate::line::Line;
use crate::night::{Night, fault, one_each};
use crate::process::Ended;
use crate::submit::submit_to;
use crate::tls::{Authority, Flaw, Spoilt, saying};

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(37, "DNS fails", "not_sent, backoff", no_name),
    case(38, "refused", "not_sent; goes on when the API is there", refused),
    case(
        39,
        "reset or end in 7 phases",
        "unknown after connecting; at most 1 charge each",
        broken_off,
    ),
    case(40, "TLS: name, date, signer, version, cut", "not_sent, never plain", tls),
    case(41, "kept-alive connections closed by the server", "at most one POST each", hangs_up),
    case(42, "HTTP/2 GOAWAY, REFUSED_STREAM, RST after HEADERS", "no silent replay", http2),
    case(43, "network gone, then back", "no storm; resumes alone", outage),
];

/// Asserts that nothing has left: every job waits, none is unknown.
#[track_caller]
fn nothing_left(night: &Night, ended: &Ended) {
    assert_eq!(ended.code(), 8, "{ended}");
    night.has(&[("pending", 2), ("unknown", 0), ("failed", 0)]);
    let events = night.story.events();
    let failed = events.iter().filter(|event| event["kind"] == "attempt_failed");
    assert!(failed.clone().count() > 0, "{ended}");
    assert!(failed.clone().all(|event| event["class"] == "not_sent"), "{ended}");
    assert_eq!((night.submits(), night.charges()), (0, 0));
}

fn no_name(seen: &mut Seen) {
    let night = Night::new(2, "");
    let ended = night.run_at("https://api.nightreel.invalid", &["--for", "700ms"]).end();
    nothing_left(&night, &ended);
    let tries = night.story.count_events("attempt_submitted");
    seen.judge(&night);
    seen.says(format!("{tries} tries in 700 ms, all not_sent, no job failed"));
}

fn refused(seen: &mut Seen) {
    let night = Night::new(2, "");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut run = night.run_at(&format!("http://127.0.0.1:{port}"), &[]).start();
    assert!(run.until(|| night.story.count_events("attempt_failed") >= 3));
    let _line = Line::to(night.api.url(), port);
    let ended = run.end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(night.story.count_events("outcome_unknown"), 0);
    night.api.book().assert_paid_once(2);
    seen.judge(&night);
    seen.says("not_sent while refused; the same run goes on when the API is there");
}

/// Where the connection ends, from the first byte to the last.
const PHASES: [&str; 6] = [
    "close_before_read",
    "close_after_read",
    "reset",
    "cut_status_line",
    "cut_headers",
    "cut_body",
];

fn broken_off(seen: &mut Seen) {
    let outcome = submit_to(&Act::CloseUnread);
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    let phases = one_each("submit", &PHASES, "times = 1");
    let unread = fault("submit", "close_before_read", "nth = [8]");
    let night = Night::new(8, &format!("{phases}{unread}"));
    night.ends(0, &["--concurrency", "1"]);
    night.acted(&PHASES);
    night.api.book().assert_paid_once(8);
    seen.judge(&night);
    let night = Night::new(8, &format!("[history]\nmode = \"absent\"\n{phases}{unread}"));
    for _ in 0..2 {
        night.ends(4, &["--concurrency", "1"]);
    }
    night.has(&[("unknown", 7), ("done", 1)]);
    assert_eq!(night.submits(), 8, "no POST again");
    seen.judge(&night);
    seen.says("7 phases unknown; settled by the history, or left; 8 POSTs for 8 jobs");
}

fn tls(seen: &mut Seen) {
    let night = Night::new(2, "");
    let authority = Authority::new();
    let trusted = night.story.file("ca.pem", &authority.pem);
    let at = |url: &str, trusts: bool| {
        let run = night.run_at(url, &["--for", "250ms"]);
        let run = if trusts { run.env("SSL_CERT_FILE", trusted.to_str().unwrap()) } else { run };
        run.end()
    };
    let front = |flaw| authority.in_front_of(night.api.url(), flaw);
    for (what, url, trusts) in [
        ("wrong name", front(Flaw::WrongName), true),
        ("expired", front(Flaw::Expired), true),
        ("self-signed", front(Flaw::SelfSigned), true),
        ("unknown signer", front(Flaw::None), false),
        ("TLS 1.0 only", saying(b"\x15\x03\x01\x00\x02\x02\x46"), true),
        ("handshake cut", saying(b"\x16\x03\x03\x00\x7a\x02"), true),
    ] {
        nothing_left(&night, &at(&url, trusts));
        seen.says(what);
    }
    let good =
        night.run_at(&front(Flaw::None), &[]).env("SSL_CERT_FILE", trusted.to_str().unwrap());
    let good = good.end();
    assert_eq!(good.code(), 0, "{good}");
    night.api.book().assert_paid_once(2);
    seen.judge(&night);
    seen.says("all not_sent; with a sound certificate 2 done");
}

fn hangs_up(seen: &mut Seen) {
    let night = Night::new(12, "");
    let line = Line::to(night.api.url(), 0);
    line.hang_up_after_answers();
    let ended = night.run_at(&line.url(), &["--concurrency", "3"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    night.api.book().assert_paid_once(12);
    let attempts = u64::try_from(night.story.count_events("attempt_submitted")).unwrap();
    let posts = night.submits();
    assert!(posts <= attempts, "{posts} POSTs of {attempts} attempts");
    seen.judge(&night);
    seen.says(format!("12 jobs, {attempts} attempts, {posts} POSTs"));
}

fn http2(seen: &mut Seen) {
    for spoilt in [Spoilt::Refused, Spoilt::GoAway, Spoilt::AfterHeaders] {
        let night = Night::new(3, "");
        let authority = Authority::new();
        let trusted = night.story.file("ca.pem", &authority.pem);
        let (url, posts) = authority.spoiling(spoilt);
        let run = night.run_at(&url, &["--concurrency", "1"]);
        let ended = run.env("SSL_CERT_FILE", trusted.to_str().unwrap()).end();
        assert_eq!(ended.code(), 4, "{spoilt:?}: {ended}");
        night.has(&[("unknown", 3)]);
        assert_eq!(posts.load(Ordering::SeqCst), 3, "{spoilt:?}: {ended}");
        seen.says(format!("{spoilt:?}: 3 jobs, 3 POSTs, 3 unknown"));
    }
}

fn outage(seen: &mut Seen) {
    let night = Night::new(8, "[latency]\nkind = \"fixed\"\nlength = \"300ms\"\n");
    let line = Line::to(night.api.url(), 0);
    let mut run = night.run_at(&line.url(), &["--concurrency", "4"]).start();
    assert!(run.until(|| night.story.count_events("prediction_accepted") >= 4));
    line.set_down(true);
    std::thread::sleep(Duration::from_secs(2));
    line.set_down(false);
    let ended = run.end();
    assert_eq!(ended.code(), 0, "{ended}");
    night.api.book().assert_paid_once(8);
    // Four polls, one look at the history and one submission at a time, each with a pause that is
    // jittered up to 300 ms (and begins at 20 ms): not more than some 20 requests each in 2 s.
    let requests = line.refused();
    assert!((1..=120).contains(&requests), "{requests} connections while nobody answered");
    seen.judge(&night);
    seen.says(format!("2 s without an API: {requests} connections tried, then all 8 done"));
}
