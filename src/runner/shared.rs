//! What the lanes share: the rooms they join, the limits, and what wakes them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc};

use super::backoff::Backoff;
use super::breaker::Breaker;
use super::charges::Seen;
use super::gate::Gate;
use super::poll::Polling;
use super::ramp::Ramp;
use super::rate::Rate;
use super::slots::Slots;
use super::work::{Busy, Work};
use crate::artifacts::Artifacts;
use crate::atlas::Api;
use crate::domain::{
    Endpoint, Event, EventKind, JobState, Micros, Origin, Timestamp, Totals, Windows, clock,
};
use crate::ledger::{BatchId, Emergency, Error, Ledger, Paid, RunId};

/// How long a full queue of events is waited for: a reader that reads nothing stops no run.
const PATIENCE: Duration = Duration::from_secs(1);

/// The numbers a run is bound by.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Predictions in flight at the API at most.
    pub concurrency: NonZeroU32,
    /// Downloads at a time.
    pub downloads: NonZeroU32,
    /// Submissions a minute.
    pub rpm: Option<u32>,
    /// Counted tries of a job.
    pub max_attempts: NonZeroU32,
    /// Delays between tries.
    pub backoff: Backoff,
    /// The shortest and the longest pause between two polls of a prediction.
    pub poll: (Duration, Duration),
    /// From submission until a job that is still running is set aside.
    pub job_timeout: Duration,
    /// Before "not in the history" counts as proof.
    pub absence_wait: Duration,
    /// Unknown outcomes that nothing settles are submitted again, until this much may be paid twice.
    pub pay_again: Option<Micros>,
    /// Whether a shape never seen to succeed is proved on few jobs first.
    pub ramp: bool,
}

/// What a run is made of.
pub struct Parts {
    /// The ledger, owned by this process.
    pub ledger: Ledger,
    /// The API.
    pub api: Api,
    /// The output folder.
    pub artifacts: Artifacts,
    /// Where ids go that the ledger does not take.
    pub emergency: Emergency,
    /// The batches whose pending jobs are submitted, with their names, in order.
    pub batches: Vec<(BatchId, String)>,
    /// Which endpoint each model belongs to.
    pub endpoints: HashMap<String, Endpoint>,
    /// The run's number and name.
    pub run: (RunId, String),
    /// The limits.
    pub limits: Limits,
    /// Who hears what happened.
    pub events: mpsc::Sender<Event>,
    /// The manifests, as the user named them.
    pub manifests: Vec<String>,
    /// How many jobs came into the ledger for this run, by batch.
    pub enqueued: Vec<(String, u64)>,
    /// Stop submitting after this time.
    pub deadline: Option<Timestamp>,
    /// The times of the week in which anything is submitted.
    pub windows: Windows,
}

/// What wakes whom.
#[derive(Default)]
struct Wakes {
    submit: Notify,
    collect: Notify,
    reconcile: Notify,
    first_polls: Notify,
}

/// Failures in a row without a success between them.
#[derive(Default)]
pub(super) struct Streaks {
    pub(super) rejected: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) key_refused: AtomicU64,
    pub(super) unpolled: AtomicU64,
}

/// The common ground of the lanes of one run.
pub struct Shared {
    pub(super) ledger: Ledger,
    pub(super) api: Api,
    pub(super) artifacts: Artifacts,
    pub(super) batches: Vec<(BatchId, String)>,
    pub(super) endpoints: HashMap<String, Endpoint>,
    pub(super) run: RunId,
    pub(super) limits: Limits,
    pub(super) origin: Origin,
    pub(super) gate: Arc<Gate>,
    pub(super) slots: Slots,
    pub(super) downloads: Arc<Semaphore>,
    pub(super) rate: Rate,
    pub(super) streaks: Streaks,
    pub(super) emergency: Emergency,
    pub(super) ramp: Ramp,
    pub(super) breaker: Breaker,
    pub(super) charges: Seen,
    pub(super) uploads: super::media::Uploads,
    pub(super) unknowns: super::reconcile::Unknowns,
    /// Batches whose next job the budget does not allow, with what was spent then.
    pub(super) blocked: Mutex<HashMap<BatchId, Micros>>,
    run_name: String,
    events: mpsc::Sender<Event>,
    pub(super) windows: Windows,
    polls: mpsc::UnboundedSender<Polling>,
    wakes: Wakes,
    work: Work,
    unpolled: AtomicU64,
    submitted: AtomicU64,
    /// Whether the display once took nothing for too long: it is never waited for again.
    unheard: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        parts: Parts,
        gate: Arc<Gate>,
        polls: mpsc::UnboundedSender<Polling>,
    ) -> Self {
        let limits = parts.limits;
        Self {
            origin: parts.api.origin(),
            slots: Slots::new(limits.concurrency.get().into()),
            downloads: Arc::new(Semaphore::new(limits.downloads.get() as usize)),
            rate: Rate::new(limits.rpm),
            ledger: parts.ledger,
            api: parts.api,
            artifacts: parts.artifacts,
            emergency: parts.emergency,
            batches: parts.batches,
            endpoints: parts.endpoints,
            run: parts.run.0,
            run_name: parts.run.1,
            events: parts.events,
            windows: parts.windows,
            limits,
            gate,
            polls,
            streaks: Streaks::default(),
            ramp: Ramp::default(),
            breaker: Breaker::default(),
            charges: Seen::default(),
            uploads: super::media::Uploads::default(),
            unknowns: super::reconcile::Unknowns::default(),
            blocked: Mutex::default(),
            wakes: Wakes::default(),
            work: Work::default(),
            unpolled: AtomicU64::new(0),
            submitted: AtomicU64::new(0),
            unheard: AtomicBool::new(false),
        }
    }

    /// Tells what happened. Called after the commit, never before. Progress that is gone is no error.
    pub(super) async fn tell(&self, kind: EventKind) {
        let event =
            Event { at: clock::now(), run: self.run_name.clone(), totals: self.totals(), kind };
        if self.unheard.load(Ordering::Relaxed) {
            let _ = self.events.try_send(event);
        } else if tokio::time::timeout(PATIENCE, self.events.send(event)).await.is_err() {
            self.unheard.store(true, Ordering::Relaxed);
            tracing::warn!("nobody reads the events; the run goes on without waiting for them");
        }
    }

    /// How the run stands.
    pub(super) fn totals(&self) -> Totals {
        let (in_flight, concurrency) = self.slots.figures();
        let free = self.downloads.available_permits() as u64;
        let mut totals = Totals {
            in_flight,
            concurrency,
            downloading: u64::from(self.limits.downloads.get()).saturating_sub(free),
            submitted: self.submitted.load(Ordering::Relaxed),
            budget: Some(Micros::ZERO),
            ..Totals::default()
        };
        for (batch, _) in &self.batches {
            let tally = self.ledger.tally(*batch);
            for (sum, count) in totals.jobs.iter_mut().zip(tally.jobs) {
                *sum += count;
            }
            totals.retrying += tally.retrying;
            totals.spent = totals.spent.saturating_add(tally.spent());
            totals.budget = totals.budget.zip(tally.budget).map(|(a, b)| a.saturating_add(b));
        }
        totals
    }

    /// Notes that one POST was sent.
    pub(super) fn count_submission(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Pending jobs of this run's batches.
    pub(super) fn pending(&self) -> u64 {
        let pending = |id: &BatchId| self.ledger.tally(*id).count(JobState::Pending);
        self.batches.iter().map(|(id, _)| pending(id)).sum()
    }

    /// Whether a batch's next job is kept back by its budget: until money comes back.
    pub(super) fn is_blocked(&self, batch: BatchId) -> bool {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(spent) = blocked.get(&batch) else { return false };
        if self.ledger.tally(batch).spent() >= *spent {
            return true;
        }
        blocked.remove(&batch);
        false
    }

    /// Reads the figures again: another process (`cancel`, `requeue`) may have changed the ledger.
    pub(super) async fn resync(&self) -> Result<(), Error> {
        let names: Vec<String> = self.batches.iter().map(|(_, name)| name.clone()).collect();
        self.ledger.watch(&names).await
    }

    /// A batch's budget was changed: its next job is tried again.
    pub(super) fn unblock(&self, batch: BatchId) {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).remove(&batch);
    }

    /// Whether no lane has anything under way and nothing can be submitted any more.
    pub(super) fn is_quiet(&self) -> bool {
        let waiting = |id: BatchId| {
            self.ledger.tally(id).count(JobState::Pending) > 0 && !self.is_blocked(id)
        };
        let submittable = self.gate.is_open() && self.batches.iter().any(|(id, _)| waiting(*id));
        self.work.count() == 0 && !submittable && self.unknowns.hopeful() == 0
    }

    /// Whether a paid job lives at this run's API.
    pub(super) fn is_mine(&self, paid: &Paid) -> bool {
        paid.origin == self.origin
    }

    pub(super) fn begin_work(&self) -> Busy {
        self.work.begin()
    }

    /// Resolves when some work ends, or a lane was woken.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.work.ended()
    }

    /// Hands a prediction to the poll lane. That the lane has gone is no error: the ledger has it.
    pub(super) fn poll(&self, polling: Polling) {
        let _ = self.polls.send(polling);
    }

    /// Notes predictions of earlier runs that are to be polled before anything is submitted.
    pub(super) fn expect_first_polls(&self, count: u64) {
        self.unpolled.fetch_add(count, Ordering::SeqCst);
    }

    /// Notes that one of them was polled.
    pub(super) fn first_poll_done(&self) {
        if self.unpolled.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.wakes.first_polls.notify_waiters();
        }
    }

    /// Waits until every prediction of an earlier run was polled once, or the run is to end.
    pub(super) async fn first_polls_done(&self) {
        loop {
            let done = self.wakes.first_polls.notified();
            if self.unpolled.load(Ordering::SeqCst) == 0 || self.gate.is_leaving() {
                return;
            }
            tokio::select! {
                () = done => {}
                () = self.gate.leaving() => {}
            }
        }
    }

    pub(super) fn wake_submit(&self) {
        self.wakes.submit.notify_one();
    }

    pub(super) fn wake_collect(&self) {
        self.wakes.collect.notify_one();
    }

    pub(super) fn wake_reconcile(&self) {
        self.wakes.reconcile.notify_one();
    }

    pub(super) fn wake_all_but_reconcile(&self) {
        self.wake_submit();
        self.wake_collect();
        self.work.nudge();
    }

    pub(super) fn wake_all(&self) {
        self.wake_all_but_reconcile();
        self.wake_reconcile();
    }

    pub(super) async fn submit_woken(&self) {
        self.wakes.submit.notified().await;
    }

    pub(super) async fn collect_woken(&self) {
        self.wakes.collect.notified().await;
    }

    pub(super) async fn reconcile_woken(&self) {
        self.wakes.reconcile.notified().await;
    }
}
