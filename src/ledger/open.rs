//! Opens the SQLite file in one place: checks that it is ours and sound, sets the pragmas of
//! reliability.md 3.7, backs up and migrates an older one, refuses a newer one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqlSafeStr as _};

use super::access::{self, Access};
use super::emergency::JOURNAL;
use super::error::{Error, Result};
use super::mark;
use crate::domain::kill_point;

/// The most pages a reader keeps, as kB. Each of them fills its own from what the others read too; with
/// more, planning beside a large ledger takes more memory and no less time (`benches/plan.rs`).
const READER_CACHE: &str = "-4096";
/// `nrel` in ASCII: what `PRAGMA application_id` of a ledger says.
pub const APPLICATION_ID: i64 = 0x6e72_656c;
/// The newest schema this program knows: the number of its last migration.
pub const SCHEMA_VERSION: i64 = 4;
/// The oldest SQLite without the WAL-reset corruption bug (reliability.md, section 0).
pub const OLDEST_SQLITE: &str = "3.51.3";

/// The migrations, oldest first. Never edited once released.
pub(super) fn steps() -> Vec<Migration> {
    let step = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    vec![
        step(1, "create ledger", include_str!("../../migrations/0001_create_ledger.sql")),
        step(2, "remember shapes", include_str!("../../migrations/0002_remember_shapes.sql")),
        step(3, "control runs", include_str!("../../migrations/0003_control_runs.sql")),
        step(4, "invalidate pending", include_str!("../../migrations/0004_invalidate_pending.sql")),
    ]
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(10))
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

/// The one connection that writes. Makes the file where there is none.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection> {
    refuse_lost_file(path)?;
    let unclean = size(&wal_of(path)).is_some_and(|bytes| bytes > 0);
    make(path)?;
    access::require(path, Access::Write)?;
    access::require(folder(path), Access::Write)?;
    let mut connection = options(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("cache_size", "-65536")
        .connect()
        .await
        .map_err(|source| explain(path, source))?;
    require_sqlite(&mut connection).await?;
    let version = version(path, &mut connection).await?;
    require_wal(path, &mut connection).await?;
    if let Some(behind) = behind(path, version, &mut connection).await? {
        return Err(behind);
    }
    if unclean {
        quick_check(path, &mut connection).await?;
    }
    if version < SCHEMA_VERSION {
        migrate(path, &mut connection, version).await?;
    }
    restrict(path)?;
    Ok(connection)
}

/// Readers beside the writer; they never make or change anything. `None` where the file holds no
/// ledger yet, because its first start was interrupted. Beside them, what says that the ledger lacks
/// what was begun: it may be looked at all the same.
pub(super) async fn readers(path: &Path) -> Result<Option<(SqlitePool, Option<Error>)>> {
    refuse_lost_file(path)?;
    access::require(path, Access::Read)?;
    roll_back(path).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .idle_timeout(Duration::from_secs(10))
        .connect_with(reading(path)?)
        .await
        .map_err(|source| explain(path, source))?;
    let mut connection = pool.acquire().await.map_err(Error::on("opening it for reading"))?;
    let version = version(path, &mut connection).await?;
    let behind = behind(path, version, &mut connection).await?;
    drop(connection);
    if version > 0 {
        return Ok(Some((pool, behind)));
    }
    pool.close().await;
    // Nothing in it is nothing to look at: then what it lacks is all there is to say.
    behind.map_or(Ok(None), Err)
}

/// How the file is read: beside its owner as a rule. SQLite makes two files for that; where nobody may
/// make any, nobody writes to the ledger either, and it is read as it stands.
fn reading(path: &Path) -> Result<SqliteConnectOptions> {
    let options = options(path).read_only(true).pragma("cache_size", READER_CACHE);
    if access::may(folder(path), Access::Write).is_ok() || size(&beside(path, "-shm")).is_some() {
        return Ok(options);
    }
    if size(&wal_of(path)).is_some_and(|bytes| bytes > 0) {
        return Err(Error::Sealed { path: path.to_owned() });
    }
    Ok(options.immutable(true))
}

/// A process that was killed while it made the file leaves a rollback journal, which a connection that
/// only reads may not play back (`SQLITE_READONLY_ROLLBACK`): one that writes does so by reading.
async fn roll_back(path: &Path) -> Result<()> {
    if size(&beside(path, "-journal")).is_none_or(|bytes| bytes == 0) {
        return Ok(());
    }
    let mut connection = options(path).connect().await.map_err(|source| explain(path, source))?;
    version(path, &mut connection).await?;
    sqlx::Connection::close(connection).await.map_err(Error::on("ending its interrupted making"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn size(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// The ledger's file is only ever looked at, never opened, outside of SQLite: closing a descriptor
/// of it would drop the locks of every connection this process has (sqlite.org/howtocorrupt.html, 2.2).
///
/// The emergency journal is made after the first run's beginning was committed: beside it, a ledger
/// without a byte is not one whose making was interrupted, and what it knew is paid for.
fn refuse_lost_file(path: &Path) -> Result<()> {
    let log = size(&wal_of(path)).is_some_and(|bytes| bytes > 0);
    if size(path).unwrap_or(0) == 0 && log {
        return Err(damaged(path, "only its write-ahead log is there"));
    }
    if size(path) == Some(0) && path.with_file_name(JOURNAL).exists() {
        return Err(damaged(path, "it is empty, and an earlier run has worked with it"));
    }
    Ok(())
}

/// Makes an empty file that only its owner may read (S7); SQLite gives its companions the same mode.
fn make(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::Io { doing: "make", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// What the mark beside the ledger says of it. An empty file has no attempts to be asked for.
async fn behind(
    path: &Path,
    version: i64,
    connection: &mut SqliteConnection,
) -> Result<Option<Error>> {
    let mark = mark_of(path);
    let began = mark::read(&mark);
    let has = if version == 0 { 0 } else { mark::last_attempt(connection).await? };
    Ok(mark::behind(path, &mark, began, has))
}

/// The file with the number of the last attempt that was begun.
pub(super) fn mark_of(path: &Path) -> PathBuf {
    beside(path, "-last")
}

fn wal_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn damaged(path: &Path, found: &str) -> Error {
    Error::Damaged { path: path.to_owned(), found: found.to_owned() }
}

/// `SQLITE_CORRUPT` is damage, `SQLITE_NOTADB` another kind of file; the rest is told as it is.
fn explain(path: &Path, source: sqlx::Error) -> Error {
    let code = source.as_database_error().and_then(|e| e.code().map(|c| c.to_string()));
    match code.as_deref() {
        Some("11" | "267" | "523" | "779") => damaged(path, &source.to_string()),
        Some("26") => foreign(path, "no SQLite database"),
        _ => Error::Database { doing: "opening it", source },
    }
}

fn foreign(path: &Path, found: &str) -> Error {
    Error::Foreign { path: path.to_owned(), found: found.to_owned() }
}

/// The schema version, 0 for an empty file; refuses foreign and newer files.
async fn version(path: &Path, connection: &mut SqliteConnection) -> Result<i64> {
    let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await
    .map_err(|source| explain(path, source))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, version, _) if version > SCHEMA_VERSION => {
            Err(Error::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION })
        }
        (APPLICATION_ID, version, _) => Ok(version),
        (other, _, _) => {
            Err(foreign(path, &format!("an SQLite database of application {other:#x}")))
        }
    }
}

async fn require_sqlite(connection: &mut SqliteConnection) -> Result<()> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await
        .map_err(Error::on("asking SQLite for its version"))?;
    let number =
        |text: &str| -> Vec<u32> { text.split('.').map_while(|n| n.parse().ok()).collect() };
    if number(&found) < number(OLDEST_SQLITE) {
        return Err(Error::OldSqlite { found, wanted: OLDEST_SQLITE });
    }
    Ok(())
}

/// An injected sync error was seen to leave a database in `delete` mode without a word
/// (reliability.md, section 7), so the answer counts.
async fn require_wal(path: &Path, connection: &mut SqliteConnection) -> Result<()> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL")
        .fetch_one(connection)
        .await
        .map_err(|source| explain(path, source))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(Error::NotDurable { reason: format!("its journal mode is {mode}, not wal") })
}

async fn quick_check(path: &Path, connection: &mut SqliteConnection) -> Result<()> {
    let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|source| explain(path, source))?;
    if said == "ok" { Ok(()) } else { Err(damaged(path, &said)) }
}

/// Brings an older ledger to the present schema. What was there is copied whole beside it first.
/// The application's mark comes first, so that an interrupted start is taken up, not refused; each
/// migration marks its version in its own transaction.
pub(super) async fn migrate(
    path: &Path,
    connection: &mut SqliteConnection,
    from: i64,
) -> Result<()> {
    if from > 0 {
        back_up(path, connection, from).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}")))
        .execute(&mut *connection)
        .await
        .map_err(Error::on("marking it as a ledger"))?;
    kill_point("ledger_marked");
    Migrator::with_migrations(steps()).run(&mut *connection).await.map_err(|source| {
        Error::Database { doing: "migrating it", source: sqlx::Error::Migrate(Box::new(source)) }
    })?;
    kill_point("ledger_migrated");
    Ok(())
}

/// Copies the ledger before its migration, whole or not at all: `VACUUM INTO` neither syncs what it
/// writes nor cleans up when it is killed. A copy that an interrupted migration left is kept: it is
/// the older state.
async fn back_up(path: &Path, connection: &mut SqliteConnection, from: i64) -> Result<()> {
    let backup = beside(path, &format!(".v{from}-backup"));
    if backup.exists() {
        return Ok(());
    }
    let partial = beside(path, &format!(".v{from}-partial"));
    let io = |source| Error::Io { doing: "back the ledger up to", path: partial.clone(), source };
    match std::fs::remove_file(&partial) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(io(source)),
        _ => make(&partial)?,
    }
    sqlx::query("VACUUM INTO ?1")
        .bind(partial.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map_err(Error::on("backing it up before its migration"))?;
    std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&partial, &backup).map_err(io)
}

/// The ledger holds prompts and links: nobody else may read it (reliability.md S7).
#[cfg(unix)]
fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for suffix in ["", "-wal", "-shm"] {
        let name = beside(path, suffix);
        match std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o600)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { doing: "restrict", path: name, source });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> Result<()> {
    Ok(())
}
