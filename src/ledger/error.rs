//! What can go wrong with the ledger, in words that name the file and the next step.

use std::path::PathBuf;

use crate::domain::{AttemptState, JobState};

/// An error of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or failed.
    #[error("the ledger failed while {doing}: {}", word(source))]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database's own word.
        source: sqlx::Error,
    },
    /// A group of changes could not be made durable; none of it happened.
    #[error("the ledger could not make a change durable, nothing more is submitted: {reason}")]
    NotDurable {
        /// The database's own word.
        reason: String,
    },
    /// A file of the ledger could not be read, made or locked.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file is not a ledger of ours.
    #[error(
        "{path} is not a nightreel ledger ({found}); choose another folder with --state-dir, \
         or move that file away"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// The file was written by a newer nightreel.
    #[error(
        "{path} has ledger version {found}, this nightreel knows up to {known}; \
         install a newer nightreel"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file lacks what an earlier run has begun.
    #[error(
        "{path} is behind: its last attempt is number {has}, and number {began} was begun. Its \
         write-ahead log was deleted, or an older copy was put in its place: bring back what was \
         there. To go on without it, delete {mark}; what was paid since will be paid again"
    )]
    Behind {
        /// The file.
        path: PathBuf,
        /// The file that says so.
        mark: PathBuf,
        /// Its last attempt.
        has: i64,
        /// The last one begun.
        began: i64,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({found}); it is not used, so that nothing is paid twice. \
         Restore a backup, or recover it with `sqlite3 {path} .recover`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check said first.
        found: String,
    },
    /// Its last changes stand in its log alone, and its folder does not let them be read.
    #[error(
        "{path} was not closed by its last owner, and nobody may write to its folder, as reading what \
         was left takes; copy the folder to where you may, and name the copy with --state-dir"
    )]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// The SQLite that was linked is too old to be trusted with money.
    #[error(
        "SQLite {found} is linked, {wanted} or newer is needed (WAL-reset bug); rebuild nightreel"
    )]
    OldSqlite {
        /// The version linked.
        found: String,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// Another process owns the ledger.
    #[error("another nightreel owns {path}: {owner}; wait for it, or stop it and start again")]
    Owned {
        /// The lock file.
        path: PathBuf,
        /// Its pid, host and start, as it wrote them.
        owner: String,
    },
    /// The last owner was on another machine and did not end by itself.
    #[error(
        "{path} was left by an owner on another machine ({owner}), which may be at work on the \
         original of this folder: two of them would both pay. If it is not, delete {path} and start \
         again"
    )]
    Elsewhere {
        /// The lock file.
        path: PathBuf,
        /// Its pid, host and start, as it wrote them.
        owner: String,
    },
    /// Another run has taken the ledger over; this one may write nothing more.
    #[error("another run has taken over this ledger; this one stops without writing anything more")]
    Fenced,
    /// A step the transition table does not have.
    #[error("job {job} cannot go from {from} to {to}; nothing was changed")]
    IllegalJob {
        /// The job, as `BATCH/KEY` or by number.
        job: String,
        /// Where it is.
        from: JobState,
        /// Where it was to go.
        to: JobState,
    },
    /// A step the attempts' transition table does not have.
    #[error("attempt {attempt} cannot go from {from} to {to}; nothing was changed")]
    IllegalAttempt {
        /// The attempt's id.
        attempt: i64,
        /// Where it is.
        from: AttemptState,
        /// Where it was to go.
        to: AttemptState,
    },
    /// A prediction id that another attempt holds already.
    #[error("prediction {prediction} belongs to another attempt already; nothing was changed")]
    RepeatedPrediction {
        /// The id.
        prediction: String,
    },
    /// A final name that another attempt's file has already.
    #[error("a file name of job {job} is another file's already; nothing was changed")]
    NameTaken {
        /// The job's number.
        job: i64,
    },
    /// A row that must be there is not, or holds what the program never wrote.
    #[error("the ledger holds no sound {what}; run `nightreel verify`")]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// Sums beyond what an amount may be.
    #[error("the sums of batch {batch} would pass what an amount may be; nothing was changed")]
    TooMuchMoney {
        /// The batch's number.
        batch: i64,
    },
    /// The writer has ended; nothing can be written any more.
    #[error("the ledger is closed")]
    Closed,
}

impl Error {
    /// Wraps a database error: `.map_err(Error::on("reading the jobs"))`.
    pub(super) fn on(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }

    /// Whether the ledger itself can no longer be written, so that submitting must stop.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Database { .. }
                | Self::NotDurable { .. }
                | Self::Io { .. }
                | Self::Fenced
                | Self::Closed
        )
    }
}

/// SQLite's own word and what to do about it, without those of the layers that passed it on.
pub(super) fn word(source: &sqlx::Error) -> String {
    let told = source.to_string();
    let word = told.rsplit_once("error returned from database: ").map_or(&*told, |(_, word)| word);
    // Result codes 13 and 10 (sqlite.org/rescode.html): nothing of the change happened.
    if word.contains("database or disk is full") {
        return format!("no space is left ({word}); make room, then run the same command again");
    }
    if word.contains("disk I/O error") {
        return format!(
            "the disk does not work ({word}); repair it, then run the same command again"
        );
    }
    word.to_owned()
}

/// The result of a ledger call.
pub type Result<T> = std::result::Result<T, Error>;
