//! The dashboard: who is answered and who is not, which files it gives, and what it does to a run.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::process::Running;
use crate::story::Story;

/// An address with a token, as the program prints it.
struct Desk {
    host: String,
    token: String,
}

/// An answer: status, headers in small letters, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Desk {
    /// Waits for the address in a file that the program writes.
    fn of(running: &mut Running, said: &std::path::Path) -> Self {
        let read = || {
            let text = std::fs::read_to_string(said).unwrap_or_default();
            let (_, url) = text.split_once("http://127.0.0.1:")?;
            let (port, token) = url.split_once("/?token=")?;
            let token = token.get(..64)?;
            Some(Self { host: format!("127.0.0.1:{port}"), token: token.to_owned() })
        };
        assert!(running.until(|| read().is_some()), "it ended");
        read().unwrap()
    }

    fn cookie(&self) -> String {
        let (_, port) = self.host.split_once(':').unwrap();
        format!("cookie: nightreel-{port}={}", self.token)
    }

    /// Sends a request with these headers and nothing added.
    fn raw(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (head, length) = ([headers, &["connection: close"]].concat().join("\r\n"), body.len());
        let request =
            format!("{line} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str, more: &[&str]) -> Answer {
        let (host, cookie) = (format!("host: {}", self.host), self.cookie());
        let headers: Vec<&str> =
            [host.as_str(), &cookie].into_iter().chain(more.iter().copied()).collect();
        self.raw(&format!("GET {path}"), &headers, "")
    }

    fn act(&self, what: &Value) -> Answer {
        let (host, cookie) = (format!("host: {}", self.host), self.cookie());
        let origin = format!("origin: http://{}", self.host);
        let headers =
            [host.as_str(), &cookie, &origin, "x-nightreel: 1", "content-type: application/json"];
        self.raw("POST /-/act", &headers, &what.to_string())
    }

    fn done(&self, what: &Value) -> String {
        let answer = self.act(what);
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        answer.body
    }
}

fn quick(more: &str) -> String {
    format!("[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n{more}")
}

fn failing(nth: &str) -> String {
    format!("[[fault]]\non = \"submit\"\nkind = \"status_400\"\nnth = [{nth}]\n")
}

#[test]
fn nobody_without_the_token_or_from_another_page_is_answered() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, &quick(&failing("2")));
    assert_eq!(story.run(&api).with(["--concurrency", "1"]).end().code(), 3);
    let before = story.list();
    let mut running = story.nightreel(["dashboard"]).start();
    let said = running.out_path();
    let desk = Desk::of(&mut running, &said);
    let (host, cookie) = (format!("host: {}", desk.host), desk.cookie());
    let (ours, json) = (format!("origin: http://{}", desk.host), "content-type: application/json");
    let wrong = format!("{}{}", &cookie[..cookie.len() - 1], 'g');
    let token = format!("/?token={}", desk.token);
    let reads: &[&[&str]] = &[
        &[&host],
        &[&host, &wrong],
        &[&cookie],
        &["host: evil.example", &cookie],
        &["host: 127.0.0.1", &cookie],
        &[&host, &cookie, "origin: http://evil.example"],
        &[&host, &cookie, "origin: null"],
        &[&host, &cookie, "sec-fetch-site: cross-site"],
        &[&host, &cookie, "sec-fetch-site: same-site"],
    ];
    for headers in reads {
        for path in ["/", "/outputs/m/", "/outputs/m/job-0001.mp4", "/-/changes?batch=1&since=0"] {
            let answer = desk.raw(&format!("GET {path}"), headers, "");
            // HTTP itself asks for a host (RFC 9112, 3.2).
            assert!([400, 403].contains(&answer.status), "{path} {headers:?}: {}", answer.status);
            assert!(!answer.body.contains("scene number"), "{path} {headers:?}");
        }
        let answer = desk.raw("GET /?token=0123", headers, "");
        assert!([400, 403].contains(&answer.status), "{headers:?}");
        assert!(!answer.head.contains("set-cookie"), "{headers:?}");
    }
    let requeue = json!({ "act": "requeue", "batch": 1 }).to_string();
    let writes: &[&[&str]] = &[
        &[&host, &cookie, json],
        &[&host, &cookie, &ours, json],
        &[&host, &cookie, "x-nightreel: 1", json],
        &[&host, &ours, "x-nightreel: 1", json],
        &[&host, &cookie, "origin: http://evil.example", "x-nightreel: 1", json],
        &[&host, &cookie, &ours, "content-type: text/plain"],
    ];
    for headers in writes {
        for line in ["POST /-/act", &format!("POST {token}")] {
            let answer = desk.raw(line, headers, &requeue);
            assert_eq!(answer.status, 403, "{line} {headers:?}: {}", answer.body);
        }
    }
    assert_eq!(story.list(), before, "nothing was changed");
    let let_in = desk.raw(&format!("GET {token}"), &[&host], "");
    assert_eq!(let_in.status, 303);
    assert!(let_in.head.contains("httponly; samesite=strict"), "{}", let_in.head);
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.end().code(), 0);
}

#[test]
fn only_results_are_served_and_nothing_that_runs() {
    let story = Story::of_jobs(1);
    let api = Api::start(&story, &quick(""));
    assert_eq!(story.run(&api).end().code(), 0);
    story.file("outputs/m/evil.svg", "<svg onload=\"alert(1)\"/>");
    story.file("secret.txt", "the key");
    std::os::unix::fs::symlink(story.path("secret.txt"), story.path("outputs/m/link.mp4")).unwrap();
    let mut running = story.nightreel(["dashboard"]).start();
    let said = running.out_path();
    let desk = Desk::of(&mut running, &said);
    let page = desk.get("/outputs/m/", &[]);
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("scene number 0001") && page.head.contains("content-security-policy")
    );
    let part = desk.get("/outputs/m/job-0001.mp4", &["range: bytes=4-7"]);
    assert_eq!((part.status, part.body.as_str()), (206, "ftyp"));
    assert!(part.head.contains("nosniff") && part.head.contains("sandbox"), "{}", part.head);
    assert_eq!(desk.get("/outputs/m/job-0001.mp4", &["range: bytes=99999999-"]).status, 416);
    let sidecar = desk.get("/outputs/m/job-0001.json", &[]);
    assert!(sidecar.body.contains("\"prediction_id\""), "{}", sidecar.body);
    for path in [
        "/outputs/m/evil.svg",
        "/outputs/m/link.mp4",
        "/outputs/m/index.html",
        "/outputs/m",
        "/outputs/../state/ledger.db",
        "/outputs/..%2fstate%2fledger.db",
        "/outputs/%2e%2e/secret.txt",
        "/outputs//etc/passwd",
        "/outputs/m/../../secret.txt",
        "/outputs/m/job-0001.mp4%00.txt",
        "/outputs/other/",
        "/state/ledger.db",
    ] {
        let answer = desk.get(path, &[]);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.body.contains("the key"), "{path}");
    }
    // An artifact whose place a link has taken leads nowhere outside.
    std::fs::remove_file(story.path("outputs/m/job-0001.mp4")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", story.path("outputs/m/job-0001.mp4")).unwrap();
    assert_eq!(desk.get("/outputs/m/job-0001.mp4", &[]).status, 404);
}

#[test]
fn a_run_is_paused_resumed_and_given_other_limits_while_it_goes_on() {
    let story = Story::of_jobs(6);
    let slow = "[latency]\nkind = \"fixed\"\nlength = \"300ms\"\n";
    let api = Api::start(&story, &format!("{slow}{}", failing("1")));
    let flags = ["--concurrency", "1", "--budget", "0.95", "--dashboard"];
    let mut running = story.run(&api).with(flags).start();
    let said = running.err_path();
    let desk = Desk::of(&mut running, &said);
    assert!(desk.done(&json!({ "act": "pause" })).contains("paused"));
    let submits = api.figures().submits;
    assert!(submits < 6, "{submits}");
    let settled = |story: &Story| {
        let jobs = &story.status()["jobs"];
        jobs["submitted"] == 0 && jobs["submitting"] == 0
    };
    assert!(running.until(|| settled(&story)));
    let paused_at = api.figures().submits;
    assert_eq!(desk.act(&json!({ "act": "concurrency", "value": 0 })).status, 409);
    assert_eq!(desk.act(&json!({ "act": "budget", "batch": 1, "value": "1e3" })).status, 409);
    assert!(desk.done(&json!({ "act": "budget", "batch": 1, "value": "5" })).contains("$5"));
    assert!(desk.done(&json!({ "act": "concurrency", "value": 3 })).contains("3 predictions"));
    assert!(desk.done(&json!({ "act": "requeue", "batch": 1 })).contains("1 job back"));
    let last = story.list().pop().unwrap();
    assert_eq!(last["state"], "pending");
    assert!(
        desk.done(&json!({ "act": "cancel", "batch": 1, "job": 6 })).contains("1 job canceled")
    );
    assert_eq!(api.figures().submits, paused_at, "paused is paused");
    assert!(desk.done(&json!({ "act": "resume" })).contains("resumed"));
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended}");
    let jobs = story.status()["jobs"].clone();
    assert_eq!((&jobs["done"], &jobs["canceled"]), (&5.into(), &1.into()), "{jobs}");
    api.book().assert_paid_once(5);
    assert!(api.book().charges().any(|charge| charge.in_flight > 1), "more at a time");
    assert_eq!(story.count_events("run_paused"), 1);
}

#[test]
fn without_a_run_jobs_go_back_and_the_run_is_not_asked() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, &quick(&failing("1, 2")));
    assert_eq!(story.run(&api).end().code(), 3);
    let mut running = story.nightreel(["dashboard", "--format", "json"]).start();
    let said = running.out_path();
    let desk = Desk::of(&mut running, &said);
    let nobody = desk.act(&json!({ "act": "pause" }));
    assert_eq!(nobody.status, 409);
    assert!(nobody.body.contains("no run is going on"), "{}", nobody.body);
    assert!(desk.done(&json!({ "act": "requeue", "batch": 1, "job": 1 })).contains("the next run"));
    assert_eq!(desk.act(&json!({ "act": "requeue", "batch": 1, "job": 77 })).status, 409);
    assert_eq!(desk.act(&json!({ "act": "pay_again", "batch": 1 })).status, 422);
    let states: Vec<_> = story.list().iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["pending", "failed"]);
    assert_eq!(story.run(&api).end().code(), 3);
    api.book().assert_paid_once(1);
}
