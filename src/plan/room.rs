//! Where a budget ends: rows are submitted by priority, those of one priority in their order, and the
//! first that does not fit keeps back all after it.

use std::collections::BTreeMap;

use super::{Action, PlannedRow};
use crate::domain::Micros;

/// What is left for the rows of a plan.
#[derive(Clone, Debug)]
pub struct Room {
    whole: Option<Micros>,
    /// What is left for each priority; for those that are not in it, what is left in all.
    left: BTreeMap<i64, i64>,
    rest: i64,
    /// What all rows of each priority cost.
    wanted: BTreeMap<i64, i64>,
}

impl Room {
    /// What a budget leaves; `None` is no bound. Rows are taken in the order in which they come.
    #[must_use]
    pub fn of(whole: Option<Micros>) -> Self {
        let rest = whole.map_or(0, |whole| whole.0);
        Self { whole, left: BTreeMap::new(), rest, wanted: BTreeMap::new() }
    }

    /// A row that costs takes from it; one that finds too little waits for a larger budget.
    pub fn take(&mut self, row: &mut PlannedRow) {
        if self.whole.is_none() || !row.costs {
            return;
        }
        let (priority, price) = (row.spec.priority, row.price.unwrap_or(Micros::ZERO).0);
        let wanted = self.wanted.entry(priority).or_default();
        *wanted = wanted.saturating_add(price);
        let left = self.left.get_mut(&priority).unwrap_or(&mut self.rest);
        if price <= *left {
            *left -= price;
            return;
        }
        *left = -1;
        row.reason = format!("the budget ends before it; {}", row.reason);
        row.action = Action::OverBudget;
    }

    /// The same room cut by priority, where the rows that were taken have several and do not all fit:
    /// they are to be taken once more.
    #[must_use]
    pub fn by_priority(&self) -> Option<Self> {
        let whole = self.whole?.0;
        let all = self.wanted.values().fold(0_i64, |sum, wanted| sum.saturating_add(*wanted));
        if self.wanted.len() < 2 || all <= whole {
            return None;
        }
        let mut room = Self::of(self.whole);
        let mut left = whole;
        for (priority, wanted) in self.wanted.iter().rev() {
            room.left.insert(*priority, left);
            left = if *wanted <= left { left - wanted } else { -1 };
        }
        Some(room)
    }
}
