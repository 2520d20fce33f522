//! The ledger held to its word, with real files and real connections: one file a behaviour.

mod artifacts;
mod budget;
mod damage;
mod fence;
mod groups;
mod import;
mod kept;
mod make;
mod money;
mod opening;
mod outcomes;
mod queue;
mod reading;
mod steps;
mod uploads;
mod views;

use std::path::PathBuf;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tempfile::TempDir;

use self::make::*;
use super::*;
use crate::domain::{Digest, JobState, Micros, Origin, Timestamp, clock};

/// What one attempt costs here.
const PRICE: Micros = Micros(100_000);

/// A ledger of its own in a folder of its own, with one batch and one run.
struct Desk {
    ledger: Ledger,
    batch: BatchId,
    run: RunId,
    folder: TempDir,
}

impl Desk {
    async fn open() -> Self {
        Self::with_budget(None).await
    }

    async fn with_budget(budget: Option<Micros>) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = Ledger::open(&ledger_path(folder.path())).await.unwrap();
        let run = ledger.begin_run("first").await.unwrap();
        let batch = ledger.open_batch(NewBatch { budget, ..new_batch("films") }).await.unwrap();
        Self { ledger, batch, run, folder }
    }

    fn path(&self) -> PathBuf {
        ledger_path(self.folder.path())
    }

    /// A second, plain connection to the same file.
    async fn raw(&self) -> SqliteConnection {
        raw(&self.path()).await
    }

    /// Brings rows of these keys in; returns their jobs in the same order.
    async fn jobs<const N: usize>(&self, keys: [&str; N]) -> [JobId; N] {
        let rows = keys.iter().map(|key| new_job(key)).collect();
        self.ledger.enqueue(self.batch, rows).await.unwrap();
        let names = keys.map(str::to_owned);
        let known = self.ledger.known(self.batch, &names).await.unwrap();
        names.map(|key| known[&key].id)
    }

    fn attempt(&self, job: JobId) -> NewAttempt {
        NewAttempt {
            job,
            run: self.run,
            origin: origin(),
            model: "model".to_owned(),
            body_sha256: Digest::of(b"body"),
            price: PRICE,
        }
    }

    async fn begin(&self, job: JobId) -> Intent {
        match self.ledger.begin_attempt(self.attempt(job)).await.unwrap() {
            Begun::Intent(intent) => intent,
            other => panic!("no intent but {other:?}"),
        }
    }

    /// A job whose prediction runs at the API.
    async fn submitted(&self, job: JobId, id: &str) -> Intent {
        let intent = self.begin(job).await;
        self.ledger.accept(&intent, &prediction(id), Some(200), None).await.unwrap();
        intent
    }

    /// A job whose outputs are known.
    async fn ready(&self, job: JobId, id: &str) -> AttemptId {
        let attempt = self.submitted(job, id).await.attempt();
        let outputs = ["https://cdn.example/1.mp4".to_owned()];
        self.ledger.complete(attempt, &outputs, None).await.unwrap();
        attempt
    }

    /// A job with its one file in place.
    async fn done(&self, job: JobId, id: &str) -> AttemptId {
        let attempt = self.ready(job, id).await;
        self.ledger.store(job, attempt, vec![file(1, &format!("{id}.mp4"))]).await.unwrap();
        self.ledger.finish(job, attempt).await.unwrap();
        attempt
    }

    /// A job of which nobody knows whether it was charged.
    async fn lost(&self, job: JobId) -> Intent {
        let intent = self.begin(job).await;
        self.ledger.lose_sight(&intent, trouble("timeout")).await.unwrap();
        intent
    }

    async fn state(&self, job: JobId) -> JobState {
        let filter = JobFilter { after: Some(JobId(job.0 - 1)), ..JobFilter::default() };
        self.ledger.jobs(&filter, 1).await.unwrap()[0].state
    }

    async fn view(&self) -> BatchView {
        self.ledger.batches(&["films".to_owned()]).await.unwrap().remove(0)
    }

    /// The four sums of the batch, in the order of `Account::ALL`.
    async fn money(&self) -> [i64; 4] {
        self.view().await.tally.money.map(|sum| sum.0)
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).connect().await.unwrap()
}

/// One number from a plain connection.
async fn number(connection: &mut SqliteConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

/// Runs statements on a plain connection.
async fn run(connection: &mut SqliteConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(|_| ())
}

fn is_illegal<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::IllegalJob { .. } | Error::IllegalAttempt { .. }))
}

/// The moment with which everything pending is due.
fn late() -> Timestamp {
    clock::from_millis(i64::MAX)
}
