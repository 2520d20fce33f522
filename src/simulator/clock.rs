//! The simulator's own time: it starts at the wall clock and never jumps.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Timestamp, clock};

/// Time since the start, and how much faster than real time a scenario's server runs.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    at: Timestamp,
    scale: f64,
}

impl Clock {
    pub(super) fn new(scale: f64) -> Self {
        Self { started: Instant::now(), at: clock::now(), scale }
    }

    /// The present moment, by a clock that only goes forward.
    pub(super) fn now(&self) -> Timestamp {
        clock::after(self.at, self.started.elapsed())
    }

    /// How long `length` of the scenario lasts really.
    pub(super) fn scaled(&self, length: Duration) -> Duration {
        Duration::try_from_secs_f64(length.as_secs_f64() * self.scale).unwrap_or(Duration::MAX)
    }
}
