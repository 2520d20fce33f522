//! The documented exit codes (contract section 6), and which one wins.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 0: every job of the manifests is done, or the command did what was asked.
    Done,
    /// 1: an error of the program, the disk or the network.
    Internal,
    /// 2: usage, settings or manifest are wrong; nothing was sent.
    Usage,
    /// 3: finished; some jobs are `failed` or `invalid`.
    SomeFailed,
    /// 4: finished; some jobs need a decision (`unknown`, `quarantined`, `lost_output`).
    NeedsDecision,
    /// 5: stopped by the budget.
    Budget,
    /// 6: stopped by the account (401, 402).
    Account,
    /// 7: another process owns the ledger.
    Owned,
    /// 8: stopped by `--until` or `--for`.
    Deadline,
    /// 130: SIGINT.
    Interrupted,
    /// 143: SIGTERM.
    Terminated,
}

impl Exit {
    /// Every way to end, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::SomeFailed,
        Self::NeedsDecision,
        Self::Budget,
        Self::Account,
        Self::Owned,
        Self::Deadline,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::SomeFailed => 3,
            Self::NeedsDecision => 4,
            Self::Budget => 5,
            Self::Account => 6,
            Self::Owned => 7,
            Self::Deadline => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The one that is told where several hold: the first of 130, 143, 7, 6, 5, 8, 4, 3; an error
    /// of ours or the user's stands before them all.
    #[must_use]
    pub fn first_of(several: &[Self]) -> Self {
        const ORDER: [Exit; 10] = [
            Exit::Interrupted,
            Exit::Terminated,
            Exit::Internal,
            Exit::Usage,
            Exit::Owned,
            Exit::Account,
            Exit::Budget,
            Exit::Deadline,
            Exit::NeedsDecision,
            Exit::SomeFailed,
        ];
        ORDER.into_iter().find(|exit| several.contains(exit)).unwrap_or(Self::Done)
    }

    /// The code in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "every job is done",
            Self::Internal => "an unexpected error",
            Self::Usage => "usage, settings or manifest are wrong; nothing was sent",
            Self::SomeFailed => "finished, some jobs failed",
            Self::NeedsDecision => "finished, some jobs need a decision",
            Self::Budget => "stopped by the budget",
            Self::Account => "stopped by the account",
            Self::Owned => "another process owns the ledger",
            Self::Deadline => "stopped by --until or --for",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_s_order_decides() {
        let order = [130, 143, 7, 6, 5, 8, 4, 3];
        let exits: Vec<Exit> = order
            .iter()
            .filter_map(|code| Exit::ALL.into_iter().find(|exit| exit.code() == *code))
            .collect();
        for (index, first) in exits.iter().enumerate() {
            let mut several = exits[index..].to_vec();
            several.reverse();
            assert_eq!(Exit::first_of(&several), *first);
        }
        assert_eq!(Exit::first_of(&[]), Exit::Done);
    }
}
