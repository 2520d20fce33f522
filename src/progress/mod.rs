//! Events → people and machines, while a run is going on: a bar on a terminal, plain lines
//! elsewhere, JSON lines for scripts. It sees events only; each brings the figures it needs.
//! Before there are any, a line tells how far a manifest is read.

mod bar;
mod line;
mod notice;
mod reach;
mod reading;

use std::io::Write;
use std::time::Duration;

use indicatif::MultiProgress;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use bar::Bar;
use line::Pace;
use notice::Notices;
use reach::Reach;

pub use reading::Reading;

use crate::domain::{Event, EventKind, Totals, clock, text};

/// Plain lines are this far apart.
const PLAIN: Duration = Duration::from_secs(30);
/// A plain line without news is told this often.
const QUIET: Duration = Duration::from_mins(2);
/// The bar's figures are drawn this often.
const DRAWN: Duration = Duration::from_millis(200);

/// What is shown on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A bar.
    Bar,
    /// A line every thirty seconds.
    Plain,
    /// Nothing.
    None,
}

/// Where progress goes.
pub struct Sinks {
    /// What is shown on the screen.
    pub mode: Mode,
    /// The screen: standard error.
    pub screen: Box<dyn Write + Send>,
    /// Events as JSON lines.
    pub events: Option<Box<dyn Write + Send>>,
    /// The bars of this process; log lines go above them.
    pub bars: Option<MultiProgress>,
}

/// Shows every event on a thread of its own: a terminal or pipe that takes nothing blocks nobody else.
/// Not one of the runtime's: where the system gives no more threads, work that may block waits for
/// one of those, and this one is busy until the run ends. What is returned resolves when all is shown.
pub fn beside(receiver: mpsc::Receiver<Event>, sinks: Sinks) -> oneshot::Receiver<()> {
    let (ended, shown) = oneshot::channel();
    let runtime = Handle::current();
    let display = move || {
        runtime.block_on(show(receiver, sinks));
        // Who no longer waits for it needs no word.
        let _ = ended.send(());
    };
    if let Err(error) = std::thread::Builder::new().name("progress".to_owned()).spawn(display) {
        tracing::warn!(%error, "no thread for the display; the run goes on without");
    }
    shown
}

/// Shows every event until the channel closes.
pub async fn show(mut receiver: mpsc::Receiver<Event>, sinks: Sinks) {
    let mut screen = Screen::new(sinks);
    let mut ticks = interval(if screen.bar.is_some() { DRAWN } else { PLAIN });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            event = receiver.recv() => match event {
                Some(event) => screen.take(&event),
                None => break,
            },
            _ = ticks.tick() => screen.tick(),
        }
    }
    screen.end();
}

/// The display of one run.
struct Screen {
    mode: Mode,
    out: Box<dyn Write + Send>,
    events: Option<Box<dyn Write + Send>>,
    bar: Option<Bar>,
    notices: Notices,
    reach: Reach,
    pace: Pace,
    totals: Totals,
    /// Why the limits are what they are, in the words of the last change.
    limit: String,
    last_line: Option<(Instant, Totals)>,
}

impl Screen {
    fn new(sinks: Sinks) -> Self {
        let bars = sinks.bars.filter(|_| sinks.mode == Mode::Bar);
        Self {
            mode: sinks.mode,
            out: sinks.screen,
            events: sinks.events,
            bar: bars.map(|bars| Bar::new(&bars)),
            notices: Notices::default(),
            reach: Reach::default(),
            pace: Pace::default(),
            totals: Totals::default(),
            limit: String::new(),
            last_line: None,
        }
    }

    fn take(&mut self, event: &Event) {
        self.totals = event.totals;
        self.pace.note(&event.totals);
        self.write_event(event);
        if let EventKind::LimitChanged { reason, .. } = &event.kind {
            self.limit = text::visible(reason);
        }
        // However little progress is shown, a night without a network is worth a line.
        if let Some(word) = self.reach.of(&event.kind) {
            tracing::warn!("{word}");
        }
        if let Some(notice) = self.notices.of(event) {
            self.print(&notice);
        }
    }

    /// A sink that fails is given up, once and with a word; the run goes on.
    fn write_event(&mut self, event: &Event) {
        let Some(sink) = &mut self.events else { return };
        let written = serde_json::to_string(event)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(sink, "{line}"))
            .and_then(|()| sink.flush());
        if let Err(error) = written {
            tracing::warn!(%error, "events can no longer be written");
            self.events = None;
        }
    }

    fn tick(&mut self) {
        if let Some(bar) = &self.bar {
            bar.draw(&self.totals, &self.pace, &self.limit);
        } else if self.is_news() {
            self.plain_line();
        }
    }

    /// Whether a plain line would say something, or nothing was said for long.
    fn is_news(&self) -> bool {
        self.last_line.is_none_or(|(at, totals)| totals != self.totals || at.elapsed() >= QUIET)
    }

    fn plain_line(&mut self) {
        let clock = clock::local(clock::now());
        let time = clock.get(11..19).unwrap_or_default().to_owned();
        let line = line::plain(&self.totals, &self.pace);
        self.print(&format!("{time} {line}"));
        self.last_line = Some((Instant::now(), self.totals));
    }

    fn print(&mut self, line: &str) {
        match (&self.bar, self.mode) {
            (Some(bar), _) => bar.above(line),
            (None, Mode::None) => {}
            // A screen that is gone changes nothing about the run.
            (None, _) => _ = writeln!(self.out, "{line}"),
        }
    }

    fn end(mut self) {
        match self.bar.take() {
            Some(bar) => bar.end(&self.totals, &self.pace),
            None if self.totals.total() > 0 => self.plain_line(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
