//! What happened, told after its commit and never before. Progress sees nothing else.

use serde::Serialize;

use super::clock::Timestamp;
use super::money::Micros;
use super::state::JobState;

/// A fact in the past tense.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When it was committed (UTC).
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// How the run stood right after it, so that a display needs no memory of its own.
    #[serde(skip)]
    pub totals: Totals,
}

/// How a run stands: counts of the jobs of its batches, and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Jobs by state, indexed by [`JobState::index`].
    pub jobs: [u64; JobState::ALL.len()],
    /// Pending jobs that wait for a retry.
    pub retrying: u64,
    /// Predictions in flight at the API, by this run's permits.
    pub in_flight: u64,
    /// The most permits there are.
    pub concurrency: u64,
    /// Downloads under way.
    pub downloading: u64,
    /// Committed, reserved and unknown money of the batches.
    pub spent: Micros,
    /// The sum of the batches' budgets, where all have one.
    pub budget: Option<Micros>,
    /// Attempts submitted by this run.
    pub submitted: u64,
}

impl Totals {
    /// Jobs in `state`.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        self.jobs[state.index()]
    }

    /// All jobs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.jobs.iter().sum()
    }

    /// Jobs this run has nothing more to do for.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.total()
            - JobState::ALL.iter().filter(|s| s.is_open()).map(|s| self.count(*s)).sum::<u64>()
    }
}

/// The kinds of the contract, section 7.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are named for what they hold")]
pub enum EventKind {
    /// A run began.
    RunStarted { batches: Vec<String>, manifests: Vec<String> },
    /// Rows came into the ledger.
    JobEnqueued { batch: String, jobs: u64 },
    /// The intent of a POST is durable, and the POST leaves.
    AttemptSubmitted { batch: String, job: String, attempt: i64, price: Option<Micros> },
    /// A prediction id is durable.
    PredictionAccepted {
        batch: String,
        job: String,
        attempt: i64,
        prediction: String,
        adopted: bool,
    },
    /// The API's status word changed.
    PredictionProgressed { batch: String, job: String, prediction: String, status: String },
    /// A try ended badly.
    AttemptFailed { batch: String, job: String, attempt: i64, class: String, message: String },
    /// The job is due again at `not_before`.
    JobRetryScheduled { batch: String, job: String, not_before: Timestamp, class: String },
    /// Nobody knows whether the POST was charged.
    OutcomeUnknown { batch: String, job: String, attempt: i64, class: String, message: String },
    /// An unknown outcome was settled: `adopted`, `absent`, `assumed_charged` or `pay_again`.
    OutcomeResolved { batch: String, job: String, attempt: i64, how: String },
    /// A file is in place.
    ArtifactSaved { batch: String, job: String, path: String, bytes: u64, sha256: String },
    /// All files of a job are in place.
    JobDone { batch: String, job: String, seconds: u64, cost: Option<Micros> },
    /// A job ended in a state other than `done`.
    JobFailed { batch: String, job: String, state: JobState, class: String, message: String },
    /// How much may be in flight changed.
    LimitChanged { limit: String, value: u64, reason: String },
    /// Submitting stopped; what is paid is still collected.
    RunPaused { reason: String },
    /// The run ended.
    RunFinished { exit: u8, reason: String },
}
