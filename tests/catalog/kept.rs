//! The kept catalogue: its age, asking anew, and being without a network.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::api::Api;
use crate::process::Ended;
use crate::server::Documents;
use crate::story::Story;

fn models(story: &Story, url: &str, args: &[&str]) -> Ended {
    story.nightreel(["models", "--format", "json", "--base-url", url]).with(args).end()
}

fn ids(ended: &Ended) -> Vec<String> {
    assert_eq!(ended.code(), 0, "{ended}");
    let models = ended.json()["models"].clone();
    models.as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
}

/// The file of the catalogue, in the story's folder; there is one API in each of these stories.
fn name(story: &Story) -> String {
    let kept = story.files("state/catalog").into_iter().find(|name| name.starts_with("models-"));
    format!("state/catalog/{}", kept.unwrap())
}

fn file(story: &Story) -> PathBuf {
    story.path(&name(story))
}

fn times_asked(api: &Documents) -> usize {
    api.heads().iter().filter(|head| head.starts_with("GET /api/v1/models ")).count()
}

/// Makes the kept catalogue older.
fn age(story: &Story, at: &str) {
    let mut kept: Value = serde_json::from_slice(&fs::read(file(story)).unwrap()).unwrap();
    kept["fetched_at"] = json!(at);
    story.file(&name(story), kept.to_string());
}

#[test]
fn the_catalogue_is_asked_for_once_and_kept_for_its_owner() {
    let story = Story::new();
    let api = Documents::start();
    api.offer(&[("a/one", "Video", None), ("a/two", "Image", None)]);
    for _ in 0..2 {
        assert!(ids(&models(&story, &api.url(), &[])).contains(&"a/one".to_owned()));
    }
    assert_eq!(times_asked(&api), 1);
    let head = &api.heads()[0];
    assert!(!head.to_lowercase().contains("authorization"), "no key is sent: {head}");
    assert_eq!(fs::metadata(file(&story)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn refresh_asks_anew() {
    let story = Story::new();
    let api = Documents::start();
    api.offer(&[("a/old", "Video", None)]);
    assert!(ids(&models(&story, &api.url(), &[])).contains(&"a/old".to_owned()));
    api.offer(&[("a/new", "Video", None)]);
    assert!(!ids(&models(&story, &api.url(), &[])).contains(&"a/new".to_owned()));
    let fresh = ids(&models(&story, &api.url(), &["--refresh"]));
    assert!(fresh.contains(&"a/new".to_owned()) && !fresh.contains(&"a/old".to_owned()));
}

#[test]
fn an_old_catalogue_is_asked_for_again_and_serves_where_nobody_answers() {
    let story = Story::new();
    let api = Documents::start();
    api.offer(&[("a/one", "Video", None)]);
    models(&story, &api.url(), &[]);
    age(&story, "2026-01-01T00:00:00Z");
    ids(&models(&story, &api.url(), &[]));
    assert_eq!(times_asked(&api), 2, "a day is long over");
    age(&story, "2026-01-01T00:00:00Z");
    api.say("/api/v1/models", "not JSON");
    let offline = models(&story, &api.url(), &[]);
    assert!(ids(&offline).contains(&"a/one".to_owned()));
    assert!(offline.err.contains("this is the kept catalogue"), "{offline}");
    assert_eq!(offline.json()["catalogue"]["fetched_at"], "2026-01-01T00:00:00.000Z");
    assert!(offline.json()["catalogue"]["age_seconds"].as_u64().unwrap() > 86_400);
    let human = story.nightreel(["models", "--base-url", &api.url()]).end();
    assert!(human.out.contains("h ") && human.out.contains(" old"), "its age is told: {human}");
}

#[test]
fn without_any_answer_the_built_in_table_is_told_with_its_date() {
    let story = Story::new();
    let ended = models(&story, "http://127.0.0.1:9", &[]);
    let told = ids(&ended);
    assert_eq!(told.len(), 12, "{told:?}");
    assert!(told.iter().all(|id| id.starts_with("minimax/hailuo-")));
    assert!(ended.err.contains("built-in table of 20"), "{ended}");
    assert_eq!(ended.json()["catalogue"]["source"], "built-in");
}

#[test]
fn catalogues_of_two_apis_never_mix() {
    let story = Story::new();
    let (one, two) = (Documents::start(), Documents::start());
    one.offer(&[("a/one", "Video", None)]);
    two.offer(&[("a/two", "Video", None)]);
    let of = |api: &Documents| ids(&models(&story, &api.url(), &["a/"]));
    assert_eq!(of(&one), ["a/one"]);
    assert_eq!(of(&two), ["a/two"]);
    assert_eq!(of(&one), ["a/one"]);
}

#[test]
fn strange_entries_are_left_out_or_made_harmless() {
    let story = Story::new();
    let api = Documents::start();
    let entries = json!([
        7, null, {}, { "model": null }, { "model": "a/hidden", "type": "Video", "display_console": false },
        { "model": "a/bare" }, { "model": "a/loud\u{1b}[2J", "type": "Video", "price": "much" },
        { "model": "a/full", "type": "Video", "categories": 3, "schema": 9,
          "price": { "actual": { "base_price": "0.5" } } },
    ]);
    api.say("/api/v1/models", json!({ "code": "200", "data": entries }).to_string());
    let told = models(&story, &api.url(), &["a/"]);
    assert_eq!(ids(&told), ["a/bare", "a/full", "a/loud\\u{1b}[2J"]);
    assert_eq!(told.json()["models"][1]["price"], "0.500000");
    assert_eq!(told.json()["models"][1]["unit"], Value::Null);
}

#[test]
fn a_catalogue_beyond_all_measure_is_not_read() {
    let story = Story::new();
    let api = Documents::start();
    let filler = "x".repeat(5 << 20);
    api.say("/api/v1/models", json!({ "code": "200", "data": [{ "model": filler }] }).to_string());
    let told = models(&story, &api.url(), &[]);
    assert!(told.err.contains("longer than"), "{}", told.err);
    assert_eq!(ids(&told).len(), 12);
}

#[test]
fn a_plan_makes_no_state_folder() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("m.csv", "model,text\nsonora/voice-1/text-to-speech,hello\n");
    let planned = story.nightreel(["plan", "m.csv"]).at(&api).end();
    assert_eq!(planned.code(), 0, "{planned}");
    assert!(!story.path("state").exists());
}
