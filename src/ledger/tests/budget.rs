//! The cap holds at every commit, for any number of callers (M4).

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_never_pass_a_cap_of_ten() {
    let desk = Arc::new(Desk::with_budget(Some(PRICE.times(10))).await);
    let rows = (0..64).map(|n| new_job(&n.to_string())).collect();
    desk.ledger.enqueue(desk.batch, rows).await.unwrap();
    let jobs = desk.ledger.due(desk.batch, late(), 64, &[]).await.unwrap();
    let tasks = jobs.into_iter().map(|job| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { desk.ledger.begin_attempt(desk.attempt(job.id)).await })
    });
    let begun: Vec<Begun> =
        join_all(tasks).await.into_iter().map(|task| task.unwrap().unwrap()).collect();
    let count = |what: fn(&Begun) -> bool| begun.iter().filter(|begun| what(begun)).count();
    assert_eq!(count(|begun| matches!(begun, Begun::Intent(_))), 10);
    assert_eq!(count(|begun| matches!(begun, Begun::OverBudget)), 54);
    assert_eq!(desk.money().await, [10 * PRICE.0, 0, 0, 0]);
    assert_eq!(desk.view().await.tally.count(JobState::Submitting), 10);
}

#[tokio::test]
async fn released_money_may_be_spent_again_and_unknown_money_may_not() {
    let desk = Desk::with_budget(Some(PRICE.times(2))).await;
    let [refused, blind, third, fourth] = desk.jobs(["a", "b", "c", "d"]).await;
    let intent = desk.begin(refused).await;
    desk.lost(blind).await;
    let over = desk.ledger.begin_attempt(desk.attempt(third)).await.unwrap();
    assert!(matches!(over, Begun::OverBudget));
    let how = crate::domain::AttemptState::Rejected;
    desk.ledger.refuse(&intent, how, trouble("moderation"), Next::Failed).await.unwrap();
    desk.begin(third).await;
    let over = desk.ledger.begin_attempt(desk.attempt(fourth)).await.unwrap();
    assert!(matches!(over, Begun::OverBudget));
    assert_eq!(desk.money().await, [PRICE.0, 0, PRICE.0, PRICE.0]);
}

#[tokio::test]
async fn the_database_itself_refuses_a_reservation_beyond_the_budget() {
    let desk = Desk::with_budget(Some(PRICE)).await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.begin(job).await.attempt();
    let mut raw = desk.raw().await;
    let more = format!(
        "INSERT INTO entries (attempt_id, source, target, micros, cause, at) \
         VALUES ({}, 'outside', 'reserved', 1, 'by hand', 0)",
        attempt.0
    );
    let refused = run(&mut raw, &more).await.unwrap_err().to_string();
    assert!(refused.contains("the budget would be passed"), "{refused}");
}

#[tokio::test]
async fn a_budget_may_be_raised_by_the_next_run() {
    let desk = Desk::with_budget(Some(PRICE)).await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    desk.begin(one).await;
    let over = desk.ledger.begin_attempt(desk.attempt(two)).await.unwrap();
    assert!(matches!(over, Begun::OverBudget));
    let raised = NewBatch { budget: Some(PRICE.times(2)), ..new_batch("films") };
    assert_eq!(desk.ledger.open_batch(raised).await.unwrap(), desk.batch);
    desk.begin(two).await;
}

#[tokio::test]
async fn what_the_api_charged_is_what_counts() {
    let desk = Desk::with_budget(Some(PRICE.times(2))).await;
    let [dear, cheap, exact] = desk.jobs(["dear", "cheap", "exact"]).await;
    let outputs = ["https://cdn.example/1.mp4".to_owned()];
    let dear = desk.submitted(dear, "p1").await.attempt();
    desk.ledger.complete(dear, &outputs, Some(Micros(130_000))).await.unwrap();
    assert_eq!(desk.money().await, [0, 130_000, 0, 0]);
    let over = desk.ledger.begin_attempt(desk.attempt(cheap)).await.unwrap();
    assert!(matches!(over, Begun::OverBudget), "the overcharge counts against the budget");
    let raised = NewBatch { budget: Some(PRICE.times(9)), ..new_batch("films") };
    desk.ledger.open_batch(raised).await.unwrap();
    let cheap = desk.submitted(cheap, "p2").await.attempt();
    desk.ledger.complete(cheap, &outputs, Some(Micros(70_000))).await.unwrap();
    let exact = desk.submitted(exact, "p3").await.attempt();
    desk.ledger.complete(exact, &outputs, Some(PRICE)).await.unwrap();
    assert_eq!(desk.money().await, [0, 300_000, 0, 30_000]);
}

#[tokio::test]
async fn sums_beyond_an_amount_are_refused_before_anything_changes() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    let huge = |job| NewAttempt { price: Micros(i64::MAX - 1), ..desk.attempt(job) };
    assert!(matches!(desk.ledger.begin_attempt(huge(one)).await, Ok(Begun::Intent(_))));
    let refused = desk.ledger.begin_attempt(huge(two)).await;
    assert!(matches!(refused, Err(Error::TooMuchMoney { batch: 1 })), "{refused:?}");
    assert_eq!(desk.state(two).await, JobState::Pending);
    assert_eq!(desk.ledger.attempts(two).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_job_nobody_can_price_is_begun_without_an_entry() {
    let desk = Desk::with_budget(Some(Micros::ZERO)).await;
    let [job] = desk.jobs(["a"]).await;
    let free = NewAttempt { price: Micros::ZERO, ..desk.attempt(job) };
    assert!(matches!(desk.ledger.begin_attempt(free).await, Ok(Begun::Intent(_))));
    assert_eq!(number(&mut desk.raw().await, "SELECT count(*) FROM entries").await, 0);
}
