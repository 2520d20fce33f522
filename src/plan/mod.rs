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
use crate::domain::schema;
use crate::domain::{Diagnostic, Inputs, JobSpec, JobState, Micros, Request};
use crate::ledger::{BatchId, Error, JobId, Known, Ledger, Past};
use crate::manifest::{Manifest, Unread};

use reason::Standing;

pub use removed::{Fate, Renamed, Renames, UNSENT, each_removed, is_listed};
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
    /// What is sent in place of the row's own request: that of a pending job whose change is not wanted.
    pub kept: Option<Request>,
    /// The mistakes that keep it from running.
    pub mistakes: Vec<Diagnostic>,
}

impl PlannedRow {
    /// The model that it is, or was, submitted to by this plan.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.kept.as_ref().unwrap_or(&self.spec.request).model
    }
}

/// A row that cannot be read.
#[derive(Clone, Debug)]
pub struct BadRow {
    /// What could be read, and its mistakes.
    pub unread: Unread,
    /// The job of the ledger it stands for, where its key could be read.
    pub known: Option<Known>,
}

/// A row of a walk.
pub type Walked = Result<Box<PlannedRow>, Box<BadRow>>;

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
    let inputs = manifest.inputs();
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
                let mut spec = row.map_err(|unread| Box::new(looked.bad(unread)))?;
                let faults = faults(&mut spec, inputs);
                Ok(Box::new(judge(spec, faults, &looked, (on_change, prices, inputs))))
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
        chunk: &[Result<JobSpec, Unread>],
    ) -> Result<Self, Error> {
        let specs = || chunk.iter().filter_map(|row| row.as_ref().ok());
        let keys: Vec<String> = chunk.iter().filter_map(key_of).collect();
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

    fn bad(&self, unread: Unread) -> BadRow {
        let known = unread.key.as_ref().and_then(|key| self.known.get(key)).cloned();
        BadRow { unread, known }
    }

    fn differs(&self, known: &Known) -> bool {
        self.differing.contains(&known.id)
    }

    fn standing<'a>(&'a self, known: &'a Known) -> Standing<'a> {
        Standing { known, request: self.requests.get(&known.id), past: self.pasts.get(&known.id) }
    }
}

/// The key of a row's job, where that much of it can be read.
fn key_of(row: &Result<JobSpec, Unread>) -> Option<String> {
    row.as_ref().map_or_else(|unread| unread.key.clone(), |spec| Some(spec.key.clone()))
}

/// What is known against submitting a row. Of a model nobody knows only a prompt or some other
/// parameter is asked for.
fn faults(spec: &mut JobSpec, inputs: &Inputs) -> Vec<Diagnostic> {
    let mut faults = std::mem::take(&mut spec.faults);
    if inputs.get(&spec.request.model).is_none() && spec.request.params.is_empty() {
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
    (on_change, prices, inputs): (OnChange, &mut Prices, &Inputs),
) -> PlannedRow {
    let known = looked.known.get(&spec.key).cloned();
    let differs = known.as_ref().filter(|known| !known.follows_its_row() && looked.differs(known));
    let (mut action, mut reason) = match (&known, differs) {
        (None, _) => (Action::New, "not in the ledger yet".to_owned()),
        (_, Some(known)) => looked.standing(known).changed(&spec.request, on_change),
        (Some(known), None) if known.was_removed() => {
            (Action::New, "back in the manifest".to_owned())
        }
        (Some(known), None) => looked.standing(known).unchanged(),
    };
    let reruns = action == Action::Changed && on_change == OnChange::Rerun;
    let mut costs = matches!(action, Action::New | Action::Retry) || reruns;
    let waits = differs.is_some()
        && on_change == OnChange::Rerun
        && matches!(action, Action::InFlight | Action::SetAside);
    // Its row changed, and it is sent as it came in.
    let held = differs.filter(|_| costs && on_change == OnChange::Keep);
    let kept = held.and_then(|known| looked.requests.get(&known.id)).cloned();
    // What a model's schema says today is nothing to jobs that were submitted already, and what the
    // row says now is nothing to a job that is sent as it was.
    let against = match held {
        Some(_) => {
            kept.as_ref().and_then(|kept| refusal(&spec, kept, inputs)).into_iter().collect()
        }
        None => faults,
    };
    let mut mistakes = Vec::new();
    if action == Action::Changed && on_change == OnChange::Refuse {
        mistakes.push(refused(&spec, &reason));
        mistakes.extend(against);
    } else if let Some(fault) = against.first().filter(|_| costs) {
        (action, costs, reason) = (Action::Invalid, false, fault.message.clone());
        mistakes = against;
    }
    // What costs nothing now is not asked about.
    let unasked = Price { amount: spec.price, source: "manifest" };
    let Price { amount: price, source } = match held {
        Some(known) => Price {
            amount: known.price,
            source: if known.price.is_some() { "ledger" } else { "unpriced" },
        },
        None if costs => prices.of(&spec),
        None => unasked,
    };
    PlannedRow { spec, action, reason, price, source, costs, waits, known, kept, mistakes }
}

/// What keeps the old request of a row from being sent: its model is not to be had.
fn refusal(spec: &JobSpec, kept: &Request, inputs: &Inputs) -> Option<Diagnostic> {
    match inputs.get(&kept.model) {
        Some(schema::Known::Refused(why)) => Some(spec.position.says(format!(
            "`{}` is to be sent as it came in (--changed keep), and {why}",
            spec.key
        ))),
        _ => None,
    }
}

fn refused(spec: &JobSpec, reason: &str) -> Diagnostic {
    spec.position.says(format!(
        "`{}` asks for something else than the job of that id in the ledger ({reason}); give it another \
         id, or choose --changed rerun or --changed keep",
        spec.key
    ))
}

/// A diagnostic's file name for a manifest.
#[must_use]
pub fn file_of(manifest: &Manifest) -> Arc<str> {
    Arc::from(manifest.file())
}
