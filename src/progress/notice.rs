//! Events that deserve a line of their own, and how many of one kind are told.

use std::collections::HashMap;

use super::reach::is_unsent;
use crate::domain::{Event, EventKind, clock, text};

/// Lines of one kind before the rest is only counted by the ledger.
const MOST: u32 = 20;
/// The longest line, in bytes.
const WIDTH: usize = 240;

/// Remembers how much was said of each kind.
#[derive(Default)]
pub(super) struct Notices {
    said: HashMap<&'static str, u32>,
}

impl Notices {
    /// The line for this event, if it deserves one.
    pub(super) fn of(&mut self, event: &Event) -> Option<String> {
        let (class, line) = describe(&event.kind)?;
        let said = self.said.entry(class).or_default();
        *said += 1;
        match *said {
            1..=MOST => Some(text::cut(&text::visible(&line), WIDTH)),
            n if n == MOST + 1 => {
                Some(format!("… and more like this; `nightreel list --long` shows all ({class})"))
            }
            _ => None,
        }
    }
}

fn describe(kind: &EventKind) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::JobFailed { batch, job, state, class, message } => {
            ("failed", format!("{batch}/{job} {state}: {class}: {message}"))
        }
        // Why nothing is sent is said once for all of them (see `reach`).
        EventKind::JobRetryScheduled { class, .. } if is_unsent(class) => return None,
        EventKind::JobRetryScheduled { batch, job, not_before, class } => {
            let wait = clock::human(clock::between(clock::now(), *not_before));
            ("retry", format!("{batch}/{job} will be tried again in {wait} ({class})"))
        }
        EventKind::OutcomeUnknown { batch, job, class, .. } => (
            "unknown",
            format!("{batch}/{job} may have been charged ({class}); looking it up in the history"),
        ),
        EventKind::OutcomeResolved { batch, job, how, .. } => {
            ("resolved", format!("{batch}/{job} settled: {how}"))
        }
        EventKind::RunPaused { reason } => ("paused", format!("submitting stopped: {reason}")),
        EventKind::LimitChanged { limit, value, reason } => {
            ("limit", format!("{limit} is now {value}: {reason}"))
        }
        _ => return None,
    })
}
