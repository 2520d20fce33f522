//! Opens the SQLite file in one place: checks that it is ours and sound, sets the pragmas of
//! reliability.md 3.7, backs up and migrates an older one, refuses a newer one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqlSafeStr as _};

use super::error::{Error, Result};

/// `nrel` in ASCII: what `PRAGMA application_id` of a ledger says.
pub const APPLICATION_ID: i64 = 0x6e72_656c;
/// The newest schema this program knows: the number of its last migration.
pub const SCHEMA_VERSION: i64 = 1;
/// The oldest SQLite without the WAL-reset corruption bug (reliability.md, section 0).
pub const OLDEST_SQLITE: &str = "3.51.3";

/// The migrations, oldest first. Never edited once released.
fn migrator() -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        "create ledger".into(),
        MigrationType::Simple,
        include_str!("../../migrations/0001_create_ledger.sql").into_sql_str(),
        false,
    )])
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0")
        .pragma("cache_size", "-65536")
        .disable_statement_logging()
}

/// The one connection that writes. Makes the file where there is none.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection> {
    refuse_foreign_bytes(path)?;
    let dirty = wal_of(path).exists();
    let mut connection = options(path)
        .create_if_missing(true)
        .connect()
        .await
        .map_err(|source| explain(path, source))?;
    require_sqlite(&mut connection).await?;
    require_wal(&mut connection).await?;
    let version = version(path, &mut connection).await?;
    if dirty {
        quick_check(path, &mut connection).await?;
    }
    if version < SCHEMA_VERSION {
        migrate(path, &mut connection, version).await?;
    }
    restrict(path)?;
    Ok(connection)
}

/// Readers beside the writer; they never make or change anything.
pub(super) async fn readers(path: &Path) -> Result<SqlitePool> {
    refuse_foreign_bytes(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("trusted_schema", "OFF")
        .pragma("cache_size", "-16384")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .idle_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await
        .map_err(|source| explain(path, source))?;
    let mut connection = pool.acquire().await.map_err(Error::on("opening it for reading"))?;
    version(path, &mut connection).await?;
    Ok(pool)
}

/// The first 16 bytes of every SQLite file (sqlite.org/fileformat.html, 1.2).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A file that is no database is refused before SQLite may touch it.
fn refuse_foreign_bytes(path: &Path) -> Result<()> {
    let io = |doing| move |source| Error::Io { doing, path: path.to_owned(), source };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read")(error)),
    };
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head).map_err(io("read"))?;
    if head.is_empty() && wal_of(path).exists() {
        return Err(damaged(path, "it is empty although a write-ahead log stands beside it"));
    }
    if head.is_empty() || head == MAGIC {
        return Ok(());
    }
    Err(Error::Foreign { path: path.to_owned(), found: "no SQLite database".to_owned() })
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn damaged(path: &Path, found: &str) -> Error {
    Error::Damaged { path: path.to_owned(), found: found.to_owned() }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB are damage; the rest is told as it is.
fn explain(path: &Path, source: sqlx::Error) -> Error {
    let code = source.as_database_error().and_then(|e| e.code().map(|c| c.to_string()));
    match code.as_deref() {
        Some("11" | "26" | "267" | "523" | "779") => damaged(path, &source.to_string()),
        _ => Error::Database { doing: "opening it", source },
    }
}

async fn pragma(connection: &mut SqliteConnection, name: &'static str) -> Result<i64> {
    sqlx::query_scalar(AssertSqlSafe(format!("PRAGMA {name}")))
        .fetch_one(connection)
        .await
        .map_err(Error::on("reading its version"))
}

/// The schema version, 0 for an empty file; refuses foreign and newer files.
async fn version(path: &Path, connection: &mut SqliteConnection) -> Result<i64> {
    let application = pragma(connection, "application_id").await?;
    let version = pragma(connection, "user_version").await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(|source| explain(path, source))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, version, _) if version > SCHEMA_VERSION => {
            Err(Error::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION })
        }
        (APPLICATION_ID, version, _) => Ok(version),
        (other, _, _) => Err(Error::Foreign {
            path: path.to_owned(),
            found: format!("an SQLite database of application {other:#x}"),
        }),
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
/// (reliability.md, section 7), so the answer is read back.
async fn require_wal(connection: &mut SqliteConnection) -> Result<()> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await
        .map_err(Error::on("asking for its journal mode"))?;
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
/// The application's mark comes first, so that an interrupted start is taken up, not refused.
async fn migrate(path: &Path, connection: &mut SqliteConnection, from: i64) -> Result<()> {
    if from > 0 {
        back_up(path, connection, from).await?;
    }
    mark(connection, "application_id", APPLICATION_ID).await?;
    migrator().run(&mut *connection).await.map_err(|source| Error::Database {
        doing: "migrating it",
        source: sqlx::Error::Migrate(Box::new(source)),
    })?;
    mark(connection, "user_version", SCHEMA_VERSION).await
}

async fn mark(connection: &mut SqliteConnection, pragma: &str, value: i64) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA {pragma} = {value}")))
        .execute(connection)
        .await
        .map_err(Error::on("marking its version"))?;
    Ok(())
}

/// Copies the ledger before its migration. A copy that an interrupted migration left is kept: it
/// is the older state.
async fn back_up(path: &Path, connection: &mut SqliteConnection, from: i64) -> Result<()> {
    let mut backup = path.as_os_str().to_owned();
    backup.push(format!(".v{from}-backup"));
    if Path::new(&backup).exists() {
        return Ok(());
    }
    sqlx::query("VACUUM INTO ?1")
        .bind(backup.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map_err(Error::on("backing it up before its migration"))?;
    Ok(())
}

/// The ledger holds prompts and links: nobody else may read it (reliability.md S7).
#[cfg(unix)]
fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o600)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { doing: "restrict", path: name.into(), source });
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
