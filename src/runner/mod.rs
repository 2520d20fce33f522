//! The lanes and what bounds them. Each lane takes jobs that are due in one state, does one side
//! effect and commits one transition; lanes never call each other, they meet in the ledger.
//!
//! Paid work goes first: what an earlier run submitted is polled before anything new is sent.

mod backoff;
mod breaker;
mod charges;
mod collect;
mod control;
mod gate;
mod history;
mod matching;
mod media;
mod night;
mod pledge;
mod poll;
mod prove;
mod queue;
mod ramp;
mod rate;
mod reconcile;
mod shared;
mod shutdown;
mod slots;
mod store;
mod submit;
mod tell;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::domain::{EventKind, JobState, Totals, kill_point};
use crate::ledger::{Error, JobId};

pub use backoff::Backoff;
pub use gate::{Gate, REJECTIONS, Stop};
pub use history::{Looked, Lookup, Readable, Settled};
pub use matching::SKEW;
pub use night::wall_clock;
pub use ramp::Trial;
pub use rate::Rate;
pub use shared::{Limits, Parts, Shared};
pub use shutdown::Signals;
pub use slots::{Slot, Slots};
pub use store::sidecar_of;

/// Runs every lane until all that can be done is done, or the gate says to leave. Returns once no
/// POST is under way and every outcome is recorded, with how the run stands then.
pub async fn run(parts: Parts, gate: Arc<Gate>) -> Result<Totals, Error> {
    let (polls, inbox) = mpsc::unbounded_channel();
    let news = (parts.manifests.clone(), parts.enqueued.clone());
    let deadline = parts.deadline;
    let shared = Arc::new(Shared::new(parts, gate, polls));
    begin(&shared, news).await?;
    let mut lanes = JoinSet::new();
    lanes.spawn(poll::lane(Arc::clone(&shared), inbox));
    lanes.spawn(collect::lane(Arc::clone(&shared)));
    lanes.spawn(reconcile::lane(Arc::clone(&shared)));
    lanes.spawn(control::lane(Arc::clone(&shared)));
    lanes.spawn(night::deadline(Arc::clone(&shared), deadline));
    lanes.spawn(night::windows(Arc::clone(&shared)));
    shared.first_polls_done().await;
    lanes.spawn(submit::lane(Arc::clone(&shared)));
    let mut result = until_settled(&shared, &mut lanes).await;
    shared.gate.leave();
    while let Some(lane) = lanes.join_next().await {
        let ended = lane.unwrap_or_else(|panic| Err(crashed(&panic)));
        if result.is_ok() {
            result = ended;
        }
    }
    result.map(|()| shared.totals())
}

/// What an interrupted run left is told, settled where the ledger alone can, and polled.
async fn begin(
    shared: &Shared,
    (manifests, enqueued): (Vec<String>, Vec<(String, u64)>),
) -> Result<(), Error> {
    let batches = shared.batches.iter().map(|(_, name)| name.clone()).collect();
    shared.tell(EventKind::RunStarted { batches, manifests }).await;
    for (batch, jobs) in enqueued {
        shared.tell(EventKind::JobEnqueued { batch, jobs }).await;
    }
    let interrupted = shared.ledger.recover().await?;
    kill_point("recovered");
    if interrupted > 0 {
        tracing::warn!(interrupted, "submissions of an earlier run have no recorded outcome");
    }
    control::begin(shared).await?;
    night::begin(shared).await;
    reconcile::resume(shared).await?;
    shared.begin_ramp().await?;
    shared.charges.remember(shared.ledger.dearer(&shared.origin).await?);
    let resumed = poll::resume(shared).await?;
    tracing::info!(resumed, "predictions of earlier runs are polled first");
    Ok(())
}

/// A lane that panicked is an error of ours: the ledger stays right, the run ends.
fn crashed(panic: &tokio::task::JoinError) -> Error {
    Error::Missing { what: format!("lane: it ended with {panic}") }
}

/// Waits until nothing is left that this run could still bring forward, or a lane has failed.
async fn until_settled(
    shared: &Shared,
    lanes: &mut JoinSet<Result<(), Error>>,
) -> Result<(), Error> {
    loop {
        while let Some(ended) = lanes.try_join_next() {
            ended.unwrap_or_else(|panic| Err(crashed(&panic)))?;
        }
        let changed = shared.changed();
        if shared.gate.is_leaving() {
            return Ok(());
        }
        if shared.is_quiet() && nothing_to_collect(shared).await? {
            note_budget(shared);
            return Ok(());
        }
        tokio::select! {
            () = changed => {}
            () = shared.gate.leaving() => {}
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// The ledger has the last word: a job between two lanes is in neither.
async fn nothing_to_collect(shared: &Shared) -> Result<bool, Error> {
    for state in [JobState::Ready, JobState::Storing] {
        let mut after = JobId(0);
        loop {
            let page = shared.ledger.paid(state, after, 64).await?;
            if page.iter().any(|paid| shared.is_mine(paid)) {
                shared.wake_collect();
                return Ok(false);
            }
            let Some(last) = page.last() else { break };
            after = last.job.id;
        }
    }
    Ok(true)
}

/// Pending jobs that only the budget keeps from being submitted are a reason of their own.
fn note_budget(shared: &Shared) {
    if shared.gate.is_open() && shared.pending() > 0 {
        shared.gate.stop(Stop::Budget);
    }
}

/// Tells that submitting stopped, once for each reason.
pub(crate) async fn stop(shared: &Shared, why: Stop) {
    let reason = why.reason();
    if shared.gate.stop(why) {
        tracing::warn!(reason, "submitting stopped");
        shared.tell(EventKind::RunPaused { reason }).await;
        shared.wake_all();
    }
}
