//! Generation slots: one for each prediction in flight at the API, from submit to its terminal
//! status, never held through a download. How many there are follows the API: a quarter fewer when it
//! says 429, one more for each round of acceptances, never more than the operator allows.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

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
    /// What the operator allows.
    most: u64,
    /// What the API took lately, `most` at most.
    limit: u64,
    held: u64,
    /// When the limit was lowered last.
    lowered: Option<Instant>,
    /// Acceptances since the limit changed.
    accepted: u64,
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
        let state = Mutex::new(State { most: limit, limit, held: 0, lowered: None, accepted: 0 });
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

    /// A POST that left at `sent` met a 429. Returns the new limit where it was lowered: refusals of
    /// POSTs that left before the last time say nothing new.
    pub(super) fn lower(&self, sent: Instant) -> Option<u64> {
        let mut state = self.lock();
        if state.limit == 1 || state.lowered.is_some_and(|lowered| sent < lowered) {
            return None;
        }
        state.limit = (state.limit * 3 / 4).max(1);
        state.lowered = Some(Instant::now());
        state.accepted = 0;
        Some(state.limit)
    }

    /// A POST was accepted. Returns the new limit where it was raised.
    pub(super) fn raise(&self) -> Option<u64> {
        let mut state = self.lock();
        if state.limit == state.most {
            return None;
        }
        state.accepted += 1;
        if state.accepted < state.limit {
            return None;
        }
        state.limit += 1;
        state.accepted = 0;
        self.0.freed.notify_one();
        Some(state.limit)
    }

    /// The operator allows so many from now on, and the API is asked anew how many it takes.
    pub(super) fn allow(&self, most: u64) {
        let mut state = self.lock();
        (state.most, state.limit, state.accepted) = (most, most, 0);
        self.0.freed.notify_one();
    }

    /// What the operator allows.
    pub(super) fn allowed(&self) -> u64 {
        self.lock().most
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

    #[tokio::test(start_paused = true)]
    async fn a_refused_round_lowers_the_limit_once_and_accepted_rounds_raise_it_again() {
        let slots = Slots::new(8);
        let sent = Instant::now();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(slots.raise(), None, "never above what the operator allows");
        assert_eq!(slots.lower(sent), Some(6));
        assert_eq!(slots.lower(sent), None, "a POST of the same round");
        assert_eq!(slots.lower(Instant::now()), Some(4));
        let raised: Vec<u64> = (0..30).filter_map(|_| slots.raise()).collect();
        assert_eq!(raised, [5, 6, 7, 8], "after 4, 5, 6 and 7 acceptances");
        for _ in 0..20 {
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
            slots.lower(Instant::now());
        }
        assert_eq!(slots.figures(), (0, 1), "one always gets in");
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
