//! What the lanes take: in the right order, in pages, and without reading a million rows for it.

use sqlx::{AssertSqlSafe, Row as _};

use super::super::queue::{AT_WORK, paid_query};
use super::*;

#[tokio::test]
async fn ten_thousand_rows_come_out_by_priority_and_then_in_their_order() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let rows = (0..10_000).map(|n| {
        let mut row = new_job(&format!("row-{n}"));
        row.spec.priority = n % 3;
        row
    });
    desk.ledger.enqueue(desk.batch, rows.collect()).await.unwrap();
    assert_eq!(desk.ledger.tally(desk.batch).count(JobState::Pending), 10_000);
    let page = desk.ledger.due(desk.batch, clock::now(), 5_000, &[]).await.unwrap();
    let number = |job: &Job| job.key["row-".len()..].parse::<i64>().unwrap();
    let expected = (0..10_000).filter(|n| n % 3 == 2).chain((0..10_000).filter(|n| n % 3 == 1));
    assert!(page.iter().map(number).eq(expected.take(5_000)));
    assert_eq!(page[0].request.prompt(), Some("a film of row-2"));
    assert_eq!((page[0].price, page[0].batch_name.as_str()), (Some(PRICE), "films"));
    desk.begin(page[0].id).await;
    let next = desk.ledger.due(desk.batch, clock::now(), 1, &[]).await.unwrap();
    assert_eq!(next[0].id, page[1].id);
}

#[tokio::test]
async fn five_hundred_keys_are_looked_up_at_once() {
    let desk = Desk::open().await;
    let key = |n: u32| format!("row-{n}");
    desk.ledger.enqueue(desk.batch, (0..300).map(|n| new_job(&key(n))).collect()).await.unwrap();
    let asked: Vec<String> = (0..500).map(key).collect();
    let known = desk.ledger.known(desk.batch, &asked).await.unwrap();
    assert_eq!(known.len(), 300);
    let one = &known["row-299"];
    assert_eq!(one.request_sha256, new_job("row-299").spec.request.digest());
    assert_eq!((one.state, one.tries, one.not_before), (JobState::Pending, 0, 0));
    assert_eq!((&one.trouble, one.updated_at > 0), (&None, true));
    assert!(desk.ledger.known(BatchId(9), &asked).await.unwrap().is_empty());
    assert!(desk.ledger.known(desk.batch, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_next_moment_is_at_once_then_the_earliest_retry_then_never() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    assert_eq!(desk.ledger.next_due(desk.batch).await.unwrap(), Some(clock::from_millis(0)));
    for (job, millis) in [(one, 9_000), (two, 7_000)] {
        let intent = desk.begin(job).await;
        let next = Next::Again { not_before: clock::from_millis(millis), counted: true };
        let how = crate::domain::AttemptState::NotSent;
        desk.ledger.refuse(&intent, how, trouble("refused"), next).await.unwrap();
    }
    assert_eq!(desk.ledger.next_due(desk.batch).await.unwrap(), Some(clock::from_millis(7_000)));
    let due = async |millis| {
        let due = desk.ledger.due(desk.batch, clock::from_millis(millis), 9, &[]).await.unwrap();
        due.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert!(due(6_999).await.is_empty());
    assert_eq!(due(7_000).await, [two]);
    assert_eq!(due(9_000).await, [one, two]);
    let canceled = JobState::Canceled;
    desk.ledger.move_all(None, Vec::new(), JobState::Pending, canceled).await.unwrap();
    assert_eq!(desk.ledger.next_due(desk.batch).await.unwrap(), None);
}

#[tokio::test]
async fn paid_jobs_come_page_by_page_with_what_was_paid() {
    let desk = Desk::open().await;
    let [one, two, three] = desk.jobs(["a", "b", "c"]).await;
    let first = desk.submitted(one, "p1").await.attempt();
    desk.ledger.fail_prediction(first, trouble("failed"), at_once(true)).await.unwrap();
    let second = desk.submitted(one, "p2").await;
    desk.submitted(two, "p3").await;
    desk.ready(three, "p4").await;
    let page = async |state, after| desk.ledger.paid(state, after, 1).await.unwrap();
    let paid = page(JobState::Submitted, JobId(0)).await.remove(0);
    assert_eq!((paid.job.id, paid.attempt, paid.number), (one, second.attempt(), 2));
    assert_eq!((paid.prediction, paid.origin), (prediction("p2"), origin()));
    assert_eq!((paid.reserved, paid.charged, paid.completed_at), (PRICE, None, None));
    assert!(paid.outputs.is_empty() && paid.accepted_at >= paid.job.created_at);
    assert_eq!(page(JobState::Submitted, one).await[0].job.id, two);
    assert!(page(JobState::Submitted, two).await.is_empty());
    let ready = page(JobState::Ready, JobId(0)).await.remove(0);
    assert_eq!(ready.outputs, ["https://cdn.example/1.mp4"]);
    assert!(ready.completed_at.is_some());
    // What was set aside is found as well: it is paid for, and asked about again.
    for (job, state) in [(two, JobState::Quarantined), (three, JobState::LostOutput)] {
        desk.ledger.set_aside(job, state, trouble("odd")).await.unwrap();
        assert_eq!(page(state, JobId(0)).await[0].job.id, job);
        assert!(page(state, job).await.is_empty());
    }
}

/// What a lane asks again and again must find its rows by an index.
#[tokio::test]
async fn no_lane_reads_the_whole_table() {
    let desk = Desk::open().await;
    let mut raw = desk.raw().await;
    let work = format!("{} WHERE {AT_WORK} AND j.state = ?1 AND j.id > ?2", paid_query());
    let open = "a.state IN ('intent', 'unknown', 'accepted')";
    let pending = "SELECT j.id FROM jobs j WHERE j.batch_id = ?1 AND j.state = 'pending'";
    for (sql, index) in [
        (format!("{pending} ORDER BY j.priority DESC, j.id LIMIT 9"), "jobs_pending"),
        (format!("{pending} AND j.not_before > 0"), "jobs_waiting"),
        (format!("{work} ORDER BY j.id LIMIT 9"), "jobs_at_work"),
        (format!("SELECT * FROM attempts a WHERE {open} AND a.state = 'unknown'"), "attempts_open"),
        (format!("SELECT 1 FROM attempts a WHERE a.job_id = ?1 AND {open}"), "attempts_open"),
        (
            "SELECT state, count(*) FROM jobs WHERE batch_id = ?1 GROUP BY state".to_owned(),
            "jobs_by_state",
        ),
    ] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(explain).fetch_all(&mut raw).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{sql}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
    }
}
