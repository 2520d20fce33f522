//! What this run and those before it were charged above what was reserved, shared by the lanes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{Charges, Micros, Request};

/// The least to reserve, where more than planned was charged.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Charges>);

impl Seen {
    /// What earlier runs were charged.
    pub(super) fn remember(&self, known: Charges) {
        *self.lock() = known;
    }

    /// A finished generation cost this much, with so much reserved for it.
    pub(super) fn learn(&self, request: &Request, reserved: Micros, charged: Micros) {
        if charged > reserved {
            self.lock().learn(request, charged);
        }
    }

    /// What to reserve for a request that was planned at `price`.
    pub(super) fn at_least(&self, request: &Request, price: Option<Micros>) -> Micros {
        price.max(self.lock().of(request)).unwrap_or(Micros::ZERO)
    }

    fn lock(&self) -> MutexGuard<'_, Charges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
