//! The money window: the intent of a POST, durable before a byte of it leaves, and its outcome.

use sqlx::Row as _;

use super::error::{Error, Result};
use super::transition::{
    AttemptPatch, Found, JobPatch, Movement, Trouble, enter, find_job, move_attempt, move_job,
};
use super::writer::Tx;
use super::{AttemptId, JobId, Ledger, RunId};
use crate::domain::kill;
use crate::domain::state::Account;
use crate::domain::{
    AttemptState, Digest, JobState, Micros, Origin, PredictionId, Timestamp, kill_point,
};

/// The durable intent of one paid POST. Only the ledger makes one, after its commit; whoever sends
/// the POST must hold it (reliability.md M2).
#[derive(Debug)]
pub struct Intent {
    job: JobId,
    attempt: AttemptId,
    number: i64,
}

impl Intent {
    /// The attempt's number within its job, from 1.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.number
    }

    /// The attempt.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.job
    }
}

/// What is about to be sent.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// The job it is for.
    pub job: JobId,
    /// The run that sends it.
    pub run: RunId,
    /// Where it is sent.
    pub origin: Origin,
    /// The model asked for.
    pub model: String,
    /// SHA-256 of the canonical body.
    pub body_sha256: Digest,
    /// What it will cost at most; zero where nobody knows.
    pub price: Micros,
}

/// Whether a POST may leave.
#[derive(Debug)]
pub enum Begun {
    /// It may: the intent is durable.
    Intent(Intent),
    /// It may not: the batch's budget would be passed.
    OverBudget,
    /// It need not: the job is no longer pending.
    NotPending,
}

/// Where a job goes after an attempt that brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Back to `pending`.
    Again {
        /// When it is due again.
        not_before: Timestamp,
        /// Whether this counts against `--max-attempts`.
        counted: bool,
    },
    /// To `failed`.
    Failed,
}

impl Ledger {
    /// Commits the intent of a POST and reserves its price, in one transaction.
    pub async fn begin_attempt(&self, new: NewAttempt) -> Result<Begun> {
        let begun = self.write(|tx| Box::pin(async move { begin(tx, new).await })).await?;
        if let (Begun::Intent(intent), Some(marks)) = (&begun, &self.marks) {
            marks.note(intent.attempt);
        }
        Ok(begun)
    }

    /// The API took it: the id is durable before anything else happens.
    pub async fn accept(
        &self,
        intent: &Intent,
        prediction: &PredictionId,
        http_status: Option<u16>,
        request_id: Option<String>,
    ) -> Result<()> {
        let (attempt, prediction) = (intent.attempt, prediction.as_str().to_owned());
        if kill::fails("accept") {
            return Err(Error::NotDurable { reason: "a test wants it so".to_owned() });
        }
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch {
                    prediction: Some(&prediction),
                    http_status,
                    request_id: request_id.as_deref(),
                    ..AttemptPatch::default()
                };
                let job = move_attempt(tx, attempt, AttemptState::Accepted, patch).await?;
                move_job(tx, &job, JobState::Submitted, JobPatch::default()).await
            })
        })
        .await
    }

    /// It provably never left, or was refused without a charge.
    pub async fn refuse(
        &self,
        intent: &Intent,
        how: AttemptState,
        trouble: Trouble,
        next: Next,
    ) -> Result<()> {
        let attempt = intent.attempt;
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch { trouble: Some(&trouble), ..AttemptPatch::default() };
                let job = move_attempt(tx, attempt, how, patch).await?;
                go_on(tx, &job, &trouble, next).await
            })
        })
        .await
    }

    /// Nobody knows whether it was charged: counted as spent until settled.
    pub async fn lose_sight(&self, intent: &Intent, trouble: Trouble) -> Result<()> {
        let attempt = intent.attempt;
        self.write(move |tx| {
            Box::pin(async move {
                let patch = AttemptPatch { trouble: Some(&trouble), ..AttemptPatch::default() };
                let job = move_attempt(tx, attempt, AttemptState::Unknown, patch).await?;
                let patch = JobPatch { trouble: Some(&trouble), ..JobPatch::default() };
                move_job(tx, &job, JobState::Unknown, patch).await
            })
        })
        .await
    }

    /// What an earlier run left between intent and outcome is unknown. Returns how many.
    pub async fn recover(&self) -> Result<u64> {
        self.write(|tx| Box::pin(recover(tx))).await
    }
}

/// Takes a job back to `pending` or to `failed`.
pub(super) async fn go_on(
    tx: &mut Tx<'_>,
    job: &Found,
    trouble: &Trouble,
    next: Next,
) -> Result<()> {
    let patch = JobPatch { trouble: Some(trouble), ..JobPatch::default() };
    match next {
        Next::Again { not_before, counted } => {
            let patch =
                JobPatch { not_before: Some(not_before), counted, waited: !counted, ..patch };
            move_job(tx, job, JobState::Pending, patch).await
        }
        Next::Failed => {
            move_job(tx, job, JobState::Failed, JobPatch { counted: true, ..patch }).await
        }
    }
}

/// The write lock is held, so nothing comes between the look at the budget and the reservation, and
/// a trigger guards that one (M4).
async fn begin(tx: &mut Tx<'_>, new: NewAttempt) -> Result<Begun> {
    let found = find_job(tx, new.job).await?;
    if found.state != JobState::Pending {
        return Ok(Begun::NotPending);
    }
    if found.room.is_some_and(|room| new.price > room) {
        return Ok(Begun::OverBudget);
    }
    let number = found.attempts + 1;
    let attempt = insert(tx, &new, number).await?;
    let reservation = Movement {
        attempt,
        batch: found.batch,
        from: None,
        to: Account::Reserved,
        micros: new.price,
        cause: "intent",
    };
    enter(tx, &reservation).await?;
    let patch = JobPatch { attempted: true, ..JobPatch::default() };
    move_job(tx, &found, JobState::Submitting, patch).await?;
    Ok(Begun::Intent(Intent { job: new.job, attempt, number }))
}

async fn insert(tx: &mut Tx<'_>, new: &NewAttempt, number: i64) -> Result<AttemptId> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO attempts (job_id, number, state, run_id, origin, model, body_sha256, \
         reserved, intent_at) VALUES (?1, ?2, 'intent', ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
    )
    .bind(new.job.0)
    .bind(number)
    .bind(new.run.0)
    .bind(new.origin.as_str().to_owned())
    .bind(new.model.clone())
    .bind(new.body_sha256.0.to_vec())
    .bind(new.price.0)
    .bind(tx.millis())
    .fetch_one(&mut *tx.connection)
    .await
    .map_err(Error::on("writing an intent"))?;
    Ok(AttemptId(id))
}

async fn recover(tx: &mut Tx<'_>) -> Result<u64> {
    // The list is the one of the index `attempts_open`: nobody reads a million settled attempts.
    let rows = sqlx::query(
        "SELECT id FROM attempts WHERE state IN ('intent', 'unknown', 'accepted') \
         AND state = 'intent' ORDER BY id",
    )
    .fetch_all(&mut *tx.connection)
    .await
    .map_err(Error::on("looking for interrupted submissions"))?;
    let trouble = Trouble {
        class: "interrupted".to_owned(),
        message: "the run ended between sending and recording".to_owned(),
        ..Trouble::default()
    };
    for row in &rows {
        let patch = AttemptPatch { trouble: Some(&trouble), ..AttemptPatch::default() };
        let attempt = AttemptId(row.get("id"));
        let job = move_attempt(tx, attempt, AttemptState::Unknown, patch).await?;
        let patch = JobPatch { trouble: Some(&trouble), ..JobPatch::default() };
        move_job(tx, &job, JobState::Unknown, patch).await?;
        kill_point("intent_recovered");
    }
    Ok(rows.len() as u64)
}
