//! The figures of a run in words: pure functions of the totals and the pace.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{JobState, Totals, clock};

/// The pace is that of the last so much time.
const WINDOW: Duration = Duration::from_mins(5);
/// Points kept within the window.
const POINTS: Duration = Duration::from_secs(5);

/// How fast jobs get settled.
#[derive(Default)]
pub(super) struct Pace {
    points: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Notes how far the run is now.
    pub(super) fn note(&mut self, totals: &Totals) {
        let now = Instant::now();
        if self.points.back().is_some_and(|(at, _)| now - *at < POINTS) {
            return;
        }
        self.points.push_back((now, totals.settled()));
        while self.points.len() > 2 && self.points.front().is_some_and(|(at, _)| now - *at > WINDOW)
        {
            self.points.pop_front();
        }
    }

    /// Settled jobs and the time they took, since the window's beginning.
    fn since(&self, totals: &Totals) -> (u64, Duration) {
        let Some((at, settled)) = self.points.front() else { return (0, Duration::ZERO) };
        (totals.settled().saturating_sub(*settled), at.elapsed())
    }

    /// Jobs a minute, once a few seconds have passed.
    pub(super) fn per_minute(&self, totals: &Totals) -> Option<u64> {
        let (jobs, time) = self.since(totals);
        let seconds = time.as_secs();
        (jobs > 0 && seconds >= 3).then(|| jobs.saturating_mul(60) / seconds)
    }

    /// How long the rest takes at this pace.
    pub(super) fn left(&self, totals: &Totals) -> Option<Duration> {
        let (jobs, time) = self.since(totals);
        let rest = totals.total().saturating_sub(totals.settled());
        let enough = jobs > 0 && rest > 0 && time >= Duration::from_secs(3);
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        enough.then(|| Duration::from_millis(millis.saturating_mul(rest) / jobs.max(1)))
    }
}

/// One line for logs: what is done, what is in flight, what it cost, how long it takes.
pub(super) fn plain(totals: &Totals, pace: &Pace) -> String {
    let done = totals.count(JobState::Done);
    let mut parts = vec![format!("{done}/{} done", totals.total())];
    parts.extend(in_flight(totals));
    parts.push(money(totals));
    parts.extend(pace.per_minute(totals).map(|rate| format!("{rate}/min")));
    parts.extend(pace.left(totals).map(|left| format!("about {} left", clock::human(left))));
    parts.join(", ")
}

/// What is going on, leaving out what is not.
pub(super) fn in_flight(totals: &Totals) -> Vec<String> {
    let aside = JobState::ALL.iter().filter(|state| state.needs_decision());
    let aside: u64 = aside.map(|state| totals.count(*state)).sum();
    let waiting = totals.count(JobState::Pending).saturating_sub(totals.retrying);
    [
        (totals.count(JobState::Submitted), "generating"),
        (totals.downloading, "downloading"),
        (totals.retrying, "retrying"),
        (waiting, "waiting"),
        (totals.count(JobState::Failed), "failed"),
        (aside, "to decide"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect()
}

/// What was spent, of how much.
pub(super) fn money(totals: &Totals) -> String {
    match totals.budget {
        Some(budget) => format!("{} of {} spent", totals.spent.human(), budget.human()),
        None => format!("{} spent", totals.spent.human()),
    }
}
