//! Each fault of a poll, an upload and a quote does what its name says.

use serde_json::{Value, json};

use crate::support::{FOR_LONG, Holds, Sim, answer};

/// Whether the data of a poll are what a fault makes of them, given the true id.
type HoldsFor = fn(&Value, &str) -> bool;

#[tokio::test]
async fn a_poll_may_be_answered_in_many_wrong_ways_and_rightly_after() {
    for (fault, status) in [
        ("kind = \"status_404\"", 404),
        ("kind = \"status_401\"", 401),
        ("kind = \"status_429\"", 429),
        ("kind = \"status_500\"", 500),
        ("kind = \"html_502\"", 502),
        ("kind = \"garbage\"", 200),
        ("kind = \"close\"", 0),
        ("kind = \"reset\"", 0),
        ("kind = \"cut_body\"", 0),
    ] {
        let sim = Sim::faulty("poll", &format!("{fault}\nnth = 1\nper = \"job\"")).await;
        let id = sim.submit("x").await.id();
        assert_eq!(sim.poll(&id).await.status, status, "{fault}");
        assert_eq!(sim.poll(&id).await.json()["data"]["status"], "completed", "{fault}");
    }
}

#[tokio::test]
async fn status_words_and_ids_may_lie() {
    let cases: [(&str, HoldsFor); 5] = [
        ("kind = \"unknown_status\"", |data, _| data["status"] == "paused"),
        ("kind = \"unknown_status\"\nword = \"zzz\"", |data, _| data["status"] == "zzz"),
        ("kind = \"final_word\"\nword = \"done\"", |data, _| data["status"] == "done"),
        ("kind = \"other_id\"", |data, id| data["id"] != id && data["id"].is_string()),
        ("kind = \"flap\"", |data, _| data["status"] == "processing" && data["outputs"].is_null()),
    ];
    for (fault, holds) in cases {
        let sim = Sim::faulty("poll", fault).await;
        let id = sim.submit("x").await.id();
        let data = sim.poll(&id).await.json()["data"].clone();
        assert!(holds(&data, &id), "{fault}: {data}");
    }
}

#[tokio::test]
async fn outputs_come_in_every_shape_once_the_job_is_completed() {
    let cases: [(&str, Holds); 13] = [
        ("outputs_empty", |data| data["outputs"] == json!([])),
        ("outputs_null", |data| data.as_object().unwrap()["outputs"].is_null()),
        ("outputs_missing", |data| !data.as_object().unwrap().contains_key("outputs")),
        ("outputs_objects", |data| data["outputs"][0]["url"].is_string()),
        ("output_string", |data| data["output"].is_string() && data["outputs"].is_null()),
        ("outputs_duplicate", |data| data["outputs"][0] == data["outputs"][1]),
        ("outputs_many", |data| data["outputs"].as_array().unwrap().len() == 1000),
        ("outputs_data_uri", |data| starts(data, "data:video/mp4;base64,")),
        ("outputs_base64", |data| starts(data, "AAAA")),
        ("outputs_text", |data| starts(data, "This is what")),
        ("outputs_expired", |data| starts(data, "http://127.0.0.1:")),
        ("outputs_url", |data| starts(data, "file:///etc/passwd")),
        ("nsfw", |data| data["has_nsfw_contents"] == json!([true])),
    ];
    for (kind, holds) in cases {
        let sim = Sim::faulty("poll", &format!("kind = \"{kind}\"\nnth = 1")).await;
        let id = sim.submit("x").await.id();
        let data = sim.poll(&id).await.json()["data"].clone();
        assert_eq!(data["status"], "completed", "{kind}");
        assert!(holds(&data), "{kind}: {data}");
        if kind == "outputs_expired" {
            assert_eq!(sim.read(data["outputs"][0].as_str().unwrap()).await.status, 404);
        }
        let after = sim.poll(&id).await.json()["data"].clone();
        assert!(after["outputs"][0].is_string(), "{kind}");
    }
}

fn starts(data: &Value, with: &str) -> bool {
    data["outputs"][0].as_str().is_some_and(|output| output.starts_with(with))
}

#[tokio::test]
async fn faults_of_outputs_wait_until_there_are_outputs() {
    let scenario =
        format!("{FOR_LONG}[[fault]]\non = \"poll\"\nkind = \"outputs_empty\"\nnth = 1\n");
    let sim = Sim::start(&scenario).await;
    let id = sim.submit("x").await.id();
    let data = sim.poll(&id).await.json()["data"].clone();
    assert_eq!((&data["status"], &data["outputs"]), (&json!("created"), &Value::Null));
    assert!(sim.simulator.figures().faults.is_empty());
}

#[tokio::test]
async fn records_are_forgotten_when_the_client_asked_for_that() {
    let sim =
        Sim::start("time_scale = 0.001\n[latency]\nkind = \"fixed\"\nlength = \"0s\"\n").await;
    let body = json!({ "model": "minimax/hailuo-02/t2v-standard", "prompt": "x" });
    let sent = sim.post("/api/v1/model/generateVideo").json(&body);
    let sent = sent.header("X-AtlasCloud-Request-Retention-Hours", "0").send().await;
    let id = answer(sent).await.id();
    assert_eq!(sim.poll(&id).await.status, 404);
}

#[tokio::test]
async fn uploads_quotes_and_lists_can_fail_too() {
    let cases: [(&str, Holds); 4] = [
        ("missing_url", |body| body["data"]["size"] == 3 && body["data"]["download_url"].is_null()),
        ("top_level_url", |body| body["url"].is_string()),
        ("data_url", |body| body["data"]["url"].is_string()),
        ("short_names", |body| body["data"]["content_type"] == "image/png"),
    ];
    for (kind, holds) in cases {
        let sim = Sim::faulty("upload", &format!("kind = \"{kind}\"")).await;
        let body = sim.upload("fox.png", b"abc").await.json();
        assert!(holds(&body), "{kind}: {body}");
    }
    let sim = Sim::faulty("upload", "kind = \"reset\"\nmatch = \"fox\"").await;
    assert_eq!(sim.upload("fox.png", b"abc").await.status, 0);
    assert_eq!(sim.upload("owl.png", b"abc").await.status, 200);
    assert_eq!(sim.simulator.figures().uploads, 1);
    for (on, path) in [("models", "/api/v1/models"), ("balance", "/public/v1/balance")] {
        let sim = Sim::faulty(on, "kind = \"status_503\"").await;
        assert_eq!(sim.read(path).await.status, 503, "{on}");
    }
    let sim = Sim::faulty("quote", "kind = \"status_500\"").await;
    let quote = sim.post("/api/v1/model/calculate").json(&json!({})).send().await;
    assert_eq!(answer(quote).await.status, 500);
}
