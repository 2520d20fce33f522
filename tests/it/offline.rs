//! Troubles of the network and its certificates: said once, with the reason, however often they are met.

use std::net::TcpListener;

use crate::api::Api;
use crate::story::Story;

#[test]
fn a_dead_network_is_told_once_and_so_is_its_return() {
    let story = Story::of_jobs(3);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = ["run", "m.csv", "--events", "events.jsonl", "--progress", "plain"];
    let url = format!("http://{address}");
    let mut run = story
        .nightreel(run)
        .with(["--base-url", &url])
        .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
        .start();
    assert!(run.until(|| story.count_events("attempt_failed") >= 6), "it goes on trying");
    let scenario = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
    let port = address.port().to_string();
    let _api = Api::with(&story, scenario, &["--port", &port]);
    let ended = run.end();
    assert_eq!(ended.code(), 0, "{ended}");
    let lines = |words: &str| ended.err.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("WARN the API cannot be reached"), 1, "{ended}");
    assert!(ended.err.contains("Connection refused"), "{ended}");
    assert_eq!(lines("WARN the API can be reached again"), 1, "{ended}");
    assert_eq!(lines("will be tried again"), 0, "{ended}");
}

#[test]
fn predictions_that_nobody_tells_about_are_told_once() {
    let story = Story::of_jobs(1);
    let scenario = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n\
        [[fault]]\non = \"poll\"\nkind = \"reset\"\nper = \"job\"\ntimes = 4\n";
    let ended = story.simulated(scenario).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let lines = |words: &str| ended.err.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("WARN the API does not tell about predictions"), 1, "{ended}");
    assert_eq!(lines("WARN the API tells about predictions again"), 1, "{ended}");
}

#[test]
fn certificates_that_cannot_be_read_are_one_trouble() {
    let story = Story::of_jobs(1);
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    for number in 0..40 {
        story.file(&format!("certs/{number:08x}.0"), broken);
    }
    let scenario = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
    let ended = story.simulated(scenario).env("SSL_CERT_DIR", "certs").end();
    assert_eq!(ended.code(), 0, "{ended}");
    let told: Vec<_> = ended.err.lines().filter(|line| line.contains("certificate")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].contains("log."), "{told:?}");
}
