//! The only place where a job or an attempt changes its state: checked against the transition
//! tables of `domain::state`, with the money moved in the same transaction.

use sqlx::Row as _;

use super::error::{Error, Result};
use super::tally::Effect;
use super::writer::Tx;
use super::{AttemptId, BatchId, JobId};
use crate::domain::state::Account;
use crate::domain::{AttemptState, JobState, Micros, Timestamp};

/// What went wrong, as it is kept with the attempt and the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// A short stable word: `rate_limited`, `timeout`, `moderation`, …
    pub class: String,
    /// What was said, already made harmless.
    pub message: String,
    /// The answer's HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// The API's id of the request, for disputes.
    pub request_id: Option<String>,
}

/// What else changes with a job's state.
#[derive(Clone, Debug, Default)]
pub(super) struct JobPatch<'a> {
    /// When it is due again; 0 is at once.
    pub(super) not_before: Option<Timestamp>,
    /// The trouble to show, or none.
    pub(super) trouble: Option<&'a Trouble>,
    /// Whether this counts against `--max-attempts`.
    pub(super) counted: bool,
    /// Whether this was one more refusal that only asked for patience.
    pub(super) waited: bool,
}

/// What else changes with an attempt's state.
#[derive(Clone, Debug, Default)]
pub(super) struct AttemptPatch<'a> {
    pub(super) prediction: Option<&'a str>,
    pub(super) adopted: bool,
    pub(super) trouble: Option<&'a Trouble>,
    pub(super) http_status: Option<u16>,
    pub(super) request_id: Option<&'a str>,
    pub(super) evidence: Option<&'a str>,
    /// What the API says it charged.
    pub(super) charged: Option<Micros>,
}

/// A job as a transition finds it.
pub(super) struct Found {
    pub(super) batch: BatchId,
    pub(super) state: JobState,
    pub(super) waiting: bool,
}

/// Reads a state word; a word we never wrote is damage.
pub(super) fn job_state(word: &str) -> Result<JobState> {
    JobState::parse(word).ok_or_else(|| Error::Missing { what: format!("job state `{word}`") })
}

/// Reads an attempt's state word.
pub(super) fn attempt_state(word: &str) -> Result<AttemptState> {
    AttemptState::parse(word)
        .ok_or_else(|| Error::Missing { what: format!("attempt state `{word}`") })
}

/// The job as it is now.
pub(super) async fn find_job(tx: &mut Tx<'_>, job: JobId) -> Result<Found> {
    let row = sqlx::query("SELECT batch_id, state, not_before FROM jobs WHERE id = ?1")
        .bind(job.0)
        .fetch_optional(&mut *tx.connection)
        .await
        .map_err(Error::on("reading a job"))?
        .ok_or_else(|| Error::Missing { what: format!("job {}", job.0) })?;
    let state = job_state(row.get("state"))?;
    Ok(Found {
        batch: BatchId(row.get("batch_id")),
        state,
        waiting: state == JobState::Pending && row.get::<i64, _>("not_before") > 0,
    })
}

/// Takes a job to its next state, or refuses.
pub(super) async fn move_job(
    tx: &mut Tx<'_>,
    job: JobId,
    to: JobState,
    patch: JobPatch<'_>,
) -> Result<Found> {
    let found = find_job(tx, job).await?;
    if !found.state.may_become(to) {
        return Err(Error::IllegalJob { job: job.0.to_string(), from: found.state, to });
    }
    let not_before = patch.not_before.map_or(0, Timestamp::as_millisecond);
    let now = tx.millis();
    let changed = sqlx::query(
        "UPDATE jobs SET state = ?1, not_before = ?2, error_class = ?3, error_message = ?4, \
         tries = tries + ?5, waits = CASE WHEN ?6 THEN waits + 1 WHEN ?1 = 'submitting' THEN waits \
         ELSE 0 END, updated_at = ?7 WHERE id = ?8 AND state = ?9",
    )
    .bind(to.as_str())
    .bind(not_before)
    .bind(patch.trouble.map(|trouble| trouble.class.clone()))
    .bind(patch.trouble.map(|trouble| trouble.message.clone()))
    .bind(i64::from(patch.counted))
    .bind(patch.waited)
    .bind(now)
    .bind(job.0)
    .bind(found.state.as_str())
    .execute(&mut *tx.connection)
    .await
    .map_err(Error::on("changing a job's state"))?;
    if changed.rows_affected() != 1 {
        return Err(Error::IllegalJob { job: job.0.to_string(), from: found.state, to });
    }
    note_job(tx, &found, to, not_before > 0);
    Ok(found)
}

fn note_job(tx: &mut Tx<'_>, found: &Found, to: JobState, waits: bool) {
    tx.effect(Effect::Job { batch: found.batch, from: Some(found.state), to });
    let change = i64::from(to == JobState::Pending && waits) - i64::from(found.waiting);
    if change != 0 {
        tx.effect(Effect::Retrying { batch: found.batch, change });
    }
}

/// Takes an attempt to its next state, and its money with it, or refuses.
pub(super) async fn move_attempt(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    to: AttemptState,
    patch: AttemptPatch<'_>,
) -> Result<JobId> {
    let row = sqlx::query("SELECT job_id, state, reserved FROM attempts WHERE id = ?1")
        .bind(attempt.0)
        .fetch_optional(&mut *tx.connection)
        .await
        .map_err(Error::on("reading an attempt"))?
        .ok_or_else(|| Error::Missing { what: format!("attempt {}", attempt.0) })?;
    let from = attempt_state(row.get("state"))?;
    let job = JobId(row.get("job_id"));
    let reserved = Micros(row.get("reserved"));
    if !from.may_become(to) {
        return Err(Error::IllegalAttempt { attempt: attempt.0, from, to });
    }
    write_attempt(tx, attempt, (from, to), &patch).await?;
    let batch = find_job(tx, job).await?.batch;
    let holder = Holder { attempt, batch };
    holder.transfer(tx, Some(from.account()), to.account(), reserved, to.as_str()).await?;
    if let Some(charged) = patch.charged {
        holder.correct(tx, to.account(), reserved, charged).await?;
    }
    Ok(job)
}

async fn write_attempt(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    (from, to): (AttemptState, AttemptState),
    patch: &AttemptPatch<'_>,
) -> Result<()> {
    let http_status = patch.http_status.or(patch.trouble.and_then(|t| t.http_status));
    let request_id =
        patch.request_id.or(patch.trouble.and_then(|t| t.request_id.as_deref())).map(str::to_owned);
    let changed = sqlx::query(
        "UPDATE attempts SET state = ?1, prediction_id = coalesce(?2, prediction_id), \
         adopted = max(adopted, ?3), http_status = coalesce(?4, http_status), \
         request_id = coalesce(?5, request_id), error_class = ?6, error_message = ?7, \
         evidence = coalesce(?8, evidence), charged = coalesce(?9, charged), \
         accepted_at = CASE WHEN ?1 = 'accepted' THEN ?10 ELSE accepted_at END, \
         completed_at = CASE WHEN ?1 IN ('settled', 'api_failed') THEN ?10 ELSE completed_at END \
         WHERE id = ?11 AND state = ?12",
    )
    .bind(to.as_str())
    .bind(patch.prediction.map(str::to_owned))
    .bind(i64::from(patch.adopted))
    .bind(http_status.map(i64::from))
    .bind(request_id)
    .bind(patch.trouble.map(|trouble| trouble.class.clone()))
    .bind(patch.trouble.map(|trouble| trouble.message.clone()))
    .bind(patch.evidence.map(str::to_owned))
    .bind(patch.charged.map(|charged| charged.0))
    .bind(tx.millis())
    .bind(attempt.0)
    .bind(from.as_str())
    .execute(&mut *tx.connection)
    .await
    .map_err(|source| repeated(source, patch.prediction))?;
    if changed.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::IllegalAttempt { attempt: attempt.0, from, to })
}

/// The unique index on prediction ids speaks a word of its own.
fn repeated(source: sqlx::Error, prediction: Option<&str>) -> Error {
    let unique = source.as_database_error().is_some_and(|e| e.is_unique_violation());
    match prediction {
        Some(prediction) if unique => {
            Error::RepeatedPrediction { prediction: prediction.to_owned() }
        }
        _ => Error::Database { doing: "changing an attempt's state", source },
    }
}

/// Whose money moves.
pub(super) struct Holder {
    pub(super) attempt: AttemptId,
    pub(super) batch: BatchId,
}

impl Holder {
    /// Moves money between two accounts of the batch (`None`: from outside), with its entry.
    pub(super) async fn transfer(
        &self,
        tx: &mut Tx<'_>,
        from: Option<Account>,
        to: Account,
        micros: Micros,
        cause: &str,
    ) -> Result<()> {
        if from == Some(to) || micros == Micros::ZERO {
            return Ok(());
        }
        self.enter(tx, from, to, micros, cause).await?;
        let part = |account| i64::from(to == account) - i64::from(from == Some(account));
        let [reserved, committed, unknown, released] = Account::ALL.map(|a| part(a) * micros.0);
        sqlx::query(
            "UPDATE batches SET reserved = reserved + ?1, committed = committed + ?2, \
             unknown = unknown + ?3, released = released + ?4 WHERE id = ?5",
        )
        .bind(reserved)
        .bind(committed)
        .bind(unknown)
        .bind(released)
        .bind(self.batch.0)
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("moving money"))?;
        tx.effect(Effect::Money { batch: self.batch, from, to, micros });
        Ok(())
    }

    /// The API charged another sum than was reserved: the difference comes from outside, or is
    /// released.
    async fn correct(
        &self,
        tx: &mut Tx<'_>,
        account: Account,
        reserved: Micros,
        charged: Micros,
    ) -> Result<()> {
        if account != Account::Committed {
            return Ok(());
        }
        if charged > reserved {
            let more = Micros(charged.0 - reserved.0);
            return self.transfer(tx, None, account, more, "charged_more").await;
        }
        let less = Micros(reserved.0 - charged.0);
        self.transfer(tx, Some(account), Account::Released, less, "charged_less").await
    }

    /// Adds the entry of a movement.
    pub(super) async fn enter(
        &self,
        tx: &mut Tx<'_>,
        from: Option<Account>,
        to: Account,
        micros: Micros,
        cause: &str,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO entries (attempt_id, source, target, micros, cause, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(self.attempt.0)
        .bind(from.map_or("outside", Account::as_str))
        .bind(to.as_str())
        .bind(micros.0)
        .bind(cause.to_owned())
        .bind(tx.millis())
        .execute(&mut *tx.connection)
        .await
        .map_err(Error::on("entering a movement of money"))?;
        Ok(())
    }
}
