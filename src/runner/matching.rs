//! Which tasks of the history belong to which unknown outcomes with the same request.
//!
//! Equal requests are interchangeable, so they are matched by counts, one to one, and only within the
//! time in which these submissions can have arrived. Whatever does not come out even is no evidence.

use std::time::Duration;

use crate::atlas::HistoryItem;
use crate::domain::{PredictionId, Timestamp, clock};
use crate::ledger::UnknownAttempt;

/// Clocks of the API and of this machine may differ by this much.
pub const SKEW: Duration = Duration::from_mins(5);

/// Unknown outcomes whose times overlap, and the tasks that may be theirs.
#[derive(Debug)]
pub(super) struct Group {
    /// The outcomes, oldest first.
    pub(super) unknowns: Vec<UnknownAttempt>,
    /// Tasks that came in their time, oldest first.
    pub(super) found: Vec<PredictionId>,
    /// Tasks that came later than theirs should: never adopted, but no sign of absence either.
    pub(super) later: Vec<PredictionId>,
}

/// Sorts outcomes and tasks with one and the same request into groups. A submission arrives no sooner
/// than it was intended and no later than `wait` afterwards, give or take [`SKEW`].
pub(super) fn groups(
    mut unknowns: Vec<UnknownAttempt>,
    tasks: &[HistoryItem],
    wait: Duration,
) -> Vec<Group> {
    unknowns.sort_by_key(|unknown| (unknown.intent_at, unknown.attempt.0));
    let mut times: Vec<(Timestamp, Timestamp, Group)> = Vec::new();
    for unknown in unknowns {
        let (from, to) = time_of(&unknown, wait);
        match times.last_mut() {
            Some((_, end, group)) if from <= *end => {
                *end = to;
                group.unknowns.push(unknown);
            }
            _ => {
                let group = Group { unknowns: vec![unknown], found: Vec::new(), later: Vec::new() };
                times.push((from, to, group));
            }
        }
    }
    for task in tasks {
        let Some(at) = task.created_at else { continue };
        // The last group that began before it: groups do not overlap.
        if let Some((_, end, group)) = times.iter_mut().rev().find(|(from, ..)| *from <= at) {
            let into = if at <= *end { &mut group.found } else { &mut group.later };
            into.push(task.id.clone());
        }
    }
    times.into_iter().map(|(_, _, group)| group).collect()
}

fn time_of(unknown: &UnknownAttempt, wait: Duration) -> (Timestamp, Timestamp) {
    let skew = i64::try_from(SKEW.as_millis()).unwrap_or(0);
    let from = clock::from_millis(unknown.intent_at.as_millisecond() - skew);
    (from, clock::after(unknown.intent_at, wait + SKEW))
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
