//! Money of jobs on their way to their intent. A budget is used up in the order of the queue, as the plan
//! says it: who comes later waits until those before have taken theirs, however long their uploads last.
//! That nothing passes the budget is the ledger's part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Micros;
use crate::ledger::BatchId;

/// What is pledged in each batch: to how many jobs, and how much.
#[derive(Clone, Default)]
pub(super) struct Pledges(Arc<Mutex<HashMap<BatchId, (u64, i64)>>>);

/// A job's part, until its money is reserved or it is given up.
pub(super) struct Pledge {
    pledges: Pledges,
    batch: BatchId,
    price: Micros,
}

impl Pledges {
    /// Pledges a price, where `room` has enough for it behind those before it; `None` is to wait for
    /// them. Alone it is for the ledger to say.
    pub(super) fn take(
        &self,
        batch: BatchId,
        price: Micros,
        room: Option<Micros>,
    ) -> Option<Pledge> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (jobs, micros) = all.entry(batch).or_default();
        let wanted = micros.saturating_add(price.0);
        if *jobs > 0 && room.is_some_and(|room| wanted > room.0) {
            return None;
        }
        (*jobs, *micros) = (*jobs + 1, wanted);
        Some(Pledge { pledges: self.clone(), batch, price })
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        let mut all = self.pledges.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((jobs, micros)) = all.get_mut(&self.batch) {
            *jobs = jobs.saturating_sub(1);
            *micros -= self.price.0;
        }
    }
}
