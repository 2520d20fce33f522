//! Whether the API can be reached, as far as events tell: a word when it cannot, and one when it can
//! again. What happens in between is the same thing many times.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{AttemptState, EventKind, text};

/// A network that comes and goes is told of this often.
const PAUSE: Duration = Duration::from_mins(10);
/// The longest reason, in bytes.
const WIDTH: usize = 400;

/// Remembers what was said.
#[derive(Default)]
pub(super) struct Reach {
    is_lost: bool,
    told_at: Option<Instant>,
}

impl Reach {
    /// What this event is a reason to say.
    pub(super) fn of(&mut self, kind: &EventKind) -> Option<String> {
        match kind {
            EventKind::AttemptFailed { class, message, .. } if is_unsent(class) => self.lost(message),
            EventKind::AttemptFailed { .. }
            | EventKind::PredictionAccepted { .. }
            | EventKind::PredictionProgressed { .. } => self.found(),
            _ => None,
        }
    }

    fn lost(&mut self, why: &str) -> Option<String> {
        if self.is_lost || self.told_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        self.is_lost = true;
        self.told_at = Some(Instant::now());
        let why = text::cut(&text::visible(why), WIDTH);
        Some(format!("the API cannot be reached, nothing is sent until it can be: {why}"))
    }

    fn found(&mut self) -> Option<String> {
        std::mem::take(&mut self.is_lost).then(|| "the API can be reached again".to_owned())
    }
}

/// Whether an attempt failed for the way to the API, and not for anything it said.
pub(super) fn is_unsent(class: &str) -> bool {
    class == AttemptState::NotSent.as_str()
}
