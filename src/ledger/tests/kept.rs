//! What is history stays as it is, whoever writes.

use super::*;

#[tokio::test]
async fn nobody_rewrites_history_by_hand() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    desk.submitted(job, "p1").await;
    let mut raw = desk.raw().await;
    for sql in [
        "DELETE FROM attempts",
        "DELETE FROM entries",
        "UPDATE entries SET micros = 0",
        "UPDATE entries SET target = 'released'",
        "UPDATE attempts SET reserved = 0",
        "UPDATE attempts SET job_id = job_id",
        "UPDATE attempts SET body_sha256 = zeroblob(32)",
        "UPDATE attempts SET prediction_id = 'p2'",
        "UPDATE attempts SET prediction_id = NULL",
        "UPDATE attempts SET state = 'intent'",
        "UPDATE attempts SET state = 'rejected'",
        "UPDATE jobs SET state = 'done'",
        "UPDATE batches SET committed = -1",
        "UPDATE jobs SET state = 'cancelled'",
        "DELETE FROM jobs",
        "DELETE FROM batches",
        "INSERT INTO owner (id, fence) VALUES (2, 7)",
    ] {
        assert!(run(&mut raw, sql).await.is_err(), "{sql}");
    }
    assert_eq!(desk.money().await, [0, PRICE.0, 0, 0]);
    assert_eq!(desk.ledger.attempts(job).await.unwrap()[0].prediction.as_deref(), Some("p1"));
}

#[tokio::test]
async fn a_movement_entered_by_hand_moves_the_sums_too() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.submitted(job, "p1").await.attempt();
    let mut raw = desk.raw().await;
    let refund = format!(
        "INSERT INTO entries (attempt_id, source, target, micros, cause, at) \
         VALUES ({}, 'committed', 'released', 40000, 'by hand', 0)",
        attempt.0
    );
    run(&mut raw, &refund).await.unwrap();
    assert_eq!(desk.money().await, [0, 60_000, 0, 40_000]);
}

#[tokio::test]
async fn a_job_has_one_open_attempt_at_most() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    desk.begin(job).await;
    let mut raw = desk.raw().await;
    let second = "INSERT INTO attempts (job_id, number, state, run_id, origin, model, \
                  body_sha256, reserved, intent_at) SELECT job_id, 2, 'intent', run_id, origin, \
                  model, body_sha256, reserved, intent_at FROM attempts";
    let refused = run(&mut raw, second).await.unwrap_err().to_string();
    assert!(refused.contains("attempts.job_id"), "{refused}");
    let again = desk.ledger.begin_attempt(desk.attempt(job)).await.unwrap();
    assert!(matches!(again, Begun::NotPending));
}
