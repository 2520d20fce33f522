//! One prediction and where it stands at a moment. All of it follows from its line in the book.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::{Endpoint, Timestamp, clock};

use super::book::{Charge, Fate};
use super::clock::Clock;

/// A remote object that was paid for.
#[derive(Debug)]
pub(super) struct Prediction {
    pub(super) charge: Arc<Charge>,
    /// When it was submitted.
    pub(super) at: Timestamp,
}

/// Where a prediction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Processing,
    Completed,
    Failed,
}

/// The part of a generation's time that it is still waiting: the first tenth.
const WAITING_SHARE: u32 = 10;

impl Prediction {
    pub(super) fn phase(&self, now: Timestamp) -> Phase {
        match (self.charge.ends_at, &self.charge.fate) {
            (Some(end), Fate::Completes) if end <= now => Phase::Completed,
            (Some(end), Fate::Fails { .. }) if end <= now => Phase::Failed,
            (Some(end), _) => {
                let waiting = clock::between(self.at, end) / WAITING_SHARE;
                if now < clock::after(self.at, waiting) {
                    Phase::Created
                } else {
                    Phase::Processing
                }
            }
            (None, _) => Phase::Processing,
        }
    }

    /// The status word of a phase.
    pub(super) fn status(&self, phase: Phase) -> &str {
        match (phase, &self.charge.fate) {
            (Phase::Created, _) => "created",
            (Phase::Processing, _) => "processing",
            (Phase::Failed, Fate::Fails { status, .. }) => status,
            _ => "completed",
        }
    }

    /// Whether the record that polls read is gone (`X-AtlasCloud-Request-Retention-Hours`).
    pub(super) fn is_forgotten(&self, now: Timestamp, clock: &Clock) -> bool {
        let (Some(end), Some(hours)) = (self.charge.ends_at, self.charge.record_hours) else {
            return false;
        };
        let kept = clock.scaled(std::time::Duration::from_hours(hours));
        clock::after(end, kept) <= now
    }

    /// A parameter of its request.
    pub(super) fn parameter(&self, name: &str) -> Option<Value> {
        let body: Value = serde_json::from_str(&self.charge.body).ok()?;
        body.get(name).cloned()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.charge.endpoint
    }
}
