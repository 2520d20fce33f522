//! What is opened, what is taken up, and what is refused untouched.

use super::super::open;
use super::*;

/// Opening must fail, leave the file's bytes as they are, and say so.
async fn refused(path: &Path) -> Error {
    let before = std::fs::read(path).unwrap();
    let Err(error) = Ledger::open(path).await else { panic!("it was opened") };
    assert!(Ledger::read(path).await.is_err(), "reading is refused as well");
    assert_eq!(std::fs::read(path).unwrap(), before, "it was changed");
    error
}

async fn write_raw(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    run(&mut connection, sql).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

fn write_file(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_newer_ledger_is_refused() {
    let desk = Desk::open().await;
    let path = desk.path();
    desk.ledger.close().await;
    write_raw(&path, "PRAGMA user_version = 99").await;
    let said = refused(&path).await.to_string();
    let known = format!("version 99, this nightreel knows up to {}", open::SCHEMA_VERSION);
    assert!(said.contains(&known), "{said}");
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = ledger_path(folder.path());
    write_raw(&path, "CREATE TABLE theirs (id); PRAGMA application_id = 7").await;
    let error = refused(&path).await;
    assert!(matches!(error, Error::Foreign { .. }));
    assert!(error.to_string().contains("an SQLite database of application 0x7"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = ledger_path(folder.path());
    for bytes in [&b"id,prompt\n"[..], &b"SQLite format 2\0"[..], &[7; 9000][..]] {
        write_file(&path, bytes);
        let error = refused(&path).await;
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let Err(error) = Ledger::open(Path::new("/nowhere/ledger.db")).await else { panic!() };
    assert!(error.to_string().starts_with("cannot make /nowhere/ledger.db: "), "{error}");
    assert!(Ledger::read(Path::new("/nowhere/ledger.db")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_first_start_that_was_cut_anywhere_is_taken_up() {
    let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
    let bookkeeping = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT \
        NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT \
        NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
    let stages = [
        String::new(),
        "PRAGMA journal_mode = WAL".to_owned(),
        format!("PRAGMA journal_mode = WAL; {mark}"),
        format!("PRAGMA journal_mode = WAL; {mark}; {bookkeeping}"),
    ];
    for stage in stages {
        let folder = TempDir::new().unwrap();
        let path = ledger_path(folder.path());
        write_file(&path, b"");
        write_raw(&path, &stage).await;
        assert!(Ledger::read(&path).await.unwrap().is_none(), "nothing is there yet: {stage}");
        let ledger = Ledger::open(&path).await.unwrap();
        ledger.open_batch(new_batch("films")).await.unwrap();
        ledger.close().await;
        let ledger = Ledger::read(&path).await.unwrap().unwrap();
        assert_eq!(ledger.batches(&[]).await.unwrap().len(), 1, "{stage}");
        ledger.close().await;
    }
}

#[tokio::test]
async fn a_ledger_keeps_wal_and_its_settings() {
    let desk = Desk::open().await;
    let mut raw = desk.raw().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut raw).await.unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(number(&mut raw, "PRAGMA application_id").await, APPLICATION_ID);
    let settings = desk.ledger.write(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for pragma in ["synchronous", "foreign_keys", "cell_size_check", "trusted_schema"] {
                found.push(number(tx.connection, &format!("PRAGMA {pragma}")).await);
            }
            Ok(found)
        })
    });
    assert_eq!(settings.await.unwrap(), [2, 1, 1, 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_a_ledger() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::open().await;
    let mode = |suffix: &str| {
        let mut path = desk.path().into_os_string();
        path.push(suffix);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(["", "-wal", "-shm"].map(mode), [0o600; 3]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path(), open).unwrap();
    Ledger::open(&desk.path()).await.unwrap().close().await;
    assert_eq!(mode(""), 0o600, "what was too open is closed");
}

/// What a kill in the middle of making the file leaves: half of it written, and a journal beside it.
#[tokio::test]
async fn a_making_that_was_killed_is_undone_by_whoever_opens_next() {
    let folder = tempfile::tempdir().unwrap();
    let (made, left) = (folder.path().join("made.db"), folder.path().join("ledger.db"));
    let mut raw = SqliteConnectOptions::new()
        .filename(&made)
        .create_if_missing(true)
        .pragma("cache_size", "1")
        .connect()
        .await
        .unwrap();
    run(&mut raw, "CREATE TABLE kept (a); DROP TABLE kept; BEGIN; CREATE TABLE half (a)")
        .await
        .unwrap();
    for _ in 0..200 {
        run(&mut raw, "INSERT INTO half VALUES (randomblob(900))").await.unwrap();
    }
    for (from, to) in [("made.db", "ledger.db"), ("made.db-journal", "ledger.db-journal")] {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    assert!(std::fs::metadata(folder.path().join("ledger.db-journal")).unwrap().len() > 512);
    assert!(Ledger::read(&left).await.unwrap().is_none(), "nothing was begun");
    let ledger = Ledger::open(&left).await.unwrap();
    assert!(ledger.batches(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ledger_of_the_first_schema_is_taken_over_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    write_file(&path, b"");
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let first = open::steps().into_iter().take(1).collect();
    sqlx::migrate::Migrator::with_migrations(first).run(&mut raw).await.unwrap();
    let rows = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA journal_mode = WAL; \
         INSERT INTO batches (name, manifest, origin, created_at) VALUES ('b', 'm', 'loopback', 0); \
         INSERT INTO jobs (batch_id, key, state, priority, row, file, line, model, request, \
         request_sha256, created_at, updated_at) VALUES (1, 'a', 'pending', 0, 1, 'm', 1, 'm', \
         '{{\"model\":\"m\"}}', zeroblob(32), 0, 0)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut raw).await.unwrap();
    sqlx::Connection::close(raw).await.unwrap();
    let ledger = Ledger::open(&path).await.unwrap();
    let batches = ledger.batches(&[]).await.unwrap();
    assert_eq!(batches[0].tally.total(), 1);
    let shapes = ledger.unproved(batches[0].id, &batches[0].origin).await.unwrap();
    assert!(shapes.is_empty(), "a job of the first schema has no shape and waits for no proof");
    assert!(folder.path().join("ledger.db.v1-backup").exists());
}

#[tokio::test]
async fn an_older_ledger_is_copied_whole_before_it_is_migrated() {
    let desk = Desk::open().await;
    desk.jobs(["a"]).await;
    let backup = desk.folder.path().join("ledger.db.v1-backup");
    let partial = desk.folder.path().join("ledger.db.v1-partial");
    write_file(&partial, b"cut short");
    let mut raw = desk.raw().await;
    open::migrate(&desk.path(), &mut raw, 1).await.unwrap();
    assert!(!partial.exists());
    let copy = Ledger::read(&backup).await.unwrap().unwrap();
    assert_eq!(copy.batches(&[]).await.unwrap()[0].tally.total(), 1);
    copy.close().await;
    let before = std::fs::read(&backup).unwrap();
    desk.jobs(["b"]).await;
    open::migrate(&desk.path(), &mut raw, 1).await.unwrap();
    assert_eq!(std::fs::read(&backup).unwrap(), before, "the older copy is the one to keep");
}
