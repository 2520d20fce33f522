//! Rows of a manifest: all or none, nothing twice, and changed only where that is asked for.

use super::*;

#[tokio::test]
async fn rows_come_in_all_or_none() {
    let desk = Desk::open().await;
    let mut rows: Vec<NewJob> = (0..250).map(|n| new_job(&format!("row-{n}"))).collect();
    rows.push(new_job("row-0"));
    assert!(desk.ledger.enqueue(desk.batch, rows).await.is_err());
    assert_eq!(desk.view().await.tally.total(), 0);
    desk.ledger.enqueue(desk.batch, Vec::new()).await.unwrap();
    let foreign = desk.ledger.enqueue(BatchId(9), vec![new_job("a")]).await;
    assert!(foreign.is_err(), "there is no such batch");
}

#[tokio::test]
async fn everything_a_row_says_is_kept() {
    let desk = Desk::open().await;
    let mut row = new_job("a");
    row.spec.output = Some("{{ key }}.{{ ext }}".to_owned());
    row.spec.vars.insert("city".to_owned(), "Basel".into());
    row.spec.row = 7;
    row.price = None;
    let broken = NewJob { invalid: Some("no prompt".to_owned()), ..new_job("broken") };
    desk.ledger.enqueue(desk.batch, vec![row.clone(), broken]).await.unwrap();
    let due = desk.ledger.due(desk.batch, late(), 9, &[]).await.unwrap();
    assert_eq!(due.len(), 1, "an invalid row is never due");
    assert_eq!((&due[0].request, &due[0].output), (&row.spec.request, &row.spec.output));
    assert_eq!(due[0].vars.as_deref(), Some(r#"{"city":"Basel"}"#));
    assert_eq!((due[0].row, due[0].price), (7, None));
    let views = desk.ledger.jobs(&JobFilter::default(), 9).await.unwrap();
    assert_eq!(views[1].state, JobState::Invalid);
    assert_eq!(views[1].error, Some(("invalid".to_owned(), "no prompt".to_owned())));
    assert_eq!(views[1].place, "films.csv:2");
}

#[tokio::test]
async fn a_changed_row_gives_its_job_a_new_request_and_a_new_start() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let [waiting, failed, done, sent] = desk.jobs(["waiting", "failed", "done", "sent"]).await;
    let how = crate::domain::AttemptState::Rejected;
    let later = Next::Again { not_before: late(), counted: true };
    let intent = desk.begin(waiting).await;
    desk.ledger.refuse(&intent, how, trouble("refused"), later).await.unwrap();
    let intent = desk.begin(failed).await;
    desk.ledger.refuse(&intent, how, trouble("refused"), Next::Failed).await.unwrap();
    desk.done(done, "p1").await;
    desk.submitted(sent, "p2").await;
    let mut row = new_job("changed");
    row.price = Some(Micros(230_000));
    row.spec.priority = 5;
    for job in [waiting, failed, done] {
        desk.ledger.rewrite(job, row.clone()).await.unwrap();
    }
    assert!(is_illegal(&desk.ledger.rewrite(sent, row.clone()).await), "it is being paid for");
    let due = desk.ledger.due(desk.batch, clock::now(), 9, &[]).await.unwrap();
    assert_eq!(due.iter().map(|job| job.id).collect::<Vec<_>>(), [waiting, failed, done]);
    for job in due {
        assert_eq!((&job.request, job.price, job.tries), (&row.spec.request, row.price, 0));
    }
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
    let known = desk.ledger.known(desk.batch, &["waiting".to_owned()]).await.unwrap();
    assert_eq!(known["waiting"].trouble, None);
    assert_eq!(known["waiting"].request_sha256, row.spec.request.digest());
}

#[tokio::test]
async fn a_batch_is_found_again_and_stays_with_its_api_once_something_was_sent() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let elsewhere = NewBatch {
        manifest: "moved/films.csv".to_owned(),
        origin: Origin::from_ledger("loopback".to_owned()),
        ..new_batch("films")
    };
    assert_eq!(desk.ledger.open_batch(elsewhere.clone()).await.unwrap(), desk.batch);
    let view = desk.view().await;
    assert_eq!((view.manifest.as_str(), view.origin.as_str()), ("moved/films.csv", "loopback"));
    desk.begin(job).await;
    desk.ledger.open_batch(new_batch("films")).await.unwrap();
    let view = desk.view().await;
    assert_eq!((view.manifest.as_str(), view.origin.as_str()), ("films.csv", "loopback"));
    assert!(desk.ledger.open_batch(new_batch("other")).await.unwrap() > desk.batch);
    assert!(desk.ledger.open_batch(new_batch("")).await.is_err());
}
