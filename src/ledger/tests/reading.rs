//! Readers beside a writer, after one, and where there was none.

use super::*;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The files as a killed process leaves them: the log is not yet in the database.
fn killed(desk: &Desk) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copy = ledger_path(folder.path());
    for suffix in ["", "-wal"] {
        std::fs::copy(beside(&desk.path(), suffix), beside(&copy, suffix)).unwrap();
    }
    assert!(std::fs::metadata(beside(&copy, "-wal")).unwrap().len() > 0);
    folder
}

#[tokio::test]
async fn a_reader_sees_each_commit_beside_the_writer_and_cannot_write() {
    let desk = Desk::open().await;
    let reader = Ledger::read(&desk.path()).await.unwrap().unwrap();
    desk.jobs(["a", "b"]).await;
    assert_eq!(reader.batches(&[]).await.unwrap()[0].tally.total(), 2);
    desk.jobs(["c"]).await;
    reader.watch(&[]).await.unwrap();
    assert_eq!(reader.tally(desk.batch).total(), 3);
    assert!(matches!(reader.begin_run("x").await, Err(Error::Closed)));
    reader.close().await;
    desk.jobs(["d"]).await;
}

/// Closing any descriptor of the file would drop this process's locks, and another process that
/// opened and closed it would take the log away under the writer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reader_that_comes_and_goes_leaves_the_writer_its_locks() {
    use std::os::unix::fs::MetadataExt as _;
    let desk = Desk::open().await;
    let inode = std::fs::metadata(desk.path()).unwrap().ino();
    // Others lock and unlock meanwhile, and the list is not read in one piece: a line may be missed.
    let is_locked = || {
        let named = format!(":{inode} ");
        (0..100).any(|_| std::fs::read_to_string("/proc/locks").unwrap().contains(&named))
    };
    assert!(is_locked(), "an open ledger is locked");
    Ledger::read(&desk.path()).await.unwrap().unwrap().close().await;
    assert!(is_locked(), "and stays so");
}

#[tokio::test]
async fn a_reader_needs_no_writer() {
    let desk = Desk::open().await;
    let path = desk.path();
    desk.jobs(["a"]).await;
    desk.ledger.close().await;
    let reader = Ledger::read(&path).await.unwrap().unwrap();
    assert_eq!(reader.batches(&[]).await.unwrap()[0].tally.total(), 1);
    reader.close().await;
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.batches(&[]).await.unwrap()[0].tally.total(), 1);
    ledger.close().await;
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let desk = Desk::open().await;
    let path = desk.path();
    desk.jobs(["a"]).await;
    assert!(beside(&path, "-wal").exists());
    desk.ledger.close().await;
    assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
}

#[tokio::test]
async fn what_a_killed_writer_committed_is_read_and_kept() {
    let desk = Desk::open().await;
    desk.jobs(["a", "b"]).await;
    let folder = killed(&desk);
    let path = ledger_path(folder.path());
    let reader = Ledger::read(&path).await.unwrap().unwrap();
    assert_eq!(reader.batches(&[]).await.unwrap()[0].tally.total(), 2);
    reader.close().await;
    let ledger = Ledger::open(&path).await.unwrap();
    assert_eq!(ledger.batches(&[]).await.unwrap()[0].tally.total(), 2);
    ledger.close().await;
    assert!(!beside(&path, "-wal").exists());
}

#[tokio::test]
async fn a_log_without_its_database_is_never_started_over() {
    let desk = Desk::open().await;
    desk.jobs(["a"]).await;
    let folder = killed(&desk);
    let path = ledger_path(folder.path());
    std::fs::File::create(&path).unwrap();
    for error in [Ledger::open(&path).await.err(), Ledger::read(&path).await.err()] {
        assert!(matches!(error, Some(Error::Damaged { .. })), "{error:?}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = Ledger::open(&path).await.err();
    assert!(matches!(error, Some(Error::Damaged { .. })), "{error:?}");
    assert!(!path.exists() && std::fs::metadata(beside(&path, "-wal")).unwrap().len() > 0);
}
