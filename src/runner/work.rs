//! How much is under way: a count that a run waits for to become nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts guards.
#[derive(Clone, Default)]
pub(super) struct Work(Arc<Counter>);

#[derive(Default)]
struct Counter {
    held: AtomicU64,
    ended: Notify,
}

/// One piece of work; it ends when this is dropped.
pub(super) struct Busy(Arc<Counter>);

impl Work {
    pub(super) fn begin(&self) -> Busy {
        self.0.held.fetch_add(1, Ordering::SeqCst);
        Busy(Arc::clone(&self.0))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.held.load(Ordering::SeqCst)
    }

    /// Resolves when some work ends after this call.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + '_ {
        self.0.ended.notified()
    }

    /// Wakes whoever waits for an end.
    pub(super) fn nudge(&self) {
        self.0.ended.notify_waiters();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}
