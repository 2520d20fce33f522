//! What people see, and what the operator does to many jobs at once.

use super::*;

#[tokio::test]
async fn a_batch_is_told_in_figures() {
    let desk = Desk::with_budget(Some(PRICE.times(9))).await;
    let [done, blind, _] = desk.jobs(["a", "b", "c"]).await;
    desk.done(done, "p1").await;
    desk.lost(blind).await;
    desk.ledger.open_batch(new_batch("other")).await.unwrap();
    let view = desk.view().await;
    let counts = [JobState::Done, JobState::Unknown, JobState::Pending, JobState::Failed]
        .map(|state| view.tally.count(state));
    assert_eq!((counts, view.tally.total()), ([1, 1, 1, 0], 3));
    assert_eq!((view.tally.spent(), view.tally.budget), (PRICE.times(2), Some(PRICE.times(9))));
    assert_eq!((view.attempts, view.files, view.bytes), (2, 1, 4075));
    assert!(view.first_at.unwrap() <= view.last_at.unwrap());
    let all = desk.ledger.batches(&[]).await.unwrap();
    assert_eq!(all.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["films", "other"]);
    assert_eq!((all[1].first_at, all[1].last_at, all[1].tally.total()), (None, None, 0));
    assert!(desk.ledger.batches(&["none".to_owned()]).await.unwrap().is_empty());
    assert_eq!(desk.ledger.tally(BatchId(9)), BatchTally::default(), "nobody watches that one");
}

#[tokio::test]
async fn jobs_are_listed_by_batch_state_key_and_page() {
    let desk = Desk::open().await;
    let [one, two, three] = desk.jobs(["a", "b", "c"]).await;
    desk.done(two, "p2").await;
    let list = async |filter: JobFilter| {
        let views = desk.ledger.jobs(&filter, 2).await.unwrap();
        views.into_iter().map(|view| view.id).collect::<Vec<_>>()
    };
    let all = JobFilter::default;
    assert_eq!(list(all()).await, [one, two]);
    assert_eq!(list(JobFilter { after: Some(two), ..all() }).await, [three]);
    assert_eq!(list(JobFilter { key: Some("c".to_owned()), ..all() }).await, [three]);
    assert_eq!(list(JobFilter { batch: Some(desk.batch), ..all() }).await, [one, two]);
    assert!(list(JobFilter { batch: Some(BatchId(9)), ..all() }).await.is_empty());
    let states = vec![JobState::Done, JobState::Failed];
    assert_eq!(list(JobFilter { states, ..all() }).await, [two]);
    let view = desk.ledger.jobs(&all(), 2).await.unwrap().remove(1);
    assert_eq!((view.batch.as_str(), view.key.as_str(), view.cost), ("films", "b", PRICE));
    assert_eq!((view.prediction.as_deref(), view.attempts), (Some("p2"), 1));
    assert_eq!((view.not_before, view.error), (None, None));
    assert!(view.request.contains("a film of b") && view.updated_at >= view.created_at);
}

#[tokio::test]
async fn a_whole_batch_is_canceled_and_requeued_over_many_pages() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let rows = (0..2_500).map(|n| new_job(&format!("row-{n}"))).collect();
    desk.ledger.enqueue(desk.batch, rows).await.unwrap();
    let busy = desk.ledger.due(desk.batch, late(), 1, &[]).await.unwrap().remove(0).id;
    desk.begin(busy).await;
    let move_all =
        async |batch, from, to| desk.ledger.move_all(batch, Vec::new(), from, to).await.unwrap();
    let (pending, canceled) = (JobState::Pending, JobState::Canceled);
    assert_eq!(move_all(Some(BatchId(9)), pending, canceled).await, 0);
    assert_eq!(move_all(Some(desk.batch), pending, canceled).await, 2_499);
    assert_eq!(desk.state(busy).await, JobState::Submitting);
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
    assert_eq!(move_all(None, canceled, pending).await, 2_499);
    assert_eq!(desk.ledger.tally(desk.batch).count(pending), 2_499);
}

#[tokio::test]
async fn named_jobs_are_requeued_with_all_their_tries() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    for job in [one, two] {
        let intent = desk.begin(job).await;
        let how = crate::domain::AttemptState::Rejected;
        desk.ledger.refuse(&intent, how, trouble("refused"), Next::Failed).await.unwrap();
    }
    let requeue = desk.ledger.move_all(None, vec![two], JobState::Failed, JobState::Pending);
    assert_eq!(requeue.await.unwrap(), 1);
    let due = desk.ledger.due(desk.batch, clock::now(), 9, &[]).await.unwrap();
    assert_eq!(due.iter().map(|job| (job.id, job.tries)).collect::<Vec<_>>(), [(two, 0)]);
    let illegal = desk.ledger.move_all(None, vec![two], JobState::Pending, JobState::Done).await;
    assert!(matches!(illegal, Err(Error::IllegalJob { .. })));
}
