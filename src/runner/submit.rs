//! The submit lane: pending, due and affordable jobs → a durable intent → one POST → its outcome.
//!
//! The only caller of `Api::submit`. Each POST runs in a task of its own that no cancellation drops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::gate::{REJECTIONS, Stop};
use super::media::{self, MediaError};
use super::pledge::Pledge;
use super::poll::Polling;
use super::queue::{Claim, Due, Queue};
use super::shared::Shared;
use super::slots::Slot;
use super::work::Busy;
use super::{reconcile, stop};
use crate::atlas::{Rejection, SubmitOutcome, Submitted, UploadError, class};
use crate::domain::{
    AttemptState, Digest, Endpoint, EventKind, PredictionId, Timestamp, clock, kill_point,
};
use crate::ledger::{Begun, Error, Intent, Job, NewAttempt, Next, Rescued, Trouble};

/// Takes due jobs while there are slots, until the gate closes.
pub(super) async fn lane(shared: Arc<Shared>) -> Result<(), Error> {
    let mut posts = JoinSet::new();
    let mut result = submit_all(&shared, &mut posts).await;
    // C7: a POST that is under way gets its full time, whatever ended the lane: only its answer
    // holds the id.
    while let Some(ended) = posts.join_next().await {
        result = result.and(ended.unwrap_or_else(|panic| Err(super::crashed(&panic))));
    }
    result
}

async fn submit_all(
    shared: &Arc<Shared>,
    posts: &mut JoinSet<Result<(), Error>>,
) -> Result<(), Error> {
    let mut queue = Queue::default();
    while shared.gate.is_open() {
        shared.gate.resumed().await;
        let slot = tokio::select! {
            slot = shared.slots.acquire() => slot,
            () = shared.gate.closed() => break,
        };
        match queue.next(shared).await? {
            Due::Now(claim) => {
                let busy = shared.begin_work();
                let shared = Arc::clone(shared);
                let mut claim = *claim;
                let slot = slot.with(claim.trial.take());
                posts.spawn(async move { post(&shared, claim, slot, busy).await });
            }
            Due::At(at) => {
                drop(slot);
                rest(shared, clock::between(clock::now(), at)).await;
            }
            Due::Nothing => {
                drop(slot);
                rest(shared, Duration::from_secs(5)).await;
            }
        }
        while let Some(ended) = posts.try_join_next() {
            ended.unwrap_or_else(|panic| Err(super::crashed(&panic)))?;
        }
    }
    Ok(())
}

async fn rest(shared: &Shared, length: Duration) {
    tokio::select! {
        () = tokio::time::sleep(length.max(Duration::from_millis(5))) => {}
        () = shared.submit_woken() => {}
        () = shared.ramp.freed() => {}
        () = shared.gate.closed() => {}
    }
}

/// One job: upload what it needs, commit the intent, send, record.
async fn post(shared: &Shared, mut claim: Claim, slot: Slot, busy: Busy) -> Result<(), Error> {
    let pledge = claim.pledge.take();
    let result = prepare_and_send(shared, &claim.job, slot, pledge).await;
    drop(claim);
    drop(busy);
    shared.wake_submit();
    match result {
        Err(error) if error.is_fatal() => {
            stop(shared, Stop::Storage(error.to_string())).await;
            Err(error)
        }
        other => other,
    }
}

async fn prepare_and_send(
    shared: &Shared,
    job: &Job,
    slot: Slot,
    pledge: Option<Pledge>,
) -> Result<(), Error> {
    let Some(endpoint) = shared.endpoints.get(&job.request.model).copied() else {
        let message = format!("no endpoint is known for model {}", job.request.model);
        return fail_unsent(shared, job, "unknown_model", message).await;
    };
    let urls = match media::urls(shared, &job.request).await {
        Ok(urls) => urls,
        Err(MediaError::Ledger(error)) => return Err(error),
        Err(MediaError::Upload(error)) => return upload_failed(shared, job, error).await,
    };
    let Some(body) = job.request.body(&urls) else {
        let message = "a media file has no URL".to_owned();
        return fail_unsent(shared, job, "upload", message).await;
    };
    shared.rate.turn().await;
    if !shared.gate.is_open() || shared.gate.is_held() {
        return Ok(());
    }
    let new = NewAttempt {
        job: job.id,
        run: shared.run,
        origin: shared.origin.clone(),
        model: job.request.model.clone(),
        body_sha256: Digest::of(body.as_bytes()),
        price: shared.charges.at_least(&job.request, job.price),
    };
    kill_point("intent_begun");
    let begun = shared.ledger.begin_attempt(new).await;
    // From here on the ledger has it.
    drop(pledge);
    shared.wake_submit();
    match begun? {
        Begun::Intent(intent) => {
            kill_point("intent_durable");
            Post { shared, job, intent: &intent }.send(endpoint, body, slot).await
        }
        Begun::NotPending => Ok(()),
        Begun::OverBudget => {
            block(shared, job);
            Ok(())
        }
    }
}

/// The batch's budget has no room for this job: its batch waits until money comes back.
fn block(shared: &Shared, job: &Job) {
    let spent = shared.ledger.tally(job.batch).spent();
    let mut blocked = shared.blocked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    blocked.insert(job.batch, spent);
}

/// One POST whose intent is durable.
struct Post<'a> {
    shared: &'a Shared,
    job: &'a Job,
    intent: &'a Intent,
}

impl Post<'_> {
    /// Sends it, and records what became of it.
    async fn send(&self, endpoint: Endpoint, body: String, slot: Slot) -> Result<(), Error> {
        let shared = self.shared;
        shared.count_submission();
        shared
            .tell(EventKind::AttemptSubmitted {
                batch: self.job.batch_name.clone(),
                job: self.job.key.clone(),
                attempt: self.intent.number(),
                price: self.job.price,
            })
            .await;
        kill_point("post_due");
        let sent = Instant::now();
        let Submitted { outcome, http_status, request_id } =
            shared.api.submit(endpoint, body).await;
        kill_point("answer_in");
        self.follow_the_api(sent, http_status, &outcome).await;
        let answer = Answer { http_status, request_id };
        match outcome {
            SubmitOutcome::Accepted { id } => self.accepted(id, answer, slot).await,
            SubmitOutcome::NotSent { message } => {
                self.wait(AttemptState::NotSent, answer.trouble("not_sent", message), None).await
            }
            SubmitOutcome::Rejected { next, class, message, retry_after } => {
                self.rejected(next, answer.trouble(class, message), retry_after).await
            }
            SubmitOutcome::Unknown { class, message } => {
                self.unknown(answer.trouble(class, message), slot).await
            }
        }
    }

    /// A 429 means that fewer should be in flight, acceptances that more may be.
    async fn follow_the_api(&self, sent: Instant, status: Option<u16>, outcome: &SubmitOutcome) {
        let slots = &self.shared.slots;
        let (changed, reason) = match outcome {
            SubmitOutcome::Accepted { .. } => (slots.raise(), "the API takes them again"),
            _ if status == Some(429) => (slots.lower(sent), "the API asks for fewer (429)"),
            _ => (None, ""),
        };
        if let Some(value) = changed {
            let (limit, reason) = ("concurrency".to_owned(), reason.to_owned());
            self.shared.tell(EventKind::LimitChanged { limit, value, reason }).await;
        }
    }

    async fn accepted(&self, id: PredictionId, answer: Answer, slot: Slot) -> Result<(), Error> {
        let Answer { http_status, request_id } = answer.clone();
        let shared = self.shared;
        kill_point("accept_begun");
        match shared.ledger.accept(self.intent, &id, http_status, request_id).await {
            Err(Error::RepeatedPrediction { prediction }) => {
                let message = format!(
                    "the API answered with prediction {prediction}, which is another attempt's"
                );
                return self.unknown(answer.trouble("repeated_id", message), slot).await;
            }
            Err(error) if error.is_fatal() => {
                self.rescue(&id);
                return Err(error);
            }
            other => other?,
        }
        kill_point("accepted");
        let streaks = &shared.streaks;
        for streak in [&streaks.rejected, &streaks.unknown, &streaks.throttled] {
            streak.store(0, Ordering::Relaxed);
        }
        shared
            .tell(EventKind::PredictionAccepted {
                batch: self.job.batch_name.clone(),
                job: self.job.key.clone(),
                attempt: self.intent.number(),
                prediction: id.to_string(),
                adopted: false,
            })
            .await;
        if let Some(paid) = shared.ledger.paid_job(self.job.id).await? {
            shared.poll(Polling::new(shared, paid, slot));
        }
        Ok(())
    }

    /// The ledger takes nothing any more, and this id is paid for: it goes to the emergency journal,
    /// and to stderr in any case (M5).
    fn rescue(&self, id: &PredictionId) {
        let record = Rescued {
            attempt: self.intent.attempt().0,
            batch: self.job.batch_name.clone(),
            key: self.job.key.clone(),
            prediction: id.to_string(),
            at: clock::now(),
        };
        let noted = self.shared.emergency.note(&record);
        let (batch, job, prediction) = (&record.batch, &record.key, &record.prediction);
        match noted {
            Ok(()) => tracing::error!(
                batch,
                job,
                prediction,
                "the ledger did not take a paid prediction; it is in the emergency journal, and the \
                 next run brings it in"
            ),
            Err(error) => tracing::error!(
                batch, job, prediction, %error,
                "neither the ledger nor the emergency journal took a paid prediction; keep this \
                 line: `nightreel resolve --adopt` brings it in"
            ),
        }
    }

    async fn rejected(
        &self,
        next: Rejection,
        trouble: Trouble,
        retry_after: Option<Duration>,
    ) -> Result<(), Error> {
        let said = trouble.message.clone();
        match next {
            Rejection::Wait => self.wait(AttemptState::Rejected, trouble, retry_after).await,
            Rejection::Retry => {
                let again = retry(self.shared, self.job);
                self.refuse(AttemptState::Rejected, trouble, again).await
            }
            Rejection::JobFails => {
                let rejected = &self.shared.streaks.rejected;
                let in_a_row = rejected.fetch_add(1, Ordering::Relaxed) + 1;
                self.refuse(AttemptState::Rejected, trouble, Next::Failed).await?;
                if in_a_row >= u64::from(REJECTIONS) {
                    stop(self.shared, Stop::Rejections(said)).await;
                }
                Ok(())
            }
            Rejection::StopKey => self.halt(trouble, Stop::Key(said)).await,
            Rejection::StopBalance => self.halt(trouble, Stop::Balance(said)).await,
            Rejection::StopMisdirected => self.halt(trouble, Stop::Misdirected(said)).await,
        }
    }

    /// The account's trouble is no job's failure: the job is pending again, submitting stops.
    async fn halt(&self, trouble: Trouble, why: Stop) -> Result<(), Error> {
        stop(self.shared, why).await;
        let next = Next::Again { not_before: clock::now(), counted: false };
        self.refuse(AttemptState::Rejected, trouble, next).await
    }

    /// Only patience is asked for: nobody submits before the API said, or before a jittered pause.
    async fn wait(
        &self,
        how: AttemptState,
        trouble: Trouble,
        retry_after: Option<Duration>,
    ) -> Result<(), Error> {
        let shared = self.shared;
        let streak = shared.streaks.throttled.fetch_add(1, Ordering::Relaxed) + 1;
        let backoff = shared.limits.backoff;
        shared.rate.pause(backoff.delay_at_least(small(streak), retry_after));
        let waits = u32::try_from(self.job.waits).unwrap_or(u32::MAX).saturating_add(1);
        let not_before = clock::after(clock::now(), backoff.delay_at_least(waits, retry_after));
        self.refuse(how, trouble, Next::Again { not_before, counted: false }).await
    }

    /// Commits a refusal and tells it.
    async fn refuse(&self, how: AttemptState, trouble: Trouble, next: Next) -> Result<(), Error> {
        kill_point("refusal_due");
        self.shared.ledger.refuse(self.intent, how, trouble.clone(), next).await?;
        kill_point("refused");
        self.shared.tell_trouble(self.job, self.intent.number(), &trouble, next).await;
        Ok(())
    }

    /// Nobody knows whether it was charged: the slot stays taken until the history was asked.
    async fn unknown(&self, trouble: Trouble, slot: Slot) -> Result<(), Error> {
        let shared = self.shared;
        kill_point("loss_due");
        shared.ledger.lose_sight(self.intent, trouble.clone()).await?;
        kill_point("outcome_unknown");
        let streak = shared.streaks.unknown.fetch_add(1, Ordering::Relaxed) + 1;
        if streak >= 3 {
            shared.rate.pause(shared.limits.backoff.delay(small(streak - 2)));
        }
        shared
            .tell(EventKind::OutcomeUnknown {
                batch: self.job.batch_name.clone(),
                job: self.job.key.clone(),
                attempt: self.intent.number(),
                class: trouble.class,
                message: trouble.message,
            })
            .await;
        reconcile::arose(shared, self.intent.attempt(), slot);
        Ok(())
    }
}

/// The outside of the API's answer.
#[derive(Clone)]
struct Answer {
    http_status: Option<u16>,
    request_id: Option<String>,
}

impl Answer {
    fn trouble(&self, class: &str, message: String) -> Trouble {
        Trouble {
            class: class.to_owned(),
            message,
            http_status: self.http_status,
            request_id: self.request_id.clone(),
        }
    }
}

/// Where a job goes after a counted failure.
pub(super) fn retry(shared: &Shared, job: &Job) -> Next {
    let failures = u32::try_from(job.tries).unwrap_or(u32::MAX).saturating_add(1);
    if failures >= shared.limits.max_attempts.get() {
        return Next::Failed;
    }
    let not_before: Timestamp = clock::after(clock::now(), shared.limits.backoff.delay(failures));
    Next::Again { not_before, counted: true }
}

fn small(streak: u64) -> u32 {
    u32::try_from(streak).unwrap_or(u32::MAX)
}

/// An upload that failed costs nothing; the job waits, fails, or submitting stops.
async fn upload_failed(shared: &Shared, job: &Job, error: UploadError) -> Result<(), Error> {
    let message = error.to_string();
    match error {
        UploadError::StopKey { .. } => {
            stop(shared, Stop::Key(message)).await;
            Ok(())
        }
        UploadError::Transient { class: class::BALANCE, .. } => {
            stop(shared, Stop::Balance(message)).await;
            Ok(())
        }
        UploadError::Transient { class: class::REDIRECTED, .. } => {
            stop(shared, Stop::Misdirected(message)).await;
            Ok(())
        }
        UploadError::Transient { retry_after, .. } => {
            let streak = shared.streaks.throttled.fetch_add(1, Ordering::Relaxed) + 1;
            let pause = shared.limits.backoff.delay_at_least(small(streak), retry_after);
            tracing::warn!(message, pause_ms = pause.as_millis(), "an upload failed");
            shared.rate.pause(pause);
            tokio::time::sleep(pause).await;
            Ok(())
        }
        _ => fail_unsent(shared, job, "upload", message).await,
    }
}

/// A job that cannot be sent at all fails without an attempt, and without a charge.
async fn fail_unsent(
    shared: &Shared,
    job: &Job,
    class: &str,
    message: String,
) -> Result<(), Error> {
    let trouble = Trouble { class: class.to_owned(), message, ..Trouble::default() };
    let failed = crate::domain::JobState::Failed;
    shared.ledger.set_aside(job.id, failed, trouble.clone()).await?;
    shared.tell_failed(job, failed, &trouble).await;
    Ok(())
}
