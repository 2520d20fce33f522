//! Decisions to pay again: the only way a job is submitted anew while an earlier attempt may have
//! been paid. Each is asked for by the operator, counted, and marked on the attempt it gives up.

use sqlx::{AssertSqlSafe, Row as _};

use super::error::{Error, Result};
use super::operate::{COUNTED, start_over};
use super::submit::{Next, go_on};
use super::transition::{
    AttemptPatch, JobPatch, Trouble, find_attempt, find_job, move_job, step_attempt,
};
use super::writer::Tx;
use super::{AttemptId, BatchId, JobId, Ledger};
use crate::domain::{AttemptState, JobState, Micros, clock};

/// What became of a wish to pay again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidAgain {
    /// The job is pending again; the attempt stays counted as spent.
    Yes,
    /// What all such decisions of the batch may cost would pass the cap, or the price is not known:
    /// nothing changed.
    OverCap,
    /// There is no paid attempt to give up: nothing changed.
    NothingPaid,
}

impl Ledger {
    /// Gives up an unknown attempt, as `--on-unknown resubmit` asks for. The sum of all such
    /// decisions of its batch, over all runs, never passes `cap`.
    pub async fn pay_again_for(&self, attempt: AttemptId, cap: Micros) -> Result<PaidAgain> {
        self.write(move |tx| {
            Box::pin(async move {
                let found = find_attempt(tx, attempt).await?;
                if found.state != AttemptState::Unknown {
                    return Ok(PaidAgain::NothingPaid);
                }
                let (before, _) = sum(tx, found.job.batch).await?;
                let risk = before.checked_add(found.reserved);
                if found.reserved == Micros::ZERO || risk.is_none_or(|risk| risk > cap) {
                    return Ok(PaidAgain::OverCap);
                }
                let patch = AttemptPatch { evidence: Some("pay-again"), ..AttemptPatch::default() };
                let job = step_attempt(tx, found, AttemptState::AssumedCharged, patch).await?;
                mark(tx, attempt).await?;
                let again = Next::Again { not_before: clock::now(), counted: false };
                go_on(tx, &job, &trouble("--on-unknown resubmit"), again).await?;
                Ok(PaidAgain::Yes)
            })
        })
        .await
    }

    /// Gives up what was paid for a quarantined or lost job, or what counts as charged for a failed
    /// one, by the operator's explicit word.
    pub async fn pay_again(&self, job: JobId) -> Result<PaidAgain> {
        self.write(move |tx| Box::pin(pay_again(tx, job))).await
    }

    /// How often it was decided to pay again in a batch, and what that may have cost at most.
    pub async fn paid_again(&self, batch: BatchId) -> Result<(Micros, u64)> {
        let row = sqlx::query(SUM)
            .bind(batch.0)
            .fetch_one(self.readers())
            .await
            .map_err(Error::on("adding up what was paid again"))?;
        Ok((Micros(row.get("micros")), u64::try_from(row.get::<i64, _>("count")).unwrap_or(0)))
    }
}

const SUM: &str = "SELECT coalesce(sum(a.reserved), 0) AS micros, count(*) AS count \
     FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.pays_again = 1 AND j.batch_id = ?1";

async fn sum(tx: &mut Tx<'_>, batch: BatchId) -> Result<(Micros, u64)> {
    let row = sqlx::query(SUM)
        .bind(batch.0)
        .fetch_one(&mut *tx.connection)
        .await
        .map_err(Error::on("adding up what was paid again"))?;
    Ok((Micros(row.get("micros")), u64::try_from(row.get::<i64, _>("count")).unwrap_or(0)))
}

async fn pay_again(tx: &mut Tx<'_>, job: JobId) -> Result<PaidAgain> {
    let mut found = find_job(tx, job).await?;
    let given_up = match found.state {
        JobState::Quarantined | JobState::LostOutput => {
            "state IN ('accepted', 'settled') ORDER BY number DESC LIMIT 1"
        }
        JobState::Failed | JobState::Canceled => COUNTED,
        _ => return Ok(PaidAgain::NothingPaid),
    };
    let paid: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT id FROM attempts WHERE job_id = ?1 AND {given_up}"
    )))
    .bind(job.0)
    .fetch_all(&mut *tx.connection)
    .await
    .map_err(Error::on("looking for the paid attempts"))?;
    if paid.is_empty() {
        return Ok(PaidAgain::NothingPaid);
    }
    for id in paid {
        let attempt = find_attempt(tx, AttemptId(id)).await?;
        if attempt.state == AttemptState::Accepted {
            let patch = AttemptPatch { evidence: Some("pay-again"), ..AttemptPatch::default() };
            found = step_attempt(tx, attempt, AttemptState::Settled, patch).await?;
        }
        mark(tx, AttemptId(id)).await?;
    }
    let why = trouble("requeue --pay-again");
    let patch = JobPatch { trouble: Some(&why), ..JobPatch::default() };
    move_job(tx, &found, JobState::Pending, patch).await?;
    start_over(tx, job).await?;
    Ok(PaidAgain::Yes)
}

async fn mark(tx: &mut Tx<'_>, attempt: AttemptId) -> Result<()> {
    sqlx::query("UPDATE attempts SET pays_again = 1 WHERE id = ?1")
        .bind(attempt.0)
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("marking what is paid again"))?;
    Ok(())
}

fn trouble(how: &str) -> Trouble {
    Trouble {
        class: "pay_again".to_owned(),
        message: format!("submitted again although an earlier attempt may have been paid ({how})"),
        ..Trouble::default()
    }
}
