//! One owner: the lock says who it is, the fence stops whoever was overtaken, and what a dead run
//! left between intent and outcome is unknown.

use super::*;

#[test]
fn the_second_to_take_a_ledger_hears_who_has_it() {
    let folder = TempDir::new().unwrap();
    let held = Ownership::take(folder.path()).unwrap();
    let refused = Ownership::take(folder.path()).unwrap_err();
    let (pid, host) = identity();
    let said = refused.to_string();
    assert!(matches!(refused, Error::Owned { .. }));
    assert!(said.contains(&format!("pid {pid} on {host}, started ")), "{said}");
    drop(held);
    Ownership::take(folder.path()).unwrap();
}

#[test]
fn an_owner_that_has_not_said_who_it_is_is_an_owner_all_the_same() {
    let folder = TempDir::new().unwrap();
    let lock = std::fs::File::create(folder.path().join("owner.lock")).unwrap();
    lock.lock().unwrap();
    let said = Ownership::take(folder.path()).unwrap_err().to_string();
    assert!(said.contains("a process that has not said who it is yet"), "{said}");
}

#[test]
fn a_state_folder_that_is_not_there_is_named() {
    let said = Ownership::take(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(said.starts_with("cannot open /nowhere/at/all/owner.lock: "), "{said}");
}

#[cfg(unix)]
#[test]
fn the_lock_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let _held = Ownership::take(folder.path()).unwrap();
    let lock = std::fs::metadata(folder.path().join("owner.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_run_that_was_overtaken_writes_nothing_more() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    let intent = desk.begin(one).await;
    let other = Ledger::open(&desk.path()).await.unwrap();
    let run = other.begin_run("second").await.unwrap();
    assert!(run > desk.run);
    let late = desk.ledger.accept(&intent, &prediction("p1"), None, None).await;
    assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
    let begun = desk.ledger.begin_attempt(desk.attempt(two)).await;
    assert!(matches!(begun, Err(Error::Fenced)), "{begun:?}");
    assert!(matches!(desk.ledger.begin_run("third").await, Err(Error::Fenced)));
    assert_eq!(desk.state(one).await, JobState::Submitting);
    assert_eq!(desk.state(two).await, JobState::Pending);
    let mine = NewAttempt { run, ..desk.attempt(two) };
    assert!(matches!(other.begin_attempt(mine).await, Ok(Begun::Intent(_))));
    other.close().await;
}

#[tokio::test]
async fn a_new_run_makes_every_open_intent_unknown() {
    let desk = Desk::open().await;
    desk.ledger.watch(&[]).await.unwrap();
    let [cut, sent, waiting] = desk.jobs(["cut", "sent", "waiting"]).await;
    desk.begin(cut).await;
    desk.submitted(sent, "p1").await;
    assert_eq!(desk.ledger.recover().await.unwrap(), 1);
    assert_eq!(desk.ledger.recover().await.unwrap(), 0, "once is enough");
    assert_eq!(desk.state(cut).await, JobState::Unknown);
    assert_eq!(desk.state(sent).await, JobState::Submitted);
    assert_eq!(desk.state(waiting).await, JobState::Pending);
    assert_eq!(desk.money().await, [0, PRICE.0, PRICE.0, 0]);
    let attempt = desk.ledger.attempts(cut).await.unwrap().remove(0);
    assert_eq!(attempt.error.unwrap().0, "interrupted");
    assert_eq!(desk.ledger.tally(desk.batch), desk.view().await.tally);
}

#[tokio::test]
async fn a_run_leaves_its_beginning_and_its_end() {
    let desk = Desk::open().await;
    desk.ledger.end_run(desk.run, 3, "some jobs failed").await.unwrap();
    let mut raw = desk.raw().await;
    let sql = "SELECT count(*) FROM runs WHERE name = 'first' AND exit = 3 AND reason = \
               'some jobs failed' AND finished_at >= started_at";
    assert_eq!(number(&mut raw, sql).await, 1);
    assert_eq!(number(&mut raw, "SELECT fence FROM owner").await, desk.run.0);
    let again = desk.ledger.begin_run("first").await;
    assert!(again.is_err(), "a run's name is its own");
}
