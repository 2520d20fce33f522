//! Generation slots: one for each prediction in flight at the API, from submit to its terminal
//! status, never held through a download.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::ramp::Trial;

/// A counted limit whose holders may, after a restart, be more than the limit allows: then nobody
/// new gets in until enough have left.
#[derive(Clone)]
pub struct Slots(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    limit: u64,
    held: u64,
}

/// One slot, given back when dropped.
pub struct Slot {
    inner: Arc<Inner>,
    /// The trial it carries ends with it.
    trial: Option<Trial>,
}

impl Slots {
    /// `limit` slots, all free.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let state = Mutex::new(State { limit, held: 0 });
        Self(Arc::new(Inner { state, freed: Notify::new() }))
    }

    /// Waits for a free slot.
    pub async fn acquire(&self) -> Slot {
        loop {
            let freed = self.0.freed.notified();
            if let Some(slot) = self.try_acquire() {
                return slot;
            }
            freed.await;
        }
    }

    fn try_acquire(&self) -> Option<Slot> {
        let mut state = self.lock();
        if state.held >= state.limit {
            return None;
        }
        state.held += 1;
        // Another waiter may fit as well: a notification stands for one slot only.
        if state.held < state.limit {
            self.0.freed.notify_one();
        }
        Some(Slot { inner: Arc::clone(&self.0), trial: None })
    }

    /// Takes a slot for a prediction that is in flight already, whatever the limit says.
    #[must_use]
    pub fn occupy(&self) -> Slot {
        self.lock().held += 1;
        Slot { inner: Arc::clone(&self.0), trial: None }
    }

    /// How many are held, and how many there are.
    #[must_use]
    pub fn figures(&self) -> (u64, u64) {
        let state = self.lock();
        (state.held, state.limit)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The same slot, for a job on trial.
    #[must_use]
    pub fn with(mut self, trial: Option<Trial>) -> Self {
        self.trial = trial;
        self
    }

    /// The trial it carries.
    pub(super) const fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).held -= 1;
        self.inner.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_slot_given_back_goes_to_one_who_waits() {
        let slots = Slots::new(2);
        let first = slots.acquire().await;
        let _second = slots.acquire().await;
        assert!(slots.acquire().now_or_never().is_none());
        drop(first);
        let _third = slots.acquire().await;
        assert_eq!(slots.figures(), (2, 2));
    }

    #[tokio::test]
    async fn predictions_of_an_earlier_run_keep_newcomers_out_until_they_are_few_enough() {
        let slots = Slots::new(1);
        let (one, two) = (slots.occupy(), slots.occupy());
        drop(one);
        assert!(slots.acquire().now_or_never().is_none());
        drop(two);
        assert!(slots.acquire().now_or_never().is_some());
    }

    #[tokio::test]
    async fn many_waiters_all_get_their_turn() {
        let slots = Slots::new(3);
        let peak = Arc::new(Mutex::new(0));
        let tasks = (0..200).map(|_| {
            let (slots, peak) = (slots.clone(), Arc::clone(&peak));
            tokio::spawn(async move {
                let _slot = slots.acquire().await;
                let held = slots.figures().0;
                {
                    let mut peak = peak.lock().unwrap();
                    *peak = held.max(*peak);
                }
                tokio::task::yield_now().await;
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(*peak.lock().unwrap() <= 3);
        assert_eq!(slots.figures().0, 0);
    }
}
