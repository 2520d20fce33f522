//! What the clock on the wall says: when submitting stops, and the times of the week in which it may go
//! on. A machine that slept, or whose clock was set, finds out within half a minute.

use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;

use super::gate::Stop;
use super::shared::Shared;
use super::stop;
use crate::domain::{EventKind, Timestamp, clock};
use crate::ledger::Error;

/// How often the clock is looked at. Timers of the system stand still while it sleeps.
const LOOK: Duration = Duration::from_secs(30);

/// Waits until a moment of the clock on the wall.
pub async fn wall_clock(at: Timestamp) {
    loop {
        let left = clock::between(clock::now(), at);
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// Stops submitting when the time is over.
pub(super) async fn deadline(shared: Arc<Shared>, at: Option<Timestamp>) -> Result<(), Error> {
    let Some(at) = at else { return Ok(()) };
    tokio::select! {
        () = wall_clock(at) => stop(&shared, Stop::Deadline).await,
        () = shared.gate.leaving() => {}
    }
    Ok(())
}

/// Holds submitting back before anything can be submitted, where this is no time for it.
pub(super) async fn begin(shared: &Shared) {
    follow(shared, &Zoned::now(), true).await;
}

/// Lets submitting go on and holds it back as the week goes.
pub(super) async fn windows(shared: Arc<Shared>) -> Result<(), Error> {
    if shared.windows.is_empty() {
        return Ok(());
    }
    let mut held = !shared.windows.holds(&Zoned::now());
    loop {
        let now = Zoned::now();
        // The next minute begins soon enough; a jump of the clock is found as quickly.
        let next = Duration::from_secs(61 - u64::from(now.second().unsigned_abs()));
        tokio::select! {
            () = tokio::time::sleep(next.min(LOOK)) => {}
            () = shared.gate.leaving() => return Ok(()),
        }
        held = follow(&shared, &Zoned::now(), !held).await;
    }
}

/// Sets the gate by the week, and tells where that is new. Returns whether it is held.
async fn follow(shared: &Shared, now: &Zoned, was_open: bool) -> bool {
    let open = shared.windows.holds(now);
    shared.gate.follow_window(open);
    if open != was_open {
        let reason = match shared.windows.opens(now) {
            _ if open => format!("the time for it ({}) has come", shared.windows),
            Some(opens) => {
                let opens = opens.strftime("%a %H:%M");
                format!("it is not the time for it ({}); it goes on {opens}", shared.windows)
            }
            None => format!("it is never the time for it ({})", shared.windows),
        };
        tracing::warn!(reason, "submitting {}", if open { "goes on" } else { "waits" });
        let (limit, value) = ("submitting".to_owned(), u64::from(open));
        shared.tell(EventKind::LimitChanged { limit, value, reason }).await;
        shared.wake_all();
    }
    !open
}
