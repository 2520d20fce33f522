//! The model: a few jobs, their attempts, and where the money is.

use nightreel::domain::{AttemptState as A, JobState as S};
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

/// Jobs of one sequence.
pub(crate) const JOBS: usize = 4;

/// A job of the model.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) state: S,
    pub(crate) price: i64,
    /// State of each attempt, and whether it was given up to pay again.
    pub(crate) attempts: Vec<(A, bool)>,
    /// Whether this process holds the intent of the last attempt.
    pub(crate) held: bool,
}

/// The whole model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) jobs: Vec<Job>,
    pub(crate) budget: Option<i64>,
}

/// A step, legal or not.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Begin(usize),
    Accept(usize),
    Refuse(usize, bool),
    LoseSight(usize),
    Complete(usize),
    FailPrediction(usize, bool),
    LosePrediction(usize),
    Store(usize),
    Finish(usize),
    SetAside(usize),
    PollAgain(usize),
    Adopt(usize),
    Absent(usize),
    Charged(usize),
    PayAgainFor(usize, i64),
    PayAgain(usize),
    Requeue(usize),
    Cancel(usize),
    Budget(Option<i64>),
    /// The process dies, and another one opens the ledger and recovers.
    Crash,
    /// Another process takes over while this one lives on.
    Overtake,
}

impl Step {
    /// The job it is about; `None` where it may be all of them.
    pub(crate) fn job(&self) -> Option<usize> {
        match self {
            Self::Begin(job)
            | Self::Accept(job)
            | Self::Refuse(job, _)
            | Self::LoseSight(job)
            | Self::Complete(job)
            | Self::FailPrediction(job, _)
            | Self::LosePrediction(job)
            | Self::Store(job)
            | Self::Finish(job)
            | Self::SetAside(job)
            | Self::PollAgain(job)
            | Self::Adopt(job)
            | Self::Absent(job)
            | Self::Charged(job)
            | Self::PayAgainFor(job, _)
            | Self::PayAgain(job)
            | Self::Requeue(job)
            | Self::Cancel(job) => Some(*job),
            Self::Budget(_) | Self::Crash | Self::Overtake => None,
        }
    }
}

impl Job {
    fn last(&mut self) -> Option<&mut (A, bool)> {
        self.attempts.last_mut()
    }

    fn last_is(&self, states: &[A]) -> bool {
        self.attempts.last().is_some_and(|(state, _)| states.contains(state))
    }

    /// Takes the last attempt and the job on.
    fn go(&mut self, attempt: A, job: S) {
        if let Some(last) = self.last() {
            last.0 = attempt;
        }
        self.state = job;
    }

    fn pay_again(&mut self) {
        if matches!(self.state, S::Quarantined | S::LostOutput) {
            self.go(A::Settled, S::Pending);
        } else if self.state == S::Failed && self.counts_as_charged() {
            self.state = S::Pending;
        } else {
            return;
        }
        self.attempts.last_mut().unwrap().1 = true;
    }

    /// Whether its last submission is spent by the operator's word, and was not given up.
    fn counts_as_charged(&self) -> bool {
        self.attempts.last() == Some(&(A::AssumedCharged, false))
    }

    fn is_open(&self) -> bool {
        self.attempts.iter().any(|(state, _)| matches!(state, A::Intent | A::Unknown | A::Accepted))
    }
}

impl Model {
    /// The four sums: reserved, committed, unknown, released.
    pub(crate) fn money(&self) -> [i64; 4] {
        let mut sums = [0; 4];
        for job in &self.jobs {
            for (state, _) in &job.attempts {
                let account = match state {
                    A::Intent => 0,
                    A::Accepted | A::Settled | A::AssumedCharged => 1,
                    A::Unknown => 2,
                    A::NotSent | A::Rejected | A::Absent | A::ApiFailed => 3,
                };
                sums[account] += job.price;
            }
        }
        sums
    }

    fn spent(&self) -> i64 {
        self.money()[..3].iter().sum()
    }

    /// What decisions to pay again may have cost.
    fn paid_again(&self) -> i64 {
        let again = |job: &Job| job.attempts.iter().filter(|(_, again)| *again).count();
        self.jobs.iter().map(|job| job.price * i64::try_from(again(job)).unwrap()).sum()
    }

    /// What is left of the process that died is unknown.
    fn recover(&mut self) {
        for job in &mut self.jobs {
            job.held = false;
            if job.last_is(&[A::Intent]) {
                job.go(A::Unknown, S::Unknown);
            }
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let prices = prop::collection::vec(prop_oneof![Just(100_000), Just(230_000)], JOBS);
        let budget = prop::option::of(0..1_000_000_i64);
        (prices, budget)
            .prop_map(|(prices, budget)| {
                let job =
                    |price| Job { state: S::Pending, price, attempts: Vec::new(), held: false };
                Self { jobs: prices.into_iter().map(job).collect(), budget }
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let job = || 0..JOBS;
        prop_oneof![
            8 => job().prop_map(Step::Begin),
            6 => job().prop_map(Step::Accept),
            3 => (job(), any::<bool>()).prop_map(|(job, again)| Step::Refuse(job, again)),
            3 => job().prop_map(Step::LoseSight),
            5 => job().prop_map(Step::Complete),
            3 => (job(), any::<bool>()).prop_map(|(job, again)| Step::FailPrediction(job, again)),
            1 => job().prop_map(Step::LosePrediction),
            4 => job().prop_map(Step::Store),
            4 => job().prop_map(Step::Finish),
            2 => job().prop_map(Step::SetAside),
            2 => job().prop_map(Step::PollAgain),
            2 => job().prop_map(Step::Adopt),
            2 => job().prop_map(Step::Absent),
            1 => job().prop_map(Step::Charged),
            1 => (job(), 0..600_000_i64).prop_map(|(job, cap)| Step::PayAgainFor(job, cap)),
            1 => job().prop_map(Step::PayAgain),
            2 => job().prop_map(Step::Requeue),
            1 => job().prop_map(Step::Cancel),
            1 => prop::option::of(0..2_000_000_i64).prop_map(Step::Budget),
            1 => Just(Step::Crash),
            1 => Just(Step::Overtake),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            // Only the lanes do these, and only for jobs that are at the API.
            Step::SetAside(job) => {
                matches!(state.jobs[*job].state, S::Submitted | S::Ready | S::Storing)
            }
            Step::PollAgain(job) => matches!(
                state.jobs[*job].state,
                S::Done | S::Quarantined | S::LostOutput | S::Pending
            ),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        let (spent, paid_again, budget) = (state.spent(), state.paid_again(), state.budget);
        match step {
            Step::Budget(budget) => state.budget = *budget,
            Step::Crash | Step::Overtake => state.recover(),
            Step::Begin(n) => {
                let job = &mut state.jobs[*n];
                let fits = budget.is_none_or(|budget| spent + job.price <= budget);
                if job.state == S::Pending && fits {
                    job.attempts.push((A::Intent, false));
                    (job.state, job.held) = (S::Submitting, true);
                }
            }
            Step::PayAgainFor(n, cap) => {
                let job = &mut state.jobs[*n];
                if job.last_is(&[A::Unknown]) && paid_again + job.price <= *cap {
                    job.go(A::AssumedCharged, S::Pending);
                    job.attempts.last_mut().unwrap().1 = true;
                }
            }
            step => one_job(&mut state, step),
        }
        state
    }
}

/// Steps of one job that need nothing of the others.
fn one_job(state: &mut Model, step: &Step) {
    match step {
        Step::Accept(n) => at(state, *n, |job| {
            if job.held && job.last_is(&[A::Intent, A::Unknown]) {
                job.go(A::Accepted, S::Submitted);
            }
        }),
        Step::Refuse(n, again) => at(state, *n, |job| {
            if job.held && job.last_is(&[A::Intent]) {
                job.go(A::Rejected, if *again { S::Pending } else { S::Failed });
            }
        }),
        Step::LoseSight(n) => at(state, *n, |job| {
            if job.held && job.last_is(&[A::Intent]) {
                job.go(A::Unknown, S::Unknown);
            }
        }),
        Step::Complete(n) => at(state, *n, |job| {
            // Fresh links for what is being stored bring it back to its download, which is free.
            if matches!(job.state, S::Submitted | S::Storing) {
                job.go(A::Settled, S::Ready);
            }
        }),
        Step::FailPrediction(n, again) => at(state, *n, |job| {
            let from = job.state == S::Submitted || (*again && job.state == S::Quarantined);
            if from && job.last_is(&[A::Accepted]) {
                job.go(A::ApiFailed, if *again { S::Pending } else { S::Failed });
            }
        }),
        Step::LosePrediction(n) => at(state, *n, |job| {
            if matches!(job.state, S::Submitted | S::Ready | S::Storing) {
                job.go(A::Settled, S::LostOutput);
            }
        }),
        Step::Store(n) => step_job(state, *n, S::Ready, S::Storing),
        Step::Finish(n) => step_job(state, *n, S::Storing, S::Done),
        Step::SetAside(n) => state.jobs[*n].state = S::Quarantined,
        Step::PollAgain(n) => at(state, *n, |job| {
            if job.state != S::Pending {
                job.state = S::Submitted;
            }
        }),
        Step::Adopt(n) => settle_unknown(state, *n, A::Accepted, S::Submitted),
        Step::Absent(n) => settle_unknown(state, *n, A::Absent, S::Pending),
        Step::Charged(n) => settle_unknown(state, *n, A::AssumedCharged, S::Failed),
        Step::PayAgain(n) => at(state, *n, Job::pay_again),
        Step::Requeue(n) => at(state, *n, |job| {
            let free = !job.is_open() && !job.counts_as_charged();
            if matches!(job.state, S::Failed | S::Canceled) && free {
                job.state = S::Pending;
            }
        }),
        Step::Cancel(n) => step_job(state, *n, S::Pending, S::Canceled),
        _ => {}
    }
}

fn at(state: &mut Model, job: usize, change: impl FnOnce(&mut Job)) {
    change(&mut state.jobs[job]);
}

fn step_job(state: &mut Model, job: usize, from: S, to: S) {
    let job = &mut state.jobs[job];
    if job.state == from {
        job.state = to;
    }
}

fn settle_unknown(state: &mut Model, job: usize, attempt: A, to: S) {
    let job = &mut state.jobs[job];
    if job.last_is(&[A::Unknown]) {
        job.go(attempt, to);
    }
}
