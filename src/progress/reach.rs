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
            EventKind::AttemptFailed { class, message, .. } if is_unsent(class) => {
                self.lost(message)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: &str) -> EventKind {
        let (batch, job) = ("b".to_owned(), "j".to_owned());
        let (class, message) = (class.to_owned(), "https://api.example: no \u{1b}route".to_owned());
        EventKind::AttemptFailed { batch, job, attempt: 1, class, message }
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_comes_and_goes_is_told_of_now_and_then() {
        let mut reach = Reach::default();
        let mut said = |kind: &EventKind| reach.of(kind);
        let lost = said(&failed("not_sent")).unwrap();
        assert!(lost.ends_with("https://api.example: no \\u{1b}route"), "{lost}");
        assert!((0..1000).all(|_| said(&failed("not_sent")).is_none()));
        assert!(said(&failed("rate_limited")).unwrap().contains("again"), "it answers");
        let flaps = (0..1000).flat_map(|_| [failed("not_sent"), failed("rate_limited")]);
        assert!(flaps.into_iter().all(|kind| said(&kind).is_none()));
        tokio::time::advance(PAUSE).await;
        assert!(said(&failed("not_sent")).is_some());
    }
}
