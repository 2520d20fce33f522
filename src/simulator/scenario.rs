//! A scenario: how the simulated server behaves, read from TOML.
//!
//! ```toml
//! seed = 7                # everything random follows from it; default 1
//! time_scale = 0.01       # 90 s of the server take 0.9 s; latencies, rate windows, link lifetimes
//! balance = "5.00"        # default: a million dollars
//!
//! [latency]               # of a generation; default uniform from 1s to 3s
//! kind = "log_normal"     # fixed (length) | uniform (from, to) | log_normal (median, sigma, max)
//! median = "60s"
//!
//! [limits]                # default: none
//! in_flight = 64          # predictions not yet ended
//! per_minute = 600        # submissions
//!
//! [output]
//! bytes = 200_000         # pads videos to this size; default: as small as they are
//! count = 1               # outputs of one prediction
//! lifetime = "14d"        # of the media, from submission
//! link_lifetime = "1h"    # of one link, from the poll that gave it; default: as the media
//!
//! [prices]                # of single models, instead of the catalogue's
//! "minimax/hailuo-02/fast" = "0.10"
//!
//! [charge]
//! factor = "1.3"          # what is charged, relative to the price told
//!
//! [history]
//! mode = "late"           # full | late (after `delay`) | empty | absent (the path does not exist)
//! delay = "30s"
//! reorder_keys = true     # `requestBody` with its keys in another order than sent
//! number_forms = true     # `requestBody` with whole numbers as `6.0`
//! page_cap = 50           # the most items of one page
//!
//! [[fault]]               # see `fault`
//! on = "submit"
//! kind = "charged_then_reset"
//! probability = 0.05
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use crate::domain::{Diagnostic, Micros};

use super::fault::Rule;
use super::latency::Latency;
use super::reader::{self, Section, Source};

/// The largest output a scenario may ask for, in bytes.
const LARGEST_OUTPUT: u64 = 4_000_000_000;
/// The most outputs one prediction may have.
const MOST_OUTPUTS: u64 = 64;

/// How the simulated server behaves.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(super) seed: u64,
    pub(super) time_scale: f64,
    pub(super) balance: Micros,
    pub(super) latency: Latency,
    pub(super) limits: Limits,
    pub(super) output: OutputShape,
    pub(super) prices: BTreeMap<String, Micros>,
    /// What is charged, in millionths of the price told.
    pub(super) charge_factor: Micros,
    pub(super) history: History,
    pub(super) faults: Vec<Arc<Rule>>,
}

/// What the server refuses with 429; `None` means no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) in_flight: Option<u64>,
    pub(super) per_minute: Option<u64>,
}

/// What the outputs are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputShape {
    pub(super) bytes: Option<u64>,
    pub(super) count: u64,
    pub(super) lifetime: Duration,
    pub(super) link_lifetime: Option<Duration>,
}

/// What the history endpoint tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    pub(super) mode: HistoryMode,
    pub(super) delay: Duration,
    pub(super) reorder_keys: bool,
    pub(super) number_forms: bool,
    pub(super) page_cap: u64,
}

/// Which tasks the history tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HistoryMode {
    /// All, at once.
    Full,
    /// All, `delay` after their submission.
    Late,
    /// None.
    Empty,
    /// The path does not exist; the API answers that with 401 (atlas-api.md section 2).
    Absent,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            time_scale: 1.0,
            balance: Micros(1_000_000_000_000),
            latency: Latency::Uniform { from: Duration::from_secs(1), to: Duration::from_secs(3) },
            limits: Limits::default(),
            output: OutputShape {
                bytes: None,
                count: 1,
                lifetime: Duration::from_hours(14 * 24),
                link_lifetime: None,
            },
            prices: BTreeMap::new(),
            charge_factor: Micros(1_000_000),
            history: History {
                mode: HistoryMode::Full,
                delay: Duration::from_secs(30),
                reorder_keys: false,
                number_forms: false,
                page_cap: 50,
            },
            faults: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads a scenario; `file` is the name used in diagnostics. All mistakes are told at once.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::new(text, file);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            source.says(&error.span().unwrap_or(0..0), error.message());
        }
        let scenario = Self::read(source.root(&table));
        let mistakes = source.mistakes();
        if mistakes.is_empty() {
            return Ok(scenario);
        }
        Err(mistakes)
    }

    fn read(root: Section<'_, '_>) -> Self {
        let default = Self::default();
        let scenario = Self {
            seed: root.read("seed", reader::whole).unwrap_or(default.seed),
            time_scale: read_scale(&root).unwrap_or(default.time_scale),
            balance: root.read("balance", reader::money).unwrap_or(default.balance),
            latency: root.section("latency").and_then(read_latency).unwrap_or(default.latency),
            limits: root.section("limits").map(read_limits).unwrap_or_default(),
            output: root
                .section("output")
                .map_or(default.output, |section| read_output(section, default.output)),
            prices: root.section("prices").as_ref().map(read_prices).unwrap_or_default(),
            charge_factor: root
                .section("charge")
                .and_then(read_charge)
                .unwrap_or(default.charge_factor),
            history: root
                .section("history")
                .map_or(default.history, |section| read_history(section, default.history)),
            faults: root
                .sections("fault")
                .into_iter()
                .filter_map(Rule::read)
                .map(Arc::new)
                .collect(),
        };
        root.finish();
        scenario
    }
}

fn read_scale(root: &Section<'_, '_>) -> Option<f64> {
    let scale = root.read("time_scale", reader::number)?;
    if scale == 0.0 {
        root.says_at("time_scale", "`time_scale` must be greater than 0");
    }
    Some(scale)
}

fn read_latency(section: Section<'_, '_>) -> Option<Latency> {
    let latency = match section.need("kind", reader::string)?.as_str() {
        "fixed" => section.need("length", reader::duration).map(Latency::Fixed),
        "uniform" => {
            let from = section.need("from", reader::duration)?;
            let to = section.need("to", reader::duration)?;
            if to < from {
                section.says_at("to", "`to` must not be less than `from`");
            }
            Some(Latency::Uniform { from, to })
        }
        "log_normal" => {
            let median = section.need("median", reader::duration)?;
            Some(Latency::LogNormal {
                median,
                sigma: section.read("sigma", reader::number).unwrap_or(0.4),
                max: section.read("max", reader::duration).unwrap_or(median.saturating_mul(10)),
            })
        }
        other => {
            let message =
                format!("`{other}` is no kind of latency; write fixed, uniform or log_normal");
            section.says_at("kind", message);
            return None;
        }
    };
    section.finish();
    latency
}

fn read_limits(section: Section<'_, '_>) -> Limits {
    let limits = Limits {
        in_flight: section.read("in_flight", reader::whole),
        per_minute: section.read("per_minute", reader::whole),
    };
    section.finish();
    limits
}

fn read_output(section: Section<'_, '_>, default: OutputShape) -> OutputShape {
    let output = OutputShape {
        bytes: section.read("bytes", reader::whole),
        count: section.read("count", reader::whole).unwrap_or(default.count),
        lifetime: section.read("lifetime", reader::duration).unwrap_or(default.lifetime),
        link_lifetime: section.read("link_lifetime", reader::duration),
    };
    if output.bytes.is_some_and(|bytes| bytes > LARGEST_OUTPUT) {
        section.says_at("bytes", format!("`bytes` must be at most {LARGEST_OUTPUT}"));
    }
    if output.count > MOST_OUTPUTS {
        section.says_at("count", format!("`count` must be at most {MOST_OUTPUTS}"));
    }
    section.finish();
    output
}

fn read_prices(section: &Section<'_, '_>) -> BTreeMap<String, Micros> {
    section.pairs(reader::money).into_iter().collect()
}

fn read_charge(section: Section<'_, '_>) -> Option<Micros> {
    let factor = section.need("factor", reader::money);
    section.finish();
    factor
}

fn read_history(section: Section<'_, '_>, default: History) -> History {
    let mode = match section.read("mode", reader::string).as_deref() {
        None | Some("full") => HistoryMode::Full,
        Some("late") => HistoryMode::Late,
        Some("empty") => HistoryMode::Empty,
        Some("absent") => HistoryMode::Absent,
        Some(other) => {
            let message = format!("`{other}` is no mode; write full, late, empty or absent");
            section.says_at("mode", message);
            HistoryMode::Full
        }
    };
    let history = History {
        mode,
        delay: section.read("delay", reader::duration).unwrap_or(default.delay),
        reorder_keys: section.read("reorder_keys", reader::flag).unwrap_or(default.reorder_keys),
        number_forms: section.read("number_forms", reader::flag).unwrap_or(default.number_forms),
        page_cap: section.read("page_cap", reader::whole).unwrap_or(default.page_cap).max(1),
    };
    section.finish();
    history
}
