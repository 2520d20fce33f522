//! Time limits of a download: a trickle and a stall both end it.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::domain::{clock, text};

use super::client::{self, Answer};
use super::error::FetchError;

/// Sees that content keeps coming: so many bytes in each window of time, and all of it by a
/// deadline. Time that the disk takes is not the server's.
pub(super) struct Watch {
    least: u64,
    window: Duration,
    deadline: Instant,
    window_ends: Instant,
    in_window: u64,
    paused_at: Instant,
}

impl Watch {
    pub(super) fn new((least, window): (u64, Duration), deadline: Instant) -> Self {
        let now = Instant::now();
        Self { least, window, deadline, window_ends: now + window, in_window: 0, paused_at: now }
    }

    /// The next bytes; `None` at the end of the content.
    pub(super) async fn next(&mut self, answer: &mut Answer) -> Result<Option<Bytes>, FetchError> {
        loop {
            let until = self.window_ends.min(self.deadline);
            let read = timeout_at(until, answer.response.chunk()).await;
            if let Ok(read) = read {
                let bytes = read.map_err(|error| {
                    let url = answer.response.url().clone();
                    client::failed(error, &url)
                })?;
                self.in_window += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                // A steady trickle never times out, so the window ends here as well.
                if bytes.is_none() || Instant::now() < self.window_ends {
                    return Ok(bytes);
                }
                self.next_window(&answer.shown)?;
                return Ok(bytes);
            }
            self.next_window(&answer.shown)?;
        }
    }

    fn next_window(&mut self, url: &str) -> Result<(), FetchError> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(FetchError::transient(format!(
                "{url} was not complete after the longest time a download may take"
            )));
        }
        if self.in_window < self.least {
            return Err(FetchError::transient(format!(
                "{url} sent {} in {}, which is too slow",
                text::bytes(self.in_window),
                clock::human(self.window)
            )));
        }
        self.in_window = 0;
        self.window_ends = now + self.window;
        Ok(())
    }

    /// The disk's time begins.
    pub(super) fn pause(&mut self) {
        self.paused_at = Instant::now();
    }

    /// The disk's time is over.
    pub(super) fn go_on(&mut self) {
        self.window_ends += self.paused_at.elapsed();
    }
}
