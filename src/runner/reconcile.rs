//! The reconcile lane: unknown outcomes are looked up in the API's history while the run goes on.
//!
//! Exactly matching tasks are adopted. Absence is proved by two looks at a history that demonstrably
//! works, the second not before `--absence-wait`. Anything else is left for `resolve`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::poll::Polling;
use super::shared::Shared;
use super::slots::Slot;
use super::stop;
use super::Stop;
use crate::atlas::{HistoryItem, HistoryQuery};
use crate::domain::{Digest, EventKind, PredictionId, Timestamp, clock};
use crate::ledger::{AttemptId, Error, UnknownAttempt};

/// Unknown outcomes looked at in one go.
const AT_A_TIME: u32 = 500;
/// Pages of history read in one look at most; 50 tasks a page (atlas-api.md 1.3).
const PAGES: u32 = 200;
/// Clocks of the API and of this machine may differ by this much.
const SKEW: Duration = Duration::from_mins(5);
/// How long an outcome that the history does not show keeps its slot: its task may yet show up.
const SLOT_HELD: Duration = Duration::from_mins(1);
/// Looks at a failing history, one after another, before it counts as absent for this run.
const FAILED_LOOKS: u32 = 5;

/// What the run knows of its unknown outcomes.
#[derive(Default)]
pub(super) struct Unknowns {
    slots: Mutex<HashMap<AttemptId, Slot>>,
    /// How many ever arose in this run, and how many of them the last look has seen.
    arisen: AtomicUsize,
    seen: AtomicUsize,
    /// How many the last look left hope for.
    hopeful: AtomicUsize,
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

    fn free_slots(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

/// What one look brought.
struct Look {
    /// Unknown outcomes a later look may settle.
    hopeful: usize,
    /// When to look again.
    again: Duration,
}

/// Looks until the run is to end.
pub(super) async fn lane(shared: Arc<Shared>) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let arisen = shared.unknowns.arisen.load(Ordering::SeqCst);
        let look = look(&shared, &mut failures).await;
        if let Err(error) = &look {
            stop(&shared, Stop::Storage(error.to_string())).await;
        }
        let Look { hopeful, again } = look?;
        shared.unknowns.looked(arisen, hopeful);
        if hopeful == 0 {
            shared.wake_all_but_reconcile();
        }
        tokio::select! {
            () = shared.gate.leaving() => return Ok(()),
            () = shared.reconcile_woken() => {}
            () = tokio::time::sleep(again), if hopeful > 0 => {}
        }
    }
}

async fn look(shared: &Shared, failures: &mut u32) -> Result<Look, Error> {
    let mut unknowns = shared.ledger.unknowns(AT_A_TIME).await?;
    unknowns.retain(|unknown| unknown.origin == shared.origin);
    let Some(oldest) = unknowns.iter().map(|unknown| unknown.intent_at).min() else {
        return Ok(Look { hopeful: 0, again: Duration::ZERO });
    };
    let started = clock::now();
    match read_history(shared, oldest).await? {
        Read::Found(history) => {
            *failures = 0;
            settle(shared, unknowns, &history, started).await
        }
        Read::NoHistory(why) => {
            tracing::warn!(why, "the API has no history; unknown outcomes wait for `resolve`");
            shared.unknowns.free_slots();
            Ok(Look { hopeful: 0, again: Duration::ZERO })
        }
        Read::Trouble(why) => {
            *failures += 1;
            tracing::warn!(why, failures, "the history could not be read");
            let hopeful = if *failures < FAILED_LOOKS { unknowns.len() } else { 0 };
            if hopeful == 0 {
                shared.unknowns.free_slots();
            }
            Ok(Look { hopeful, again: shared.limits.backoff.bound(*failures) })
        }
    }
}

/// The part of the history the unknowns may stand in.
struct History {
    /// Tasks the ledger does not hold, by the hash of their request, oldest first.
    strangers: HashMap<Digest, Vec<HistoryItem>>,
    /// Tasks whose request the API does not show: they may be anybody's.
    opaque: usize,
    /// Whether a task the ledger does hold was seen: proof that the listing works.
    works: bool,
}

enum Read {
    Found(History),
    NoHistory(String),
    Trouble(String),
}

async fn read_history(shared: &Shared, oldest: Timestamp) -> Result<Read, Error> {
    let since = clock::from_millis(
        oldest.as_millisecond() - i64::try_from(SKEW.as_millis()).unwrap_or(0),
    );
    let mut history = History { strangers: HashMap::new(), opaque: 0, works: false };
    let mut seen = HashSet::new();
    for page in 1..=PAGES {
        let query = HistoryQuery { page, ..HistoryQuery::default() };
        let items = match shared.api.history(&query).await {
            Ok(page) => page.items,
            Err(error) if error.is_absent() => return Ok(Read::NoHistory(error.to_string())),
            Err(error) => return Ok(Read::Trouble(error.to_string())),
        };
        let full = !items.is_empty();
        let past = items.iter().any(|item| item.created_at.is_some_and(|at| at < since));
        for item in items {
            if seen.insert(item.id.clone()) {
                sort_in(shared, &mut history, item, since).await?;
            }
        }
        if past || !full {
            break;
        }
    }
    for strangers in history.strangers.values_mut() {
        strangers.sort_by_key(|item| item.created_at);
    }
    Ok(Read::Found(history))
}

async fn sort_in(
    shared: &Shared,
    history: &mut History,
    item: HistoryItem,
    since: Timestamp,
) -> Result<(), Error> {
    if shared.ledger.holds(&shared.origin, &item.id).await? {
        history.works = true;
    } else if item.created_at.is_none_or(|at| at >= since) {
        match &item.request {
            Some(request) => history.strangers.entry(request.digest()).or_default().push(item),
            None => history.opaque += 1,
        }
    }
    Ok(())
}

/// Matches unknowns and strangers body by body; equal bodies are interchangeable.
async fn settle(
    shared: &Shared,
    unknowns: Vec<UnknownAttempt>,
    history: &History,
    started: Timestamp,
) -> Result<Look, Error> {
    let mut by_body: HashMap<Digest, Vec<UnknownAttempt>> = HashMap::new();
    for unknown in unknowns {
        by_body.entry(unknown.body_sha256).or_default().push(unknown);
    }
    let works = history.works || !shared.ledger.has_predictions(&shared.origin).await?;
    let mut look = Look { hopeful: 0, again: shared.limits.absence_wait };
    for (body, group) in by_body {
        let found = history.strangers.get(&body).map_or(&[][..], Vec::as_slice);
        if found.len() > group.len() {
            tracing::warn!(
                found = found.len(), unknown = group.len(), model = group[0].model,
                "the history shows more tasks with this request than are missing; left for `resolve`"
            );
            continue;
        }
        let mut rest = group.into_iter();
        for (item, unknown) in found.iter().zip(rest.by_ref()) {
            adopt(shared, &unknown, &item.id).await?;
        }
        for unknown in rest {
            let provable = works && history.opaque == 0;
            miss(shared, &unknown, provable, started, &mut look).await?;
        }
    }
    Ok(look)
}

async fn adopt(
    shared: &Shared,
    unknown: &UnknownAttempt,
    prediction: &PredictionId,
) -> Result<(), Error> {
    shared.ledger.adopt(unknown.attempt, prediction, "history").await?;
    let slot = shared.unknowns.take_slot(unknown.attempt).unwrap_or_else(|| shared.slots.occupy());
    shared
        .tell(EventKind::PredictionAccepted {
            batch: unknown.batch_name.clone(),
            job: unknown.key.clone(),
            attempt: unknown.number,
            prediction: prediction.to_string(),
            adopted: true,
        })
        .await;
    tell_resolved(shared, unknown, "adopted").await;
    if let Some(paid) = shared.ledger.paid_job(unknown.job).await? {
        shared.poll(Polling::new(shared, paid, slot));
    }
    Ok(())
}

/// The history does not show it. Once is a hint, twice with the wait between is proof.
async fn miss(
    shared: &Shared,
    unknown: &UnknownAttempt,
    provable: bool,
    started: Timestamp,
    look: &mut Look,
) -> Result<(), Error> {
    if !provable {
        shared.unknowns.take_slot(unknown.attempt);
        return Ok(());
    }
    let wait = shared.limits.absence_wait;
    let first = unknown.looked_at.unwrap_or(started);
    // The wait counts from the intent and again from the first look, so that the two looks are
    // apart even where the first one came late.
    let ripe = clock::after(unknown.intent_at, wait).max(clock::after(first, wait / 5));
    if unknown.looked_at.is_some() && started >= ripe {
        let evidence = format!(
            "not in the history at {} and at {}",
            clock::utc(first),
            clock::utc(started)
        );
        shared.ledger.prove_absent(unknown.attempt, &evidence, clock::now()).await?;
        shared.unknowns.take_slot(unknown.attempt);
        tell_resolved(shared, unknown, "absent").await;
        shared.wake_submit();
        return Ok(());
    }
    shared.ledger.note_look(unknown.attempt, started).await?;
    let free_at = clock::after(unknown.intent_at, SLOT_HELD.min(wait));
    if started >= free_at {
        shared.unknowns.take_slot(unknown.attempt);
    }
    let next = if started < free_at { ripe.min(free_at) } else { ripe };
    look.hopeful += 1;
    look.again = look.again.min(clock::between(started, next).max(Duration::from_millis(50)));
    Ok(())
}

async fn tell_resolved(shared: &Shared, unknown: &UnknownAttempt, how: &str) {
    shared
        .tell(EventKind::OutcomeResolved {
            batch: unknown.batch_name.clone(),
            job: unknown.key.clone(),
            attempt: unknown.number,
            how: how.to_owned(),
        })
        .await;
}
