//! How the night went: what happened in each stretch of time, few enough of them for a picture.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Micros, clock};
use crate::ledger::{BatchView, Ledger, Result};

/// Stretches of time in a picture at most.
const BINS: u128 = 240;

/// Lengths of a stretch that people can read, in milliseconds.
const STEPS: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 900_000, 1_800_000, 3_600_000, 21_600_000,
];
/// Beyond those, whole days.
const DAY: u64 = 86_400_000;

/// The first step that cuts `span` into few enough stretches.
fn step(span: Duration) -> Duration {
    let least = u64::try_from(span.as_millis().div_ceil(BINS)).unwrap_or(u64::MAX);
    let step = STEPS.into_iter().find(|step| *step >= least);
    Duration::from_millis(step.unwrap_or_else(|| least.div_ceil(DAY).saturating_mul(DAY)))
}

/// The stretches in which something happened: number, accepted, ended, done, and what is spent after
/// it (committed, reserved and unknown money).
pub(super) async fn of(ledger: &Ledger, batch: &BatchView) -> Result<Option<Value>> {
    let (Some(from), Some(until)) = (batch.first_at, batch.last_at) else { return Ok(None) };
    let step = step(clock::between(from, until));
    let mut spent = Micros::ZERO;
    let bins: Vec<Value> = ledger
        .night(batch.id, from, step)
        .await?
        .iter()
        .map(|bin| {
            spent = spent.saturating_add(bin.spent);
            json!([bin.number, bin.accepted, bin.ended, bin.done, spent])
        })
        .collect();
    Ok(Some(json!({ "from": clock::utc(from), "step_ms": millis(step), "bins": bins })))
}

/// Whole milliseconds, for JSON.
pub(super) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_cut_into_stretches_people_can_read() {
        let of = |seconds| millis(step(Duration::from_secs(seconds)));
        assert_eq!([of(0), of(10), of(3_600), of(8 * 3_600)], [50, 50, 15_000, 120_000]);
        assert_eq!(of(365 * 86_400), 2 * DAY);
    }
}
