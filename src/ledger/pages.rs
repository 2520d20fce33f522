//! What the report shows of a batch: its jobs page by page, what is wrong by cause, and how the night
//! went in bins of time. No call's answer grows with the batch, but for its page.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::error::{Error, Result};
use super::transition::job_state;
use super::{BatchId, JobId, Ledger};
use crate::domain::{JobState, Micros, Timestamp, clock};

/// One job with all that is shown of it.
#[derive(Clone, Debug)]
pub struct PageJob {
    /// The job.
    pub id: JobId,
    /// Its key.
    pub key: String,
    /// Where it is.
    pub state: JobState,
    /// The canonical request.
    pub request: String,
    /// The row's template variables as JSON.
    pub vars: Option<String>,
    /// Number of attempts.
    pub attempts: i64,
    /// What its attempts cost in all (committed and unknown).
    pub cost: Micros,
    /// The price it was planned with.
    pub price: Option<Micros>,
    /// The last trouble's class and message.
    pub error: Option<(String, String)>,
    /// Number of its row.
    pub row: i64,
    /// File and line of its row.
    pub place: String,
    /// The newest attempt's prediction.
    pub prediction: Option<String>,
    /// From acceptance to completion, where both are known.
    pub took: Option<Duration>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its files in place.
    pub files: Vec<PageFile>,
}

/// One file in place.
#[derive(Clone, Debug)]
pub struct PageFile {
    /// Path relative to the output folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: i64,
    /// Type and dimensions as JSON.
    pub media: String,
}

/// Jobs in one state for one reason.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The state.
    pub state: JobState,
    /// The trouble's class, where there is one.
    pub class: Option<String>,
    /// How many jobs.
    pub jobs: u64,
}

/// What happened in one bin of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bin {
    /// Its number: the first one is 0.
    pub number: i64,
    /// Predictions that began to be in flight.
    pub accepted: i64,
    /// Predictions that ceased to be.
    pub ended: i64,
    /// Jobs done.
    pub done: i64,
    /// By how much committed, reserved and unknown money changed.
    pub spent: Micros,
}

/// Where a list of changes goes on.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    /// Changes of this moment and later.
    pub since: Timestamp,
    /// Of this moment only jobs after this one.
    pub after: JobId,
}

/// What [`PageJob`] is read from, up to the batch.
const PAGE_JOB: &str = "SELECT j.id, j.key, j.state, j.request, j.vars, j.attempts, j.price, \
     j.error_class, j.error_message, j.row, j.file, j.line, j.updated_at, l.prediction_id, \
     CASE WHEN l.adopted = 0 AND l.completed_at >= l.accepted_at \
      THEN l.completed_at - l.accepted_at END AS took, \
     (SELECT coalesce(sum(coalesce(a.charged, a.reserved)), 0) FROM attempts a \
      WHERE a.job_id = j.id \
      AND a.state IN ('accepted', 'settled', 'unknown', 'assumed_charged')) AS cost \
     FROM jobs j LEFT JOIN attempts l ON l.job_id = j.id AND l.number = j.attempts \
     WHERE j.batch_id = ?1";

impl Ledger {
    /// A page of a batch's jobs with their files, in the order of their ids.
    pub async fn page_jobs(
        &self,
        batch: BatchId,
        after: JobId,
        limit: u32,
    ) -> Result<Vec<PageJob>> {
        let sql = format!("{PAGE_JOB} AND j.id > ?2 ORDER BY j.id LIMIT ?3");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(batch.0)
            .bind(after.0)
            .bind(limit)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading the report's jobs"))?;
        let mut jobs = rows.iter().map(page_job).collect::<Result<Vec<_>>>()?;
        if let Some(last) = jobs.last().map(|job| job.id) {
            self.add_files(batch, (after, last), &mut jobs).await?;
        }
        Ok(jobs)
    }

    /// A page of a batch's jobs that changed at or after a moment, in the order in which they did.
    pub async fn changed_jobs(
        &self,
        batch: BatchId,
        from: Changed,
        limit: u32,
    ) -> Result<Vec<PageJob>> {
        let sql = format!(
            "{PAGE_JOB} AND (j.updated_at > ?2 OR (j.updated_at = ?2 AND j.id > ?3)) \
             ORDER BY j.updated_at, j.id LIMIT ?4"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(batch.0)
            .bind(from.since.as_millisecond())
            .bind(from.after.0)
            .bind(limit)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading what changed"))?;
        let mut jobs = rows.iter().map(page_job).collect::<Result<Vec<_>>>()?;
        for job in &mut jobs {
            let just = (JobId(job.id.0 - 1), job.id);
            self.add_files(batch, just, std::slice::from_mut(job)).await?;
        }
        Ok(jobs)
    }

    /// The path of the artifact in place that holds this folded path.
    pub async fn artifact_at(&self, folded: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT path FROM artifacts WHERE folded = ?1 AND state = 'stored'")
            .bind(folded.to_owned())
            .fetch_optional(self.readers())
            .await
            .map_err(Error::on("looking for an artifact"))
    }

    async fn add_files(
        &self,
        batch: BatchId,
        (after, last): (JobId, JobId),
        jobs: &mut [PageJob],
    ) -> Result<()> {
        let rows = sqlx::query(
            "SELECT f.job_id, f.path, f.bytes, f.media FROM artifacts f \
             JOIN jobs j ON j.id = f.job_id WHERE f.state = 'stored' AND j.batch_id = ?1 \
             AND f.job_id > ?2 AND f.job_id <= ?3 ORDER BY f.job_id, f.number",
        )
        .bind(batch.0)
        .bind(after.0)
        .bind(last.0)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading the report's files"))?;
        for row in &rows {
            let id = JobId(row.get("job_id"));
            if let Ok(at) = jobs.binary_search_by_key(&id, |job| job.id) {
                let (path, bytes, media) = (row.get("path"), row.get("bytes"), row.get("media"));
                jobs[at].files.push(PageFile { path, bytes, media });
            }
        }
        Ok(())
    }

    /// Jobs of these states by cause, the most frequent first.
    pub async fn causes(&self, batch: BatchId) -> Result<Vec<Cause>> {
        let rows = sqlx::query(
            "SELECT state, CASE WHEN state = 'pending' THEN NULL ELSE error_class END AS class, \
             count(*) AS jobs FROM jobs WHERE batch_id = ?1 \
             AND state NOT IN ('done', 'canceled') GROUP BY 1, 2 ORDER BY jobs DESC, 1, 2",
        )
        .bind(batch.0)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("counting causes"))?;
        let cause = |row: &SqliteRow| {
            let state = job_state(row.get("state"))?;
            let class = row.get("class");
            let jobs = u64::try_from(row.get::<i64, _>("jobs")).unwrap_or(0);
            Ok(Cause { state, class, jobs })
        };
        rows.iter().map(cause).collect()
    }

    /// What was said most often of a cause, with how often.
    pub async fn messages(
        &self,
        batch: BatchId,
        cause: &Cause,
        limit: u32,
    ) -> Result<Vec<(String, u64)>> {
        let rows = sqlx::query(
            "SELECT error_message AS said, count(*) AS jobs FROM jobs WHERE batch_id = ?1 \
             AND state = ?2 AND error_class IS ?3 AND error_message IS NOT NULL \
             GROUP BY said ORDER BY jobs DESC, said LIMIT ?4",
        )
        .bind(batch.0)
        .bind(cause.state.as_str())
        .bind(cause.class.clone())
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading messages"))?;
        let jobs = |row: &SqliteRow| u64::try_from(row.get::<i64, _>("jobs")).unwrap_or(0);
        Ok(rows.iter().map(|row| (row.get("said"), jobs(row))).collect())
    }

    /// A page of the keys of a cause's jobs, in the order of their ids.
    pub async fn keys(
        &self,
        batch: BatchId,
        cause: &Cause,
        after: JobId,
        limit: u32,
    ) -> Result<Vec<(JobId, String)>> {
        let rows = sqlx::query(
            "SELECT id, key FROM jobs WHERE batch_id = ?1 AND state = ?2 AND error_class IS ?3 \
             AND id > ?4 ORDER BY id LIMIT ?5",
        )
        .bind(batch.0)
        .bind(cause.state.as_str())
        .bind(cause.class.clone())
        .bind(after.0)
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading keys"))?;
        Ok(rows.iter().map(|row| (JobId(row.get("id")), row.get("key"))).collect())
    }

    /// What happened in a batch, in bins of `step` from `from` on; bins without anything are left out.
    pub async fn night(&self, batch: BatchId, from: Timestamp, step: Duration) -> Result<Vec<Bin>> {
        let rows = sqlx::query(
            "SELECT max(at - ?2, 0) / ?3 AS bin, sum(accepted) AS accepted, sum(ended) AS ended, \
             sum(done) AS done, sum(spent) AS spent FROM ( \
             SELECT a.accepted_at AS at, 1 AS accepted, 0 AS ended, 0 AS done, 0 AS spent \
              FROM attempts a JOIN jobs j ON j.id = a.job_id \
              WHERE j.batch_id = ?1 AND a.accepted_at IS NOT NULL \
             UNION ALL SELECT max(a.accepted_at, coalesce(a.completed_at, j.updated_at)), 0, 1, 0, 0 \
              FROM attempts a JOIN jobs j ON j.id = a.job_id \
              WHERE j.batch_id = ?1 AND a.accepted_at IS NOT NULL AND (a.completed_at IS NOT NULL \
              OR j.state NOT IN ('submitting', 'submitted', 'ready', 'storing')) \
             UNION ALL SELECT updated_at, 0, 0, 1, 0 FROM jobs \
              WHERE batch_id = ?1 AND state = 'done' \
             UNION ALL SELECT e.at, 0, 0, 0, e.micros * ((e.target <> 'released') \
              - (e.source <> 'outside')) \
              FROM entries e JOIN attempts a ON a.id = e.attempt_id JOIN jobs j ON j.id = a.job_id \
              WHERE j.batch_id = ?1) GROUP BY bin ORDER BY bin",
        )
        .bind(batch.0)
        .bind(from.as_millisecond())
        .bind(i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1))
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading the night"))?;
        let bin = |row: &SqliteRow| Bin {
            number: row.get("bin"),
            accepted: row.get("accepted"),
            ended: row.get("ended"),
            done: row.get("done"),
            spent: Micros(row.get("spent")),
        };
        Ok(rows.iter().map(bin).collect())
    }
}

fn page_job(row: &SqliteRow) -> Result<PageJob> {
    let (file, line): (String, i64) = (row.get("file"), row.get("line"));
    let class: Option<String> = row.get("error_class");
    let message: Option<String> = row.get("error_message");
    let took: Option<i64> = row.get("took");
    Ok(PageJob {
        id: JobId(row.get("id")),
        key: row.get("key"),
        state: job_state(row.get("state"))?,
        request: row.get("request"),
        vars: row.get("vars"),
        attempts: row.get("attempts"),
        cost: Micros(row.get("cost")),
        price: row.get::<Option<i64>, _>("price").map(Micros),
        error: class.map(|class| (class, message.unwrap_or_default())),
        row: row.get("row"),
        place: format!("{file}:{line}"),
        prediction: row.get("prediction_id"),
        took: took.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
        updated_at: clock::from_millis(row.get("updated_at")),
        files: Vec::new(),
    })
}
