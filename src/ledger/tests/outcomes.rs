//! What becomes of an attempt, its job and its money, for every end there is.

use std::time::Duration;

use super::*;
use crate::domain::AttemptState;

#[tokio::test]
async fn an_accepted_prediction_is_durable_with_all_that_was_said() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let intent = desk.begin(job).await;
    assert_eq!((intent.job(), intent.number()), (job, 1));
    let id = prediction("p1");
    assert_eq!(desk.ledger.held(&origin(), &id).await.unwrap(), None);
    desk.ledger.accept(&intent, &id, Some(200), Some("req-9".to_owned())).await.unwrap();
    assert!(desk.ledger.held(&origin(), &id).await.unwrap().is_some());
    let other = Origin::from_ledger("other".to_owned());
    assert_eq!(desk.ledger.held(&other, &id).await.unwrap(), None);
    let attempt = desk.ledger.attempts(job).await.unwrap().remove(0);
    assert_eq!(attempt.id, intent.attempt());
    assert_eq!((attempt.http_status, attempt.request_id.as_deref()), (Some(200), Some("req-9")));
    assert!(attempt.accepted_at.unwrap() >= attempt.intent_at && attempt.completed_at.is_none());
}

#[tokio::test]
async fn a_prediction_id_belongs_to_one_attempt() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    desk.submitted(one, "p1").await;
    let intent = desk.begin(two).await;
    let repeated = desk.ledger.accept(&intent, &prediction("p1"), None, None).await;
    assert!(
        matches!(&repeated, Err(Error::RepeatedPrediction { prediction }) if prediction == "p1")
    );
    assert_eq!(desk.state(two).await, JobState::Submitting, "nothing of it happened");
    desk.ledger.lose_sight(&intent, trouble("repeated")).await.unwrap();
    let repeated = desk.ledger.adopt(intent.attempt(), &prediction("p1"), "history").await;
    assert!(matches!(repeated, Err(Error::RepeatedPrediction { .. })));
}

#[tokio::test]
async fn a_refusal_releases_the_money_and_tells_whether_it_counted() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let [job] = desk.jobs(["a"]).await;
    let later = clock::after(clock::now(), Duration::from_hours(1));
    for (counted, tries, waits) in [(false, 0, 1), (false, 0, 2), (true, 1, 0), (false, 1, 1)] {
        let intent = desk.begin(job).await;
        let next = Next::Again { not_before: later, counted };
        let how = AttemptState::NotSent;
        desk.ledger.refuse(&intent, how, trouble("refused"), next).await.unwrap();
        assert!(desk.ledger.due(desk.batch, clock::now(), 9, &[]).await.unwrap().is_empty());
        let seen = desk.ledger.due(desk.batch, late(), 9, &[]).await.unwrap().remove(0);
        assert_eq!((seen.tries, seen.waits), (tries, waits));
        assert_eq!(desk.ledger.next_due(desk.batch).await.unwrap(), Some(later));
        let tally = desk.ledger.tally(desk.batch);
        assert_eq!((tally, tally.retrying), (desk.view().await.tally, 1));
    }
    assert_eq!(desk.money().await, [0, 0, 0, 4 * PRICE.0]);
    let intent = desk.begin(job).await;
    assert_eq!((intent.number(), desk.ledger.tally(desk.batch).retrying), (5, 0));
    let how = AttemptState::Rejected;
    desk.ledger.refuse(&intent, how, trouble("moderation"), Next::Failed).await.unwrap();
    assert_eq!(desk.state(job).await, JobState::Failed);
    assert_eq!(desk.ledger.attempts(job).await.unwrap()[4].state, AttemptState::Rejected);
}

#[tokio::test]
async fn an_unknown_outcome_waits_until_it_is_adopted() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.lost(job).await.attempt();
    let unknown = desk.ledger.unknowns(9).await.unwrap().remove(0);
    assert_eq!((unknown.attempt, unknown.job, unknown.number), (attempt, job, 1));
    assert_eq!((unknown.key.as_str(), unknown.batch_name.as_str()), ("a", "films"));
    assert_eq!((unknown.body_sha256, unknown.reserved), (Digest::of(b"body"), PRICE));
    assert_eq!((unknown.looked_at, unknown.origin), (None, origin()));
    let first = clock::from_millis(5_000);
    desk.ledger.note_look(attempt, first).await.unwrap();
    desk.ledger.note_look(attempt, clock::from_millis(9_000)).await.unwrap();
    assert_eq!(desk.ledger.unknowns(9).await.unwrap()[0].looked_at, Some(first));
    desk.ledger.adopt(attempt, &prediction("p1"), "history").await.unwrap();
    assert_eq!(desk.state(job).await, JobState::Submitted);
    assert!(desk.ledger.unknowns(9).await.unwrap().is_empty());
    let adopted = desk.ledger.attempts(job).await.unwrap().remove(0);
    assert!(adopted.adopted && adopted.evidence.as_deref() == Some("history"));
    assert_eq!(desk.money().await, [0, PRICE.0, 0, 0]);
}

#[tokio::test]
async fn a_proof_of_absence_gives_money_and_job_back() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.lost(job).await.attempt();
    assert_eq!(desk.money().await, [0, 0, PRICE.0, 0]);
    desk.ledger.prove_absent(attempt, "two looks", clock::from_millis(0)).await.unwrap();
    assert_eq!(desk.money().await, [0, 0, 0, PRICE.0]);
    let seen = desk.ledger.attempts(job).await.unwrap().remove(0);
    assert_eq!((seen.state, seen.evidence.as_deref()), (AttemptState::Absent, Some("two looks")));
    assert_eq!(desk.begin(job).await.number(), 2);
    assert!(is_illegal(&desk.ledger.adopt(attempt, &prediction("p1"), "late").await));
}

#[tokio::test]
async fn a_charge_that_is_assumed_stays_spent() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.lost(job).await.attempt();
    desk.ledger.assume_charged(attempt).await.unwrap();
    assert_eq!(desk.state(job).await, JobState::Failed);
    assert_eq!(desk.money().await, [0, PRICE.0, 0, 0]);
    let failed = JobState::Failed;
    assert_eq!(desk.ledger.move_all(None, vec![job], failed, JobState::Pending).await.unwrap(), 0);
    assert_eq!(desk.ledger.pay_again(job).await.unwrap(), PaidAgain::Yes);
    assert_eq!(desk.ledger.pay_again(job).await.unwrap(), PaidAgain::NothingPaid);
    desk.submitted(job, "p2").await;
    let late = desk.ledger.adopt(attempt, &prediction("p1"), "late").await;
    assert!(is_illegal(&late), "another attempt is open: {late:?}");
    assert_eq!(desk.money().await, [0, 2 * PRICE.0, 0, 0]);
}

#[tokio::test]
async fn a_failed_prediction_gives_the_money_back() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let one = desk.submitted(job, "p1").await.attempt();
    desk.ledger.fail_prediction(one, trouble("failed"), at_once(true)).await.unwrap();
    let two = desk.submitted(job, "p2").await.attempt();
    desk.ledger.fail_prediction(two, trouble("failed"), Next::Failed).await.unwrap();
    assert_eq!(desk.money().await, [0, 0, 0, 2 * PRICE.0]);
    let view = desk.ledger.jobs(&JobFilter::default(), 9).await.unwrap().remove(0);
    assert_eq!((view.state, view.attempts, view.cost), (JobState::Failed, 2, Micros::ZERO));
    assert_eq!(view.error, Some(("failed".to_owned(), "it was failed".to_owned())));
}

#[tokio::test]
async fn a_completed_prediction_without_output_is_paid_and_lost() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.submitted(job, "p1").await.attempt();
    desk.ledger.lose_prediction(attempt, Some(PRICE), trouble("no_output")).await.unwrap();
    assert_eq!(desk.state(job).await, JobState::LostOutput);
    assert_eq!(desk.money().await, [0, PRICE.0, 0, 0]);
    desk.ledger.poll_again(job).await.unwrap();
    desk.ledger.lose_prediction(attempt, None, trouble("no_output")).await.unwrap();
    desk.ledger.poll_again(job).await.unwrap();
    desk.ledger.complete(attempt, &["https://cdn.example/2".to_owned()], None).await.unwrap();
    let paid = desk.ledger.paid_job(job).await.unwrap().unwrap();
    assert_eq!(paid.outputs, ["https://cdn.example/2"]);
    assert_eq!((paid.charged, paid.state), (Some(PRICE), JobState::Ready));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let desk = Desk::open().await;
    let missing = |result: Result<()>| matches!(result, Err(Error::Missing { .. }));
    assert!(missing(desk.ledger.poll_again(JobId(7)).await));
    assert!(missing(desk.ledger.assume_charged(AttemptId(7)).await));
    assert!(missing(desk.ledger.complete(AttemptId(7), &[], None).await));
    assert!(missing(desk.ledger.begin_attempt(desk.attempt(JobId(7))).await.map(|_| ())));
    assert!(desk.ledger.paid_job(JobId(7)).await.unwrap().is_none());
}
