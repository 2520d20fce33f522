//! The reconcile lane: unknown outcomes are looked up in the API's history while the run goes on.
//! What a look proves is decided in `history`; here it is told, and slots are kept or given back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::history::{Looked, Lookup, Readable, Settled};
use super::poll::Polling;
use super::shared::Shared;
use super::slots::Slot;
use super::{Stop, stop};
use crate::domain::{EventKind, clock};
use crate::ledger::{AttemptId, Error, PaidAgain, UnknownAttempt};

/// How long an outcome that the history does not show keeps its slot: its task may yet show up.
const SLOT_HELD: Duration = Duration::from_mins(1);
/// Unknown outcomes of earlier runs that may hold a slot; no run has more in flight.
const RESUMED: u32 = 10_000;
/// Looks at a failing history, one after another, before this run gives up looking.
const FAILED_LOOKS: u32 = 5;
/// The shortest pause between two looks.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// What the run knows of its unknown outcomes.
pub(super) struct Unknowns {
    slots: Mutex<HashMap<AttemptId, Slot>>,
    /// How many ever arose in this run, and how many of them the last look has seen.
    arisen: AtomicUsize,
    seen: AtomicUsize,
    /// How many the last look left hope for.
    hopeful: AtomicUsize,
}

/// What earlier runs left counts as one hopeful case until the first look is over.
impl Default for Unknowns {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            arisen: AtomicUsize::new(1),
            seen: AtomicUsize::new(0),
            hopeful: AtomicUsize::new(0),
        }
    }
}

impl Unknowns {
    /// How many may still be settled by looking. What arose since the last look began counts.
    pub(super) fn hopeful(&self) -> usize {
        let unseen = self.arisen.load(Ordering::SeqCst) - self.seen.load(Ordering::SeqCst);
        self.hopeful.load(Ordering::SeqCst) + unseen
    }

    /// Notes what a look that began with `arisen` left.
    fn looked(&self, arisen: usize, hopeful: usize) {
        self.hopeful.store(hopeful, Ordering::SeqCst);
        self.seen.store(arisen, Ordering::SeqCst);
    }

    fn take_slot(&self, attempt: AttemptId) -> Option<Slot> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt)
    }
}

/// A POST of this run has an unknown outcome; it may be in flight, so it keeps its slot.
pub(super) fn arose(shared: &Shared, attempt: AttemptId, slot: Slot) {
    let mut slots = shared.unknowns.slots.lock().unwrap_or_else(PoisonError::into_inner);
    slots.insert(attempt, slot);
    drop(slots);
    shared.unknowns.arisen.fetch_add(1, Ordering::SeqCst);
    shared.wake_reconcile();
}

/// What an interrupted run left may be in flight as well: it takes its slots again.
pub(super) async fn resume(shared: &Shared) -> Result<(), Error> {
    let recent = clock::from_millis(
        clock::now().as_millisecond() - i64::try_from(SLOT_HELD.as_millis()).unwrap_or(0),
    );
    let mut slots = Vec::new();
    for unknown in shared.ledger.unknowns(RESUMED).await? {
        if unknown.origin == shared.origin && unknown.intent_at >= recent {
            slots.push((unknown.attempt, shared.slots.occupy()));
        }
    }
    shared.unknowns.slots.lock().unwrap_or_else(PoisonError::into_inner).extend(slots);
    Ok(())
}

/// Looks until the run is to end.
pub(super) async fn lane(shared: Arc<Shared>) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let arisen = shared.unknowns.arisen.load(Ordering::SeqCst);
        let lookup = Lookup {
            ledger: &shared.ledger,
            api: &shared.api,
            absence_wait: shared.limits.absence_wait,
            batch: None,
        };
        let looked = lookup.look().await;
        if let Err(error) = &looked {
            stop(&shared, Stop::Storage(error.to_string())).await;
        }
        let (hopeful, again) = take_in(&shared, looked?, &mut failures).await?;
        shared.unknowns.looked(arisen, hopeful);
        shared.wake_all_but_reconcile();
        tokio::select! {
            () = shared.gate.leaving() => return Ok(()),
            () = shared.reconcile_woken() => {}
            () = tokio::time::sleep(again), if hopeful > 0 => {}
        }
    }
}

/// Tells what a look brought. Returns how many a later look may settle, and when to look again.
async fn take_in(
    shared: &Shared,
    looked: Looked,
    failures: &mut u32,
) -> Result<(usize, Duration), Error> {
    for (unknown, how) in &looked.settled {
        settled(shared, unknown, *how).await?;
    }
    let mut hopeful = looked.missing.len();
    let mut again = shared.limits.absence_wait;
    match &looked.readable {
        Readable::Yes => *failures = 0,
        Readable::Never(why) => {
            tracing::warn!(why, "no history; unknown outcomes wait for `resolve`");
        }
        Readable::NotNow(why) => {
            *failures += 1;
            tracing::warn!(why, failures, "the history could not be read");
            if *failures < FAILED_LOOKS {
                hopeful += looked.unclear.len();
                again = shared.limits.backoff.bound(*failures);
            }
        }
    }
    let now = clock::now();
    if hopeful == looked.missing.len() {
        for (unknown, _) in &looked.unclear {
            let slot = shared.unknowns.take_slot(unknown.attempt);
            if let Some(trial) = slot.as_ref().and_then(Slot::trial) {
                shared.trial_lost(trial, &unknown.model).await;
            }
            drop(slot);
            if let Some(wait) = pay_again(shared, unknown).await? {
                hopeful += 1;
                again = again.min(wait);
            }
        }
    }
    for (unknown, ripe) in &looked.missing {
        let held = SLOT_HELD.min(shared.limits.absence_wait);
        let free_at = clock::after(unknown.intent_at, held);
        if now >= free_at {
            shared.unknowns.take_slot(unknown.attempt);
        }
        let next = if now < free_at { free_at.min(*ripe) } else { *ripe };
        again = again.min(clock::between(now, next));
    }
    Ok((hopeful, again.max(LEAST_PAUSE)))
}

/// `--on-unknown resubmit`: what no look can settle is submitted again, once the absence wait is over
/// and as long as the cap allows. Returns how long to wait before that.
async fn pay_again(shared: &Shared, unknown: &UnknownAttempt) -> Result<Option<Duration>, Error> {
    let Some(cap) = shared.limits.pay_again else { return Ok(None) };
    let due = clock::after(unknown.intent_at, shared.limits.absence_wait);
    if clock::now() < due {
        return Ok(Some(clock::between(clock::now(), due)));
    }
    let (batch, job) = (unknown.batch_name.clone(), unknown.key.clone());
    match shared.ledger.pay_again_for(unknown.attempt, cap).await? {
        PaidAgain::Yes => {
            tracing::warn!(batch, job, price = unknown.reserved.human(), "paying again");
            let how = "pay_again".to_owned();
            let attempt = unknown.number;
            shared.tell(EventKind::OutcomeResolved { batch, job, attempt, how }).await;
            shared.wake_submit();
        }
        PaidAgain::OverCap => {
            tracing::warn!(batch, job, "not submitted again: --max-double allows no more");
        }
        PaidAgain::NothingPaid => {}
    }
    Ok(None)
}

async fn settled(shared: &Shared, unknown: &UnknownAttempt, how: Settled) -> Result<(), Error> {
    let (batch, job) = (&unknown.batch_name, &unknown.key);
    let slot = shared.unknowns.take_slot(unknown.attempt);
    shared
        .tell(EventKind::OutcomeResolved {
            batch: batch.clone(),
            job: job.clone(),
            attempt: unknown.number,
            how: how.as_str().to_owned(),
        })
        .await;
    if how == Settled::Absent {
        shared.wake_submit();
        return Ok(());
    }
    let Some(paid) = shared.ledger.paid_job(unknown.job).await? else { return Ok(()) };
    shared
        .tell(EventKind::PredictionAccepted {
            batch: batch.clone(),
            job: job.clone(),
            attempt: unknown.number,
            prediction: paid.prediction.to_string(),
            adopted: true,
        })
        .await;
    let slot = slot.unwrap_or_else(|| shared.slots.occupy());
    shared.poll(Polling::new(shared, paid, slot));
    Ok(())
}
