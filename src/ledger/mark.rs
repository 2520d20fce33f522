//! The number of the last attempt that was begun, in a file beside the ledger: a ledger that does not
//! have it is behind, and would pay again for what it forgot (D9).
//!
//! The file is written after the attempt's commit and never synced. So after a power cut it may be behind
//! the ledger, which is harmless, and it is never ahead of a ledger that is whole.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::error::{Error, Result};
use super::{AttemptId, open};

/// Digits of a number in the file: it never grows, so that a full disk takes it.
const WIDTH: usize = 20;

/// The open file. A mark that cannot be kept is said once, and stops nothing.
#[derive(Debug)]
pub(super) struct Mark(Mutex<Option<(File, i64)>>);

impl Mark {
    /// Opens the mark of a ledger, making it where there is none.
    pub(super) fn open(ledger: &Path) -> Self {
        let last = read(ledger).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = match options.open(open::mark_of(ledger)) {
            Ok(file) => Some((file, last)),
            Err(error) => {
                tracing::warn!(%error, "no mark is kept beside the ledger");
                None
            }
        };
        Self(Mutex::new(file))
    }

    /// Notes an attempt whose intent is durable.
    pub(super) fn note(&self, attempt: AttemptId) {
        let mut mark = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, last)) = mark.as_mut().filter(|(_, last)| *last < attempt.0) else {
            return;
        };
        let text = format!("{:0WIDTH$}\n", attempt.0);
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()));
        *last = attempt.0;
        if let Err(error) = written {
            tracing::warn!(%error, "the mark beside the ledger cannot be written");
            *mark = None;
        }
    }
}

/// Refuses a ledger whose last attempt is `has` where a later one was begun. `began` must have been
/// read first: a run beside this process may begin one at any time.
pub(super) fn require(ledger: &Path, began: Option<i64>, has: i64) -> Result<()> {
    match began {
        Some(began) if began > has => {
            Err(Error::Behind { path: ledger.to_owned(), mark: open::mark_of(ledger), has, began })
        }
        _ => Ok(()),
    }
}

/// What the file says; a file that says nothing is as good as none.
pub(super) fn read(ledger: &Path) -> Option<i64> {
    let mut text = String::new();
    let file = File::open(open::mark_of(ledger)).ok()?;
    file.take(WIDTH as u64).read_to_string(&mut text).ok()?;
    text.parse().ok().filter(|_| text.len() == WIDTH)
}
