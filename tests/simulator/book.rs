//! The book of charges: durable before the answer, and enough to start again from.

use std::io::Write as _;

use nightreel::domain::Micros;
use nightreel::simulator::book::{self, Entry, Fact};
use nightreel::simulator::{Error, Simulator};
use serde_json::json;

use crate::support::{AT_ONCE, FOR_LONG, Sim, options};

fn charged(entries: &[Entry]) -> Vec<String> {
    let charges = entries.iter().filter_map(Entry::charge);
    charges.map(|charge| charge.prediction.clone()).collect()
}

#[tokio::test]
async fn a_charge_is_in_the_file_when_its_answer_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.jsonl");
    let sim = Sim::with(options(FOR_LONG, Some(&path))).await;
    for number in 1..=5 {
        let id = sim.submit(&format!("job {number}")).await.id();
        let entries = book::read(&path).unwrap();
        assert_eq!(charged(&entries).last(), Some(&id));
        let charge = entries.last().and_then(Entry::charge).unwrap();
        assert_eq!(charge.price, Micros(230_000));
        assert_eq!(charge.in_flight, number);
        assert_eq!(
            &*charge.body,
            format!(r#"{{"model":"minimax/hailuo-02/t2v-standard","prompt":"job {number}"}}"#)
        );
    }
    let shown = sim.read("/__book").await.json();
    let shown: Vec<Entry> = serde_json::from_value(shown).unwrap();
    assert_eq!(shown, book::read(&path).unwrap());
}

#[tokio::test]
async fn a_restarted_simulator_knows_everything_it_was_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.jsonl");
    let fails = format!("{AT_ONCE}[[fault]]\non = \"submit\"\nkind = \"failed_later\"\nnth = 2\n");
    let sim = Sim::with(options(&fails, Some(&path))).await;
    let (first, second) = (sim.submit("one").await.id(), sim.submit("two").await.id());
    let upload = sim.upload("fox.png", b"png bytes").await.json();
    let link = sim.poll(&first).await.json()["data"]["outputs"][0].clone();
    let bytes = sim.get(link.as_str().unwrap()).send().await.unwrap().bytes().await.unwrap();
    let before = sim.simulator.figures();
    sim.simulator.stop().await;

    let sim = Sim::with(options(&fails, Some(&path))).await;
    let after = sim.simulator.figures();
    assert_eq!((after.charged, after.charged_amount), (2, before.charged_amount));
    assert_eq!((after.refunded, after.refunded_amount), (1, Micros(230_000)));
    assert_eq!(sim.poll(&second).await.json()["data"]["status"], "failed");
    let fresh = sim.poll(&first).await.json()["data"]["outputs"][0].clone();
    let again = sim.get(fresh.as_str().unwrap()).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, again);
    assert_eq!(sim.read("/api/v1/model/history").await.json()["data"]["total"], 2);
    let old = upload["data"]["download_url"].as_str().unwrap();
    let path_of = url::Url::parse(old).unwrap().path().to_owned();
    assert_eq!(sim.read(&path_of).await.text, "png bytes");
    let body = json!({ "model": "minimax/hailuo-02/fast", "image": old });
    let id = sim.send("Video", &body).await.id();
    assert_eq!(sim.poll(&id).await.json()["data"]["status"], "completed");
    let figures = sim.simulator.figures();
    sim.simulator.stop().await;
    let refunds = book::read(&path).unwrap();
    let refunds = refunds.iter().filter(|entry| matches!(entry.fact, Fact::Refunded { .. }));
    assert_eq!((figures.charged, refunds.count()), (3, 1));
}

#[tokio::test]
async fn a_torn_last_line_is_dropped_and_writing_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.jsonl");
    let sim = Sim::with(options(FOR_LONG, Some(&path))).await;
    let first = sim.submit("one").await.id();
    sim.simulator.stop().await;
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"at\":\"2026-11-2").unwrap();
    drop(file);
    assert_eq!(charged(&book::read(&path).unwrap()), [first.as_str()]);

    let sim = Sim::with(options(FOR_LONG, Some(&path))).await;
    let second = sim.submit("two").await.id();
    sim.simulator.stop().await;
    let entries = book::read(&path).unwrap();
    assert_eq!(charged(&entries), [first, second]);
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_damaged_book_and_one_in_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"{\"kind\":\"charged\"}\n{}\n").unwrap();
    let refused = Simulator::start(options("", Some(&path))).await.err().unwrap();
    assert!(refused.to_string().contains("book.jsonl:1: not an entry"), "{refused}");
    assert!(matches!(refused, Error::Book(book::Error::Line { .. })));

    let path = folder.path().join("used.jsonl");
    let _sim = Sim::with(options("", Some(&path))).await;
    let refused = Simulator::start(options("", Some(&path))).await.err().unwrap();
    assert!(matches!(refused, Error::Book(book::Error::InUse { .. })), "{refused}");
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let mut options = options("", None);
    options.address = "0.0.0.0:0".parse().unwrap();
    let refused = Simulator::start(options).await.err().unwrap();
    assert!(matches!(refused, Error::NotLoopback(_)), "{refused}");
}

#[tokio::test]
async fn the_charge_may_drift_from_the_price_told() {
    let sim = Sim::start(&format!("{AT_ONCE}[charge]\nfactor = \"1.3\"\n")).await;
    let body = json!({ "model": "minimax/hailuo-02/t2v-standard", "prompt": "x" });
    let quote = sim.post("/api/v1/model/calculate").json(&body).send().await;
    let quote = crate::support::answer(quote).await.json();
    assert_eq!(quote["data"]["price"], "0.23");
    let id = sim.submit("x").await.id();
    assert_eq!(sim.poll(&id).await.json()["data"]["price"], "0.299");
    assert_eq!(sim.simulator.figures().charged_amount, Micros(299_000));
}
