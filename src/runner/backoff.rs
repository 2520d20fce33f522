//! How long to wait before another try: exponential with full jitter, as plain numbers that go into
//! the ledger. The only file that names `backon`, the maintained successor of `backoff`.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// The bounds of the delays between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay's upper bound.
    pub base: Duration,
    /// No delay is longer.
    pub cap: Duration,
}

impl Backoff {
    /// The upper bound of the delay after `failures` failures in a row (at least 1).
    #[must_use]
    pub fn bound(&self, failures: u32) -> Duration {
        let steps = usize::try_from(failures.clamp(1, 32)).unwrap_or(32);
        ExponentialBuilder::new()
            .with_min_delay(self.base)
            .with_max_delay(self.cap)
            .with_max_times(steps)
            .build()
            .last()
            .unwrap_or(self.cap)
            .min(self.cap)
    }

    /// A delay drawn evenly between nothing and the bound: full jitter
    /// (the AWS simulator of reliability.md, S17).
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let bound = u64::try_from(self.bound(failures).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(fastrand::u64(0..=bound))
    }

    /// A jittered delay, but no shorter than the server asked for.
    #[must_use]
    pub fn delay_at_least(&self, failures: u32, asked: Option<Duration>) -> Duration {
        self.delay(failures).max(asked.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(1) };

    #[test]
    fn bounds_double_up_to_the_cap() {
        let bounds = [1, 2, 3, 6, 7, 30, u32::MAX].map(|n| BACKOFF.bound(n).as_secs());
        assert_eq!(bounds, [1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn delays_stay_within_their_bounds_and_respect_the_server() {
        for failures in 1..40 {
            assert!(BACKOFF.delay(failures) <= BACKOFF.bound(failures));
        }
        let asked = Duration::from_secs(7);
        assert!(BACKOFF.delay_at_least(1, Some(asked)) >= asked);
    }
}
