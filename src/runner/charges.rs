//! What requests were seen to cost, where that is more than planned: a reservation that is known to be
//! too low would let a budget be passed again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::shape::Texts;
use crate::domain::{Digest, Micros, Request};

/// The highest charge above its reservation, by the shape of the request.
#[derive(Debug, Default)]
pub(super) struct Charges(Mutex<HashMap<Digest, Micros>>);

impl Charges {
    /// What earlier runs were charged.
    pub(super) fn remember(&self, known: HashMap<Digest, Micros>) {
        self.lock().extend(known);
    }

    /// A finished generation cost this much, with so much reserved for it.
    pub(super) fn learn(&self, request: &Request, reserved: Micros, charged: Micros) {
        if charged > reserved {
            let mut known = self.lock();
            let highest = known.entry(request.shape(Texts::ByLength)).or_insert(charged);
            *highest = charged.max(*highest);
        }
    }

    /// What to reserve for a request that was planned at `price`.
    pub(super) fn at_least(&self, request: &Request, price: Option<Micros>) -> Micros {
        let known = self.lock();
        let seen = if known.is_empty() { None } else { known.get(&request.shape(Texts::ByLength)) };
        price.max(seen.copied()).unwrap_or(Micros::ZERO)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Micros>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
