//! Rows of a manifest into the ledger: many rows a statement, sequential primary keys, and nothing
//! that is known already is touched.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::error::{Error, Result};
use super::operate::{INVALID, REMOVED};
use super::tally::Effect;
use super::transition::{JobPatch, find_job, job_state, move_job};
use super::writer::Tx;
use super::{BatchId, JobId, Ledger};
use crate::domain::shape::Texts;
use crate::domain::{Digest, JobSpec, JobState, MediaFile, MediaKey, Micros, Origin};

/// Rows in one INSERT; the statement is prepared once for this number.
const CHUNK: usize = 100;

/// The batch a manifest asks for.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its name, unique in the ledger.
    pub name: String,
    /// The manifest's path as the user gave it.
    pub manifest: String,
    /// The API it is for.
    pub origin: Origin,
    /// The hard cap, where one is set.
    pub budget: Option<Micros>,
}

/// A checked and priced row.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What the manifest says.
    pub spec: JobSpec,
    /// What it will cost, where that is known.
    pub price: Option<Micros>,
    /// Why it cannot be run, for a row kept as `invalid`.
    pub invalid: Option<String>,
}

/// A job of the ledger as a manifest's row finds it again.
#[derive(Clone, Debug)]
pub struct Known {
    /// The job.
    pub id: JobId,
    /// Where it is.
    pub state: JobState,
    /// The hash of the request it stands for.
    pub request_sha256: Digest,
    /// Counted tries so far.
    pub tries: i64,
    /// When it is due again, in Unix milliseconds; 0 is at once.
    pub not_before: i64,
    /// The last trouble's class and message.
    pub trouble: Option<(String, String)>,
    /// When it was last changed, in Unix milliseconds.
    pub updated_at: i64,
    /// The price it will be sent for.
    pub price: Option<Micros>,
    /// Whether it was set aside with an attempt that may yet bring its result.
    pub open: bool,
}

impl Known {
    /// Whether it waits for nothing but its row, which was gone or had a mistake: with the row it
    /// comes back as that is then.
    #[must_use]
    pub fn follows_its_row(&self) -> bool {
        self.state == JobState::Invalid || self.was_removed()
    }

    /// Whether it was canceled for its row alone, which was no longer in the manifest.
    #[must_use]
    pub fn was_removed(&self) -> bool {
        let is_removed = |(class, _): &(String, String)| class == REMOVED;
        self.state == JobState::Canceled && self.trouble.as_ref().is_some_and(is_removed)
    }
}

impl Ledger {
    /// Finds the batch by name, or makes it. Its manifest and budget follow the newest run; its
    /// origin only while nothing was submitted yet.
    pub async fn open_batch(&self, new: NewBatch) -> Result<BatchId> {
        self.write(|tx| Box::pin(open_batch(tx, new))).await
    }

    /// Which of these keys the batch holds already.
    pub async fn known(&self, batch: BatchId, keys: &[String]) -> Result<HashMap<String, Known>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, key, state, request_sha256, tries, not_before, error_class, \
             error_message, updated_at, price, \
             state IN ('quarantined', 'lost_output') AND EXISTS (SELECT 1 FROM attempts a \
             WHERE a.job_id = jobs.id AND a.state IN ('intent', 'unknown', 'accepted')) AS open \
             FROM jobs WHERE batch_id = ",
        );
        query.push_bind(batch.0).push(" AND key IN (");
        let mut list = query.separated(", ");
        for key in keys {
            list.push_bind(key.clone());
        }
        query.push(")");
        let rows =
            query.build().fetch_all(self.readers()).await.map_err(Error::on("looking up keys"))?;
        rows.iter().map(|row| Ok((row.get("key"), known(row)?))).collect()
    }

    /// Brings new jobs in, all or none of them.
    pub async fn enqueue(&self, batch: BatchId, jobs: Vec<NewJob>) -> Result<()> {
        self.write(move |tx| Box::pin(async move { enqueue(tx, batch, &jobs).await })).await
    }

    /// Gives a job the request its row has now, and makes it pending with all its tries again.
    pub async fn rewrite(&self, job: JobId, new: NewJob) -> Result<()> {
        self.write(move |tx| Box::pin(async move { rewrite(tx, job, &new).await })).await
    }

    /// Gives pending jobs the prices that hold now. What was intended already keeps its own.
    pub async fn reprice(&self, prices: Vec<(JobId, Micros)>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for (job, price) in prices {
                    sqlx::query("UPDATE jobs SET price = ?1 WHERE id = ?2 AND state = 'pending'")
                        .bind(price.0)
                        .bind(job.0)
                        .execute(&mut *tx.connection)
                        .await
                        .map_err(Error::on("changing a price"))?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn known(row: &sqlx::sqlite::SqliteRow) -> Result<Known> {
    let digest: Vec<u8> = row.get("request_sha256");
    let class: Option<String> = row.get("error_class");
    let message: Option<String> = row.get("error_message");
    Ok(Known {
        id: JobId(row.get("id")),
        state: job_state(row.get("state"))?,
        request_sha256: Digest::from_bytes(&digest)
            .ok_or_else(|| Error::Missing { what: "request hash".to_owned() })?,
        tries: row.get("tries"),
        not_before: row.get("not_before"),
        trouble: class.map(|class| (class, message.unwrap_or_default())),
        updated_at: row.get("updated_at"),
        price: row.get::<Option<i64>, _>("price").map(Micros),
        open: row.get("open"),
    })
}

async fn open_batch(tx: &mut Tx<'_>, new: NewBatch) -> Result<BatchId> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO batches (name, manifest, origin, budget, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET \
         manifest = excluded.manifest, budget = excluded.budget, origin = CASE WHEN EXISTS \
         (SELECT 1 FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.batch_id = batches.id) \
         THEN batches.origin ELSE excluded.origin END RETURNING id",
    )
    .bind(new.name)
    .bind(new.manifest)
    .bind(new.origin.as_str().to_owned())
    .bind(new.budget.map(|budget| budget.0))
    .bind(tx.millis())
    .fetch_one(&mut *tx.connection)
    .await
    .map_err(Error::on("opening a batch"))?;
    Ok(BatchId(id))
}

async fn enqueue(tx: &mut Tx<'_>, batch: BatchId, jobs: &[NewJob]) -> Result<()> {
    for chunk in jobs.chunks(CHUNK) {
        insert(tx, batch, chunk).await?;
        for job in chunk {
            tx.effect(Effect::Job { batch, from: None, to: first_state(job) });
        }
    }
    remember_media(tx, jobs.iter().flat_map(|job| &job.spec.media)).await
}

fn first_state(job: &NewJob) -> JobState {
    if job.invalid.is_some() { JobState::Invalid } else { JobState::Pending }
}

async fn insert(tx: &mut Tx<'_>, batch: BatchId, jobs: &[NewJob]) -> Result<()> {
    let now = tx.millis();
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO jobs (batch_id, key, state, priority, row, file, line, model, request, \
         request_sha256, shape, output, vars, price, error_class, error_message, created_at, \
         updated_at) ",
    );
    query.push_values(jobs, |mut row, job| {
        let spec = &job.spec;
        row.push_bind(batch.0)
            .push_bind(spec.key.clone())
            .push_bind(first_state(job).as_str())
            .push_bind(spec.priority)
            .push_bind(whole(spec.row))
            .push_bind(spec.position.file.to_string())
            .push_bind(whole(spec.position.line))
            .push_bind(spec.request.model.clone())
            .push_bind(spec.request.canonical())
            .push_bind(spec.request.digest().0.to_vec())
            .push_bind(spec.request.shape(Texts::Alike).0.to_vec())
            .push_bind(spec.output.clone())
            .push_bind(vars(spec))
            .push_bind(job.price.map(|price| price.0))
            .push_bind(job.invalid.as_ref().map(|_| INVALID))
            .push_bind(job.invalid.clone())
            .push_bind(now)
            .push_bind(now);
    });
    query
        .build()
        .persistent(jobs.len() == CHUNK)
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("bringing rows in"))?;
    Ok(())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn vars(spec: &JobSpec) -> Option<String> {
    (!spec.vars.is_empty()).then(|| serde_json::Value::from(spec.vars.clone()).to_string())
}

/// Many rows share a few files: each is written once.
async fn remember_media(
    tx: &mut Tx<'_>,
    media: impl Iterator<Item = &MediaFile> + Send,
) -> Result<()> {
    let each: HashMap<&MediaKey, &MediaFile> = media.map(|file| (&file.key, file)).collect();
    for (key, file) in each {
        sqlx::query(
            "INSERT INTO media (sha256, extension, path, bytes) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (sha256, extension) DO UPDATE SET path = excluded.path",
        )
        .bind(key.sha256.0.to_vec())
        .bind(key.extension.clone())
        .bind(file.path.to_string_lossy().into_owned())
        .bind(whole(file.bytes))
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("remembering a media file"))?;
    }
    Ok(())
}

async fn rewrite(tx: &mut Tx<'_>, job: JobId, new: &NewJob) -> Result<()> {
    let spec = &new.spec;
    let found = find_job(tx, job).await?;
    if found.state != JobState::Pending {
        move_job(tx, &found, JobState::Pending, JobPatch::default()).await?;
    } else if found.waiting {
        tx.effect(Effect::Retrying { batch: found.batch, change: -1 });
    }
    sqlx::query(
        "UPDATE jobs SET model = ?1, request = ?2, request_sha256 = ?3, output = ?4, vars = ?5, \
         price = ?6, priority = ?7, row = ?8, file = ?9, line = ?10, tries = 0, waits = 0, \
         not_before = 0, error_class = NULL, error_message = NULL, updated_at = ?11, shape = ?13 \
         WHERE id = ?12",
    )
    .bind(spec.request.model.clone())
    .bind(spec.request.canonical())
    .bind(spec.request.digest().0.to_vec())
    .bind(spec.output.clone())
    .bind(vars(spec))
    .bind(new.price.map(|price| price.0))
    .bind(spec.priority)
    .bind(whole(spec.row))
    .bind(spec.position.file.to_string())
    .bind(whole(spec.position.line))
    .bind(tx.millis())
    .bind(job.0)
    .bind(spec.request.shape(Texts::Alike).0.to_vec())
    .execute(&mut *tx.connection)
    .await
    .map_err(Error::on("changing a job's request"))?;
    remember_media(tx, spec.media.iter()).await
}
