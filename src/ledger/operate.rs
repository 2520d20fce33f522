//! What the operator does to jobs: requeue and cancel.

use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite};

use super::error::{Error, Result};
use super::transition::{JobPatch, Trouble, find_job, move_job};
use super::writer::Tx;
use super::{BatchId, JobId, Ledger};
use crate::domain::{JobState, Micros};

impl Ledger {
    /// Takes jobs from `from` to `to`: those named, or all of a batch where none is named.
    /// Returns how many were taken. Jobs in another state are left alone, and so are those with an
    /// open attempt: it may still cost, so they are polled or resolved first (M1). None goes back to
    /// `pending` while a submission of it counts as charged: that is [`Ledger::pay_again`].
    pub async fn move_all(
        &self,
        batch: Option<BatchId>,
        jobs: Vec<JobId>,
        from: JobState,
        to: JobState,
    ) -> Result<u64> {
        let mut moved = 0;
        loop {
            let named = jobs.clone();
            let some: u64 = self
                .write(move |tx| {
                    Box::pin(async move { move_page(tx, batch, &named, (from, to)).await })
                })
                .await?;
            moved += some;
            if some < PAGE {
                return Ok(moved);
            }
        }
    }

    /// Cancels pending and invalid jobs whose rows are no longer in their manifest. They come back with their rows,
    /// unlike those that the operator canceled. Returns how many were canceled.
    pub async fn take_out(&self, jobs: Vec<JobId>) -> Result<u64> {
        let why = |job| (job, "its row is no longer in the manifest".to_owned());
        self.withdraw(jobs.into_iter().map(why).collect(), (JobState::Canceled, REMOVED)).await
    }

    /// Pending jobs whose rows have mistakes by now become `invalid`, each with the mistake, until the
    /// rows are put right. Returns how many did.
    pub async fn invalidate(&self, jobs: Vec<(JobId, String)>) -> Result<u64> {
        self.withdraw(jobs, (JobState::Invalid, INVALID)).await
    }

    async fn withdraw(
        &self,
        jobs: Vec<(JobId, String)>,
        (to, class): (JobState, &'static str),
    ) -> Result<u64> {
        self.write(move |tx| {
            Box::pin(async move {
                let mut taken = 0;
                for (job, message) in jobs {
                    let found = find_job(tx, job).await?;
                    if found.state.may_become(to) {
                        let class = class.to_owned();
                        let why = Trouble { class, message, ..Trouble::default() };
                        let patch = JobPatch { trouble: Some(&why), ..JobPatch::default() };
                        move_job(tx, &found, to, patch).await?;
                        taken += 1;
                    }
                }
                Ok(taken)
            })
        })
        .await
    }

    /// What counts as charged for a job by the operator's word, and was not given up since; `None`
    /// where nothing does.
    pub async fn counted_as_charged(&self, job: JobId) -> Result<Option<Micros>> {
        let sum: Option<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT sum(reserved) FROM attempts WHERE job_id = ?1 AND {COUNTED}"
        )))
        .bind(job.0)
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("adding up what counts as charged"))?;
        Ok(sum.map(Micros))
    }

    /// How many failed jobs, of one batch or of all, have a submission that counts as charged.
    pub async fn failed_as_charged(&self, batch: Option<BatchId>) -> Result<u64> {
        let jobs: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT count(*) FROM jobs WHERE state = 'failed' AND batch_id = coalesce(?1, batch_id) \
             AND EXISTS (SELECT 1 FROM attempts WHERE job_id = jobs.id AND {COUNTED})"
        )))
        .bind(batch.map(|batch| batch.0))
        .fetch_one(self.readers())
        .await
        .map_err(Error::on("counting what counts as charged"))?;
        Ok(u64::try_from(jobs).unwrap_or_default())
    }
}

/// The class of what took a job out whose row is gone.
pub(super) const REMOVED: &str = "removed";
/// The trouble of a job whose row has a mistake.
pub(super) const INVALID: &str = "invalid";

/// An attempt whose money is spent by the operator's word, and nobody said to pay again.
pub(super) const COUNTED: &str = "state = 'assumed_charged' AND pays_again = 0";

/// Jobs moved in one transaction.
const PAGE: u64 = 1000;

async fn move_page(
    tx: &mut Tx<'_>,
    batch: Option<BatchId>,
    jobs: &[JobId],
    (from, to): (JobState, JobState),
) -> Result<u64> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = jobs.id \
         AND a.state IN ('intent', 'unknown', 'accepted')) AND state = ",
    );
    query.push_bind(from.as_str());
    if to == JobState::Pending {
        query.push(" AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = jobs.id AND ");
        query.push(COUNTED).push(")");
    }
    if let Some(batch) = batch {
        query.push(" AND batch_id = ").push_bind(batch.0);
    }
    if !jobs.is_empty() {
        query.push(" AND id IN (");
        let mut list = query.separated(", ");
        for job in jobs {
            list.push_bind(job.0);
        }
        query.push(")");
    }
    query.push(" ORDER BY id LIMIT ").push_bind(i64::try_from(PAGE).unwrap_or(i64::MAX));
    let rows = query
        .build()
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(Error::on("looking for jobs"))?;
    for row in &rows {
        let job = JobId(row.get("id"));
        let found = find_job(tx, job).await?;
        move_job(tx, &found, to, JobPatch::default()).await?;
        if to == JobState::Pending {
            start_over(tx, job).await?;
        }
    }
    Ok(rows.len() as u64)
}

/// A requeued job has all its tries again.
pub(super) async fn start_over(tx: &mut Tx<'_>, job: JobId) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET tries = 0, waits = 0, \
         error_message = CASE error_class WHEN ?2 THEN NULL ELSE error_message END, \
         error_class = nullif(error_class, ?2) WHERE id = ?1",
    )
    .bind(job.0)
    .bind(REMOVED)
    .execute(&mut *tx.connection)
    .await
    .map_err(Error::on("giving a job its tries again"))?;
    Ok(())
}
