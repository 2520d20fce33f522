//! What a plan tells of jobs beyond their states: the request they stand for, the files they made,
//! and since when the API works on them.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::error::{Error, Result};
use super::{JobId, Ledger};
use crate::domain::Request;

/// What became of a job so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Its first file, relative to the output folder.
    pub file: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// When its newest attempt was accepted, or intended where it was not accepted; Unix milliseconds.
    pub sent_at: Option<i64>,
}

impl Ledger {
    /// The requests these jobs stand for.
    pub async fn requests(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Request>> {
        let rows = self.about(jobs, "SELECT id, request FROM jobs WHERE id IN (").await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Some((JobId(row.get("id")), Request::from_canonical(row.get("request"))?))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The models that pending jobs of a batch are to be submitted to.
    pub async fn pending_models(&self, batch: &str) -> Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT DISTINCT j.model FROM jobs j JOIN batches b ON b.id = j.batch_id \
             WHERE b.name = ?1 AND j.state = 'pending'",
        )
        .bind(batch)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading the models of pending jobs"))
    }

    /// What became of these jobs so far.
    pub async fn pasts(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Past>> {
        let select = "SELECT j.id, \
             (SELECT path FROM artifacts f WHERE f.job_id = j.id AND f.state = 'stored' \
              ORDER BY f.number LIMIT 1) AS file, \
             (SELECT count(*) FROM artifacts f WHERE f.job_id = j.id AND f.state = 'stored') \
              AS files, \
             (SELECT coalesce(a.accepted_at, a.intent_at) FROM attempts a WHERE a.job_id = j.id \
              ORDER BY a.number DESC LIMIT 1) AS sent_at FROM jobs j WHERE j.id IN (";
        let rows = self.about(jobs, select).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let files = row.get::<i64, _>("files").unsigned_abs();
            let past = Past { file: row.get("file"), files, sent_at: row.get("sent_at") };
            (JobId(row.get("id")), past)
        };
        Ok(rows.iter().map(read).collect())
    }

    async fn about(&self, jobs: &[JobId], select: &str) -> Result<Vec<sqlx::sqlite::SqliteRow>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new(select);
        let mut list = query.separated(", ");
        for job in jobs {
            list.push_bind(job.0);
        }
        query.push(")");
        query.build().fetch_all(self.readers()).await.map_err(Error::on("looking back at jobs"))
    }
}
