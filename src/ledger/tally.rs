//! Counts by state and sums by account, kept in memory beside the ledger by the commits themselves,
//! so that a display never makes the ledger count a million rows.

use std::collections::HashMap;

use crate::domain::state::Account;
use crate::domain::{JobState, Micros};

use super::BatchId;

/// The figures of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchTally {
    /// Jobs by state, indexed by [`JobState::index`].
    pub jobs: [u64; JobState::ALL.len()],
    /// Pending jobs that wait for a retry.
    pub retrying: u64,
    /// Money by account, in the order of [`Account::ALL`].
    pub money: [Micros; 4],
    /// The hard cap, where there is one.
    pub budget: Option<Micros>,
}

impl BatchTally {
    /// Committed, reserved and unknown money: what counts against a budget.
    #[must_use]
    pub fn spent(&self) -> Micros {
        [Account::Reserved, Account::Committed, Account::Unknown]
            .into_iter()
            .fold(Micros::ZERO, |sum, account| sum.saturating_add(self.account(account)))
    }

    /// The money in one account.
    #[must_use]
    pub fn account(&self, account: Account) -> Micros {
        self.money[account as usize]
    }

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
}

/// One thing a committed change did to the figures.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// A job went from one state to another (`None`: it is new).
    Job { batch: BatchId, from: Option<JobState>, to: JobState },
    /// A job began (+1) or ended (-1) to wait for a retry.
    Retrying { batch: BatchId, change: i64 },
    /// Money went between accounts (`None`: from outside).
    Money { batch: BatchId, from: Option<Account>, to: Account, micros: Micros },
}

/// The figures of all batches a run looks at.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) batches: HashMap<BatchId, BatchTally>,
}

impl Tally {
    pub(super) fn apply(&mut self, effect: &Effect) {
        match *effect {
            Effect::Job { batch, from, to } => {
                let Some(tally) = self.batches.get_mut(&batch) else {
                    return;
                };
                if let Some(from) = from {
                    let count = &mut tally.jobs[from.index()];
                    *count = count.saturating_sub(1);
                }
                tally.jobs[to.index()] += 1;
            }
            Effect::Retrying { batch, change } => {
                if let Some(tally) = self.batches.get_mut(&batch) {
                    tally.retrying = tally.retrying.saturating_add_signed(change);
                }
            }
            Effect::Money { batch, from, to, micros } => {
                let Some(tally) = self.batches.get_mut(&batch) else {
                    return;
                };
                if let Some(from) = from {
                    let sum = &mut tally.money[from as usize];
                    *sum = Micros(sum.0 - micros.0);
                }
                let sum = &mut tally.money[to as usize];
                *sum = sum.saturating_add(micros);
            }
        }
    }
}
