//! Prices: asked once for each shape, reserved as quoted, and the plan that `run` keeps to.

use nightreel::domain::Micros;

use crate::api::Api;
use crate::story::Story;

const MODEL: &str = "minimax/hailuo-02/t2v-standard";
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// Rows of one model without a built-in price, in two shapes.
fn two_shapes(jobs: usize) -> Story {
    let story = Story::new();
    let rows = (1..=jobs).map(|n| {
        format!("job-{n:04},minimax/hailuo-02/t2v-standard,scene {n},{}\n", [6, 10][n % 2])
    });
    story.file("m.csv", format!("id,model,prompt,duration\n{}", rows.collect::<String>()));
    story
}

fn plan(story: &Story, api: &Api, more: &[&str]) -> serde_json::Value {
    let planned = story.nightreel(["plan", "m.csv", "--format", "json"]).with(more).at(api).end();
    assert_eq!(planned.code(), 0, "{planned}");
    planned.json()
}

fn micros(amount: &serde_json::Value) -> i64 {
    Micros::parse(amount.as_str().unwrap()).unwrap().0
}

#[test]
fn a_thousand_rows_of_two_shapes_ask_twice_and_the_plan_is_what_is_charged() {
    let story = two_shapes(200);
    let api = Api::start(&story, QUICK);
    let planned = plan(&story, &api, &[]);
    assert_eq!(api.figures().endpoints["calculate"], 2);
    let cost = &planned["batches"][0]["cost"];
    assert_eq!(cost["unpriced"], 0, "{planned}");
    assert_eq!(cost["by_model"][0]["source"], "quote", "{planned}");
    let ended = story.run(&api).with(["--concurrency", "32", "--no-ramp"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let charged: i64 = api.book().charges().map(|charge| charge.price.0).sum();
    assert_eq!(micros(&cost["total"]), charged, "{planned}");
}

#[test]
fn quotes_that_cannot_be_had_are_named_and_no_bad_key() {
    for kind in ["status_401", "status_404", "status_500"] {
        let story = two_shapes(2);
        let fault = format!("{QUICK}[[fault]]\non = \"quote\"\nkind = \"{kind}\"\n");
        let api = Api::start(&story, &fault);
        let planned = plan(&story, &api, &[]);
        assert_eq!(planned["batches"][0]["cost"]["unpriced"], 2, "{planned}");
        assert_eq!(planned["troubles"].as_array().unwrap().len(), 1, "{planned}");
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 0, "{ended}");
        let refused = two_shapes(2);
        let ended = refused.run(&api).with(["--budget", "5"]).end();
        assert_eq!(ended.code(), 2, "{ended}");
        assert!(ended.err.contains("without a known price"), "{ended}");
    }
}

#[test]
fn a_plan_that_is_no_longer_the_same_is_refused_before_anything_is_sent() {
    let story = two_shapes(3);
    let api = Api::start(&story, QUICK);
    let hash = plan(&story, &api, &[])["hash"].as_str().unwrap().to_owned();
    story.file("m.csv", "id,model,prompt\njob-0001,minimax/hailuo-02/t2v-standard,other\n");
    let ended = story.run(&api).with(["--plan", &hash]).end();
    assert_eq!(ended.code(), 2, "{ended}");
    assert!(ended.err.contains("the plan is another one now"), "{ended}");
    assert_eq!(api.book().charges().count(), 0);
    let hash = plan(&story, &api, &[])["hash"].as_str().unwrap().to_owned();
    let ended = story.run(&api).with(["--plan", &hash]).end();
    assert_eq!(ended.code(), 0, "{ended}");
}

#[test]
fn the_plan_names_the_row_at_which_the_budget_ends_and_run_ends_there() {
    let story = two_shapes(6);
    let api = Api::start(&story, QUICK);
    let planned = plan(&story, &api, &["--rows", "--budget", "0.50"]);
    let batch = &planned["batches"][0];
    assert_eq!(batch["cost"]["budget_ends"]["key"], "job-0003", "{planned}");
    assert_eq!(batch["rows"]["over_budget"], 4, "{planned}");
    let ended = story.run(&api).with(["--budget", "0.50"]).end();
    assert_eq!(ended.code(), 5, "{ended}");
    assert_eq!(api.book().charges().count(), 2);
}

#[test]
fn a_price_that_changed_while_a_job_waited_is_reserved_as_it_is_now() {
    let story = two_shapes(4);
    let fault = format!("{QUICK}[[fault]]\non = \"quote\"\nkind = \"status_500\"\n");
    let without = Api::start(&story, &fault);
    let ended = story.run(&without).with(["--for", "1ms", "--concurrency", "1"]).end();
    assert_eq!(ended.code(), 8, "{ended}");
    drop(without);
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--budget", "5"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let charged: i64 = api.book().charges().map(|charge| charge.price.0).sum();
    assert_eq!(micros(&story.status()["money"]["committed"]), charged);
}

#[test]
fn a_price_that_proves_too_low_stops_the_run_and_is_reserved_as_charged_from_then_on() {
    for (price, factor) in [("0", "1"), ("0.05", "1"), ("", "1.3")] {
        let story = Story::new();
        let rows =
            (1..=8).map(|n| format!("r{n},minimax/hailuo-02/t2v-standard,scene {n},{price}\n"));
        story.file("m.csv", format!("id,model,prompt,price\n{}", rows.collect::<String>()));
        let scenario = format!(
            "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n[charge]\nfactor = \"{factor}\"\n"
        );
        let api = Api::start(&story, &scenario);
        let budget = ["--budget", "1.00", "--concurrency", "1"];
        let first = story.run(&api).with(budget).end();
        assert_eq!(first.code(), 5, "{price}: {first}");
        assert!(first.out.contains("charges more than planned"), "{price}: {first}");
        assert_eq!(api.book().charges().count(), 1, "{price}");
        let planned = story.nightreel(["plan", "m.csv"]).at(&api).with(&budget[..2]).end();
        assert!(planned.out.contains("what the API charged of late"), "{price}: {planned}");
        let second = story.run(&api).with(budget).end();
        assert_eq!(second.code(), 5, "{price}: {second}");
        let spent: i64 = api.book().charges().map(|charge| charge.price.0).sum();
        assert!(spent <= 1_000_000, "{price}: {spent} of a budget of $1");
        assert!(api.book().charges().count() >= 3, "it went on: {second}");
    }
}

#[test]
fn a_budget_ends_by_priority_as_it_does_in_the_run() {
    let story = Story::new();
    let rows = [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)];
    let lines = rows.map(|(id, priority)| format!("{id},{MODEL},scene {id},{priority}"));
    story.file("m.csv", format!("id,model,prompt,priority\n{}\n", lines.join("\n")));
    let api = Api::start(&story, QUICK);
    let planned = plan(&story, &api, &["--rows", "--budget", "0.70"]);
    let batch = &planned["batches"][0];
    let over: Vec<_> = batch["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["action"] == "over_budget")
        .collect();
    let keys: Vec<_> = over.iter().map(|job| job["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["c", "e"], "{batch:#}");
    assert_eq!(
        (&batch["cost"]["total"], &batch["cost"]["over_budget"]),
        (&"0.690000".into(), &"0.460000".into())
    );
    let ended = story.run(&api).with(["--budget", "0.70", "--concurrency", "8"]).end();
    assert_eq!(ended.code(), 5, "{ended}");
    let left: Vec<_> = story
        .list()
        .iter()
        .filter(|job| job["state"] == "pending")
        .map(|job| job["key"].clone())
        .collect();
    assert_eq!(left, ["c", "e"], "{ended}");
    let spent: i64 = api.book().charges().map(|charge| charge.price.0).sum();
    assert_eq!(spent, 690_000, "what the plan said");
}

#[test]
fn rows_that_are_gone_or_only_called_otherwise_are_told() {
    let story = Story::new();
    let rows = |ids: &[(&str, &str)]| {
        let rows = ids.iter().map(|(id, words)| format!("{id},{MODEL},{words}\n"));
        story.file("m.csv", format!("id,model,prompt\n{}", rows.collect::<String>()));
    };
    rows(&[("a", "one"), ("b", "two"), ("c", "three")]);
    let api = Api::start(&story, QUICK);
    assert_eq!(story.run(&api).end().code(), 0);
    rows(&[("a", "one"), ("z", "two")]);
    let first = plan(&story, &api, &["--rows"]);
    let batch = &first["batches"][0];
    assert_eq!(batch["removed"], serde_json::json!({ "total": 2, "by_fate": { "kept": 2 } }));
    assert_eq!(batch["renamed"], serde_json::json!([{ "key": "z", "was": "b", "state": "done" }]));
    assert_eq!(batch["jobs"].as_array().unwrap().len(), 4);
    rows(&[("a", "one"), ("z", "two"), ("c", "three")]);
    assert_ne!(plan(&story, &api, &[])["hash"], first["hash"], "what is gone belongs to the plan");
}
