//! Logs: on stderr, above the progress bar, and in a file of the day under the state folder.
//!
//! Messages of other crates are shown from `warn` on unless a filter asks for more. No level ever
//! shows the API key: it is held as a secret, and the header that carries it is marked sensitive,
//! so that not even the HTTP crates at `trace` print it. Whoever builds a header with a secret
//! must mark it likewise.

mod daily;
mod fields;
mod once;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, fmt};

use self::daily::DailyFile;
use self::fields::InertFields;
use self::once::Once;

/// What the file of the day keeps.
const IN_THE_FILE: &str = "warn,nightreel=debug";
/// Levels that mean nightreel's own messages.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and where to.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// How many `-v` were given; negative for `-q`. Stands before `filter`, as every flag does.
    pub verbose: i8,
    /// One JSON object a line on stderr, instead of text.
    pub json: bool,
    /// Colors on stderr.
    pub color: bool,
    /// The user's filter: a level for nightreel's own messages, such as `debug`, or directives
    /// of tracing-subscriber, such as `info,hyper=debug`.
    pub filter: Option<String>,
    /// Where the files of the day go. Without it no file is written.
    pub log_dir: Option<PathBuf>,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error(
        "`{filter}` is neither a log level (off, error, warn, info, debug, trace) nor a filter \
         such as info,hyper=debug: {reason}; correct NIGHTREEL_LOG"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of the day cannot be opened.
    #[error("cannot write logs to {}: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Starts logging, for as long as the process lives. Lines on stderr appear above `bars`.
///
/// Lines are written at once, not by a thread of their own, so that a crash loses none.
pub fn start(logging: &Logging, bars: Option<MultiProgress>) -> Result<(), Error> {
    let stderr = fmt::layer().with_writer(AboveBars(bars)).fmt_fields(InertFields);
    let registry = tracing_subscriber::registry()
        .with(shaped(stderr, logging).with_filter(filter(asked(logging))?.and(Once::default())))
        .with(logging.log_dir.as_deref().map(in_the_file).transpose()?);
    // A second start, as tests in one process make it, leaves the first in place.
    let _: Result<(), TryInitError> = registry.try_init();
    Ok(())
}

/// The filter of stderr.
fn asked(logging: &Logging) -> &str {
    match logging.verbose {
        ..0 => "error",
        0 => logging.filter.as_deref().unwrap_or("warn"),
        1 => "info",
        2 => "debug",
        3.. => "trace",
    }
}

/// The layer of the files, whose folders are made for their owner alone.
fn in_the_file<S>(folder: &Path) -> Result<impl Layer<S> + use<S>, Error>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let file = DailyFile::open(folder)
        .map_err(|source| Error::Folder { folder: folder.to_owned(), source })?;
    let layer = fmt::layer()
        .with_writer(file)
        .fmt_fields(InertFields)
        .with_ansi(false)
        .log_internal_errors(false);
    Ok(layer.with_filter(filter(IN_THE_FILE)?.and(Once::default())))
}

/// A level stands for nightreel's own messages; the crates below it stay at `warn`.
fn filter(text: &str) -> Result<EnvFilter, Error> {
    let word = text.trim().to_ascii_lowercase();
    let directives = match word.as_str() {
        "off" | "error" => word,
        level if LEVELS.contains(&level) => format!("warn,nightreel={level}"),
        _ => text.to_owned(),
    };
    EnvFilter::try_new(directives)
        .map_err(|error| Error::Filter { filter: text.to_owned(), reason: error.to_string() })
}

fn shaped<S, W>(layer: fmt::Layer<S, InertFields, Full, W>, logging: &Logging) -> BoxedLayer<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = layer.with_ansi(logging.color && !logging.json).log_internal_errors(false);
    if logging.json { layer.json().boxed() } else { layer.with_target(false).boxed() }
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;
type Full = fmt::format::Format;

/// Writes whole lines to stderr while the bars step aside.
#[derive(Clone)]
struct AboveBars(Option<MultiProgress>);

impl<'w> MakeWriter<'w> for AboveBars {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line { bars: self.0.clone(), text: Vec::new() }
    }
}

/// One line on its way to stderr; it is written when it is dropped.
struct Line {
    bars: Option<MultiProgress>,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A closed stderr, or a terminal that is gone, must not stop a run.
        match &self.bars {
            Some(bars) if !bars.is_hidden() => {
                bars.println(String::from_utf8_lossy(&self.text).trim_end()).ok()
            }
            _ => io::stderr().write_all(&self.text).ok(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_nightreel_and_a_filter_for_all() {
        let shown = |text| filter(text).map(|filter| filter.to_string());
        assert_eq!(shown("TRACE").unwrap(), "nightreel=trace,warn");
        assert_eq!(shown("error").unwrap(), "error");
        assert_eq!(shown("info,hyper=debug").unwrap(), "hyper=debug,info");
        let said = shown("nightreel=loud").unwrap_err().to_string();
        assert!(said.starts_with("`nightreel=loud` is neither a log level"), "{said}");
    }

    #[test]
    fn flags_stand_before_the_environment_s_filter() {
        let asked = |verbose| {
            let filter = Some("hyper=info".to_owned());
            asked(&Logging { verbose, filter, ..Logging::default() }).to_owned()
        };
        assert_eq!(
            [-1, 0, 1, 2, 3, 9].map(asked),
            ["error", "hyper=info", "info", "debug", "trace", "trace"]
        );
        assert_eq!(super::asked(&Logging::default()), "warn");
    }

    #[test]
    fn the_file_gets_debug_of_nightreel_and_warnings_of_others_without_color() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("state/logs");
        let colored = fmt::layer().with_ansi(true).with_writer(io::sink);
        let registry =
            tracing_subscriber::registry().with(colored).with(in_the_file(&logs).unwrap());
        tracing::subscriber::with_default(registry, || {
            let span = tracing::info_span!(target: "nightreel::runner", "job", key = "a\u{1b}[2J");
            let _entered = span.enter();
            tracing::debug!(target: "nightreel::runner", "kept");
            tracing::trace!(target: "nightreel::runner", "too small");
            tracing::info!(target: "hyper", "of another");
            tracing::warn!(target: "hyper", "worth a look");
            let said = "two\nlines \u{202e}and \u{1b}]52;c";
            tracing::warn!(target: "hyper", said, shown = %said, "{said}");
        });
        let file = logs.read_dir().unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let words = ["kept", "worth a look"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        let others = ["too small", "of another", "\u{1b}", "\nlines", "\u{202e}"];
        assert!(!others.iter().any(|word| text.contains(word)), "{text}");
    }
}
