//! What the lanes take: pages of jobs in one state, so that a million rows cost no more memory than
//! a thousand.

use std::path::PathBuf;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::error::{Error, Result};
use super::transition::{attempt_state, job_state};
use super::{AttemptId, BatchId, JobId, Ledger};
use crate::domain::{
    AttemptState, Digest, JobState, MediaFile, MediaKey, Micros, Origin, PredictionId, Request,
    Timestamp, clock,
};

/// A job as the lanes work on it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The job.
    pub id: JobId,
    /// Its batch.
    pub batch: BatchId,
    /// Its batch's name.
    pub batch_name: String,
    /// Its key.
    pub key: String,
    /// What is sent.
    pub request: Request,
    /// What it will cost, where that is known.
    pub price: Option<Micros>,
    /// The template of its file names; `None` is the default.
    pub output: Option<String>,
    /// Template variables as JSON text.
    pub vars: Option<String>,
    /// Number of its row.
    pub row: u64,
    /// Counted tries so far.
    pub tries: i64,
    /// Refusals in a row that only asked for patience.
    pub waits: i64,
    /// When it came into the ledger.
    pub created_at: Timestamp,
    /// The shape of its request; `None` in a job that came in before shapes were kept.
    pub shape: Option<Digest>,
}

/// A job whose prediction is at the API or completed, with the attempt that paid for it.
#[derive(Clone, Debug)]
pub struct Paid {
    /// The job.
    pub job: Job,
    /// Where the job is.
    pub state: JobState,
    /// The attempt.
    pub attempt: AttemptId,
    /// Its number.
    pub number: i64,
    /// The prediction.
    pub prediction: PredictionId,
    /// The API it lives at.
    pub origin: Origin,
    /// What was reserved.
    pub reserved: Micros,
    /// What the API says it charged.
    pub charged: Option<Micros>,
    /// When the id became durable.
    pub accepted_at: Timestamp,
    /// When the API was seen to be done.
    pub completed_at: Option<Timestamp>,
    /// The raw outputs, once completed.
    pub outputs: Vec<String>,
}

/// An attempt whose outcome nobody knows.
#[derive(Clone, Debug)]
pub struct UnknownAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its number.
    pub number: i64,
    /// The job.
    pub job: JobId,
    /// Its batch.
    pub batch: BatchId,
    /// Its batch's name.
    pub batch_name: String,
    /// Its job's key.
    pub key: String,
    /// The model asked for.
    pub model: String,
    /// Where it was sent.
    pub origin: Origin,
    /// SHA-256 of the canonical body.
    pub body_sha256: Digest,
    /// What was reserved.
    pub reserved: Micros,
    /// When the intent was committed.
    pub intent_at: Timestamp,
    /// When the history was first seen without it.
    pub looked_at: Option<Timestamp>,
}

/// What the ledger knows of a prediction it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// SHA-256 of the canonical body its attempt sent.
    pub body_sha256: Digest,
    /// Whether it was found in a history or named by the operator, not answered to its POST.
    pub adopted: bool,
}

/// The condition of the index `jobs_at_work`, word for word, so that SQLite uses it.
pub(super) const AT_WORK: &str =
    "j.state IN ('submitting', 'submitted', 'ready', 'storing', 'unknown')";

/// Lets SQLite go through `jobs_by_state` batch by batch: jobs not at work are in no other index.
pub(super) const AT_REST: &str = "j.batch_id IN (SELECT id FROM batches)";

/// The columns of [`Job`].
const JOB: &str = "j.id, j.batch_id, b.name AS batch_name, j.key, j.request, j.request_sha256, j.shape, j.price, \
     j.output, j.vars, j.row, j.tries, j.waits, j.created_at, j.state";

impl Ledger {
    /// Pending jobs of a batch that are due, in the order they are to be submitted.
    /// Those of the shapes in `held` are left out.
    pub async fn due(
        &self,
        batch: BatchId,
        now: Timestamp,
        limit: u32,
        held: &[Digest],
    ) -> Result<Vec<Job>> {
        let others = match held.len() {
            0 => String::new(),
            count => {
                format!("AND (j.shape IS NULL OR j.shape NOT IN (?{})) ", ", ?".repeat(count - 1))
            }
        };
        let sql = format!(
            "SELECT {JOB} FROM jobs j JOIN batches b ON b.id = j.batch_id WHERE j.batch_id = ? \
             AND j.state = 'pending' AND j.not_before <= ? {others}\
             ORDER BY j.priority DESC, j.id LIMIT ?"
        );
        let mut query =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(batch.0).bind(now.as_millisecond());
        for shape in held {
            query = query.bind(shape.0.to_vec());
        }
        let rows = query
            .bind(limit)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading the pending jobs"))?;
        rows.iter().map(job).collect()
    }

    /// When the next pending job of a batch becomes due; `None` where none is pending.
    pub async fn next_due(&self, batch: BatchId) -> Result<Option<Timestamp>> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT coalesce((SELECT not_before FROM jobs WHERE batch_id = ?1 \
             AND state = 'pending' AND not_before = 0 LIMIT 1), (SELECT min(not_before) FROM jobs \
             WHERE batch_id = ?1 AND state = 'pending' AND not_before > 0))",
        )
        .bind(batch.0)
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("reading when the next job is due"))?;
        Ok(next.map(clock::from_millis))
    }

    /// Jobs in a state, those at work or those set aside, after `after`, of all batches, in order of id.
    pub async fn paid(&self, state: JobState, after: JobId, limit: u32) -> Result<Vec<Paid>> {
        let at_work = state.is_open() && state != JobState::Pending;
        let indexed = if at_work { AT_WORK } else { AT_REST };
        let sql = format!(
            "{} WHERE {indexed} AND j.state = ?1 AND j.id > ?2 ORDER BY j.id LIMIT ?3",
            paid_query()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(state.as_str())
            .bind(after.0)
            .bind(limit)
            .fetch_all(self.readers())
            .await
            .map_err(Error::on("reading the paid jobs"))?;
        rows.iter().map(paid).collect()
    }

    /// One paid job, where its last attempt has a prediction.
    pub async fn paid_job(&self, id: JobId) -> Result<Option<Paid>> {
        let sql = format!("{} WHERE j.id = ?1", paid_query());
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.0)
            .fetch_optional(self.readers())
            .await
            .map_err(Error::on("reading a paid job"))?;
        row.as_ref().map(paid).transpose()
    }

    /// The unknown outcomes of all batches, oldest first.
    pub async fn unknowns(&self, limit: u32) -> Result<Vec<UnknownAttempt>> {
        let rows = sqlx::query(
            "SELECT a.id, a.number, a.job_id, a.model, a.origin, a.body_sha256, a.reserved, \
             a.intent_at, a.looked_at, j.batch_id, j.key, b.name AS batch_name FROM attempts a \
             JOIN jobs j ON j.id = a.job_id JOIN batches b ON b.id = j.batch_id \
             WHERE a.state IN ('intent', 'unknown', 'accepted') AND a.state = 'unknown' \
             ORDER BY a.id LIMIT ?1",
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading the unknown outcomes"))?;
        rows.iter().map(unknown).collect()
    }

    /// What the ledger knows of a prediction, where it holds it already.
    pub async fn held(&self, origin: &Origin, prediction: &PredictionId) -> Result<Option<Held>> {
        let row = sqlx::query(
            "SELECT body_sha256, adopted FROM attempts WHERE origin = ?1 AND prediction_id = ?2",
        )
        .bind(origin.as_str().to_owned())
        .bind(prediction.as_str().to_owned())
        .fetch_optional(self.readers())
        .await
        .map_err(Error::on("looking for a prediction"))?;
        row.map(|row| {
            Ok(Held { body_sha256: body(&row)?, adopted: row.get::<i64, _>("adopted") == 1 })
        })
        .transpose()
    }

    /// Whether the ledger holds any prediction of this origin.
    pub async fn has_predictions(&self, origin: &Origin) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM attempts WHERE origin = ?1 AND prediction_id IS NOT NULL)",
        )
        .bind(origin.as_str().to_owned())
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("looking for predictions"))?;
        Ok(found > 0)
    }

    /// The local file of a media key.
    pub async fn media(&self, key: &MediaKey) -> Result<MediaFile> {
        let row = sqlx::query("SELECT path, bytes FROM media WHERE sha256 = ?1 AND extension = ?2")
            .bind(key.sha256.0.to_vec())
            .bind(key.extension.clone())
            .fetch_optional(self.readers())
            .await
            .map_err(Error::on("looking for a media file"))?
            .ok_or_else(|| Error::Missing { what: format!("media file {}", key.placeholder()) })?;
        Ok(MediaFile {
            key: key.clone(),
            path: PathBuf::from(row.get::<String, _>("path")),
            bytes: u64::try_from(row.get::<i64, _>("bytes")).unwrap_or(0),
        })
    }
}

/// The last attempt that has a prediction is the one that pays for the job.
pub(super) fn paid_query() -> String {
    format!(
        "SELECT {JOB}, a.id AS attempt_id, a.number, a.state AS attempt_state, a.prediction_id, \
         a.origin, a.reserved, a.charged, a.accepted_at, a.completed_at, a.outputs FROM jobs j \
         JOIN batches b ON b.id = j.batch_id JOIN attempts a ON a.job_id = j.id \
         AND a.number = (SELECT max(n.number) FROM attempts n WHERE n.job_id = j.id \
         AND n.prediction_id IS NOT NULL)"
    )
}

pub(super) fn job(row: &SqliteRow) -> Result<Job> {
    let text: String = row.get("request");
    let hash: Vec<u8> = row.get("request_sha256");
    // What is paid for is what was asked for: SQLite has no checksums of its own (D9).
    let request = Request::from_canonical(&text)
        .filter(|_| Digest::of(text.as_bytes()).0 == hash[..])
        .ok_or_else(|| Error::Missing {
            what: format!("request of job {}", row.get::<i64, _>("id")),
        })?;
    Ok(Job {
        id: JobId(row.get("id")),
        batch: BatchId(row.get("batch_id")),
        batch_name: row.get("batch_name"),
        key: row.get("key"),
        request,
        price: row.get::<Option<i64>, _>("price").map(Micros),
        output: row.get("output"),
        vars: row.get("vars"),
        row: u64::try_from(row.get::<i64, _>("row")).unwrap_or(0),
        tries: row.get("tries"),
        waits: row.get("waits"),
        created_at: clock::from_millis(row.get("created_at")),
        shape: row.get::<Option<&[u8]>, _>("shape").and_then(Digest::from_bytes),
    })
}

fn paid(row: &SqliteRow) -> Result<Paid> {
    let id: String = row.get("prediction_id");
    let state: AttemptState = attempt_state(row.get("attempt_state"))?;
    let missing = |what: &str| Error::Missing { what: format!("{what} ({state} attempt)") };
    let outputs: Option<String> = row.get("outputs");
    Ok(Paid {
        job: job(row)?,
        state: job_state(row.get("state"))?,
        attempt: AttemptId(row.get("attempt_id")),
        number: row.get("number"),
        prediction: PredictionId::parse(&id).ok_or_else(|| missing("prediction id"))?,
        origin: Origin::from_ledger(row.get("origin")),
        reserved: Micros(row.get("reserved")),
        charged: row.get::<Option<i64>, _>("charged").map(Micros),
        accepted_at: clock::from_millis(row.get::<Option<i64>, _>("accepted_at").unwrap_or(0)),
        completed_at: row.get::<Option<i64>, _>("completed_at").map(clock::from_millis),
        outputs: match outputs {
            Some(text) => serde_json::from_str(&text).map_err(|_| missing("list of outputs"))?,
            None => Vec::new(),
        },
    })
}

fn unknown(row: &SqliteRow) -> Result<UnknownAttempt> {
    Ok(UnknownAttempt {
        attempt: AttemptId(row.get("id")),
        number: row.get("number"),
        job: JobId(row.get("job_id")),
        batch: BatchId(row.get("batch_id")),
        batch_name: row.get("batch_name"),
        key: row.get("key"),
        model: row.get("model"),
        origin: Origin::from_ledger(row.get("origin")),
        body_sha256: body(row)?,
        reserved: Micros(row.get("reserved")),
        intent_at: clock::from_millis(row.get("intent_at")),
        looked_at: row.get::<Option<i64>, _>("looked_at").map(clock::from_millis),
    })
}

fn body(row: &SqliteRow) -> Result<Digest> {
    let digest: Vec<u8> = row.get("body_sha256");
    Digest::from_bytes(&digest).ok_or_else(|| Error::Missing { what: "body hash".to_owned() })
}
