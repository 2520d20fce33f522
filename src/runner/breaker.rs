//! The breaker: when too many of the last paid generations failed, nothing more is submitted
//! (reliability.md M10).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Generations looked back at.
const WINDOW: usize = 50;
/// Fewer failures than this say nothing yet.
const ENOUGH: usize = 10;
/// One in so many may fail.
const SHARE: usize = 5;

/// The last paid generations of this run.
#[derive(Default)]
pub(super) struct Breaker(Mutex<VecDeque<bool>>);

impl Breaker {
    /// Notes how one ended. Returns what to say where the share is passed.
    pub(super) fn note(&self, succeeded: bool) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(succeeded);
        if last.len() > WINDOW {
            last.pop_front();
        }
        let failed = last.iter().filter(|succeeded| !**succeeded).count();
        let passed = failed >= ENOUGH && failed * SHARE > last.len();
        (passed && !succeeded).then(|| format!("{failed} of the last {}", last.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_at_the_start_are_enough() {
        let breaker = Breaker::default();
        assert!((0..9).all(|_| breaker.note(false).is_none()));
        assert_eq!(breaker.note(false).unwrap(), "10 of the last 10");
    }

    #[test]
    fn a_fifth_may_fail_and_not_more() {
        let breaker = Breaker::default();
        assert!((0..50).all(|_| breaker.note(true).is_none()));
        assert!((0..500).all(|n| breaker.note(n % 5 != 0).is_none()));
        assert!(breaker.note(false).is_none(), "it takes the place of another failure");
        assert_eq!(breaker.note(false).unwrap(), "11 of the last 50");
    }
}
