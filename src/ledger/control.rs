//! Between a run and those who watch it from elsewhere: what they ask of it, and how it stands.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::error::{Error, Result};
use super::{BatchId, Ledger, RunId};
use crate::domain::Micros;

/// What an operator asks of the run that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Submit nothing more for now; polls and downloads go on.
    Pause,
    /// Submit again.
    Resume,
    /// So many predictions in flight at most.
    Concurrency(u32),
    /// The batch may spend so much; `None`: as much as it takes.
    Budget(BatchId, Option<Micros>),
    /// Jobs were requeued or canceled: look at the ledger again.
    Look,
}

/// Something that was asked of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked(pub i64);

/// How the run stands that is going on, or was the last to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The run.
    pub run: RunId,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Predictions in flight at most, as the API lets it.
    pub concurrency: u64,
    /// The same, as the operator allows it.
    pub allowed: u64,
}

impl Control {
    const fn columns(self) -> (&'static str, Option<i64>, Option<i64>) {
        match self {
            Self::Pause => ("pause", None, None),
            Self::Resume => ("resume", None, None),
            Self::Concurrency(value) => ("concurrency", None, Some(value as i64)),
            Self::Budget(batch, None) => ("budget", Some(batch.0), None),
            Self::Budget(batch, Some(cap)) => ("budget", Some(batch.0), Some(cap.0)),
            Self::Look => ("look", None, None),
        }
    }

    fn read(row: &SqliteRow) -> Option<Self> {
        let (batch, value): (Option<i64>, Option<i64>) = (row.get("batch_id"), row.get("value"));
        Some(match row.get::<&str, _>("kind") {
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "concurrency" => Self::Concurrency(u32::try_from(value?).ok()?),
            "budget" => Self::Budget(BatchId(batch?), value.map(Micros)),
            _ => Self::Look,
        })
    }
}

impl Ledger {
    /// Leaves word for the run that is going on.
    pub async fn ask(&self, control: Control) -> Result<Asked> {
        self.write(move |tx| {
            Box::pin(async move {
                let (kind, batch, value) = control.columns();
                let id = sqlx::query_scalar(
                    "INSERT INTO controls (kind, batch_id, value, asked_at) \
                     VALUES (?1, ?2, ?3, ?4) RETURNING id",
                )
                .bind(kind)
                .bind(batch)
                .bind(value)
                .bind(tx.millis())
                .fetch_one(&mut *tx.connection)
                .await
                .map_err(Error::on("leaving word for the run"))?;
                Ok(Asked(id))
            })
        })
        .await
    }

    /// What was asked and not answered yet, in its order.
    pub async fn asked(&self) -> Result<Vec<(Asked, Control)>> {
        let rows = sqlx::query(
            "SELECT id, kind, batch_id, value FROM controls WHERE said IS NULL ORDER BY id",
        )
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading what is asked of the run"))?;
        let read = |row| Some((Asked(row_id(row)), Control::read(row)?));
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Answers, once. Returns whether nobody had before.
    pub async fn answer(&self, asked: Asked, said: &str) -> Result<bool> {
        let said = said.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let done =
                    sqlx::query("UPDATE controls SET said = ?1 WHERE id = ?2 AND said IS NULL")
                        .bind(said)
                        .bind(asked.0)
                        .execute(&mut *tx.connection)
                        .await
                        .map_err(Error::on("answering what was asked of the run"))?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }

    /// What the run said, once it did.
    pub async fn answer_to(&self, asked: Asked) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT said FROM controls WHERE id = ?1")
            .bind(asked.0)
            .fetch_optional(self.readers())
            .await
            .map_err(Error::on("reading what the run said"))
            .map(Option::flatten)
    }

    /// Changes what a batch may spend.
    pub async fn set_budget(&self, batch: BatchId, cap: Option<Micros>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE batches SET budget = ?1 WHERE id = ?2")
                    .bind(cap.map(|cap| cap.0))
                    .bind(batch.0)
                    .execute(&mut *tx.connection)
                    .await
                    .map_err(Error::on("changing a budget"))?;
                Ok(())
            })
        })
        .await
    }

    /// Tells those who watch how the run stands.
    pub async fn show_live(&self, live: Live) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT OR REPLACE INTO live (id, run_id, paused, concurrency, allowed) \
                     VALUES (1, ?1, ?2, ?3, ?4)",
                )
                .bind(live.run.0)
                .bind(live.paused)
                .bind(count(live.concurrency))
                .bind(count(live.allowed))
                .execute(&mut *tx.connection)
                .await
                .map_err(Error::on("telling how the run stands"))?;
                Ok(())
            })
        })
        .await
    }

    /// How the last run stood; `None` where there was none, or it has ended in good order.
    pub async fn live(&self) -> Result<Option<Live>> {
        let row = sqlx::query(
            "SELECT l.run_id, l.paused, l.concurrency, l.allowed FROM live l \
             JOIN runs r ON r.id = l.run_id WHERE r.finished_at IS NULL",
        )
        .fetch_optional(self.readers())
        .await
        .map_err(Error::on("reading how the run stands"))?;
        let count = |row: &SqliteRow, name| u64::try_from(row.get::<i64, _>(name)).unwrap_or(0);
        Ok(row.map(|row| Live {
            run: RunId(row.get("run_id")),
            paused: row.get::<i64, _>("paused") == 1,
            concurrency: count(&row, "concurrency"),
            allowed: count(&row, "allowed"),
        }))
    }
}

fn row_id(row: &SqliteRow) -> i64 {
    row.get("id")
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
