//! From the prediction's end to files in place: every step is a commit, so a crash anywhere goes on
//! where it stopped.

use sqlx::{QueryBuilder, Sqlite};

use super::error::{Error, Result};
use super::submit::{Next, go_on};
use super::transition::{
    AttemptPatch, Found, JobPatch, Trouble, find_attempt, find_job, move_attempt, move_job,
    step_attempt, unique_violation,
};
use super::writer::Tx;
use super::{AttemptId, JobId, Ledger};
use crate::domain::{AttemptState, Digest, JobState, Micros};

/// A verified file that waits for its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewArtifact {
    /// Number of the output, from 1.
    pub number: i64,
    /// Final path, relative to the output folder, with `/`.
    pub path: String,
    /// The path as case-folding file systems see it: unique over the ledger.
    pub folded: String,
    /// Where the bytes are now, relative to the output folder.
    pub temp: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Type and dimensions as JSON, for the sidecar.
    pub media: String,
    /// The host it came from, without path or query.
    pub source_host: Option<String>,
}

impl Ledger {
    /// The prediction is completed: outputs and charge are recorded before any download.
    pub async fn complete(
        &self,
        attempt: AttemptId,
        outputs: &[String],
        charged: Option<Micros>,
    ) -> Result<()> {
        let outputs = serde_json::Value::from(outputs).to_string();
        self.write(move |tx| {
            Box::pin(async move {
                let job = settle(tx, attempt, charged, Some(&outputs)).await?;
                move_job(tx, &job, JobState::Ready, JobPatch::default()).await
            })
        })
        .await
    }

    /// The prediction ended `failed` or `timeout`: the API gives the money back.
    pub async fn fail_prediction(
        &self,
        attempt: AttemptId,
        trouble: Trouble,
        next: Next,
    ) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch { trouble: Some(&trouble), ..AttemptPatch::default() };
                let job = move_attempt(tx, attempt, AttemptState::ApiFailed, patch).await?;
                go_on(tx, &job, &trouble, next).await
            })
        })
        .await
    }

    /// Completed and paid, but there is nothing to fetch.
    pub async fn lose_prediction(
        &self,
        attempt: AttemptId,
        charged: Option<Micros>,
        trouble: Trouble,
    ) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let job = settle(tx, attempt, charged, None).await?;
                let patch = JobPatch { trouble: Some(&trouble), ..JobPatch::default() };
                move_job(tx, &job, JobState::LostOutput, patch).await
            })
        })
        .await
    }

    /// Takes a job to a state that needs no change of its attempt: `quarantined`, `lost_output`,
    /// or back to `submitted` for a fresh link.
    pub async fn set_aside(&self, job: JobId, to: JobState, trouble: Trouble) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let found = find_job(tx, job).await?;
                let patch = JobPatch { trouble: Some(&trouble), ..JobPatch::default() };
                move_job(tx, &found, to, patch).await
            })
        })
        .await
    }

    /// Sizes, hashes and final names are durable; only now may the files be renamed.
    pub async fn store(
        &self,
        job: JobId,
        attempt: AttemptId,
        files: Vec<NewArtifact>,
    ) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let found = find_job(tx, job).await?;
                forget(tx, job, attempt).await?;
                insert(tx, job, attempt, &files).await?;
                move_job(tx, &found, JobState::Storing, JobPatch::default()).await
            })
        })
        .await
    }

    /// Every file of the job is in place.
    pub async fn finish(&self, job: JobId, attempt: AttemptId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE artifacts SET state = 'stored' WHERE attempt_id = ?1")
                    .bind(attempt.0)
                    .execute(&mut *tx.connection)
                    .await
                    .map_err(Error::on("recording the files"))?;
                let found = find_job(tx, job).await?;
                move_job(tx, &found, JobState::Done, JobPatch::default()).await
            })
        })
        .await
    }

    /// Whether a final name is free of other attempts' files.
    pub async fn name_is_free(&self, folded: &str, attempt: AttemptId) -> Result<bool> {
        let taken: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM artifacts WHERE folded = ?1 AND attempt_id <> ?2",
        )
        .bind(folded.to_owned())
        .bind(attempt.0)
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("looking for a name"))?;
        Ok(taken == 0)
    }
}

/// Accepted becomes settled; a completion seen again (a fresh link was asked for) changes only the
/// outputs.
async fn settle(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    charged: Option<Micros>,
    outputs: Option<&str>,
) -> Result<Found> {
    let found = find_attempt(tx, attempt).await?;
    if found.state != AttemptState::Settled {
        let patch = AttemptPatch { outputs, charged, ..AttemptPatch::default() };
        return step_attempt(tx, found, AttemptState::Settled, patch).await;
    }
    if let Some(outputs) = outputs {
        sqlx::query("UPDATE attempts SET outputs = ?1 WHERE id = ?2")
            .bind(outputs.to_owned())
            .bind(attempt.0)
            .execute(&mut *tx.connection)
            .await
            .map_err(Error::on("recording the outputs"))?;
    }
    Ok(found.job)
}

/// What was planned but never stored gives its names back; what an earlier attempt stored stays.
async fn forget(tx: &mut Tx<'_>, job: JobId, attempt: AttemptId) -> Result<()> {
    sqlx::query(
        "DELETE FROM artifacts WHERE job_id = ?1 AND (state = 'storing' OR attempt_id = ?2)",
    )
    .bind(job.0)
    .bind(attempt.0)
    .execute(&mut *tx.connection)
    .await
    .map_err(Error::on("planning the files"))?;
    sqlx::query("UPDATE artifacts SET state = 'superseded' WHERE job_id = ?1")
        .bind(job.0)
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("planning the files"))?;
    Ok(())
}

async fn insert(
    tx: &mut Tx<'_>,
    job: JobId,
    attempt: AttemptId,
    files: &[NewArtifact],
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO artifacts (job_id, attempt_id, number, state, path, folded, temp, bytes, \
         sha256, media, source_host) ",
    );
    query.push_values(files, |mut row, file| {
        row.push_bind(job.0)
            .push_bind(attempt.0)
            .push_bind(file.number)
            .push_bind("storing")
            .push_bind(file.path.clone())
            .push_bind(file.folded.clone())
            .push_bind(file.temp.clone())
            .push_bind(i64::try_from(file.bytes).unwrap_or(i64::MAX))
            .push_bind(file.sha256.0.to_vec())
            .push_bind(file.media.clone())
            .push_bind(file.source_host.clone());
    });
    query.build().execute(&mut *tx.connection).await.map_err(|source| {
        match unique_violation(&source) {
            Some("artifacts.folded") => Error::NameTaken { job: job.0 },
            _ => Error::Database { doing: "planning the files", source },
        }
    })?;
    Ok(())
}
