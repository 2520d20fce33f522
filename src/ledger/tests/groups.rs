//! Group commit: many changes, one sync; nobody is told before it, and nobody pays for a neighbour.

use futures_util::future::{join, join_all};

use super::*;

/// Commits in the write-ahead log: frames that name a database size (sqlite.org/walformat.html).
fn commits(desk: &Desk) -> usize {
    let mut log = desk.path().into_os_string();
    log.push("-wal");
    let bytes = std::fs::read(log).unwrap();
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let frame = 24 + word(8) as usize;
    (32..bytes.len()).step_by(frame).filter(|&at| word(at + 4) > 0).count()
}

#[tokio::test]
async fn many_changes_share_few_commits() {
    let desk = Desk::open().await;
    let before = commits(&desk);
    let rows = (0..200).map(|n| desk.ledger.enqueue(desk.batch, vec![new_job(&n.to_string())]));
    for made in join_all(rows).await {
        made.unwrap();
    }
    assert_eq!(desk.view().await.tally.count(JobState::Pending), 200);
    assert!(commits(&desk) - before <= 2, "{} commits", commits(&desk) - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_released_finds_the_row_in_the_file() {
    let desk = Arc::new(Desk::open().await);
    let tasks = (0..48).map(|n| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let mut other = desk.raw().await;
            let key = format!("row-{n}");
            desk.ledger.enqueue(desk.batch, vec![new_job(&key)]).await.unwrap();
            let seen = format!("SELECT count(*) FROM jobs WHERE key = '{key}'");
            assert_eq!(number(&mut other, &seen).await, 1, "{key}");
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_fails_is_undone_alone() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let row = |keys: &[&str]| keys.iter().map(|key| new_job(key)).collect::<Vec<_>>();
    let before = commits(&desk);
    let made = join_all([
        desk.ledger.enqueue(desk.batch, row(&["one"])),
        desk.ledger.enqueue(desk.batch, row(&["two", "three", "two"])),
        desk.ledger.enqueue(desk.batch, row(&["four"])),
    ])
    .await;
    assert!(made[0].is_ok() && made[1].is_err() && made[2].is_ok(), "{made:?}");
    assert_eq!(commits(&desk) - before, 1, "they shared a commit");
    let jobs = desk.ledger.jobs(&JobFilter::default(), 10).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["one", "four"]);
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
}

/// A full disk may make SQLite end the whole transaction in the middle of a group.
#[tokio::test]
async fn a_lost_transaction_takes_its_whole_group_and_nothing_more() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let mut other = desk.raw().await;
    let bomb = "CREATE TRIGGER bomb BEFORE INSERT ON jobs WHEN NEW.key = 'bomb' \
                BEGIN SELECT RAISE (ROLLBACK, 'the disk is full'); END";
    run(&mut other, bomb).await.unwrap();
    let row = |key: &str| desk.ledger.enqueue(desk.batch, vec![new_job(key)]);
    for made in join_all([row("before"), row("bomb"), row("after")]).await {
        assert!(matches!(made, Err(Error::NotDurable { .. })), "{made:?}");
    }
    assert_eq!(desk.view().await.tally.total(), 0);
    row("later").await.unwrap();
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
}

#[tokio::test]
async fn nobody_is_told_of_success_when_the_commit_fails() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let mut other = desk.raw().await;
    let bomb = "CREATE TABLE bomb (id INTEGER REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED); \
                CREATE TRIGGER bomb_set AFTER INSERT ON jobs WHEN NEW.key = 'bomb' \
                BEGIN INSERT INTO bomb VALUES (-1); END";
    run(&mut other, bomb).await.unwrap();
    let row = |key: &str| desk.ledger.enqueue(desk.batch, vec![new_job(key)]);
    let (one, bomb) = join(row("one"), row("bomb")).await;
    for made in [one, bomb] {
        let error = made.unwrap_err();
        assert!(matches!(error, Error::NotDurable { .. }), "{error:?}");
        let told = error.to_string();
        assert_eq!(told.matches("could not make a change durable").count(), 1, "{told}");
    }
    assert_eq!(desk.view().await.tally.total(), 0);
    row("later").await.unwrap();
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
}

#[tokio::test]
async fn a_change_runs_to_its_end_though_nobody_waits_for_it() {
    let desk = Desk::open().await;
    let row = desk.ledger.enqueue(desk.batch, vec![new_job("dropped")]);
    // Polled once, so that it is handed over; then dropped.
    assert!(futures_util::FutureExt::now_or_never(row).is_none());
    desk.ledger.enqueue(desk.batch, vec![new_job("waited")]).await.unwrap();
    assert_eq!(desk.view().await.tally.total(), 2);
}

#[tokio::test]
async fn after_the_end_every_change_is_refused() {
    let desk = Desk::open().await;
    let other = desk.ledger.clone();
    desk.ledger.close().await;
    assert!(matches!(other.begin_run("late").await, Err(Error::Closed)));
}
