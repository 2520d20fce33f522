//! Each fault of a submission does what its name says, and the book tells whether it was charged.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{AT_ONCE, Holds, Sim};

#[tokio::test]
async fn answers_instead_of_the_true_one() {
    let cases = [
        ("kind = \"status_400\"", 400, 0),
        ("kind = \"status_401\"", 401, 0),
        ("kind = \"status_402\"", 402, 0),
        ("kind = \"status_451\"", 451, 0),
        ("kind = \"html_403\"", 403, 0),
        ("kind = \"html\"", 200, 0),
        ("kind = \"html\"\ncharged = true", 200, 1),
        ("kind = \"garbage\"", 200, 0),
        ("kind = \"empty_body\"", 200, 0),
        ("kind = \"status_500\"", 500, 0),
        ("kind = \"charged_then_500\"", 500, 1),
        ("kind = \"charged_then_502\"", 502, 1),
        ("kind = \"status_503\"\ncharged = true", 503, 1),
        ("kind = \"redirect_307\"", 307, 0),
        ("kind = \"redirect_303\"", 303, 0),
        ("kind = \"close_before_read\"", 0, 0),
        ("kind = \"close_after_read\"", 0, 0),
        ("kind = \"close\"", 0, 0),
        ("kind = \"reset\"", 0, 0),
        ("kind = \"charged_then_reset\"", 0, 1),
        ("kind = \"charged_then_close\"", 0, 1),
        ("kind = \"charged_then_timeout\"\nfor = \"50ms\"", 0, 1),
        ("kind = \"cut_status_line\"", 0, 1),
        ("kind = \"cut_headers\"", 0, 1),
        ("kind = \"cut_body\"", 0, 1),
        ("kind = \"slow\"\nfor = \"50ms\"", 200, 1),
    ];
    for (fault, status, charged) in cases {
        let sim = Sim::faulty("submit", fault).await;
        let answer = sim.submit("a fox").await;
        assert_eq!(answer.status, status, "{fault}: {answer:?}");
        let figures = sim.simulator.figures();
        assert_eq!((figures.submits, figures.charged), (1, charged), "{fault}");
        assert_eq!(figures.faults.values().sum::<u64>(), 1, "{fault}");
        assert!(!figures.endpoints.contains_key("__sink"), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_is_cut_where_the_fault_says() {
    let body = json!({ "model": "minimax/hailuo-02/t2v-standard", "prompt": "x" }).to_string();
    for (kind, whole_line, whole_head) in
        [("cut_status_line", false, false), ("cut_headers", true, false), ("cut_body", true, true)]
    {
        let sim = Sim::faulty("submit", &format!("kind = \"{kind}\"")).await;
        let bytes = sim.raw("POST", "/api/v1/model/generateVideo", &body).await;
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 2"), "{kind}: {text}");
        assert_eq!(text.starts_with("HTTP/1.1 200 OK\r\n"), whole_line, "{kind}");
        let (_, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert_eq!(rest.starts_with("{\"code\":200"), whole_head, "{kind}");
        assert!(serde_json::from_str::<Value>(rest).is_err(), "{kind}");
    }
}

#[tokio::test]
async fn a_limited_client_is_told_when_to_come_back() {
    for (after, is_date) in [("7", false), ("date+7s", true), ("abc", false)] {
        let fault = format!("kind = \"status_429\"\nretry_after = \"{after}\"");
        let sim = Sim::faulty("submit", &fault).await;
        let body = json!({ "model": "minimax/hailuo-02/t2v-standard", "prompt": "x" });
        let sent = sim.post("/api/v1/model/generateVideo").json(&body).send().await.unwrap();
        let told = sent.headers()["retry-after"].to_str().unwrap();
        if is_date {
            assert!(told.ends_with(" GMT"), "{told}");
        } else {
            assert_eq!(told, after);
        }
    }
    let sim = Sim::faulty("submit", "kind = \"status_429\"").await;
    let sent = sim.post("/api/v1/model/generateVideo").json(&json!({})).send().await.unwrap();
    assert!(!sent.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn ids_that_cannot_be_used_were_charged_all_the_same() {
    let cases: [(&str, Holds); 7] = [
        ("missing_id", |data| data["id"].is_null() && data["status"] == "created"),
        ("null_id", |data| data.as_object().unwrap()["id"].is_null()),
        ("number_id", |data| data["id"].is_number()),
        ("empty_id", |data| data["id"] == ""),
        ("huge_id", |data| data["id"].as_str().unwrap().len() == 1_000_000),
        ("wild_id", |data| data["id"].as_str().unwrap().starts_with("../")),
        ("repeated_id", |data| data["id"].is_string()),
    ];
    for (kind, holds) in cases {
        let sim = Sim::faulty("submit", &format!("kind = \"{kind}\"\nnth = 2")).await;
        let first = sim.submit("one").await.id();
        let second = sim.submit("two").await.json();
        assert!(holds(&second["data"]), "{kind}: {second}");
        if kind == "repeated_id" {
            assert_eq!(second["data"]["id"], first.as_str());
        }
        let figures = sim.simulator.figures();
        assert_eq!((figures.charged, figures.accepted), (2, 1), "{kind}");
    }
}

#[tokio::test]
async fn envelopes_of_other_shapes() {
    let cases: [(&str, Holds); 8] = [
        ("bare_object", |body| body["id"].is_string()),
        ("nested_data", |body| body["data"]["data"]["id"].is_string()),
        ("prediction_id_key", |body| body["data"]["prediction_id"].is_string()),
        ("null_data", |body| body["data"].is_null() && body["code"] == 200),
        ("string_code", |body| body["code"] == "200" && body["data"]["id"].is_string()),
        ("text_plain", |body| body["data"]["id"].is_string()),
        ("cut_json", Value::is_null),
        ("deep_json", Value::is_null),
    ];
    for (kind, holds) in cases {
        let sim = Sim::faulty("submit", &format!("kind = \"{kind}\"")).await;
        let answer = sim.submit("x").await;
        assert_eq!(answer.status, 200, "{kind}");
        assert!(holds(&answer.json()), "{kind}");
        assert_eq!(sim.simulator.figures().charged, 1, "{kind}");
    }
    let sim = Sim::faulty("submit", "kind = \"code_in_200\"\ncode = 402\nmessage = \"no\"").await;
    let answer = sim.submit("x").await;
    assert_eq!((answer.status, &answer.json()["code"]), (200, &json!(402)));
    assert_eq!(sim.simulator.figures().charged, 0);
}

#[tokio::test]
async fn generations_end_as_the_fault_says() {
    let cases = [
        ("failed_later", 200, json!("failed"), Value::Null, 1),
        ("failed_later\"\nword = \"error", 200, json!("error"), Value::Null, 1),
        ("failed_later_5xx", 500, json!("failed"), Value::Null, 1),
        ("timeout_later", 200, json!("timeout"), Value::Null, 1),
        ("moderation", 200, json!("failed"), json!(1039), 1),
        ("never_finishes", 200, json!("processing"), Value::Null, 0),
    ];
    for (kind, status, word, code, refunded) in cases {
        let sim = Sim::faulty("submit", &format!("kind = \"{kind}\"")).await;
        let id = sim.submit("x").await.id();
        let polled = sim.poll(&id).await;
        let data = &polled.json()["data"];
        assert_eq!((polled.status, &data["status"]), (status, &word), "{kind}");
        assert_eq!(data["error_code"], code, "{kind}");
        let figures = sim.simulator.figures();
        assert_eq!((figures.charged, figures.refunded), (1, refunded), "{kind}");
        assert_eq!(figures.in_flight, 1 - refunded, "{kind}");
    }
}

#[tokio::test]
async fn a_late_submission_lands_after_its_client_has_gone() {
    let sim = Sim::faulty("submit", "kind = \"lands_late\"\nfor = \"300ms\"").await;
    assert_eq!(sim.submit("x").await.status, 0);
    assert_eq!(sim.simulator.figures().charged, 0);
    let landed = async {
        while sim.simulator.figures().charged == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), landed).await.unwrap();
    assert_eq!(sim.read("/api/v1/model/history").await.json()["data"]["total"], 1);
}

#[tokio::test]
async fn the_history_may_be_late_or_empty_or_absent() {
    for (mode, status, total) in
        [("late", 200, json!(0)), ("empty", 200, json!(0)), ("absent", 401, Value::Null)]
    {
        let sim =
            Sim::start(&format!("{AT_ONCE}[history]\nmode = \"{mode}\"\ndelay = \"1h\"\n")).await;
        sim.submit("x").await;
        let page = sim.read("/api/v1/model/history").await;
        assert_eq!((page.status, &page.json()["data"]["total"]), (status, &total), "{mode}");
    }
    let sim = Sim::faulty("history", "kind = \"status_502\"\nnth = 1").await;
    assert_eq!(sim.read("/api/v1/model/history").await.status, 502);
    assert_eq!(sim.read("/api/v1/model/history").await.status, 200);
}
