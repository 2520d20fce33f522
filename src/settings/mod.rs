//! Settings, resolved once from five layers: built-in < file < manifest's `[run]` < environment <
//! flag. After this nothing is optional that has a default. The only place that reads the
//! environment.

mod editors;
mod environment;
mod file;
mod key;
mod notify;
mod partial;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::domain::{Diagnostic, Micros, Windows};

pub use editors::value_schema;
#[cfg(feature = "kill-points")]
pub use environment::arm_kill_points;
pub use environment::{KEY_VARIABLE, api_key, environment, log_filter, no_color};
pub use file::{
    DEFAULT_CONFIG, KEYS, from_table, load, parse_count, parse_money, parse_rate, parse_url,
};
pub use key::{KeyError, key_from_file};
pub use notify::{Moment, Notify, Shape, Webhook};
pub use partial::Partial;

/// What a second thought about a changed row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Changed {
    /// Make it anew.
    Rerun,
    /// Keep what is there.
    Keep,
}

/// What happens to an unknown outcome that the history does not settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnUnknown {
    /// It waits for `resolve`.
    Hold,
    /// It is submitted again, up to `--max-double`.
    Resubmit,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, plain lines elsewhere.
    Auto,
    /// A bar.
    Bar,
    /// A line every few seconds.
    Plain,
    /// Nothing.
    None,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// JSON on stdout, and nothing else there.
    Json,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A time of day, local, as hours and minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0–23.
    pub hour: i8,
    /// 0–59.
    pub minute: i8,
}

impl std::str::FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a time of day; write HH:MM, for example 23:00");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |digits: &str, limit: i8| {
            let written = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            written.then(|| digits.parse().ok()).flatten().filter(|number| *number < limit)
        };
        match (number(hour, 24), number(minute, 60)) {
            (Some(hour), Some(minute)) => Ok(Self { hour, minute }),
            _ => Err(wrong()),
        }
    }
}

/// Everything a command may need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Where the ledger and the logs are.
    pub state_dir: PathBuf,
    /// Where the artifacts go.
    pub output_dir: PathBuf,
    /// The API.
    pub base_url: Url,
    /// Where the key is read from, where not from the environment.
    pub api_key_file: Option<PathBuf>,
    /// A proxy for requests to the API and downloads.
    pub proxy: Option<Url>,
    /// Predictions in flight at the API at most.
    pub concurrency: NonZeroU32,
    /// Downloads at a time.
    pub downloads: NonZeroU32,
    /// Submissions a minute.
    pub rpm: Option<NonZeroU32>,
    /// The hard cap of each batch.
    pub budget: Option<Micros>,
    /// Counted tries of a job.
    pub max_attempts: NonZeroU32,
    /// The first retry's longest delay.
    pub retry_base: Duration,
    /// No delay is longer.
    pub retry_cap: Duration,
    /// The shortest pause between two polls of a prediction.
    pub poll_min: Duration,
    /// The longest.
    pub poll_max: Duration,
    /// From submission until a job still running is set aside.
    pub job_timeout: Duration,
    /// How long one POST may take.
    pub submit_timeout: Duration,
    /// Before "not in the history" counts as proof.
    pub absence_wait: Duration,
    /// What happens to unknown outcomes.
    pub on_unknown: OnUnknown,
    /// The most that may be paid twice.
    pub max_double: Option<Micros>,
    /// Stop submitting at this time.
    pub until: Option<TimeOfDay>,
    /// Stop submitting after this time.
    pub run_for: Option<Duration>,
    /// Start at this time.
    pub at: Option<TimeOfDay>,
    /// Skip the ramp.
    pub no_ramp: bool,
    /// What happens to changed rows; `None` refuses them.
    pub changed: Option<Changed>,
    /// Leave rows with mistakes out instead of refusing the manifest.
    pub skip_invalid: bool,
    /// Use a ledger on a network file system all the same.
    pub allow_network_ledger: bool,
    /// Submit jobs without a known price under a budget.
    pub allow_unpriced: bool,
    /// Do not check parameters against the model's schema.
    pub no_schema: bool,
    /// How progress is shown.
    pub progress: ProgressMode,
    /// Where events go as JSON lines; `-` is stdout.
    pub events: Option<PathBuf>,
    /// How results are printed.
    pub format: Format,
    /// Do not ask.
    pub yes: bool,
    /// The times of the week in which anything is submitted; none is always.
    pub windows: Windows,
    /// Whether the machine is kept from going to sleep while a run goes on.
    pub keep_awake: bool,
    /// Who is told how a run goes.
    pub notify: Option<Notify>,
}

/// The values that hold where nobody says otherwise (contract section 3).
impl Default for Settings {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("state"),
            output_dir: PathBuf::from("outputs"),
            base_url: default_base_url(),
            api_key_file: None,
            proxy: None,
            concurrency: positive(8),
            downloads: positive(8),
            rpm: None,
            budget: None,
            max_attempts: positive(5),
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_mins(1),
            poll_min: Duration::from_secs(1),
            poll_max: Duration::from_secs(15),
            job_timeout: Duration::from_mins(30),
            submit_timeout: Duration::from_mins(2),
            absence_wait: Duration::from_mins(5),
            on_unknown: OnUnknown::Hold,
            max_double: None,
            until: None,
            run_for: None,
            at: None,
            no_ramp: false,
            changed: None,
            skip_invalid: false,
            allow_network_ledger: false,
            allow_unpriced: false,
            no_schema: false,
            progress: ProgressMode::Auto,
            events: None,
            format: Format::Human,
            yes: false,
            windows: Windows::default(),
            keep_awake: true,
            notify: None,
        }
    }
}

fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[expect(clippy::expect_used, reason = "the constant is a URL, and a test reads it")]
fn default_base_url() -> Url {
    Url::parse("https://api.atlascloud.ai").expect("a constant URL")
}

/// Every layer above the built-in one; a later field stands before an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// `nightreel.toml`.
    pub file: Partial,
    /// The manifest's `[run]` table.
    pub manifest: Partial,
    /// The environment.
    pub environment: Partial,
    /// The command line.
    pub flags: Partial,
}

impl Layers {
    /// The settings that hold, or what is wrong with them.
    pub fn resolve(&self) -> Result<Settings, Vec<String>> {
        let above = self
            .flags
            .clone()
            .over(self.environment.clone())
            .over(self.manifest.clone())
            .over(self.file.clone());
        let settings = above.resolve();
        let wrong = wrong_together(&settings);
        if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
    }
}

/// The shortest `--poll-min`.
const LEAST_POLL: Duration = Duration::from_millis(10);

/// Values that are out of bounds, or right alone and wrong together.
fn wrong_together(settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    if settings.poll_min < LEAST_POLL {
        wrong.push("--poll-min is too short; polls less than 10ms apart help nobody".to_owned());
    }
    let lengths = [
        ("--for", settings.run_for),
        ("--job-timeout", Some(settings.job_timeout)),
        ("--submit-timeout", Some(settings.submit_timeout)),
        ("--retry-base", Some(settings.retry_base)),
        ("--absence-wait", Some(settings.absence_wait)),
    ];
    for (flag, _) in lengths.iter().filter(|(_, length)| *length == Some(Duration::ZERO)) {
        wrong.push(format!("{flag} 0s leaves no time at all; write for example 30s"));
    }
    if settings.poll_min > settings.poll_max {
        wrong.push("--poll-min is longer than --poll-max; make it shorter".to_owned());
    }
    if settings.retry_base > settings.retry_cap {
        wrong.push("--retry-base is longer than --retry-cap; make it shorter".to_owned());
    }
    if settings.until.is_some() && settings.run_for.is_some() {
        wrong.push("--until and --for say two ends; give one of them".to_owned());
    }
    let loopback = crate::domain::origin::is_loopback(&settings.base_url);
    if settings.base_url.scheme() != "https" && !loopback {
        wrong.push(format!(
            "--base-url {} is not https; plain http is allowed to this machine only",
            settings.base_url.origin().ascii_serialization()
        ));
    }
    wrong
}

/// The `[run]` tables of several manifests as one layer; two that say different things are refused.
pub fn merge_manifests(
    tables: impl IntoIterator<Item = (String, Partial)>,
) -> Result<Partial, Vec<Diagnostic>> {
    let mut merged = Partial::default();
    for (file, table) in tables {
        let both = merged.clone().over(table.clone());
        if both != table.over(merged) {
            let place = crate::domain::Position::new(&file.into(), 0, 0);
            return Err(vec![place.says(
                "its [run] table contradicts that of another manifest of this run; \
                 run them one after the other, or give flags",
            )]);
        }
        merged = both;
    }
    Ok(merged)
}

#[cfg(test)]
mod tests;
