//! Money and limits, and what the figures say about them.

use nightreel::domain::Micros;
use tokio::task::JoinSet;

use crate::support::{AT_ONCE, FOR_LONG, Sim};

#[tokio::test]
async fn the_balance_runs_out_and_refunds_fill_it_again() {
    let scenario = format!(
        "balance = \"0.50\"\n{AT_ONCE}\
         [[fault]]\non = \"submit\"\nkind = \"failed_later\"\nmatch = \"fails\"\n"
    );
    let sim = Sim::start(&scenario).await;
    assert_eq!(sim.submit("one").await.status, 200);
    assert_eq!(sim.submit("fails").await.status, 200);
    assert_eq!(sim.submit("two").await.status, 200);
    let refused = sim.submit("three").await;
    assert_eq!((refused.status, &refused.json()["code"]), (402, &402.into()));
    let balance = sim.read("/public/v1/balance").await.json();
    assert_eq!(balance["available"]["value"], "0.040000");
    assert_eq!(balance["frozen"]["value"], "0.000000");
    let figures = sim.simulator.figures();
    assert_eq!((figures.submits, figures.accepted, figures.charged), (4, 3, 3));
    assert_eq!((figures.refunded, figures.refunded_amount), (1, Micros(230_000)));
}

#[tokio::test]
async fn what_is_held_for_running_jobs_is_shown_as_frozen() {
    let sim = Sim::start(&format!("balance = \"1.00\"\n{FOR_LONG}")).await;
    sim.submit("one").await;
    let balance = sim.read("/public/v1/balance").await.json();
    assert_eq!(balance["available"]["value"], "0.770000");
    assert_eq!(balance["frozen"]["value"], "0.230000");
}

#[tokio::test]
async fn more_than_the_allowed_submissions_a_minute_get_429_until_the_scaled_minute_is_over() {
    let scenario = format!("time_scale = 0.01\n{AT_ONCE}[limits]\nper_minute = 2\n");
    let sim = Sim::start(&scenario).await;
    assert_eq!(sim.submit("one").await.status, 200);
    assert_eq!(sim.submit("two").await.status, 200);
    let begun = std::time::Instant::now();
    assert_eq!(sim.submit("three").await.status, 429);
    while sim.submit("three").await.status == 429 {
        assert!(begun.elapsed().as_secs() < 5);
    }
    assert!(begun.elapsed().as_millis() >= 300);
}

#[tokio::test]
async fn more_than_the_allowed_jobs_in_flight_get_429() {
    let sim = Sim::start(&format!("{FOR_LONG}[limits]\nin_flight = 3\n")).await;
    let mut statuses = Vec::new();
    for number in 0..5 {
        statuses.push(sim.submit(&number.to_string()).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let figures = sim.simulator.figures();
    assert_eq!((figures.in_flight, figures.max_in_flight), (3, 3));
    assert_eq!(figures.endpoints["generateVideo"], 5);
}

#[tokio::test]
async fn a_crowd_is_charged_exactly_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.jsonl");
    let sim = Sim::with(crate::support::options(AT_ONCE, Some(&path))).await;
    let sim = std::sync::Arc::new(sim);
    let mut crowd = JoinSet::new();
    for client in 0..32 {
        let sim = std::sync::Arc::clone(&sim);
        crowd.spawn(async move {
            for number in 0..10 {
                assert_eq!(sim.submit(&format!("{client}/{number}")).await.status, 200);
            }
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.unwrap();
    }
    let entries = nightreel::simulator::book::read(&path).unwrap();
    let bodies: std::collections::HashSet<_> = entries
        .iter()
        .filter_map(|entry| entry.charge().map(|charge| charge.body_sha256.clone()))
        .collect();
    assert_eq!(bodies.len(), 320);
    assert_eq!(sim.simulator.figures().charged, 320);
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}
