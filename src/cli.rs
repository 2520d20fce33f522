//! What can be typed: clap types and nothing else.

mod new;
mod partial;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use url::Url;

use crate::domain::{JobState, Micros, clock};
use crate::settings::{
    Changed, Format, LogFormat, OnUnknown, ProgressMode, TimeOfDay, parse_count, parse_money,
    parse_rate, parse_url,
};

pub use new::NewArgs;

/// Turns a manifest of prompts into a folder of finished AI videos and images, overnight.
#[derive(Debug, Parser)]
#[command(
    name = "nightreel",
    version,
    about,
    arg_required_else_help = true,
    after_help = "Try it in a minute, without an account:\n  \
        nightreel run jobs/demo.toml --simulate\n\n\
        For real:\n  \
        export ATLASCLOUD_API_KEY=apikey-…\n  \
        nightreel plan jobs/overnight.csv\n  \
        nightreel run jobs/overnight.csv --budget 25\n\n\
        Exit codes: 0 all done, 2 usage or manifest, 3 some failed, 4 some need a decision, 5 budget,\n\
        6 account, 7 another process, 8 --until or --for, 130 and 143 signals."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Folder of the ledger and the logs [default: state]
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Folder of the finished files [default: outputs]
    #[arg(long, value_name = "DIR", global = true)]
    pub output_dir: Option<PathBuf>,
    /// Settings file [default: nightreel.toml, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// How results are printed [default: human]
    #[arg(long, value_name = "FORMAT", global = true)]
    pub format: Option<Format>,
    /// More messages; twice for even more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// How log lines are written
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
}

/// The commands of the contract.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do all that is not done; running it again is the resume
    #[command(after_help = "Examples:\n  \
        nightreel run jobs/demo.toml --simulate\n  \
        nightreel run jobs/overnight.csv --budget 25 --concurrency 16\n  \
        nightreel run jobs/overnight.csv --for 8h --events state/events.jsonl")]
    Run(RunArgs),
    /// The dry run: what `run` would do with each row, why, and what it costs
    #[command(after_help = "Examples:\n  nightreel plan jobs/overnight.csv\n  \
        nightreel plan jobs/overnight.csv --rows --format json")]
    Plan(PlanArgs),
    /// Counts by state and money, also while a run is going on
    Status(StatusArgs),
    /// One line a job
    #[command(after_help = "Examples:\n  nightreel list --failed\n  \
        nightreel list overnight --state unknown --state quarantined --long")]
    List(ListArgs),
    /// Everything about one job
    Show {
        /// BATCH/KEY, or a KEY that only one batch has
        job: String,
    },
    /// Failed jobs back to pending
    #[command(after_help = "Examples:\n  nightreel requeue --failed\n  \
        nightreel requeue overnight --failed\n  nightreel requeue overnight/cat-7")]
    Requeue(ChooseArgs),
    /// Pending jobs to canceled
    Cancel(CancelArgs),
    /// Settle unknown outcomes; with no decision, ask the API's history again
    #[command(after_help = "Examples:\n  nightreel resolve\n  \
        nightreel resolve --adopt overnight/cat-7=6fca0bd3\n  \
        nightreel resolve --absent overnight/cat-7\n  \
        nightreel resolve --charged overnight/cat-7")]
    Resolve(ResolveArgs),
    /// Compare every file with its recorded size and hash
    #[command(
        after_help = "Examples:\n  nightreel verify\n  nightreel verify overnight --repair\n\n\
        --repair asks for the same predictions again, which is free, and generates nothing."
    )]
    Verify(VerifyArgs),
    /// One self-contained HTML page in the output folder; a run ends with it too
    #[command(after_help = "Examples:\n  nightreel report\n  nightreel report overnight\n\n\
        The page is outputs/BATCH/index.html and needs no network and no server.")]
    Report {
        /// The batch; without it every batch gets its page
        batch: Option<String>,
    },
    /// The same page, live: watch a run, pause it, change its limits
    #[command(
        after_help = "Examples:\n  nightreel dashboard\n  nightreel dashboard --port 7411\n  \
        nightreel run tonight.csv --dashboard\n\n\
        It prints an address with a token; without the token nobody is answered."
    )]
    Dashboard {
        /// Port on loopback; 0 takes any free one
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Begin a manifest for a model, with all its inputs explained
    #[command(after_help = "Examples:\n  nightreel new tonight\n  \
        nightreel new jobs/stills --model minimax/image-01")]
    New(NewArgs),
    /// The catalogue of models: what they take and what they cost
    #[command(after_help = "Examples:\n  nightreel models\n  nightreel models image video\n  \
        nightreel models show minimax/hailuo-02/fast\n  nightreel models --refresh")]
    Models(ModelsArgs),
    /// Is everything ready for tonight? Key, balance, API, folders, disk, clock, ledger
    #[command(after_help = "Examples:\n  nightreel check\n  nightreel check --simulate")]
    Check(ApiArgs),
    /// A commented nightreel.toml with every setting
    Init,
    /// The built-in API on loopback, with latencies and faults
    #[command(after_help = "Examples:\n  nightreel simulate --port 4000\n  \
        nightreel simulate --scenario examples/budget/scenario.toml --book book.jsonl\n  \
        ATLASCLOUD_API_KEY=any nightreel run jobs/demo.toml --base-url http://127.0.0.1:4000")]
    Simulate(SimulateArgs),
    /// Shell completions on stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page on stdout
    Man,
    /// The JSON Schema of a TOML manifest on stdout, for editors
    ManifestSchema,
}

/// Where the API is and how to get there.
#[derive(Debug, Clone, Args)]
pub struct ApiArgs {
    /// The API; plain http to this machine only [default: `https://api.atlascloud.ai`]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub base_url: Option<Url>,
    /// File with the API key, mode 0600; without it `ATLASCLOUD_API_KEY` is read
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Proxy for requests and downloads; none is taken from the environment
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub proxy: Option<Url>,
    /// Use the embedded simulator instead of the API, with a scenario if one is given
    #[arg(long, value_name = "SCENARIO.toml", num_args = 0..=1)]
    pub simulate: Option<Option<PathBuf>>,
}

/// The manifests.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// CSV or TOML files; `-` is standard input
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<PathBuf>,
    /// What standard input holds
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,
    /// What to do with rows whose id stands for another request: without it they are refused
    #[arg(long, value_name = "HOW")]
    pub changed: Option<Changed>,
    /// Leave rows with mistakes out instead of refusing the manifest
    #[arg(long)]
    pub skip_invalid: bool,
    /// Use a state folder on a network file system, where a crash may damage the ledger
    #[arg(long)]
    pub allow_network_ledger: bool,
    /// Submit jobs without a known price although a budget is set
    #[arg(long)]
    pub allow_unpriced: bool,
    /// Do not check parameters against the model's schema
    #[arg(long)]
    pub no_schema: bool,
    /// Hard cap in dollars of each batch: committed, reserved and unknown together
    #[arg(long, value_name = "USD", value_parser = parse_money)]
    pub budget: Option<Micros>,
    /// Predictions in flight at the API at most [default: 8]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub concurrency: Option<NonZeroU32>,
    /// Submissions a minute, smoothed [default: no limit]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub rpm: Option<NonZeroU32>,
}

/// What standard input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InputFormat {
    /// Comma-separated values.
    Csv,
    /// TOML.
    Toml,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The manifests.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// The API.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Downloads at a time; they take no generation slot [default: 8]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub downloads: Option<NonZeroU32>,
    /// Counted tries of a job [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_attempts: Option<NonZeroU32>,
    /// The first retry's longest delay [default: 1s]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub retry_base: Option<Duration>,
    /// No delay between tries is longer [default: 60s]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub retry_cap: Option<Duration>,
    /// The shortest pause between two polls of a prediction [default: 1s]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub poll_min: Option<Duration>,
    /// The longest [default: 15s]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub poll_max: Option<Duration>,
    /// From submission until a job still running is set aside [default: 30m]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub job_timeout: Option<Duration>,
    /// How long one POST may take [default: 120s]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub submit_timeout: Option<Duration>,
    /// Before "not in the history" counts as proof [default: 5m]
    #[arg(long, value_name = "DUR", value_parser = clock::parse_duration)]
    pub absence_wait: Option<Duration>,
    /// What happens to unknown outcomes the history does not settle [default: hold]
    #[arg(long, value_name = "HOW")]
    pub on_unknown: Option<OnUnknown>,
    /// The most that `--on-unknown resubmit` may pay twice
    #[arg(long, value_name = "USD", value_parser = parse_money)]
    pub max_double: Option<Micros>,
    /// Stop submitting at this local time, collect what is paid, exit
    #[arg(long, value_name = "HH:MM")]
    pub until: Option<TimeOfDay>,
    /// Stop submitting after this time
    #[arg(long = "for", value_name = "DUR", value_parser = clock::parse_duration)]
    pub run_for: Option<Duration>,
    /// Wait until this local time before starting
    #[arg(long, value_name = "HH:MM")]
    pub at: Option<TimeOfDay>,
    /// Full speed from the first job, also for requests never seen to succeed
    #[arg(long)]
    pub no_ramp: bool,
    /// Refuse if the plan is no longer the one of this hash
    #[arg(long = "plan", value_name = "HASH")]
    pub plan_hash: Option<String>,
    /// Start the dashboard together with the run
    #[arg(long)]
    pub dashboard: bool,
    /// How progress is shown [default: auto]
    #[arg(long, value_name = "HOW")]
    pub progress: Option<ProgressMode>,
    /// Append events as JSON lines; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Do not ask before spending
    #[arg(short, long)]
    pub yes: bool,
}

/// Flags of `plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The manifests.
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// The API.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Tell for each row what would be done and why
    #[arg(long)]
    pub rows: bool,
    /// Ask the API for exact prices, even without a key
    #[arg(long)]
    pub quote: bool,
    /// Write the plan to a file instead
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// Flags of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Only these batches
    pub batches: Vec<String>,
    /// Tell again every two seconds, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// Flags of `list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only this batch
    pub batch: Option<String>,
    /// Only jobs in this state; may be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = parse_state)]
    pub states: Vec<JobState>,
    /// Only failed jobs
    #[arg(long)]
    pub failed: bool,
    /// Prompt, prediction and files as well
    #[arg(long)]
    pub long: bool,
}

fn parse_state(word: &str) -> Result<JobState, String> {
    JobState::parse(word).ok_or_else(|| {
        let known = JobState::ALL.map(JobState::as_str).join(", ");
        format!("states are {known}")
    })
}

/// Flags of `requeue`.
#[derive(Debug, Clone, Args)]
pub struct ChooseArgs {
    /// A batch, or jobs as BATCH/KEY or KEY
    #[arg(value_name = "BATCH|JOB")]
    pub names: Vec<String>,
    /// All failed jobs of the batch, or of every batch where none is named
    #[arg(long)]
    pub failed: bool,
    /// Also the named jobs that were paid, or count as charged: pays again
    #[arg(long, conflicts_with = "failed")]
    pub pay_again: bool,
}

/// Flags of `cancel`.
#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// A batch, or jobs as BATCH/KEY or KEY
    #[arg(required = true, value_name = "BATCH|JOB")]
    pub names: Vec<String>,
}

/// Flags of `resolve`.
#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// Only this batch
    pub batch: Option<String>,
    /// That prediction is this job's
    #[arg(long, value_name = "JOB=PREDICTION_ID")]
    pub adopt: Vec<String>,
    /// This job's submission never arrived
    #[arg(long, value_name = "JOB")]
    pub absent: Vec<String>,
    /// This job's submission was charged and is gone
    #[arg(long, value_name = "JOB")]
    pub charged: Vec<String>,
    /// Adopt without asking the API whether that prediction is the job's
    #[arg(long, requires = "adopt")]
    pub unchecked: bool,
    /// The API.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Only this batch
    pub batch: Option<String>,
    /// The API, for --repair.
    #[command(flatten)]
    pub api: ApiArgs,
    /// Download missing or altered files again, for free
    #[arg(long)]
    pub repair: bool,
}

/// Flags of `models`.
#[derive(Debug, Clone, Args)]
pub struct ModelsArgs {
    /// Words that must all be found; `show MODEL` tells what one model takes
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// Ask the API, however new the kept catalogue is
    #[arg(long)]
    pub refresh: bool,
    /// The API.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// Flags of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Port on loopback; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// How it behaves
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Where the book of charges is kept; an existing one is taken up
    #[arg(long, value_name = "FILE")]
    pub book: Option<PathBuf>,
    /// The only key that is let in [default: any]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}
