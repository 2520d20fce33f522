//! The pace of submitting: a smoothed number a minute, pushed back as a whole when the API asks for
//! patience. A generic cell rate algorithm on tokio's clock (dependencies.md 5.6).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When the next POST may leave.
pub struct Rate {
    every: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    /// `per_minute` POSTs a minute, evenly spread; `None` for no limit.
    #[must_use]
    pub fn new(per_minute: Option<u32>) -> Self {
        let every = per_minute.map_or(Duration::ZERO, |n| Duration::from_mins(1) / n.max(1));
        Self { every, next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn. A turn once taken is spent, even if the wait is given up.
    pub async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.every;
            at
        };
        tokio::time::sleep_until(at).await;
        // Meanwhile everybody may have been told to wait longer.
        while let Some(later) = self.pushed_back() {
            tokio::time::sleep_until(later).await;
        }
    }

    /// Nobody's turn comes before `wait` has passed.
    pub fn pause(&self, wait: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + wait);
    }

    /// Without a spacing, turns already handed out must still respect a pause.
    fn pushed_back(&self) -> Option<Instant> {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Instant::now() + self.every;
        (self.every.is_zero() && next > limit).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_are_spread_over_the_minute() {
        let rate = Rate::new(Some(60));
        let start = Instant::now();
        for _ in 0..4 {
            rate.turn().await;
        }
        assert_eq!(start.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_for_everybody() {
        let rate = Rate::new(None);
        let start = Instant::now();
        rate.pause(Duration::from_secs(7));
        rate.turn().await;
        assert!(start.elapsed() >= Duration::from_secs(7));
    }
}
