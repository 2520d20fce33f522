//! Unknown outcomes, settled by evidence or by the operator; never by a guess.

use super::error::Result;
use super::submit::{Next, go_on};
use super::transition::{
    AttemptPatch, JobPatch, Trouble, find_attempt, find_job, move_attempt, move_job, step_attempt,
};
use super::{AttemptId, Error, JobId, Ledger};
use crate::domain::{AttemptState, JobState, PredictionId, Timestamp};

impl Ledger {
    /// The prediction of an unknown attempt was found: it is polled like any other.
    pub async fn adopt(
        &self,
        attempt: AttemptId,
        prediction: &PredictionId,
        evidence: &str,
    ) -> Result<()> {
        let (prediction, evidence) = (prediction.as_str().to_owned(), evidence.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch {
                    prediction: Some(&prediction),
                    adopted: true,
                    evidence: Some(&evidence),
                    ..AttemptPatch::default()
                };
                let found = find_attempt(tx, attempt).await?;
                if found.state != AttemptState::Unknown {
                    // A POST under way has an answer of its own to come.
                    let (from, to) = (found.state, AttemptState::Accepted);
                    return Err(Error::IllegalAttempt { attempt: attempt.0, from, to });
                }
                let job = step_attempt(tx, found, AttemptState::Accepted, patch).await?;
                move_job(tx, &job, JobState::Submitted, JobPatch::default()).await
            })
        })
        .await
    }

    /// It is proved that the POST never arrived: the job may be submitted again.
    pub async fn prove_absent(
        &self,
        attempt: AttemptId,
        evidence: &str,
        not_before: Timestamp,
    ) -> Result<()> {
        let evidence = evidence.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch { evidence: Some(&evidence), ..AttemptPatch::default() };
                let job = move_attempt(tx, attempt, AttemptState::Absent, patch).await?;
                let trouble = Trouble {
                    class: "absent".to_owned(),
                    message: evidence.clone(),
                    ..Trouble::default()
                };
                go_on(tx, &job, &trouble, Next::Again { not_before, counted: false }).await
            })
        })
        .await
    }

    /// The operator counts it as charged and gone: the job fails with its money spent.
    pub async fn assume_charged(&self, attempt: AttemptId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch { evidence: Some("operator"), ..AttemptPatch::default() };
                let job = move_attempt(tx, attempt, AttemptState::AssumedCharged, patch).await?;
                let trouble = Trouble {
                    class: "assumed_charged".to_owned(),
                    message: "the operator counts the unknown submission as charged".to_owned(),
                    ..Trouble::default()
                };
                go_on(tx, &job, &trouble, Next::Failed).await
            })
        })
        .await
    }

    /// Notes the first look at the history that did not show it.
    pub async fn note_look(&self, attempt: AttemptId, at: Timestamp) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE attempts SET looked_at = coalesce(looked_at, ?1) \
                     WHERE id = ?2 AND state = 'unknown'",
                )
                .bind(at.as_millisecond())
                .bind(attempt.0)
                .execute(&mut *tx.connection)
                .await
                .map_err(Error::on("noting a look at the history"))?;
                Ok(())
            })
        })
        .await
    }

    /// Puts a quarantined or lost job back to polling its prediction.
    pub async fn poll_again(&self, job: JobId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let found = find_job(tx, job).await?;
                move_job(tx, &found, JobState::Submitted, JobPatch::default()).await
            })
        })
        .await
    }
}
