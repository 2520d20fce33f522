//! Schema documents of every kind at an API of the test's own: missing, hostile, and changed overnight.

use std::fmt::Write as _;

use serde_json::json;

use crate::api::Api;
use crate::process::Ended;
use crate::server::Documents;
use crate::story::Story;

fn plan(story: &Story, url: &str, flags: &[&str]) -> Ended {
    story.nightreel(["plan", "m.csv", "--base-url", url]).with(flags).end()
}

fn document(properties: &serde_json::Value) -> String {
    let input = json!({ "properties": properties });
    json!({ "components": { "schemas": { "Input": input } } }).to_string()
}

#[test]
fn a_model_without_a_usable_schema_is_said_and_not_checked() {
    let story = Story::new();
    let api = Documents::start();
    let deep = format!("{}{}", "{\"a\":".repeat(3000), "}".repeat(3000));
    let mut huge = String::new();
    write!(huge, "{{\"a\":\"{}\"}}", "x".repeat(2 << 20)).unwrap();
    api.offer(&[
        ("a/none", "Video", None),
        ("a/empty", "Video", Some("{}".to_owned())),
        ("a/broken", "Video", Some("<html>".to_owned())),
        ("a/deep", "Video", Some(deep)),
        ("a/huge", "Video", Some(huge)),
    ]);
    let names = ["none", "empty", "broken", "deep", "huge"];
    let rows = names.map(|name| format!("a/{name},x,9\n")).concat();
    story.file("m.csv", format!("model,prompt,odd\n{rows}"));
    let planned = plan(&story, &api.url(), &[]);
    assert_eq!(planned.code(), 0, "{planned}");
    for name in names {
        let note = format!("note: a/{name}: its parameters are not checked: ");
        assert!(planned.err.contains(&note), "{name}: {planned}");
    }
    let silent = plan(&story, &api.url(), &["--no-schema"]);
    assert!(!silent.err.contains("note"), "{silent}");
}

#[test]
fn recursive_schemas_check_what_can_be_understood() {
    let story = Story::new();
    let api = Documents::start();
    let node = json!({ "properties": { "next": { "$ref": "#/components/schemas/Node" } } });
    let input = json!({ "properties": {
        "prompt": { "type": "string" }, "node": { "$ref": "#/components/schemas/Node" },
        "steps": { "type": "integer", "maximum": 9 },
    } });
    let document = json!({ "components": { "schemas": { "Input": input, "Node": node } } });
    api.offer(&[("a/round", "Image", Some(document.to_string()))]);
    story.file("m.csv", "model,prompt,steps\na/round,x,10\n");
    let planned = plan(&story, &api.url(), &[]);
    assert_eq!(planned.code(), 2, "{planned}");
    assert!(planned.err.contains("m.csv:2:11: `steps` is 10"), "{planned}");
}

#[test]
fn schemas_are_fetched_once_without_the_key_and_only_where_they_may_be() {
    let story = Story::new();
    let api = Documents::start();
    let elsewhere = Documents::start();
    api.offer(&[("a/own", "Video", Some(document(&json!({ "prompt": { "type": "string" } }))))]);
    let other = json!({ "code": "200", "data": [
        { "model": "a/own", "type": "Video", "schema": format!("{}/schemas/a-own.json", api.url()) },
        { "model": "a/other", "type": "Video", "schema": format!("{}/s.json", elsewhere.url()) },
        { "model": "a/file", "type": "Video", "schema": "file:///etc/passwd" },
    ] });
    api.say("/api/v1/models", other.to_string());
    story.file("m.csv", "model,prompt\na/own,x\na/other,x\na/file,x\n");
    // A state folder is there, so what is fetched is kept.
    story.file("state/here", "");
    for _ in 0..2 {
        let planned = story.nightreel(["plan", "m.csv", "--base-url", &api.url()]);
        let planned = planned.env("ATLASCLOUD_API_KEY", "apikey-secret").end();
        assert_eq!(planned.code(), 0, "{planned}");
        assert!(planned.err.contains("a/other: its parameters are not checked"), "{planned}");
        assert!(planned.err.contains("not https"), "{planned}");
    }
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
    let schemas: Vec<String> =
        api.heads().into_iter().filter(|head| head.starts_with("GET /schemas/")).collect();
    assert_eq!(schemas.len(), 1, "{schemas:?}");
    assert!(!schemas[0].contains("apikey-secret"));
}

#[test]
fn an_unread_catalogue_is_a_note_for_a_plan_and_stops_a_run() {
    let story = Story::new();
    story.file("m.csv", "model,prompt\na/model,x\n");
    let planned = plan(&story, "http://127.0.0.1:9", &[]);
    assert_eq!(planned.code(), 0, "{planned}");
    assert!(planned.err.contains("note: a/model is not in the built-in table"), "{planned}");
    let run = story.nightreel(["run", "m.csv", "--base-url", "http://127.0.0.1:9"]);
    let run = run.env("ATLASCLOUD_API_KEY", "k").end();
    assert_eq!(run.code(), 2, "{run}");
    assert!(run.err.contains("the catalogue of models cannot be read"), "{run}");
    assert!(!story.path("state").exists());
}

#[test]
fn what_is_done_stays_done_whatever_its_schema_says_later() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("m.csv", "id,model,prompt,fps\na,minimax/hailuo-02/t2v-standard,x,24\n");
    let first = story.nightreel(["run", "m.csv", "--no-schema"]).at(&api).end();
    assert_eq!(first.code(), 0, "{first}");
    let again = story.nightreel(["run", "m.csv"]).at(&api).end();
    assert_eq!(again.code(), 0, "{again}");
    assert!(again.out.contains("every job is done"), "{again}");
}
