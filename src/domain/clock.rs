//! The wall clock, read in this file only, and how moments and lengths of time are written.

use std::sync::LazyLock;
use std::time::Duration;

pub use jiff::Timestamp;

/// The present moment, to the millisecond (the ledger's resolution).
///
/// The wall clock is read once; from then on the machine's own time since its start is added. So a
/// clock that somebody sets in the middle of a run neither lets a wait end early, such as the one before
/// an absence counts as proved, nor makes one last for hours.
#[must_use]
pub fn now() -> Timestamp {
    static BEGIN: LazyLock<(Timestamp, Duration)> =
        LazyLock::new(|| (Timestamp::now(), since_boot()));
    let (begin, booted) = *BEGIN;
    from_millis(after(begin, since_boot().saturating_sub(booted)).as_millisecond())
}

/// Time since the machine was started, its sleep included.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Time since this was first asked; whether sleep counts is the system's choice.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}

/// A moment from Unix milliseconds; out-of-range values saturate.
#[must_use]
pub fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// `at` plus `wait`, saturating.
#[must_use]
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    from_millis(at.as_millisecond().saturating_add(millis))
}

/// How long from `earlier` until `later`; zero where the order is the other way round.
#[must_use]
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let millis = later.as_millisecond().saturating_sub(earlier.as_millisecond());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// UTC for machines: `2026-11-23T06:17:38.120Z`.
#[must_use]
pub fn utc(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Local time with its offset for people: `2026-11-23 07:17:38 +01:00`.
#[must_use]
pub fn local(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// Reads `250ms`, `30s`, `5m`, `8h`, `1h30m`. A number without a unit is refused.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write for example 250ms, 30s, 5m or 8h");
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// Writes a length of time for people: `850ms`, `4.2s`, `3m 05s`, `7h 12m`.
#[must_use]
pub fn human(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{}ms", length.as_millis()),
        1..10 => format!("{seconds}.{}s", length.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("8h"), Ok(Duration::from_hours(8)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_mins(90)));
        for wrong in ["", "5", "-3s", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_are_written_for_people() {
        let shown = [850, 4_250, 42_000, 185_000, 25_920_000]
            .map(|millis| human(Duration::from_millis(millis)));
        assert_eq!(shown, ["850ms", "4.2s", "42s", "3m 05s", "7h 12m"]);
    }

    #[test]
    fn moments_saturate_instead_of_overflowing() {
        let end = after(now(), Duration::MAX);
        assert_eq!(end, Timestamp::MAX);
        assert_eq!(between(end, now()), Duration::ZERO);
        assert_eq!(utc(from_millis(120)), "1970-01-01T00:00:00.120Z");
    }
}
