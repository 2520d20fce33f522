//! The poll lane: one timer structure for all predictions in flight. It asks when an answer is
//! likely, and commits what the answer means. Polls are free and are repeated as often as needed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::gate::Stop;
use super::shared::Shared;
use super::slots::Slot;
use super::work::Busy;
use super::{stop, submit};
use crate::atlas::{PollAnswer, Polled};
use crate::domain::kill_point;
use crate::domain::{EventKind, JobState, Micros, clock, text};
use crate::ledger::{Error, JobId, Next, Paid, Trouble};

/// Polls under way at a time.
const AT_A_TIME: usize = 64;
/// A fresh id may be unknown to the API for a while (reliability.md, fault 21).
const GRACE: Duration = Duration::from_mins(1);
/// Completions without any output that are asked about again before the output counts as lost.
const EMPTY_ANSWERS: u32 = 3;
/// Polls in a row without a usable answer that are worth a word.
const SILENCE: u64 = 3;
/// Bytes of a reason shown.
const REASON: usize = 400;
/// Refused keys in a row after which polling is given up until the key is mended.
const KEY_REFUSALS: u64 = 3;

/// A prediction in flight, with the slot it holds.
pub(super) struct Polling {
    paid: Paid,
    since: Instant,
    missing_since: Option<Instant>,
    troubles: u32,
    empty: u32,
    status: String,
    of_earlier_run: bool,
    _slot: Option<Slot>,
    _busy: Busy,
}

impl Polling {
    /// A prediction this run just paid for or adopted, or whose link is to be renewed.
    pub(super) fn new(shared: &Shared, paid: Paid, slot: impl Into<Option<Slot>>) -> Self {
        Self {
            paid,
            since: Instant::now(),
            missing_since: None,
            troubles: 0,
            empty: 0,
            status: String::new(),
            of_earlier_run: false,
            _slot: slot.into(),
            _busy: shared.begin_work(),
        }
    }

    /// Time since the id became durable, by the wall clock: it counts over restarts.
    fn age(&self) -> Duration {
        clock::between(self.paid.accepted_at, clock::now()).max(self.since.elapsed())
    }

    /// Proportional to the age: a long generation is not asked about every second.
    fn pause(&self, shared: &Shared) -> Duration {
        let (least, most) = shared.limits.poll;
        (self.since.elapsed() / 10).clamp(least, most.max(least))
    }
}

/// What a poll led to.
enum After {
    /// Ask again after this time.
    Again(Duration),
    /// The job has left the lane.
    Left,
}

/// A heap entry: the earliest is due first.
struct Entry {
    at: Instant,
    number: u64,
    polling: Box<Polling>,
}

/// Hands every prediction of earlier runs at this API to the lane, with a slot each.
/// Returns how many.
pub(super) async fn resume(shared: &Shared) -> Result<u64, Error> {
    let mut resumed = 0;
    let mut elsewhere = 0_u64;
    let mut after = JobId(0);
    loop {
        let page = shared.ledger.paid(JobState::Submitted, after, 256).await?;
        let Some(last) = page.last() else { break };
        after = last.job.id;
        for paid in page {
            if paid.origin != shared.origin {
                elsewhere += 1;
                continue;
            }
            // A completed one only wants a fresh link: nothing of it is in flight.
            let slot = paid
                .completed_at
                .is_none()
                .then(|| shared.slots.occupy().with(shared.ramp.occupy(paid.job.shape)));
            let mut polling = Polling::new(shared, paid, slot);
            polling.of_earlier_run = true;
            shared.expect_first_polls(1);
            shared.poll(polling);
            resumed += 1;
        }
    }
    if elsewhere > 0 {
        tracing::warn!(elsewhere, "predictions of another API wait; run with its --base-url");
    }
    Ok(resumed)
}

/// Polls until the run is to end.
pub(super) async fn lane(
    shared: Arc<Shared>,
    mut inbox: mpsc::UnboundedReceiver<Polling>,
) -> Result<(), Error> {
    let mut due = BinaryHeap::new();
    let mut asking = JoinSet::new();
    let mut number = 0;
    let mut put = |due: &mut BinaryHeap<Reverse<Entry>>, polling: Box<Polling>, wait: Duration| {
        number += 1;
        due.push(Reverse(Entry { at: Instant::now() + wait, number, polling }));
    };
    loop {
        let now = Instant::now();
        while asking.len() < AT_A_TIME
            && due.peek().is_some_and(|Reverse(e): &Reverse<Entry>| e.at <= now)
        {
            let Some(Reverse(entry)) = due.pop() else { break };
            asking.spawn(ask(Arc::clone(&shared), entry.polling));
        }
        let next = due.peek().map(|Reverse(entry)| entry.at);
        let room = asking.len() < AT_A_TIME;
        tokio::select! {
            biased;
            () = shared.gate.leaving() => return Ok(()),
            Some(ended) = asking.join_next(), if !asking.is_empty() => {
                let ended = ended.unwrap_or_else(|panic| Err(super::crashed(&panic)));
                if let Some((polling, wait)) = survive(&shared, ended).await? {
                    put(&mut due, polling, wait);
                }
            }
            Some(polling) = inbox.recv() => {
                let wait = if polling.of_earlier_run { Duration::ZERO } else { polling.pause(&shared) };
                put(&mut due, Box::new(polling), wait);
            }
            () = tokio::time::sleep_until(next.unwrap_or(now)), if room && next.is_some() => {}
        }
    }
}

/// A ledger that cannot be written ends the run in good order.
async fn survive<T>(shared: &Shared, result: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &result {
        stop(shared, Stop::Storage(error.to_string())).await;
    }
    result
}

/// One poll and its commit.
async fn ask(
    shared: Arc<Shared>,
    mut polling: Box<Polling>,
) -> Result<Option<(Box<Polling>, Duration)>, Error> {
    let Polled { answer, http_status, request_id } =
        shared.api.poll(&polling.paid.prediction).await;
    let trouble = |class: &str, message: String| Trouble {
        class: class.to_owned(),
        message,
        http_status,
        request_id: request_id.clone(),
    };
    let after = understand(&shared, &mut polling, answer, trouble).await;
    if std::mem::take(&mut polling.of_earlier_run) {
        shared.first_poll_done();
    }
    Ok(match after? {
        After::Again(wait) => Some((polling, wait)),
        After::Left => None,
    })
}

async fn understand(
    shared: &Shared,
    polling: &mut Polling,
    answer: PollAnswer,
    trouble: impl Fn(&str, String) -> Trouble,
) -> Result<After, Error> {
    if !matches!(answer, PollAnswer::KeyRefused { .. }) {
        shared.streaks.key_refused.store(0, Ordering::Relaxed);
    }
    if !matches!(answer, PollAnswer::Trouble { .. } | PollAnswer::Throttled { .. }) {
        polling.troubles = 0;
    }
    tell_of_silence(shared, &answer);
    match answer {
        PollAnswer::Running { status, known } => running(shared, polling, status, known).await,
        PollAnswer::Completed { too_many: true, .. } => {
            let said = trouble("too_many_outputs", "the API lists more than 64 outputs".to_owned());
            set_aside(shared, polling, JobState::Quarantined, said).await
        }
        PollAnswer::Completed { outputs, price, nsfw, .. } => {
            completed(shared, polling, outputs, (price, nsfw), trouble).await
        }
        PollAnswer::Failed { class, message, moderation, .. } => {
            failed(shared, polling, trouble(class, message), moderation).await
        }
        PollAnswer::NotFound { message } => missing(shared, polling, message, trouble).await,
        PollAnswer::KeyRefused { message } => key_refused(shared, polling, message).await,
        PollAnswer::Throttled { retry_after, .. } => {
            polling.troubles += 1;
            let wait = shared.limits.backoff.delay_at_least(polling.troubles, retry_after);
            Ok(After::Again(wait.max(polling.pause(shared))))
        }
        PollAnswer::Trouble { class, message } => {
            unreachable_for_now(shared, polling, trouble(class, message)).await
        }
        PollAnswer::OtherPrediction { got } => {
            let message =
                format!("asked for {}, the API answered for {got}", polling.paid.prediction);
            set_aside(shared, polling, JobState::Quarantined, trouble("other_prediction", message))
                .await
        }
    }
}

async fn running(
    shared: &Shared,
    polling: &mut Polling,
    status: String,
    known: bool,
) -> Result<After, Error> {
    polling.missing_since = None;
    if polling.status != status {
        if !known {
            tracing::warn!(status, "the API used a status word nobody knows; polling on");
        }
        polling.status.clone_from(&status);
        let job = &polling.paid.job;
        shared
            .tell(EventKind::PredictionProgressed {
                batch: job.batch_name.clone(),
                job: job.key.clone(),
                prediction: polling.paid.prediction.to_string(),
                status: status.clone(),
            })
            .await;
    }
    if polling.age() < shared.limits.job_timeout {
        return Ok(After::Again(polling.pause(shared)));
    }
    let trouble = Trouble {
        class: "job_timeout".to_owned(),
        message: format!(
            "still `{status}` {} after submission; `nightreel resolve` asks again",
            clock::human(polling.age())
        ),
        ..Trouble::default()
    };
    set_aside(shared, polling, JobState::Quarantined, trouble).await
}

async fn completed(
    shared: &Shared,
    polling: &mut Polling,
    outputs: Vec<String>,
    (price, nsfw): (Option<Micros>, bool),
    trouble: impl Fn(&str, String) -> Trouble,
) -> Result<After, Error> {
    let attempt = polling.paid.attempt;
    if !outputs.is_empty() {
        kill_point("completion_due");
        shared.ledger.complete(attempt, &outputs, price).await?;
        kill_point("completed");
        shared.generation_succeeded(&polling.paid.job).await?;
        watch_price(shared, &polling.paid, price).await;
        shared.wake_collect();
        return Ok(After::Left);
    }
    polling.empty += 1;
    if polling.empty < EMPTY_ANSWERS {
        return Ok(After::Again(polling.pause(shared)));
    }
    let why = if nsfw { ", and marks it as unsafe content" } else { "" };
    let said = trouble("no_outputs", format!("the API says completed but lists no output{why}"));
    shared.ledger.lose_prediction(attempt, price, said.clone()).await?;
    shared.tell_failed(&polling.paid.job, JobState::LostOutput, &said).await;
    shared.generation_failed(&said.message).await;
    Ok(After::Left)
}

/// A price more than 5 % above the reserved one means the plan is wrong: nothing more is submitted.
async fn watch_price(shared: &Shared, paid: &Paid, price: Option<Micros>) {
    let Some(price) = price else { return };
    shared.charges.learn(&paid.job.request, paid.reserved, price);
    let limit = paid.reserved.0.saturating_add(paid.reserved.0 / 20);
    // Nothing reserved is a plan too, where a price of zero was told and not merely unknown.
    let planned = paid.job.price.is_some() || paid.reserved > Micros::ZERO;
    if planned && price.0 > limit {
        let said = format!(
            "{} was planned at {} and charged {}",
            paid.job.request.model,
            paid.reserved.human(),
            price.human()
        );
        stop(shared, Stop::Price(said)).await;
    }
}

async fn failed(
    shared: &Shared,
    polling: &Polling,
    trouble: Trouble,
    moderation: bool,
) -> Result<After, Error> {
    let paid = &polling.paid;
    if paid.completed_at.is_some() {
        // It was completed before: the first terminal answer wins, and its output is gone.
        return set_aside(shared, polling, JobState::LostOutput, trouble).await;
    }
    let next = if moderation { Next::Failed } else { submit::retry(shared, &paid.job) };
    shared.ledger.fail_prediction(paid.attempt, trouble.clone(), next).await?;
    kill_point("failed_at_the_api");
    shared.tell_trouble(&paid.job, paid.number, &trouble, next).await;
    if !moderation {
        shared.generation_failed(&trouble.message).await;
    }
    shared.wake_submit();
    Ok(After::Left)
}

async fn missing(
    shared: &Shared,
    polling: &mut Polling,
    message: String,
    trouble: impl Fn(&str, String) -> Trouble,
) -> Result<After, Error> {
    let since = *polling.missing_since.get_or_insert_with(Instant::now);
    if since.elapsed() < GRACE.min(shared.limits.job_timeout) {
        return Ok(After::Again(polling.pause(shared)));
    }
    set_aside(shared, polling, JobState::Quarantined, trouble("not_found", message)).await
}

async fn key_refused(
    shared: &Shared,
    polling: &mut Polling,
    message: String,
) -> Result<After, Error> {
    stop(shared, Stop::Key(message)).await;
    if shared.streaks.key_refused.fetch_add(1, Ordering::Relaxed) + 1 >= KEY_REFUSALS {
        shared.gate.leave();
    }
    Ok(After::Again(polling.pause(shared)))
}

/// The API cannot be reached or makes no sense: the task goes on there meanwhile, so nothing is
/// decided before twice the job timeout.
async fn unreachable_for_now(
    shared: &Shared,
    polling: &mut Polling,
    trouble: Trouble,
) -> Result<After, Error> {
    polling.troubles = polling.troubles.saturating_add(1);
    if polling.since.elapsed() > shared.limits.job_timeout * 2 {
        return set_aside(shared, polling, JobState::Quarantined, trouble).await;
    }
    let wait = shared.limits.backoff.delay(polling.troubles);
    Ok(After::Again(wait.max(polling.pause(shared))))
}

/// One word when polls are not answered, and one when they are again.
fn tell_of_silence(shared: &Shared, answer: &PollAnswer) {
    let streak = &shared.streaks.unpolled;
    let PollAnswer::Trouble { message, .. } = answer else {
        if streak.swap(0, Ordering::Relaxed) >= SILENCE {
            tracing::warn!("the API tells about predictions again");
        }
        return;
    };
    if streak.fetch_add(1, Ordering::Relaxed) + 1 == SILENCE {
        tracing::warn!(
            "the API does not tell about predictions: {}; they go on there, and are asked about until it \
             does",
            text::cut(&text::visible(message), REASON)
        );
    }
}

async fn set_aside(
    shared: &Shared,
    polling: &Polling,
    to: JobState,
    trouble: Trouble,
) -> Result<After, Error> {
    let job = &polling.paid.job;
    shared.ledger.set_aside(job.id, to, trouble.clone()).await?;
    shared.tell_failed(job, to, &trouble).await;
    Ok(After::Left)
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
