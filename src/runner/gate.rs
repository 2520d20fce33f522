//! Whether anything may still be submitted, and why not. What is paid is collected all the same,
//! unless the operator asked to leave.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why submitting stopped before every job was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// 401: the key is not accepted.
    Key(String),
    /// 402: the balance is used up.
    Balance(String),
    /// A batch's budget leaves no room for its next job.
    Budget,
    /// The API charges more than was reserved.
    Price(String),
    /// `--until` or `--for`.
    Deadline,
    /// The base URL answers with redirects.
    Misdirected(String),
    /// Too many requests in a row were refused for their content.
    Rejections(String),
    /// Too many paid generations failed.
    Failures(String),
    /// Nobody knows what became of submissions of a kind that never succeeded.
    Unclear(String),
    /// The disk or the ledger does not take any more.
    Storage(String),
}

impl Stop {
    /// Whether polls and downloads end as well, and wait for the next run.
    #[must_use]
    pub fn leaves(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated | Self::Storage(_))
    }

    /// The reason in a sentence without its end.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Interrupted => "interrupted; the same command goes on".to_owned(),
            Self::Terminated => "terminated; the same command goes on".to_owned(),
            Self::Key(said) => format!(
                "the API does not accept the key ({said}); set ATLASCLOUD_API_KEY and run the same command again"
            ),
            Self::Balance(said) => format!(
                "the account's balance is too low ({said}); top up and run the same command again"
            ),
            Self::Budget => "the budget is used up; raise it with --budget".to_owned(),
            Self::Price(said) => format!(
                "the API charges more than planned ({said}); look at `nightreel plan`, then run the same command again"
            ),
            Self::Deadline => "the time for submitting is over".to_owned(),
            Self::Misdirected(said) => {
                format!("the base URL redirects ({said}); correct --base-url")
            }
            Self::Rejections(said) => format!(
                "{REJECTIONS} requests in a row were refused, the last one with: {said}; correct the manifest and requeue"
            ),
            Self::Failures(said) => format!(
                "too many generations failed ({said}); look at `nightreel list --long`, then run the same command again"
            ),
            Self::Unclear(said) => format!(
                "nobody knows what became of too many submissions ({said}); `nightreel resolve` shows them, \
                 the same command goes on"
            ),
            Self::Storage(said) => said.clone(),
        }
    }
}

/// Requests refused for their content in a row, without one acceptance, that stop submitting
/// (reliability.md 3.3: a wrong model name must not fail a million rows).
pub const REJECTIONS: u32 = 20;

/// The state of submitting, shared by the lanes.
#[derive(Default)]
pub struct Gate {
    stops: Mutex<Vec<Stop>>,
    /// Cancelled when nothing more is submitted.
    closed: CancellationToken,
    /// Cancelled when polls and downloads end as well.
    leaving: CancellationToken,
    /// Who holds submitting back for now.
    held: watch::Sender<Held>,
}

/// Who holds submitting back for now.
#[derive(Clone, Copy, Default)]
struct Held {
    by_operator: bool,
    by_window: bool,
}

impl Held {
    fn is_any(self) -> bool {
        self.by_operator || self.by_window
    }
}

impl Gate {
    /// Stops submitting. Returns whether this is news.
    pub fn stop(&self, why: Stop) -> bool {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        let news = !stops.iter().any(|known| same_kind(known, &why));
        if why.leaves() {
            self.leaving.cancel();
        }
        self.closed.cancel();
        if news {
            stops.push(why);
        }
        news
    }

    /// Whether anything may be submitted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Holds submitting back until [`Gate::resume`].
    pub fn pause(&self) {
        self.held.send_modify(|held| held.by_operator = true);
    }

    /// Lets submitting go on, as far as the operator is concerned.
    pub fn resume(&self) {
        self.held.send_modify(|held| held.by_operator = false);
    }

    /// Whether this is a time of the week in which anything is submitted.
    pub fn follow_window(&self, open: bool) {
        self.held.send_if_modified(|held| std::mem::replace(&mut held.by_window, !open) == open);
    }

    /// Whether an operator holds submitting back for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.held.borrow().by_operator
    }

    /// Whether anybody or anything holds submitting back for now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.borrow().is_any()
    }

    /// Waits while submitting is held back; also ends when it stops for good.
    pub async fn resumed(&self) {
        let mut held = self.held.subscribe();
        tokio::select! {
            _ = held.wait_for(|held| !held.is_any()) => {}
            () = self.closed() => {}
        }
    }

    /// Whether the run is to end at once.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Waits until nothing more is submitted.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Waits until polls and downloads are to end.
    pub async fn leaving(&self) {
        self.leaving.cancelled().await;
    }

    /// Ends polls and downloads too: everything there is to collect was collected, or cannot be.
    pub fn leave(&self) {
        self.closed.cancel();
        self.leaving.cancel();
    }

    /// Every reason so far.
    #[must_use]
    pub fn stops(&self) -> Vec<Stop> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn same_kind(one: &Stop, two: &Stop) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_account_still_collects_what_is_paid() {
        let gate = Gate::default();
        assert!(gate.stop(Stop::Balance("402".into())));
        assert!(!gate.stop(Stop::Balance("again".into())));
        assert!(!gate.is_open());
        assert!(!gate.is_leaving());
    }

    #[test]
    fn a_signal_leaves() {
        let gate = Gate::default();
        gate.stop(Stop::Interrupted);
        assert!(gate.is_leaving());
    }
}
