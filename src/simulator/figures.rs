//! What the simulator has seen, for tests to ask.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Micros;

/// Counts and sums. Charges and refunds include those of an earlier process with the same book;
/// the rest counts from the start of this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Submissions that came in, whatever became of them.
    pub submits: u64,
    /// Submissions that made a prediction and were answered with it, as far as the server knows.
    pub accepted: u64,
    /// Submissions that made a prediction and were paid for.
    pub charged: u64,
    /// Failed predictions whose amount was given back.
    pub refunded: u64,
    /// The sum of all charges.
    pub charged_amount: Micros,
    /// The sum of all refunds.
    pub refunded_amount: Micros,
    /// Predictions made and not yet ended.
    pub in_flight: u64,
    /// The most there were at one moment.
    pub max_in_flight: u64,
    /// Files stored by upload, those stored again included.
    pub uploads: u64,
    /// Requests by endpoint: the last part of the path without ids, for example `generateVideo`.
    pub endpoints: BTreeMap<String, u64>,
    /// Faults that acted, by kind.
    pub faults: BTreeMap<String, u64>,
}
