//! The two state machines: a job is a wanted result, an attempt is one intended paid POST.
//!
//! These tables are the only place that says which step is legal; the ledger asks them before
//! every write and holds the same lists as CHECK constraints.

use std::fmt;

/// Where a job is on its way. The state is the pipeline: each lane takes one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// May be submitted once `not_before` has passed.
    Pending,
    /// An intent is durable; the POST may or may not have left.
    Submitting,
    /// The prediction id is durable; the poll lane asks for it.
    Submitted,
    /// The API says completed and the outputs are recorded.
    Ready,
    /// Files are verified and being renamed into place.
    Storing,
    /// All files are in place with their recorded hashes.
    Done,
    /// The API or the input refused it; the reason is recorded.
    Failed,
    /// The outcome of a POST is not known: counted as spent until settled.
    Unknown,
    /// Paid and completed, but no output could be fetched.
    LostOutput,
    /// The API broke its contract, or took longer than the job timeout. Still adoptable.
    Quarantined,
    /// Taken out by the operator before any submission.
    Canceled,
    /// The row does not pass validation; imported only under `--skip-invalid`.
    Invalid,
}

/// What became of one intended POST. Money belongs to attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Durable before a byte of the POST leaves; the price is reserved.
    Intent,
    /// Proved never to have left this machine.
    NotSent,
    /// The API refused it without charging.
    Rejected,
    /// The API gave a prediction id: the price counts as committed.
    Accepted,
    /// Nobody knows whether it was charged.
    Unknown,
    /// An unknown one proved never to have arrived.
    Absent,
    /// An unknown one the operator counts as charged.
    AssumedCharged,
    /// Accepted, completed, paid.
    Settled,
    /// Accepted, then ended `failed` or `timeout`: the API gives the money back.
    ApiFailed,
}

impl JobState {
    /// Every state, in the contract's order.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Submitting,
        Self::Submitted,
        Self::Ready,
        Self::Storing,
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::LostOutput,
        Self::Quarantined,
        Self::Canceled,
        Self::Invalid,
    ];

    /// The word used in the ledger, in JSON and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Ready => "ready",
            Self::Storing => "storing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::LostOutput => "lost_output",
            Self::Quarantined => "quarantined",
            Self::Canceled => "canceled",
            Self::Invalid => "invalid",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Its place in [`JobState::ALL`], for arrays of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The states a job may go to from here, by a lane or by the operator.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use JobState as S;
        match self {
            S::Pending => &[S::Submitting, S::Failed, S::Canceled, S::Invalid],
            S::Submitting => &[S::Submitted, S::Pending, S::Failed, S::Unknown, S::Quarantined],
            S::Submitted => &[S::Ready, S::Pending, S::Failed, S::Quarantined, S::LostOutput],
            S::Ready => &[S::Storing, S::Submitted, S::LostOutput, S::Quarantined],
            S::Storing => &[S::Done, S::Ready, S::LostOutput, S::Quarantined],
            S::Unknown => &[S::Submitted, S::Pending, S::Failed],
            S::Quarantined | S::LostOutput | S::Done => &[S::Submitted, S::Pending],
            S::Failed | S::Canceled => &[S::Pending],
            S::Invalid => &[S::Pending, S::Canceled],
        }
    }

    /// Whether a job may go from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether a run has something to do for it without an operator.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Pending
                | Self::Submitting
                | Self::Submitted
                | Self::Ready
                | Self::Storing
                | Self::Unknown
        )
    }

    /// Whether a prediction of it may be running or waiting at the API, paid for.
    #[must_use]
    pub const fn is_in_flight(self) -> bool {
        matches!(self, Self::Submitting | Self::Submitted | Self::Ready | Self::Storing)
    }

    /// Whether it waits for a decision of the operator at the end of a run (exit code 4).
    #[must_use]
    pub const fn needs_decision(self) -> bool {
        matches!(self, Self::Unknown | Self::Quarantined | Self::LostOutput)
    }
}

impl AttemptState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Intent,
        Self::NotSent,
        Self::Rejected,
        Self::Accepted,
        Self::Unknown,
        Self::Absent,
        Self::AssumedCharged,
        Self::Settled,
        Self::ApiFailed,
    ];

    /// The word used in the ledger and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
            Self::AssumedCharged => "assumed_charged",
            Self::Settled => "settled",
            Self::ApiFailed => "api_failed",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The states an attempt may go to from here.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use AttemptState as A;
        match self {
            A::Intent => &[A::NotSent, A::Rejected, A::Accepted, A::Unknown],
            A::Unknown => &[A::Accepted, A::Absent, A::AssumedCharged],
            A::Accepted => &[A::Settled, A::ApiFailed],
            A::NotSent
            | A::Rejected
            | A::Absent
            | A::AssumedCharged
            | A::Settled
            | A::ApiFailed => &[],
        }
    }

    /// Whether an attempt may go from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Where the money of an attempt in this state stands.
    #[must_use]
    pub const fn account(self) -> Account {
        match self {
            Self::Intent => Account::Reserved,
            Self::Unknown => Account::Unknown,
            Self::Accepted | Self::Settled | Self::AssumedCharged => Account::Committed,
            Self::NotSent | Self::Rejected | Self::Absent | Self::ApiFailed => Account::Released,
        }
    }
}

/// One of the four figures a batch's money is told in. Their sum is all that was ever reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Held for a POST that is on its way.
    Reserved,
    /// Accepted by the API: spent.
    Committed,
    /// May have been spent; counted as spent.
    Unknown,
    /// Not spent after all, or given back.
    Released,
}

impl Account {
    /// Every account.
    pub const ALL: [Self; 4] = [Self::Reserved, Self::Committed, Self::Unknown, Self::Released];

    /// The word used in the ledger and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::Unknown => "unknown",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for AttemptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
            assert_eq!(JobState::ALL[state.index()], state);
        }
        for state in AttemptState::ALL {
            assert_eq!(AttemptState::parse(state.as_str()), Some(state));
        }
        assert_eq!(JobState::parse("cancelled"), None);
    }

    #[test]
    fn an_unknown_outcome_is_never_resubmitted_by_a_lane() {
        assert!(!JobState::Unknown.may_become(JobState::Submitting));
        assert!(!AttemptState::Unknown.may_become(AttemptState::Rejected));
        assert!(!AttemptState::Unknown.may_become(AttemptState::NotSent));
    }

    #[test]
    fn money_once_released_stays_released() {
        for state in AttemptState::ALL {
            if state.account() == Account::Released {
                assert!(state.next().is_empty(), "{state}");
            }
        }
    }
}
