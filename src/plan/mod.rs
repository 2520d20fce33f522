//! Rows × ledger × catalog → what `run` would do with each row, and why.
//!
//! `plan` prints it, `run` carries it out: both walk the manifest with the same function, so they
//! cannot differ. The walk streams: a million rows cost no more memory than a thousand.

mod reason;
mod removed;
mod room;
mod summary;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::{Price, Prices};
use crate::domain::{Diagnostic, JobSpec, JobState, Micros, Request};
use crate::ledger::{BatchId, Error, JobId, Known, Ledger, Past};
use crate::manifest::Manifest;

use reason::Standing;

pub use removed::{Fate, Renamed, Renames, each_removed};
pub use room::Room;
pub use summary::{Counts, Latencies, Latency, ModelCost, Summary};

/// Rows looked up in the ledger at a time.
const CHUNK: usize = 500;

/// What to do with a row whose id stands for another request in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Tell it as a mistake.
    Refuse,
    /// Make the job anew, which costs again.
    Rerun,
    /// Keep what is there.
    Keep,
}

/// What `run` would do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Submit it for the first time.
    New,
    /// Submit it again after a failure or an interruption that cost nothing.
    Retry,
    /// Its request differs from the ledger's: refused, rerun or kept.
    Changed,
    /// Nothing: its files are there.
    Done,
    /// Go on polling and downloading: it is paid for.
    InFlight,
    /// Nothing: it failed for good; `requeue` gives it another chance.
    Failed,
    /// Look its outcome up; it counts as spent.
    Unknown,
    /// Ask the API once more, for free; it was set aside.
    SetAside,
    /// Nothing: the batch's budget ends before it.
    OverBudget,
    /// Nothing: it was canceled.
    Canceled,
    /// Nothing: the row has a mistake.
    Invalid,
}

impl Action {
    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Retry => "retry",
            Self::Changed => "changed",
            Self::Done => "done",
            Self::InFlight => "in_flight",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::SetAside => "set_aside",
            Self::OverBudget => "over_budget",
            Self::Canceled => "canceled",
            Self::Invalid => "invalid",
        }
    }
}

/// One row of the plan.
#[derive(Clone, Debug)]
pub struct PlannedRow {
    /// What the manifest says.
    pub spec: JobSpec,
    /// What `run` would do.
    pub action: Action,
    /// Why, in a few words.
    pub reason: String,
    /// What it will cost; `None` where nobody knows.
    pub price: Option<Micros>,
    /// Where the price is from: `manifest`, `quote`, `built-in`, `charged`, `ledger` for a job that is sent as it
    /// came in although its row changed, or `unpriced`.
    pub source: &'static str,
    /// Whether the price will be spent by this run.
    pub costs: bool,
    /// Whether its change waits for a later run, as this one has its old result to collect.
    pub waits: bool,
    /// The job of the ledger it stands for.
    pub known: Option<Known>,
    /// The mistakes that keep it from running.
    pub mistakes: Vec<Diagnostic>,
}

/// A row, or the mistakes of one that could not be read.
pub type Walked = Result<Box<PlannedRow>, Vec<Diagnostic>>;

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// The manifest as a whole cannot be read.
    #[error("the manifest cannot be read")]
    Manifest(Vec<Diagnostic>),
}

/// Walks a manifest beside its batch in the ledger, and hands over every row in order, in chunks.
pub async fn walk(
    manifest: &Manifest,
    ledger: Option<(&Ledger, BatchId)>,
    (on_change, prices): (OnChange, &mut Prices),
    mut visit: impl AsyncFnMut(Vec<Walked>) -> Result<(), Error>,
) -> Result<(), WalkError> {
    let mut rows = manifest.rows().map_err(WalkError::Manifest)?;
    loop {
        let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        let looked = Looked::up(ledger, &chunk).await?;
        let walked = chunk
            .into_iter()
            .map(|row| {
                row.map(|mut spec| {
                    let is_checked = manifest.inputs().get(&spec.request.model).is_some();
                    let faults = faults(&mut spec, is_checked);
                    Box::new(judge(spec, faults, &looked, (on_change, prices)))
                })
            })
            .collect();
        visit(walked).await?;
    }
}

/// What the ledger knows of a chunk of rows.
#[derive(Default)]
struct Looked {
    known: HashMap<String, Known>,
    /// The jobs whose rows ask for something else, and what they were to be.
    differing: HashSet<JobId>,
    requests: HashMap<JobId, Request>,
    /// Of the jobs that came further than waiting.
    pasts: HashMap<JobId, Past>,
}

impl Looked {
    async fn up(
        ledger: Option<(&Ledger, BatchId)>,
        chunk: &[Result<JobSpec, Vec<Diagnostic>>],
    ) -> Result<Self, Error> {
        let specs = || chunk.iter().filter_map(|row| row.as_ref().ok());
        let keys: Vec<String> = specs().map(|spec| spec.key.clone()).collect();
        let Some((ledger, batch)) = ledger.filter(|_| !keys.is_empty()) else {
            return Ok(Self::default());
        };
        let known = ledger.known(batch, &keys).await?;
        let (mut differing, mut further) = (Vec::new(), Vec::new());
        for spec in specs() {
            match known.get(&spec.key) {
                Some(known) if known.request_sha256 != spec.request.digest() => {
                    differing.push(known.id);
                }
                Some(known) if known.state != JobState::Pending => further.push(known.id),
                _ => {}
            }
        }
        let requests = ledger.requests(&differing).await?;
        let differing = differing.into_iter().collect();
        Ok(Self { requests, pasts: ledger.pasts(&further).await?, differing, known })
    }

    fn differs(&self, known: &Known) -> bool {
        self.differing.contains(&known.id)
    }

    fn standing<'a>(&'a self, known: &'a Known) -> Standing<'a> {
        Standing { known, request: self.requests.get(&known.id), past: self.pasts.get(&known.id) }
    }
}

/// What is known against submitting a row. Of a model nobody knows only a prompt or some other
/// parameter is asked for.
fn faults(spec: &mut JobSpec, is_checked: bool) -> Vec<Diagnostic> {
    let mut faults = std::mem::take(&mut spec.faults);
    if !is_checked && spec.request.params.is_empty() {
        let model = &spec.request.model;
        let lacks = format!("{model} needs a `prompt` or an input file; neither is given");
        faults.push(spec.position.says(lacks));
    }
    faults
}

/// Decides one row.
fn judge(
    spec: JobSpec,
    faults: Vec<Diagnostic>,
    looked: &Looked,
    (on_change, prices): (OnChange, &mut Prices),
) -> PlannedRow {
    let known = looked.known.get(&spec.key).cloned();
    let (action, reason) = match (faults.first(), &known) {
        (Some(fault), None) => (Action::Invalid, fault.message.clone()),
        (_, None) => (Action::New, "not in the ledger yet".to_owned()),
        (_, Some(known)) if known.was_removed() => (Action::New, "back in the manifest".to_owned()),
        (_, Some(known)) if looked.differs(known) => {
            looked.standing(known).changed(&spec.request, on_change)
        }
        (_, Some(known)) => looked.standing(known).unchanged(),
    };
    let mut mistakes = Vec::new();
    if action == Action::Changed && on_change == OnChange::Refuse {
        mistakes.push(spec.position.says(format!(
            "`{}` asks for something else than the job of that id in the ledger ({reason}); \
             give it another id, or choose --changed rerun or --changed keep",
            spec.key
        )));
    }
    let reruns = action == Action::Changed && on_change == OnChange::Rerun;
    let costs = matches!(action, Action::New | Action::Retry) || reruns;
    // Its row changed, and it stays as it came in.
    let kept = known
        .as_ref()
        .filter(|known| costs && on_change == OnChange::Keep && looked.differs(known))
        .filter(|known| !known.was_removed());
    // What a model's schema says today is nothing to jobs that were submitted already, and what the
    // row says now is nothing to a job that is sent as it was.
    if (costs && kept.is_none()) || action == Action::Invalid {
        mistakes.extend(faults);
    }
    // What costs nothing now is not asked about.
    let unasked = Price { amount: spec.price, source: "manifest" };
    let Price { amount: price, source } = match kept {
        Some(known) => Price {
            amount: known.price,
            source: if known.price.is_some() { "ledger" } else { "unpriced" },
        },
        None if costs && mistakes.is_empty() => prices.of(&spec),
        None => unasked,
    };
    let differs = known.as_ref().is_some_and(|known| looked.differs(known));
    let waits = differs && on_change == OnChange::Rerun && action != Action::Changed;
    PlannedRow { spec, action, reason, price, source, costs, waits, known, mistakes }
}

/// A diagnostic's file name for a manifest.
#[must_use]
pub fn file_of(manifest: &Manifest) -> Arc<str> {
    Arc::from(manifest.file())
}
