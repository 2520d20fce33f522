//! The pending jobs that are due, read from the ledger a page at a time: a million rows cost no more
//! memory than a thousand.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::pledge::{Pledge, Pledges};
use super::ramp::{Admission, Trial};
use super::shared::Shared;
use crate::domain::{JobState, Micros, Timestamp, clock};
use crate::ledger::{Error, Job, JobId};

/// Jobs read at a time.
const PAGE: usize = 256;
/// Shapes that one query leaves out.
const MOST_HELD: usize = 1000;

/// The submit lane's view of what is due.
#[derive(Default)]
pub(super) struct Queue {
    page: VecDeque<Job>,
    claimed: Arc<Mutex<HashSet<JobId>>>,
    pledges: Pledges,
}

/// A job taken from the queue; until this is dropped no page brings it again.
pub(super) struct Claim {
    pub(super) job: Job,
    pub(super) trial: Option<Trial>,
    pub(super) pledge: Option<Pledge>,
    claimed: Arc<Mutex<HashSet<JobId>>>,
}

/// What the queue has.
pub(super) enum Due {
    /// A job to submit now.
    Now(Box<Claim>),
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing at all; a commit elsewhere may change that.
    Nothing,
}

impl Queue {
    /// The next job that is due and affordable.
    pub(super) async fn next(&mut self, shared: &Shared) -> Result<Due, Error> {
        let mut held = false;
        loop {
            while let Some(job) = self.page.pop_front() {
                if shared.is_blocked(job.batch) {
                    continue;
                }
                let Some(pledge) = self.pledge(shared, &job) else {
                    // Whoever has it woken says so when the money of those before it is reserved.
                    self.page.push_front(job);
                    return Ok(Due::Nothing);
                };
                match shared.ramp.admit(job.shape) {
                    Admission::Held => held = true,
                    Admission::Free => return Ok(self.claim(job, None, pledge)),
                    Admission::Trial(trial) => return Ok(self.claim(job, Some(trial), pledge)),
                }
            }
            // A page of nothing but held jobs is not read again and again.
            if held && shared.ramp.full().len() > MOST_HELD {
                return Ok(Due::Nothing);
            }
            if !self.refill(shared).await? {
                return self.wait(shared).await;
            }
        }
    }

    fn pledge(&self, shared: &Shared, job: &Job) -> Option<Pledge> {
        let tally = shared.ledger.tally(job.batch);
        let room = tally.budget.map(|budget| Micros(budget.0.saturating_sub(tally.spent().0)));
        self.pledges.take(job.batch, shared.charges.at_least(&job.request, job.price), room)
    }

    fn claim(&self, job: Job, trial: Option<Trial>, pledge: Pledge) -> Due {
        self.lock().insert(job.id);
        let claimed = Arc::clone(&self.claimed);
        Due::Now(Box::new(Claim { job, trial, pledge: Some(pledge), claimed }))
    }

    /// Reads the next page; the jobs being submitted may still look pending, and are left out.
    async fn refill(&mut self, shared: &Shared) -> Result<bool, Error> {
        let now = clock::now();
        let mut full = shared.ramp.full();
        full.truncate(MOST_HELD);
        for (batch, _) in &shared.batches {
            if shared.is_blocked(*batch) {
                continue;
            }
            // Looked at before the read: a job given back meanwhile stands in the page as it was
            // before its attempt, without the pause and the count it has now.
            let claimed = self.lock().clone();
            let limit = u32::try_from(PAGE + claimed.len()).unwrap_or(u32::MAX);
            let due = shared.ledger.due(*batch, now, limit, &full).await?;
            let fresh = due.into_iter().filter(|job| !claimed.contains(&job.id)).take(PAGE);
            let fresh: VecDeque<_> = fresh.collect();
            if !fresh.is_empty() {
                self.page = fresh;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn wait(&self, shared: &Shared) -> Result<Due, Error> {
        let mut next = None;
        let mut pending = false;
        for (batch, _) in &shared.batches {
            if shared.is_blocked(*batch) {
                continue;
            }
            pending |= shared.ledger.tally(*batch).count(JobState::Pending) > 0;
            next = earliest(next, shared.ledger.next_due(*batch).await?);
        }
        let nobody = self.lock().is_empty();
        if next.is_none() && pending && nobody {
            // Another process changed the ledger under our figures.
            shared.resync().await?;
        }
        // What is claimed may still look due: whoever holds it wakes the lane when it is done.
        Ok(match next {
            Some(at) if at > clock::now() => Due::At(at),
            Some(_) if nobody && shared.ramp.full().is_empty() => Due::At(clock::now()),
            _ => Due::Nothing,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<JobId>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn earliest(one: Option<Timestamp>, two: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(two).min()
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job.id);
    }
}
