//! Rows that are no longer in a manifest: what becomes of their jobs, and which new rows ask for what
//! they were.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{WalkError, key_of};
use crate::domain::{Digest, JobState, Request};
use crate::ledger::{BatchId, JobFilter, JobId, JobView, Known, Ledger};
use crate::manifest::Manifest;

/// Jobs read at a time.
const PAGE: u32 = 500;
/// New rows and removed jobs that are compared at most: more is another manifest, not an edited one.
const COMPARED: usize = 10_000;

/// States of jobs that are what their rows are, as nothing was sent for them.
pub const UNSENT: [JobState; 2] = [JobState::Pending, JobState::Invalid];

/// Whether a row with mistakes is `invalid` in the ledger when a run has brought it in: `known` is its
/// job so far, and a new one needs a row that `is_read`.
#[must_use]
pub fn is_listed(known: Option<&Known>, is_read: bool) -> bool {
    known.map_or(is_read, |known| UNSENT.contains(&known.state))
}

/// What a run does with the job of a removed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nothing was paid: it is canceled.
    Canceled,
    /// It is at the API or on its way from there: it is collected.
    Collected,
    /// It stays as it is, with its files.
    Kept,
}

impl Fate {
    /// What happens to a job in `state`.
    #[must_use]
    pub const fn of(state: JobState) -> Self {
        match state {
            JobState::Pending | JobState::Invalid => Self::Canceled,
            JobState::Submitting
            | JobState::Submitted
            | JobState::Ready
            | JobState::Storing
            | JobState::Unknown
            | JobState::Quarantined
            | JobState::LostOutput => Self::Collected,
            JobState::Done | JobState::Failed | JobState::Canceled => Self::Kept,
        }
    }

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Collected => "collected",
            Self::Kept => "kept",
        }
    }
}

/// A new row that asks for what a removed one was paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The new row's key.
    pub key: String,
    /// The removed row's.
    pub was: String,
    /// Where the job of that is.
    pub state: JobState,
}

/// Looks at every job of a batch whose row is no longer in the manifest, in the states of `wanted` (all
/// where it is empty), page by page. `read` hears of rows that are read again for it.
pub async fn each_removed(
    manifest: &Manifest,
    (ledger, batch): (&Ledger, BatchId),
    wanted: &[JobState],
    mut read: impl FnMut(u64),
    mut visit: impl FnMut(&JobView),
) -> Result<(), WalkError> {
    let mut keys: Option<HashSet<String>> = None;
    let states = wanted.to_vec();
    let mut filter = JobFilter { batch: Some(batch), states, ..JobFilter::default() };
    loop {
        let page = ledger.jobs(&filter, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        filter.after = Some(JobId(last.id.0));
        if keys.is_none() {
            let rows = manifest.rows().map_err(WalkError::Manifest)?;
            let rows = rows.inspect(|_| read(1));
            keys = Some(rows.filter_map(|row| key_of(&row)).collect());
        }
        let is_gone = |job: &&JobView| !keys.as_ref().is_some_and(|keys| keys.contains(&job.key));
        page.iter().filter(is_gone).for_each(&mut visit);
    }
}

/// Finds rows that only got another id.
#[derive(Debug, Default)]
pub struct Renames {
    fresh: Vec<(Digest, String)>,
    paid: HashMap<Digest, (String, JobState)>,
}

impl Renames {
    /// A row that the ledger does not know.
    pub fn note_new(&mut self, request: &Request, key: &str) {
        if self.fresh.len() < COMPARED {
            self.fresh.push((request.digest(), key.to_owned()));
        }
    }

    /// A job whose row is no longer there.
    pub fn note_removed(&mut self, job: &JobView) {
        let is_paid = Fate::of(job.state) == Fate::Collected || job.state == JobState::Done;
        if !is_paid || self.fresh.is_empty() || self.paid.len() >= COMPARED {
            return;
        }
        if let Some(request) = Request::from_canonical(&job.request) {
            self.paid.insert(request.digest(), (job.key.clone(), job.state));
        }
    }

    /// Rows that ask for the same as a removed one that was paid for.
    #[must_use]
    pub fn found(self) -> Vec<Renamed> {
        let Self { fresh, paid } = self;
        let same = |(request, key): (Digest, String)| {
            let (was, state) = paid.get(&request)?;
            Some(Renamed { key, was: was.clone(), state: *state })
        };
        fresh.into_iter().filter_map(same).collect()
    }
}
