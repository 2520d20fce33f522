//! What people and scripts see of the ledger: read only, page by page, beside a running run.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite};

use super::error::{Error, Result};
use super::measured::Charged;
use super::tally::BatchTally;
use super::transition::{attempt_state, job_state};
use super::{AttemptId, BatchId, JobId, Ledger};
use crate::domain::{AttemptState, Digest, JobState, Micros, Origin, Timestamp, clock};

/// One batch in figures.
#[derive(Clone, Debug)]
pub struct BatchView {
    /// The batch.
    pub id: BatchId,
    /// Its name.
    pub name: String,
    /// The manifest it came from.
    pub manifest: String,
    /// The API it is for.
    pub origin: Origin,
    /// Counts by state and money by account.
    pub tally: BatchTally,
    /// All attempts ever made.
    pub attempts: u64,
    /// Files in place.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first intent.
    pub first_at: Option<Timestamp>,
    /// The last change of a job.
    pub last_at: Option<Timestamp>,
    /// Reserved against charged, by model.
    pub charged: Vec<Charged>,
    /// What decisions to pay again may have cost at most, and how many there were.
    pub paid_again: (Micros, u64),
}

/// One job in a line.
#[derive(Clone, Debug)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Its batch's name.
    pub batch: String,
    /// Its key.
    pub key: String,
    /// Where it is.
    pub state: JobState,
    /// The model.
    pub model: String,
    /// Number of attempts.
    pub attempts: i64,
    /// The newest prediction.
    pub prediction: Option<String>,
    /// What its attempts cost in all (committed and unknown).
    pub cost: Micros,
    /// The last trouble's class and message.
    pub error: Option<(String, String)>,
    /// Number of its row.
    pub row: i64,
    /// File and line of its row.
    pub place: String,
    /// The canonical request.
    pub request: String,
    /// When it is due again; in the past or `None` where it does not wait.
    pub not_before: Option<Timestamp>,
    /// When it came into the ledger.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One attempt of a job.
#[derive(Clone, Debug)]
pub struct AttemptView {
    /// The attempt.
    pub id: AttemptId,
    /// Its number.
    pub number: i64,
    /// How it ended, or where it is.
    pub state: AttemptState,
    /// What was reserved.
    pub reserved: Micros,
    /// What the API says it charged.
    pub charged: Option<Micros>,
    /// The prediction.
    pub prediction: Option<String>,
    /// Whether the prediction was found in the history instead of in the answer.
    pub adopted: bool,
    /// Whether it was given up by a decision to pay again.
    pub pays_again: bool,
    /// The HTTP status of the POST's answer.
    pub http_status: Option<i64>,
    /// The API's id of the request.
    pub request_id: Option<String>,
    /// Class and message of its trouble.
    pub error: Option<(String, String)>,
    /// What settled an unknown outcome.
    pub evidence: Option<String>,
    /// The intent.
    pub intent_at: Timestamp,
    /// The id was durable.
    pub accepted_at: Option<Timestamp>,
    /// The end was seen.
    pub completed_at: Option<Timestamp>,
}

/// One file of a job.
#[derive(Clone, Debug)]
pub struct ArtifactView {
    /// The job.
    pub job: JobId,
    /// Its batch's name and its key.
    pub name: (String, String),
    /// The attempt that paid for it.
    pub attempt: AttemptId,
    /// Number of the output.
    pub number: i64,
    /// `storing`, `stored` or `superseded`.
    pub state: String,
    /// Final path, relative to the output folder.
    pub path: String,
    /// Where the bytes are before they are in place.
    pub temp: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Type and dimensions as JSON.
    pub media: String,
    /// The host it came from.
    pub source_host: Option<String>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only of this batch.
    pub batch: Option<BatchId>,
    /// Only in these states; all where empty.
    pub states: Vec<JobState>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only after this one.
    pub after: Option<JobId>,
}

impl Ledger {
    /// All batches, or those of these names, in figures, oldest first.
    pub async fn batches(&self, names: &[String]) -> Result<Vec<BatchView>> {
        let rows = sqlx::query(
            "SELECT id, name, manifest, origin, budget, reserved, committed, unknown, released \
             FROM batches ORDER BY id",
        )
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading the batches"))?;
        let mut views = Vec::new();
        for row in &rows {
            let name: String = row.get("name");
            if names.is_empty() || names.contains(&name) {
                views.push(self.batch_view(row, name).await?);
            }
        }
        Ok(views)
    }

    /// All batches by name alone, oldest first: figures are counted over all their jobs.
    pub async fn batch_names(&self) -> Result<Vec<(BatchId, String)>> {
        let rows = sqlx::query("SELECT id, name FROM batches ORDER BY id")
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading the batches' names"))?;
        Ok(rows.iter().map(|row| (BatchId(row.get("id")), row.get("name"))).collect())
    }

    async fn batch_view(&self, row: &SqliteRow, name: String) -> Result<BatchView> {
        let id = BatchId(row.get("id"));
        let charged = self.charged(id).await?;
        let mut tally = self.count(id).await?;
        tally.budget = row.get::<Option<i64>, _>("budget").map(Micros);
        tally.money = ["reserved", "committed", "unknown", "released"].map(|c| Micros(row.get(c)));
        let figures = sqlx::query(
            "SELECT (SELECT coalesce(sum(attempts), 0) FROM jobs WHERE batch_id = ?1) AS attempts, \
             (SELECT min(intent_at) FROM attempts a JOIN jobs j ON j.id = a.job_id \
              WHERE j.batch_id = ?1) AS first_at, \
             (SELECT max(updated_at) FROM jobs WHERE batch_id = ?1) AS last_at, \
             count(*) AS files, coalesce(sum(bytes), 0) AS bytes FROM artifacts f \
             JOIN jobs j ON j.id = f.job_id WHERE j.batch_id = ?1 AND j.state = 'done' \
             AND f.state = 'stored'",
        )
        .bind(id.0)
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("reading a batch's figures"))?;
        Ok(BatchView {
            id,
            name,
            manifest: row.get("manifest"),
            origin: Origin::from_ledger(row.get("origin")),
            tally,
            attempts: whole(&figures, "attempts"),
            files: whole(&figures, "files"),
            bytes: whole(&figures, "bytes"),
            first_at: moment(&figures, "first_at"),
            last_at: moment(&figures, "last_at"),
            charged,
            paid_again: self.paid_again(id).await?,
        })
    }

    /// Counts a batch's jobs by state.
    pub(super) async fn count(&self, batch: BatchId) -> Result<BatchTally> {
        let rows = sqlx::query(
            "SELECT state, count(*) AS jobs, (SELECT count(*) FROM jobs WHERE batch_id = ?1 \
             AND state = 'pending' AND not_before > 0) AS retrying \
             FROM jobs WHERE batch_id = ?1 GROUP BY state",
        )
        .bind(batch.0)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("counting jobs"))?;
        let mut tally = BatchTally::default();
        for row in &rows {
            tally.jobs[job_state(row.get("state"))?.index()] = whole(row, "jobs");
            tally.retrying = whole(row, "retrying");
        }
        Ok(tally)
    }

    /// A page of jobs, in the order of their ids.
    pub async fn jobs(&self, filter: &JobFilter, limit: u32) -> Result<Vec<JobView>> {
        let mut query = QueryBuilder::<Sqlite>::new(JOBS);
        query.push(" WHERE j.id > ").push_bind(filter.after.map_or(0, |id| id.0));
        if let Some(batch) = filter.batch {
            query.push(" AND j.batch_id = ").push_bind(batch.0);
        }
        if let Some(key) = &filter.key {
            query.push(" AND j.key = ").push_bind(key.clone());
        }
        if !filter.states.is_empty() {
            query.push(" AND j.state IN (");
            let mut list = query.separated(", ");
            for state in &filter.states {
                list.push_bind(state.as_str());
            }
            query.push(")");
        }
        query.push(" ORDER BY j.id LIMIT ").push_bind(limit);
        let rows =
            query.build().fetch_all(self.readers()).await.map_err(Error::on("listing jobs"))?;
        rows.iter().map(job_view).collect()
    }

    /// The attempts of a job, oldest first.
    pub async fn attempts(&self, job: JobId) -> Result<Vec<AttemptView>> {
        let rows = sqlx::query(
            "SELECT id, number, state, reserved, charged, prediction_id, adopted, pays_again, http_status, \
             request_id, error_class, error_message, evidence, intent_at, accepted_at, \
             completed_at FROM attempts WHERE job_id = ?1 ORDER BY number",
        )
        .bind(job.0)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading attempts"))?;
        rows.iter().map(attempt_view).collect()
    }

    /// The files of a job that count, in the order of its outputs.
    pub async fn artifacts_of(&self, job: JobId) -> Result<Vec<ArtifactView>> {
        let sql = format!(
            "{ARTIFACTS} WHERE f.job_id = ?1 AND f.state <> 'superseded' ORDER BY f.number"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(job.0)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading a job's files"))?;
        rows.iter().map(artifact_view).collect()
    }

    /// A page of the files in place, after the job `after`; whole jobs only, at least one.
    pub async fn artifacts(
        &self,
        batch: Option<BatchId>,
        after: JobId,
        limit: u32,
    ) -> Result<Vec<ArtifactView>> {
        let sql = format!(
            "{ARTIFACTS} WHERE f.state = 'stored' AND f.job_id IN (SELECT d.id FROM jobs d \
             WHERE d.state = 'done' AND d.id > ?1 AND (?2 IS NULL OR d.batch_id = ?2) \
             ORDER BY d.id LIMIT ?3) ORDER BY f.job_id, f.number"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after.0)
            .bind(batch.map(|batch| batch.0))
            .bind(limit)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading the files"))?;
        rows.iter().map(artifact_view).collect()
    }
}

/// The columns of [`JobView`].
const JOBS: &str = "SELECT j.id, b.name AS batch, j.key, j.state, j.model, j.attempts, \
     (SELECT a.prediction_id FROM attempts a WHERE a.job_id = j.id AND a.prediction_id IS NOT NULL \
      ORDER BY a.number DESC LIMIT 1) AS prediction_id, \
     (SELECT coalesce(sum(coalesce(a.charged, a.reserved)), 0) FROM attempts a WHERE a.job_id = j.id \
      AND a.state IN ('accepted', 'settled', 'unknown', 'assumed_charged')) AS cost, \
     j.error_class, j.error_message, j.row, j.file, j.line, j.request, j.not_before, \
     j.created_at, j.updated_at FROM jobs j JOIN batches b ON b.id = j.batch_id";

/// The columns of [`ArtifactView`].
const ARTIFACTS: &str = "SELECT f.job_id, b.name AS batch, j.key, f.attempt_id, f.number, f.state, \
     f.path, f.temp, f.bytes, f.sha256, f.media, f.source_host FROM artifacts f \
     JOIN jobs j ON j.id = f.job_id JOIN batches b ON b.id = j.batch_id";

fn whole(row: &SqliteRow, column: &str) -> u64 {
    u64::try_from(row.get::<i64, _>(column)).unwrap_or(0)
}

fn moment(row: &SqliteRow, column: &str) -> Option<Timestamp> {
    row.get::<Option<i64>, _>(column).map(clock::from_millis)
}

fn error_of(row: &SqliteRow) -> Option<(String, String)> {
    let class: Option<String> = row.get("error_class");
    let message: Option<String> = row.get("error_message");
    class.map(|class| (class, message.unwrap_or_default()))
}

fn job_view(row: &SqliteRow) -> Result<JobView> {
    let (file, line): (String, i64) = (row.get("file"), row.get("line"));
    Ok(JobView {
        id: JobId(row.get("id")),
        batch: row.get("batch"),
        key: row.get("key"),
        state: job_state(row.get("state"))?,
        model: row.get("model"),
        attempts: row.get("attempts"),
        prediction: row.get("prediction_id"),
        cost: Micros(row.get("cost")),
        error: error_of(row),
        row: row.get("row"),
        place: format!("{file}:{line}"),
        request: row.get("request"),
        not_before: moment(row, "not_before").filter(|at| at.as_millisecond() > 0),
        created_at: clock::from_millis(row.get("created_at")),
        updated_at: clock::from_millis(row.get("updated_at")),
    })
}

fn attempt_view(row: &SqliteRow) -> Result<AttemptView> {
    Ok(AttemptView {
        id: AttemptId(row.get("id")),
        number: row.get("number"),
        state: attempt_state(row.get("state"))?,
        reserved: Micros(row.get("reserved")),
        charged: row.get::<Option<i64>, _>("charged").map(Micros),
        prediction: row.get("prediction_id"),
        adopted: row.get::<i64, _>("adopted") == 1,
        pays_again: row.get::<i64, _>("pays_again") == 1,
        http_status: row.get("http_status"),
        request_id: row.get("request_id"),
        error: error_of(row),
        evidence: row.get("evidence"),
        intent_at: clock::from_millis(row.get("intent_at")),
        accepted_at: moment(row, "accepted_at"),
        completed_at: moment(row, "completed_at"),
    })
}

fn artifact_view(row: &SqliteRow) -> Result<ArtifactView> {
    let digest: Vec<u8> = row.get("sha256");
    Ok(ArtifactView {
        job: JobId(row.get("job_id")),
        name: (row.get("batch"), row.get("key")),
        attempt: AttemptId(row.get("attempt_id")),
        number: row.get("number"),
        state: row.get("state"),
        path: row.get("path"),
        temp: row.get("temp"),
        bytes: whole(row, "bytes"),
        sha256: Digest::from_bytes(&digest)
            .ok_or_else(|| Error::Missing { what: "file hash".to_owned() })?,
        media: row.get("media"),
        source_host: row.get("source_host"),
    })
}
