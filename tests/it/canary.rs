//! The key and the signatures of links: nowhere but in the requests they belong to.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use crate::api::Api;
use crate::story::Story;

const CANARY: &str = "apikey-CANARY/7f+3a9c51e2d8b4";

const FAULTS: &str = r#"
[latency]
kind = "fixed"
length = "30ms"
[output]
link_lifetime = "200ms"
"#;

/// What makes errors that speak of requests, of links and of addresses.
const KINDS: [(&str, &str, &str); 14] = [
    ("submit", "status_429", "nth = [2]"),
    ("submit", "status_500", "nth = [4]"),
    ("submit", "charged_then_reset", "nth = [6]"),
    ("submit", "cut_headers", "nth = [8]"),
    ("submit", "status_422", "nth = [10]"),
    ("poll", "reset", "nth = [3]"),
    ("poll", "html", "nth = [5]"),
    ("poll", "outputs_expired", "nth = [4]"),
    ("download", "truncated", "nth = [1]"),
    ("download", "html", "nth = [3]"),
    ("download", "redirect_private", "nth = [5]"),
    ("download", "status_403", "nth = [7]"),
    ("download", "reset", "nth = [9]"),
    ("history", "status_500", "nth = [1]"),
];

fn scenario() -> String {
    let faults = KINDS
        .map(|(on, kind, when)| format!("[[fault]]\non = \"{on}\"\nkind = \"{kind}\"\n{when}\n"));
    format!("{FAULTS}{}", faults.concat())
}

/// The key as somebody might write it.
fn disguises() -> Vec<String> {
    let percent: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Within a longer text, base64 depends on where the key begins: its inside is searched for.
    let shifted = (0..3).map(|shift| {
        let text = BASE64_STANDARD_NO_PAD.encode(format!("{}{CANARY}", "x".repeat(shift)));
        text[4..text.len() - 4].to_owned()
    });
    let plain = [CANARY.to_owned(), percent, hex, "CANARY".to_owned()];
    let encoded = [BASE64_STANDARD.encode(CANARY), BASE64_URL_SAFE_NO_PAD.encode(CANARY)];
    plain.into_iter().chain(encoded).chain(shifted).collect()
}

/// Every file that the program wrote, its output included.
fn written(story: &Story) -> Vec<(PathBuf, Vec<u8>)> {
    let own = |name: &String| {
        !name.starts_with("book.jsonl") && !name.ends_with(".mp4") && !name.starts_with("key")
    };
    let files = story.files("").into_iter().filter(own).map(|name| story.path(&name));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn holds(bytes: &[u8], wanted: &str) -> bool {
    bytes.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn assert_nowhere(story: &Story, wanted: &[String], but: fn(&str) -> bool) {
    let files = written(story);
    assert!(files.iter().any(|(path, _)| path.ends_with("ledger.db")), "the ledger is searched");
    assert!(files.iter().any(|(path, _)| path.starts_with(story.path("state/logs"))), "logs are");
    for (path, bytes) in files.iter().filter(|(path, _)| !but(&path.to_string_lossy())) {
        for wanted in wanted {
            assert!(!holds(bytes, wanted), "{} holds {wanted}", path.display());
        }
    }
}

/// A night at the loudest, then every command that tells of it.
fn loud_night(story: &Story, api: &Api, key_file: bool) {
    let mut run =
        story.run(api).with(["-vvv", "--max-attempts", "3"]).env("NIGHTREEL_LOG", "trace");
    run = if key_file {
        story.private_file("key", CANARY);
        run.with(["--api-key-file", "key"])
    } else {
        run.env("ATLASCLOUD_API_KEY", CANARY)
    };
    let ended = run.end();
    assert!([3, 4].contains(&ended.code()), "{ended}");
    assert!(api.figures().faults.len() >= 10, "{:?}", api.figures());
    for args in [
        &["status"][..],
        &["list", "--long"],
        &["list", "--format", "json"],
        &["show", "job-0004"],
        &["show", "job-0004", "--format", "json"],
        &["resolve", "--base-url", api.url()],
        &["verify"],
    ] {
        let told = story.nightreel(args).env("ATLASCLOUD_API_KEY", CANARY).end();
        assert!([0, 4].contains(&told.code()), "{args:?}: {told}");
    }
}

#[test]
fn the_key_is_in_nothing_that_is_written() {
    for key_file in [false, true] {
        let story = Story::of_jobs(16);
        let api = Api::with(&story, &scenario(), &["--key", CANARY]);
        loud_night(&story, &api, key_file);
        assert_nowhere(&story, &disguises(), |_| false);
    }
}

#[test]
fn the_signatures_of_links_are_in_the_ledger_only() {
    let story = Story::of_jobs(16);
    let api = Api::with(&story, &scenario(), &["--key", CANARY]);
    loud_night(&story, &api, false);
    let signatures = ["signature=".to_owned(), "expires=".to_owned()];
    // The ledger has to know whole links; only its owner can read it.
    assert_nowhere(&story, &signatures, |path| path.contains("state/ledger.db"));
}

#[test]
fn a_key_that_is_refused_is_not_repeated_in_the_refusal() {
    let story = Story::of_jobs(2);
    let api = Api::with(&story, "", &["--key", "another"]);
    let ended = story.run(&api).env("ATLASCLOUD_API_KEY", CANARY).end();
    assert_eq!(ended.code(), 6, "{ended}");
    assert_nowhere(&story, &disguises(), |_| false);
}
