//! The only place where a job or an attempt changes its state: checked against the transition
//! tables of `domain::state`, with the money moved in the same transaction.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

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
    /// When it is due again; at once where there is none.
    pub(super) not_before: Option<Timestamp>,
    /// The trouble to show, or none.
    pub(super) trouble: Option<&'a Trouble>,
    /// Whether an attempt was just made.
    pub(super) attempted: bool,
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
    /// The raw outputs as JSON text.
    pub(super) outputs: Option<&'a str>,
    /// What the API says it charged.
    pub(super) charged: Option<Micros>,
}

/// A job as a transition finds it.
pub(super) struct Found {
    pub(super) id: JobId,
    pub(super) batch: BatchId,
    pub(super) state: JobState,
    /// Whether it waits for a retry.
    pub(super) waiting: bool,
    /// Attempts made so far.
    pub(super) attempts: i64,
    /// What the batch's budget still allows, where it has one.
    pub(super) room: Option<Micros>,
    /// Whether an attempt is open: its end is still to come, and may still cost.
    open: bool,
    /// Whether the API has taken an attempt, so that there is a prediction to poll.
    taken: bool,
}

/// An attempt as a transition finds it.
pub(super) struct FoundAttempt {
    pub(super) state: AttemptState,
    /// Its job, judged by the other attempts only.
    pub(super) job: Found,
    pub(super) reserved: Micros,
    id: AttemptId,
}

/// The columns of [`Found`], for the attempts other than ?2. The list of the first look is the one
/// of the index `attempts_open`.
const FOUND: &str = "j.id, j.batch_id, j.state AS job_state, j.not_before, j.attempts, \
     (SELECT b.budget - b.reserved - b.committed - b.unknown FROM batches b \
     WHERE b.id = j.batch_id) AS room, \
     EXISTS (SELECT 1 FROM attempts o WHERE o.job_id = j.id AND o.id <> ?2 \
     AND o.state IN ('intent', 'unknown', 'accepted')) AS open, \
     EXISTS (SELECT 1 FROM attempts t WHERE t.job_id = j.id AND t.id <> ?2 \
     AND t.state IN ('accepted', 'settled')) AS taken";

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
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {FOUND} FROM jobs j WHERE j.id = ?1")))
        .bind(job.0)
        .bind(0)
        .fetch_optional(&mut *tx.connection)
        .await
        .map_err(Error::on("reading a job"))?
        .ok_or_else(|| Error::Missing { what: format!("job {}", job.0) })?;
    found(&row)
}

/// The attempt and its job as they are now.
pub(super) async fn find_attempt(tx: &mut Tx<'_>, attempt: AttemptId) -> Result<FoundAttempt> {
    let sql = format!(
        "SELECT {FOUND}, a.state, a.reserved FROM attempts a JOIN jobs j ON j.id = a.job_id \
         WHERE a.id = ?1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(attempt.0)
        .bind(attempt.0)
        .fetch_optional(&mut *tx.connection)
        .await
        .map_err(Error::on("reading an attempt"))?
        .ok_or_else(|| Error::Missing { what: format!("attempt {}", attempt.0) })?;
    Ok(FoundAttempt {
        state: attempt_state(row.get("state"))?,
        job: found(&row)?,
        id: attempt,
        reserved: Micros(row.get("reserved")),
    })
}

fn found(row: &SqliteRow) -> Result<Found> {
    let state = job_state(row.get("job_state"))?;
    Ok(Found {
        id: JobId(row.get("id")),
        batch: BatchId(row.get("batch_id")),
        state,
        waiting: state == JobState::Pending && row.get::<i64, _>("not_before") > 0,
        attempts: row.get("attempts"),
        room: row.get::<Option<i64>, _>("room").map(Micros),
        open: row.get("open"),
        taken: row.get("taken"),
    })
}

/// Takes a job to its next state, or refuses.
pub(super) async fn move_job(
    tx: &mut Tx<'_>,
    found: &Found,
    to: JobState,
    patch: JobPatch<'_>,
) -> Result<()> {
    let illegal = || Error::IllegalJob { job: found.id.0.to_string(), from: found.state, to };
    if !may_move(found, to) {
        return Err(illegal());
    }
    let not_before = patch.not_before.map_or(0, Timestamp::as_millisecond);
    let changed = sqlx::query(
        "UPDATE jobs SET state = ?1, not_before = ?2, error_class = ?3, error_message = ?4, \
         attempts = attempts + ?5, tries = tries + ?6, waits = CASE WHEN ?7 THEN waits + 1 \
         WHEN ?5 THEN waits ELSE 0 END, updated_at = ?8 WHERE id = ?9 AND state = ?10",
    )
    .bind(to.as_str())
    .bind(not_before)
    .bind(patch.trouble.map(|trouble| trouble.class.clone()))
    .bind(patch.trouble.map(|trouble| trouble.message.clone()))
    .bind(patch.attempted)
    .bind(patch.counted)
    .bind(patch.waited)
    .bind(tx.millis())
    .bind(found.id.0)
    .bind(found.state.as_str())
    .execute(&mut *tx.connection)
    .await
    .map_err(Error::on("changing a job's state"))?;
    if changed.rows_affected() != 1 {
        return Err(illegal());
    }
    note_job(tx, found, to, not_before > 0);
    Ok(())
}

/// Beyond the table: no job is done with, or begun again, while an attempt may still cost (M1, M3),
/// and only one that the API has taken is polled.
fn may_move(found: &Found, to: JobState) -> bool {
    use JobState as S;
    let settled =
        !found.open || !matches!(to, S::Pending | S::Failed | S::Canceled | S::Invalid | S::Done);
    let pollable = found.taken || to != S::Submitted;
    found.state.may_become(to) && settled && pollable
}

fn note_job(tx: &mut Tx<'_>, found: &Found, to: JobState, waits: bool) {
    tx.effect(Effect::Job { batch: found.batch, from: Some(found.state), to });
    let change = i64::from(to == JobState::Pending && waits) - i64::from(found.waiting);
    if change != 0 {
        tx.effect(Effect::Retrying { batch: found.batch, change });
    }
}

/// Takes an attempt to its next state, and its money with it, or refuses. Returns its job.
pub(super) async fn move_attempt(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    to: AttemptState,
    patch: AttemptPatch<'_>,
) -> Result<Found> {
    let found = find_attempt(tx, attempt).await?;
    step_attempt(tx, found, to, patch).await
}

/// [`move_attempt`] where the attempt was read already.
pub(super) async fn step_attempt(
    tx: &mut Tx<'_>,
    found: FoundAttempt,
    to: AttemptState,
    patch: AttemptPatch<'_>,
) -> Result<Found> {
    let from = found.state;
    if !from.may_become(to) {
        return Err(Error::IllegalAttempt { attempt: found.id.0, from, to });
    }
    write_attempt(tx, &found, to, &patch).await?;
    let movement = Movement {
        attempt: found.id,
        batch: found.job.batch,
        from: Some(from.account()),
        to: to.account(),
        micros: found.reserved,
        cause: to.as_str(),
    };
    enter(tx, &movement).await?;
    if let (Some(charged), Account::Committed) = (patch.charged, to.account()) {
        enter(tx, &movement.correction(charged)).await?;
    }
    let mut job = found.job;
    job.open |= matches!(to, AttemptState::Unknown | AttemptState::Accepted);
    job.taken |= matches!(to, AttemptState::Accepted | AttemptState::Settled);
    Ok(job)
}

async fn write_attempt(
    tx: &mut Tx<'_>,
    found: &FoundAttempt,
    to: AttemptState,
    patch: &AttemptPatch<'_>,
) -> Result<()> {
    let http_status = patch.http_status.or(patch.trouble.and_then(|t| t.http_status));
    let request_id =
        patch.request_id.or(patch.trouble.and_then(|t| t.request_id.as_deref())).map(str::to_owned);
    let illegal = || Error::IllegalAttempt { attempt: found.id.0, from: found.state, to };
    let changed = sqlx::query(
        "UPDATE attempts SET state = ?1, prediction_id = coalesce(?2, prediction_id), \
         adopted = max(adopted, ?3), http_status = coalesce(?4, http_status), \
         request_id = coalesce(?5, request_id), error_class = ?6, error_message = ?7, \
         evidence = coalesce(?8, evidence), charged = coalesce(?9, charged), \
         accepted_at = CASE WHEN ?1 = 'accepted' THEN ?10 ELSE accepted_at END, \
         completed_at = CASE WHEN ?1 IN ('settled', 'api_failed') THEN ?10 ELSE completed_at END, \
         outputs = coalesce(?13, outputs) WHERE id = ?11 AND state = ?12",
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
    .bind(found.id.0)
    .bind(found.state.as_str())
    .bind(patch.outputs.map(str::to_owned))
    .execute(&mut *tx.connection)
    .await
    .map_err(|source| match (unique_violation(&source), patch.prediction) {
        (Some("attempts.origin, attempts.prediction_id"), Some(prediction)) => {
            Error::RepeatedPrediction { prediction: prediction.to_owned() }
        }
        (Some("attempts.job_id"), _) => illegal(),
        _ => Error::Database { doing: "changing an attempt's state", source },
    })?;
    if changed.rows_affected() == 1 { Ok(()) } else { Err(illegal()) }
}

/// The columns that would have been equal, as SQLite names them.
pub(super) fn unique_violation(source: &sqlx::Error) -> Option<&str> {
    let error = source.as_database_error().filter(|error| error.is_unique_violation())?;
    error.message().strip_prefix("UNIQUE constraint failed: ")
}

/// Money that goes from one account of a batch to another.
#[derive(Clone, Copy)]
pub(super) struct Movement<'a> {
    pub(super) attempt: AttemptId,
    pub(super) batch: BatchId,
    /// `None`: from outside.
    pub(super) from: Option<Account>,
    pub(super) to: Account,
    pub(super) micros: Micros,
    /// One word for the reason.
    pub(super) cause: &'a str,
}

impl Movement<'_> {
    /// The API charged another sum than was reserved: the difference comes from outside, or is
    /// released.
    fn correction(self, charged: Micros) -> Self {
        let more = Micros(charged.0 - self.micros.0);
        if more > Micros::ZERO {
            return Self { from: None, micros: more, cause: "charged_more", ..self };
        }
        let less = Micros(-more.0);
        let (from, to) = (Some(self.to), Account::Released);
        Self { from, to, micros: less, cause: "charged_less", ..self }
    }
}

/// Enters a movement; the database keeps the batch's sums by it.
pub(super) async fn enter(tx: &mut Tx<'_>, movement: &Movement<'_>) -> Result<()> {
    let Movement { attempt, batch, from, to, micros, cause } = *movement;
    if from == Some(to) || micros == Micros::ZERO {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO entries (attempt_id, source, target, micros, cause, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(attempt.0)
    .bind(from.map_or("outside", Account::as_str))
    .bind(to.as_str())
    .bind(micros.0)
    .bind(cause.to_owned())
    .bind(tx.millis())
    .execute(&mut *tx.connection)
    .await
    .map_err(|source| too_much(source, batch))?;
    tx.effect(Effect::Money { batch, from, to, micros });
    Ok(())
}

/// A sum that leaves the integers is refused by the STRICT table (`SQLITE_CONSTRAINT_DATATYPE`).
fn too_much(source: sqlx::Error, batch: BatchId) -> Error {
    if source.as_database_error().is_some_and(|error| error.code().as_deref() == Some("3091")) {
        return Error::TooMuchMoney { batch: batch.0 };
    }
    Error::Database { doing: "entering a movement of money", source }
}
