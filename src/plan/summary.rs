//! A plan in figures: counts by action, cost by model, mistakes, and how long it will take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Action, PlannedRow, Walked};
use crate::domain::{Diagnostic, Micros};

/// Mistakes kept in full; the rest are only counted.
const KEPT_MISTAKES: usize = 1000;
/// How long a generation takes where nothing was measured: stated durations of videos are 1–5
/// minutes (atlas-api.md 1.2), seen medians about 90 s.
pub(super) const TYPICAL: Duration = Duration::from_secs(90);

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
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rows by action.
    pub rows: Counts,
    /// Cost by model and price.
    costs: BTreeMap<(String, Option<Micros>, &'static str), u64>,
    /// The first mistakes.
    pub mistakes: Vec<Diagnostic>,
    /// All mistakes.
    pub mistake_count: u64,
    /// Models of all rows.
    models: BTreeSet<String>,
    /// Local files that rows refer to, each content once, with their bytes.
    pub media: BTreeMap<String, u64>,
}

impl Summary {
    /// Adds one row, or the mistakes of one that cannot be read.
    pub fn add(&mut self, walked: &Walked) {
        match walked {
            Ok(row) => self.add_row(row),
            Err(mistakes) => {
                self.rows.add(Action::Invalid);
                self.note(mistakes);
            }
        }
    }

    fn add_row(&mut self, row: &PlannedRow) {
        self.note(&row.mistakes);
        self.rows.add(row.action);
        if !self.models.contains(&row.spec.request.model) {
            self.models.insert(row.spec.request.model.clone());
        }
        if !row.costs {
            return;
        }
        let slot = (row.spec.request.model.clone(), row.price, row.source);
        *self.costs.entry(slot).or_default() += 1;
        for file in &row.spec.media {
            self.media.entry(file.key.placeholder()).or_insert(file.bytes);
        }
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

    /// How long it takes at this concurrency and rate, if a generation takes the typical time.
    #[must_use]
    pub fn duration(&self, concurrency: u32, rpm: Option<u32>) -> Duration {
        let jobs = self.submissions() + self.rows.of(Action::InFlight);
        let rounds = jobs.div_ceil(u64::from(concurrency.max(1)));
        let by_slots = TYPICAL.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
        let by_rate = rpm.map_or(Duration::ZERO, |rpm| {
            Duration::from_secs(self.submissions().saturating_mul(60) / u64::from(rpm.max(1)))
        });
        by_slots.max(by_rate)
    }
}
