//! What earlier attempts teach: how long generations took, and what was charged against what was
//! reserved.

use std::time::Duration;

use sqlx::Row as _;

use super::error::{Error, Result};
use super::{BatchId, Ledger};
use crate::domain::{Micros, Origin};

/// Attempts looked back at, over all models.
const WINDOW: i64 = 20_000;
/// Generations of a model that are taken into account, the newest ones.
const SAMPLE: i64 = 500;

/// Reserved against charged, of one model in one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// The model.
    pub model: String,
    /// Settled attempts whose charge the API stated.
    pub stated: u64,
    /// Settled attempts whose charge it did not state.
    pub unstated: u64,
    /// What was reserved for the stated ones.
    pub reserved: Micros,
    /// What the API says it charged for them.
    pub charged: Micros,
}

/// How large the files of jobs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a job's files together, on average.
    pub mean: u64,
    /// So many jobs were looked at.
    pub measured: u64,
}

impl Ledger {
    /// How long the newest generations of a model took from acceptance to completion, in no order.
    /// Adopted ones are left out: nobody knows when they were accepted.
    pub async fn latencies(&self, origin: &Origin, model: &str) -> Result<Vec<Duration>> {
        let rows = sqlx::query(
            "SELECT completed_at - accepted_at AS took FROM attempts \
             WHERE id > (SELECT COALESCE(MAX(id), 0) FROM attempts) - ?3 AND model = ?1 \
             AND origin = ?2 AND state = 'settled' AND adopted = 0 AND completed_at >= accepted_at \
             ORDER BY id DESC LIMIT ?4",
        )
        .bind(model.to_owned())
        .bind(origin.as_str().to_owned())
        .bind(WINDOW)
        .bind(SAMPLE)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading latencies"))?;
        let millis = rows.iter().filter_map(|row| u64::try_from(row.get::<i64, _>("took")).ok());
        Ok(millis.map(Duration::from_millis).collect())
    }

    /// How large the files of a model's newest jobs are; `None` where there are none.
    pub async fn sizes(&self, origin: &Origin, model: &str) -> Result<Option<Sizes>> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS jobs, COALESCE(SUM(bytes), 0) AS bytes FROM (SELECT SUM(f.bytes) AS bytes \
             FROM attempts a JOIN artifacts f ON f.attempt_id = a.id AND f.state = 'stored' \
             WHERE a.id > (SELECT COALESCE(MAX(id), 0) FROM attempts) - ?3 AND a.model = ?1 \
             AND a.origin = ?2 GROUP BY a.id ORDER BY a.id DESC LIMIT ?4)",
        )
        .bind(model.to_owned())
        .bind(origin.as_str().to_owned())
        .bind(WINDOW)
        .bind(SAMPLE)
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("adding up sizes"))?;
        let read = |name| row.get::<i64, _>(name).unsigned_abs();
        let (measured, bytes): (u64, u64) = (read("jobs"), read("bytes"));
        Ok((measured > 0).then(|| Sizes { mean: bytes / measured.max(1), measured }))
    }

    /// Reserved against charged in a batch, by model.
    pub async fn charged(&self, batch: BatchId) -> Result<Vec<Charged>> {
        let rows = sqlx::query(
            "SELECT a.model AS model, COUNT(a.charged) AS stated, \
             COUNT(*) - COUNT(a.charged) AS unstated, \
             SUM(CASE WHEN a.charged IS NULL THEN 0 ELSE a.reserved END) AS reserved, \
             COALESCE(SUM(a.charged), 0) AS charged \
             FROM attempts a JOIN jobs j ON j.id = a.job_id \
             WHERE j.batch_id = ?1 AND a.state = 'settled' GROUP BY a.model ORDER BY a.model",
        )
        .bind(batch.0)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("adding up charges"))?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let charged = rows.iter().map(|row| Charged {
            model: row.get("model"),
            stated: count(row.get("stated")),
            unstated: count(row.get("unstated")),
            reserved: Micros(row.get("reserved")),
            charged: Micros(row.get("charged")),
        });
        Ok(charged.collect())
    }
}
