//! What requests were seen to cost, where that is more than planned: a reservation that is known to be
//! too low would let a budget be passed again and again.

use std::collections::HashMap;

use super::digest::Digest;
use super::money::Micros;
use super::request::Request;
use super::shape::Texts;

/// The highest charge seen, by the shape of the request with the lengths of its texts.
#[derive(Clone, Debug, Default)]
pub struct Charges(HashMap<Digest, Micros>);

impl Charges {
    /// A request like this one cost so much.
    pub fn learn(&mut self, request: &Request, charged: Micros) {
        let highest = self.0.entry(request.shape(Texts::ByLength)).or_insert(charged);
        *highest = charged.max(*highest);
    }

    /// The highest charge for a request like this one.
    #[must_use]
    pub fn of(&self, request: &Request) -> Option<Micros> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&request.shape(Texts::ByLength)).copied()
    }
}
