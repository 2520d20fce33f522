//! How long a generation takes.

use std::f64::consts::TAU;
use std::time::Duration;

/// A distribution of lengths of time, before the scenario's `time_scale`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Evenly between two bounds.
    Uniform { from: Duration, to: Duration },
    /// Mostly near the median, now and then much longer: what queues look like.
    LogNormal { median: Duration, sigma: f64, max: Duration },
}

impl Latency {
    /// One length drawn with `random`.
    pub(super) fn sample(&self, random: &mut fastrand::Rng) -> Duration {
        match *self {
            Self::Fixed(length) => length,
            Self::Uniform { from, to } => from + to.saturating_sub(from).mul_f64(random.f64()),
            Self::LogNormal { median, sigma, max } => {
                let seconds = median.as_secs_f64() * (sigma * normal(random)).exp();
                Duration::try_from_secs_f64(seconds).unwrap_or(max).min(max)
            }
        }
    }
}

/// A draw from the standard normal distribution (Box-Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_follow_the_seed() {
        let ten = Duration::from_secs(10);
        let uniform = Latency::Uniform { from: ten, to: ten * 2 };
        let skewed = Latency::LogNormal { median: ten, sigma: 0.5, max: ten * 3 };
        let mut above = 0;
        for seed in 0..1000 {
            let draw = |latency: &Latency| latency.sample(&mut fastrand::Rng::with_seed(seed));
            assert!((ten..=ten * 2).contains(&draw(&uniform)));
            assert!(draw(&skewed) <= ten * 3);
            assert_eq!(draw(&skewed), draw(&skewed));
            above += u32::from(draw(&skewed) > ten);
        }
        assert!((400..600).contains(&above), "{above} of 1000 above the median");
    }
}
