//! The bar of a terminal: one line for the whole, one for what is in flight.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::line::{self, Pace};
use crate::domain::{JobState, Totals, clock};

/// The two lines.
pub(super) struct Bar {
    bars: MultiProgress,
    whole: ProgressBar,
    flight: ProgressBar,
}

impl Bar {
    pub(super) fn new(bars: &MultiProgress) -> Self {
        let whole = bars.add(ProgressBar::new(0));
        let flight = bars.add(ProgressBar::new(0));
        // A template that does not parse would leave indicatif's own style: no reason to fail.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} done  {wide_msg}") {
            whole.set_style(style.progress_chars("━╸─"));
        }
        if let Ok(style) = ProgressStyle::with_template("{wide_msg:.dim}") {
            flight.set_style(style);
        }
        Self { bars: bars.clone(), whole, flight }
    }

    /// Draws the figures; `why` says what the number of slots follows just now.
    pub(super) fn draw(&self, totals: &Totals, pace: &Pace, why: &str) {
        self.whole.set_length(totals.total());
        self.whole.set_position(totals.count(JobState::Done));
        let mut parts = vec![line::money(totals)];
        parts.extend(pace.per_minute(totals).map(|rate| format!("{rate}/min")));
        parts.extend(pace.left(totals).map(|left| format!("about {} left", clock::human(left))));
        self.whole.set_message(parts.join(" · "));
        let mut flight = line::in_flight(totals);
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        flight.push(format!("slots {}/{}{why}", totals.in_flight, totals.concurrency));
        self.flight.set_message(flight.join(" · "));
    }

    /// Prints a line above the bar. Where no bar can be drawn, it goes straight to stderr.
    pub(super) fn above(&self, line: &str) {
        if self.bars.is_hidden() {
            use std::io::Write as _;
            _ = writeln!(std::io::stderr(), "{line}");
        } else {
            _ = self.bars.println(line);
        }
    }

    pub(super) fn end(self, totals: &Totals, pace: &Pace) {
        self.draw(totals, pace, "");
        self.flight.finish_and_clear();
        self.whole.abandon();
    }
}
