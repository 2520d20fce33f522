//! The line of a terminal while a manifest is read: very long ones take a while. It appears when the
//! reading lasts, and vanishes with its end.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::domain::text;

/// What is read sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(300);
/// The figures are drawn this often.
const DRAWN: Duration = Duration::from_millis(100);

/// How far a manifest is read, shown until it is dropped.
#[derive(Debug)]
pub struct Reading {
    bars: Option<MultiProgress>,
    bar: Option<ProgressBar>,
    file: String,
    about: Option<u64>,
    rows: u64,
    begun: Instant,
    /// When the figures are due.
    due: Instant,
}

impl Reading {
    /// Nothing is read yet of the manifest `file`, which has `about` so many rows. Without `bars`, or
    /// where they are not drawn on a terminal, nothing is ever shown.
    #[must_use]
    pub fn new(bars: Option<MultiProgress>, file: &str, about: Option<u64>) -> Self {
        let begun = Instant::now();
        Self {
            bars: bars.filter(|bars| !bars.is_hidden()),
            bar: None,
            file: text::visible(file),
            about: about.filter(|rows| *rows > 0),
            rows: 0,
            begun,
            due: begun + PATIENCE,
        }
    }

    /// So many more rows are read.
    pub fn add(&mut self, rows: u64) {
        self.rows += rows;
        let Some(bars) = &self.bars else { return };
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now + DRAWN;
        let bar = self.bar.get_or_insert_with(|| bars.add(bar(self.about)));
        // The words first: what is drawn first is never a bar without them.
        bar.set_message(words(&self.file, self.rows, self.about, now - self.begun));
        bar.set_position(self.rows);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let (Some(bars), Some(bar)) = (&self.bars, &self.bar) {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }
}

fn bar(about: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::new(about.unwrap_or(0));
    let template = if about.is_some() { "{bar:24} {wide_msg}" } else { "{wide_msg}" };
    // A template that does not parse would leave indicatif's own style: no reason to fail.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

/// `reading tonight.csv: 31500 of about 100000 rows, 24000/s`. More rows than expected are told alone.
fn words(file: &str, rows: u64, about: Option<u64>, took: Duration) -> String {
    let whole = about.filter(|whole| *whole >= rows);
    let whole = whole.map(|whole| format!(" of about {whole}")).unwrap_or_default();
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    format!("reading {file}: {rows}{whole} rows, {}/s", rows.saturating_mul(1000) / millis)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal with one line: what was ever drawn on it, and what stands there.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<(String, String)>>);

    impl Terminal {
        fn bars(&self) -> MultiProgress {
            let target = ProgressDrawTarget::term_like_with_hz(Box::new(self.clone()), 255);
            MultiProgress::with_draw_target(target)
        }

        fn ever(&self) -> String {
            self.0.lock().unwrap().0.clone()
        }

        fn shows(&self) -> String {
            self.0.lock().unwrap().1.trim().to_owned()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            let mut seen = self.0.lock().unwrap();
            seen.0.push_str(text);
            seen.1.push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().1.clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_reading_is_shown_with_its_pace_and_leaves_nothing_behind() {
        let terminal = Terminal::default();
        let mut reading = Reading::new(Some(terminal.bars()), "tonight.csv", Some(1000));
        tokio::time::advance(Duration::from_millis(500)).await;
        reading.add(250);
        let shown = terminal.shows();
        assert!(shown.starts_with("━━━━━━"), "{shown}");
        assert!(shown.ends_with("reading tonight.csv: 250 of about 1000 rows, 500/s"), "{shown}");
        tokio::time::advance(Duration::from_millis(500)).await;
        reading.add(1000);
        let shown = terminal.shows();
        assert!(shown.ends_with("reading tonight.csv: 1250 rows, 1250/s"), "{shown}");
        drop(reading);
        assert_eq!(terminal.shows(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_reading_shows_nothing() {
        let terminal = Terminal::default();
        let mut reading = Reading::new(Some(terminal.bars()), "tonight.csv", Some(1000));
        tokio::time::advance(Duration::from_millis(200)).await;
        reading.add(1000);
        drop(reading);
        assert_eq!(terminal.ever(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_is_no_terminal_nothing_is_drawn() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        for bars in [None, Some(hidden)] {
            let mut reading = Reading::new(bars, "tonight.csv", None);
            tokio::time::advance(Duration::from_secs(1)).await;
            reading.add(1000);
            assert!(reading.bar.is_none());
        }
    }
}
