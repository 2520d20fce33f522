//! A plan in figures: counts by action, cost by model, mistakes, and how long it will take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Action, Fate, PlannedRow, Walked, is_listed};
use crate::catalog::builtin;
use crate::domain::digest::Hasher;
use crate::domain::{Diagnostic, JobState, Micros, Request};
use crate::ledger::Known;

/// Mistakes kept in full; the rest are only counted.
const KEPT_MISTAKES: usize = 1000;
/// How long a generation takes where nothing was measured: stated durations of videos are 1–5
/// minutes (atlas-api.md 1.2), seen medians about 90 s.
pub(super) const TYPICAL: Duration = Duration::from_secs(90);

/// How long a model's generations took, from acceptance to completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them were quicker.
    pub median: Duration,
    /// Nine of ten were quicker.
    pub p90: Duration,
    /// So many were looked at; 0 where nothing was measured and a typical time is assumed.
    pub measured: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { median: TYPICAL, p90: TYPICAL, measured: 0 }
    }
}

/// Latencies by model.
pub type Latencies = std::collections::HashMap<String, Latency>;

/// Rows by action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    rows: BTreeMap<Action, u64>,
}

impl Counts {
    /// Rows with this action.
    #[must_use]
    pub fn of(&self, action: Action) -> u64 {
        self.rows.get(&action).copied().unwrap_or(0)
    }

    /// All rows.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }

    fn add(&mut self, action: Action) {
        *self.rows.entry(action).or_default() += 1;
    }
}

/// What the rows of one model and price will cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCost {
    /// The model.
    pub model: String,
    /// Rows that will be submitted.
    pub jobs: u64,
    /// The price of one; `None` where nobody knows.
    pub unit_price: Option<Micros>,
    /// All of them.
    pub total: Micros,
    /// Where the price is from.
    pub source: &'static str,
}

/// A manifest's plan in figures.
#[derive(Clone, Default)]
pub struct Summary {
    /// Rows by action.
    pub rows: Counts,
    /// Cost by model and price.
    costs: BTreeMap<(String, Option<Micros>, &'static str), u64>,
    /// The first mistakes.
    pub mistakes: Vec<Diagnostic>,
    /// All mistakes.
    pub mistake_count: u64,
    /// Rows with mistakes.
    pub left_out: u64,
    /// Those of them that a run keeps as `invalid` in the ledger.
    pub to_note: u64,
    /// Those of them that are `invalid` there already.
    pub noted: u64,
    /// Models whose rows state a price below the one of the built-in table: what they state, what the
    /// table says.
    pub understated: BTreeMap<String, (Micros, Micros)>,
    /// Models of all rows.
    models: BTreeSet<String>,
    /// Local files that rows refer to, each content once, with their bytes.
    pub media: BTreeMap<String, u64>,
    /// What the rows cost that the budget leaves no room for.
    pub over_budget: Micros,
    /// Rows whose change waits for a later run.
    pub waits: u64,
    /// The first row that the budget leaves no room for: its number and key.
    pub budget_ends: Option<(u64, String)>,
    hasher: Hasher,
}

impl Summary {
    /// Adds one row, or the mistakes of one that cannot be read.
    pub fn add(&mut self, walked: &Walked) {
        match walked {
            Ok(row) => self.add_row(row),
            Err(bad) => {
                self.hasher.update(b"invalid\n");
                self.rows.add(Action::Invalid);
                self.note(&bad.unread.mistakes);
                self.leave_out(bad.known.as_ref(), false);
            }
        }
    }

    fn add_row(&mut self, row: &PlannedRow) {
        self.note(&row.mistakes);
        if !row.mistakes.is_empty() {
            self.leave_out(row.known.as_ref(), true);
        }
        self.rows.add(row.action);
        self.waits += u64::from(row.waits);
        self.digest(row);
        if row.action == Action::OverBudget && self.budget_ends.is_none() {
            self.budget_ends = Some((row.spec.row, row.spec.key.clone()));
        }
        if !self.models.contains(row.model()) {
            self.models.insert(row.model().to_owned());
        }
        if !row.costs {
            return;
        }
        if row.action == Action::OverBudget {
            self.over_budget = self.over_budget.saturating_add(row.price.unwrap_or(Micros::ZERO));
            return;
        }
        if let (Some(stated), "manifest") = (row.price, row.source)
            && let Some(known) = builtin(row.model()).and_then(|facts| facts.price)
            && stated < known
        {
            self.understated.insert(row.model().to_owned(), (stated, known));
        }
        let slot = (row.model().to_owned(), row.price, row.source);
        *self.costs.entry(slot).or_default() += 1;
        for file in row.spec.media.iter().filter(|_| row.kept.is_none()) {
            self.media.entry(file.key.placeholder()).or_insert(file.bytes);
        }
    }

    /// A row that is left out, of the job that it stands for; it can be brought in where it `is_read`.
    fn leave_out(&mut self, known: Option<&Known>, is_read: bool) {
        self.left_out += 1;
        let is_noted = known.is_some_and(|known| known.state == JobState::Invalid);
        self.noted += u64::from(is_noted);
        self.to_note += u64::from(is_listed(known, is_read) && !is_noted);
    }

    /// What the plan's hash is over: what is asked for, what is done about it, at what price, in which
    /// order, and what its files are called.
    fn digest(&mut self, row: &PlannedRow) {
        let PlannedRow { spec, price, source, costs, waits, .. } = row;
        let price = price.map_or(-1, |price| price.0);
        let (key, action, priority) = (&spec.key, row.action.as_str(), spec.priority);
        let head = format!("{key}\n{action} {costs} {waits}\n{price} {source}\n{priority}\n");
        self.hasher.update(head.as_bytes());
        let named = serde_json::to_string(&(&spec.output, &spec.vars, spec.row));
        self.hasher.update(named.unwrap_or_default().as_bytes());
        let own = spec.request.digest();
        self.hasher.update(&row.kept.as_ref().map_or(own, Request::digest).0);
        self.hasher.update(&own.0);
    }

    /// A job whose row is gone belongs to what is planned.
    pub fn note_removed(&mut self, key: &str, fate: Fate) {
        self.hasher.update(format!("{key}\nremoved {}\n", fate.as_str()).as_bytes());
    }

    /// Ends the hash with what holds for the whole, and returns it.
    #[must_use]
    pub fn hash(&self, batch: &str, budget: Option<Micros>) -> crate::domain::Digest {
        let mut hasher = self.hasher.clone();
        hasher.update(format!("{batch}\n{}", budget.map_or(-1, |cap| cap.0)).as_bytes());
        hasher.finish()
    }

    fn note(&mut self, mistakes: &[Diagnostic]) {
        self.mistake_count += mistakes.len() as u64;
        let room = KEPT_MISTAKES.saturating_sub(self.mistakes.len());
        self.mistakes.extend(mistakes.iter().take(room).cloned());
    }

    /// Cost by model and price, in the order of names.
    #[must_use]
    pub fn by_model(&self) -> Vec<ModelCost> {
        self.costs
            .iter()
            .map(|((model, unit_price, source), jobs)| ModelCost {
                model: model.clone(),
                jobs: *jobs,
                unit_price: *unit_price,
                total: unit_price.unwrap_or(Micros::ZERO).times(*jobs),
                source,
            })
            .collect()
    }

    /// Rows that will be submitted, by model.
    #[must_use]
    pub fn jobs_by_model(&self) -> BTreeMap<&str, u64> {
        let mut jobs = BTreeMap::new();
        for ((model, _, _), count) in &self.costs {
            *jobs.entry(model.as_str()).or_default() += count;
        }
        jobs
    }

    /// What all priced rows that will be submitted cost.
    #[must_use]
    pub fn total(&self) -> Micros {
        self.by_model().iter().fold(Micros::ZERO, |sum, cost| sum.saturating_add(cost.total))
    }

    /// Rows that will be submitted.
    #[must_use]
    pub fn submissions(&self) -> u64 {
        self.costs.values().sum()
    }

    /// Rows that will be submitted without a known price.
    #[must_use]
    pub fn unpriced(&self) -> u64 {
        self.costs.iter().filter(|((_, price, _), _)| price.is_none()).map(|(_, jobs)| jobs).sum()
    }

    /// The models of all rows: also what is paid for already must be known by its kind.
    #[must_use]
    pub fn models(&self) -> &BTreeSet<String> {
        &self.models
    }

    /// How long it takes at this concurrency and rate: full rounds of the median generation of each
    /// model, and the slow ones of the last round on top.
    #[must_use]
    pub fn duration(&self, bound: (u32, Option<u32>), measured: &Latencies) -> Duration {
        let (concurrency, rpm) = bound;
        let mut busy = Duration::ZERO;
        let mut tail = Duration::ZERO;
        for ((model, _, _), jobs) in &self.costs {
            let Latency { median, p90, .. } = measured.get(model).copied().unwrap_or_default();
            busy = busy
                .saturating_add(median.saturating_mul(u32::try_from(*jobs).unwrap_or(u32::MAX)));
            tail = tail.max(p90);
        }
        let collected = u32::try_from(self.rows.of(Action::InFlight)).unwrap_or(u32::MAX);
        busy = busy.saturating_add(TYPICAL.saturating_mul(collected));
        let by_slots = (busy / concurrency.max(1)).max(tail);
        let by_rate = rpm.map_or(Duration::ZERO, |rpm| {
            Duration::from_secs(self.submissions().saturating_mul(60) / u64::from(rpm.max(1)))
        });
        if busy.is_zero() { Duration::ZERO } else { by_slots.max(by_rate.saturating_add(tail)) }
    }
}
