//! The number of the last attempt that was begun, in a file beside the ledger: a ledger that does not
//! have it is behind, and would pay again for what it forgot (D9). A second one stands in the output
//! folder, named after the ledger's first run: it tells of a state folder that went back as a whole.
//!
//! The file is written after the attempt's commit and never synced. So after a power cut it may be behind
//! the ledger, which is harmless, and it is never ahead of a ledger that is whole.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sqlx::SqliteExecutor;

use super::error::{Error, Result};
use super::{AttemptId, Ledger, open};

/// Digits of a number in the file: it never grows, so that a full disk takes it.
const WIDTH: usize = 20;

/// The open files, each with what it says. A mark that cannot be kept is said once, and stops nothing.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<Vec<(File, i64)>>);

impl Marks {
    /// Opens the mark of a ledger, making it where there is none.
    pub(super) fn open(ledger: &Path) -> Self {
        let marks = Self::default();
        marks.keep(&open::mark_of(ledger));
        marks
    }

    /// Keeps one more file, making it where there is none.
    fn keep(&self, path: &Path) {
        let last = read(path).unwrap_or(0);
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            tracing::warn!(path = %path.display(), "no mark is kept there: it is no file");
            return;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => self.0.lock().unwrap_or_else(PoisonError::into_inner).push((file, last)),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "no mark is kept there");
            }
        }
    }

    /// Notes an attempt whose intent is durable.
    pub(super) fn note(&self, attempt: AttemptId) {
        let text = format!("{:0WIDTH$}\n", attempt.0);
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.retain_mut(|(file, last)| {
            if *last >= attempt.0 {
                return true;
            }
            *last = attempt.0;
            let written =
                file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()));
            if let Err(error) = &written {
                tracing::warn!(%error, "a mark of the last attempt cannot be written");
            }
            written.is_ok()
        });
    }
}

impl Ledger {
    /// Refuses a ledger that lacks an attempt of which the mark in `outputs` tells, as after the whole
    /// state folder was put back from an older copy.
    pub async fn require_begun(&self, outputs: &Path) -> Result<()> {
        let Some(mark) = self.mark_in(outputs).await? else {
            return Ok(());
        };
        let began = read(&mark);
        let has = last_attempt(self.readers()).await?;
        behind(&self.path, &mark, began, has).map_or(Ok(()), Err)
    }

    /// Notes the attempts of this run in `outputs` too, which [`Ledger::require_begun`] reads. There
    /// must have been a run.
    pub async fn mark_too(&self, outputs: &Path) -> Result<()> {
        if let (Some(path), Some(marks)) = (self.mark_in(outputs).await?, &self.marks) {
            marks.keep(&path);
        }
        Ok(())
    }

    /// The first run's name is the one thing that all copies of a ledger share and no other ledger has.
    async fn mark_in(&self, outputs: &Path) -> Result<Option<PathBuf>> {
        let first: Option<String> = sqlx::query_scalar("SELECT name FROM runs WHERE id = 1")
            .fetch_optional(self.readers())
            .await
            .map_err(Error::on("looking for its first run"))?;
        let first = first.and_then(|name| uuid::Uuid::parse_str(&name).ok());
        Ok(first.map(|name| outputs.join(format!(".nightreel-last-{}", name.hyphenated()))))
    }
}

/// Why a ledger whose last attempt is `has` is refused where a later one was begun. `began` must have
/// been read first: a run beside this process may begin one at any time.
pub(super) fn behind(ledger: &Path, mark: &Path, began: Option<i64>, has: i64) -> Option<Error> {
    let began = began.filter(|began| *began > has)?;
    Some(Error::Behind { path: ledger.to_owned(), mark: mark.to_owned(), has, began })
}

/// The number of the last attempt, 0 where there is none.
pub(super) async fn last_attempt(executor: impl SqliteExecutor<'_>) -> Result<i64> {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM attempts")
        .fetch_one(executor)
        .await
        .map_err(Error::on("looking for its last attempt"))
}

/// What a mark says; a file that says nothing is as good as none.
pub(super) fn read(mark: &Path) -> Option<i64> {
    let mut text = String::new();
    let file = File::open(mark).ok()?;
    file.take(WIDTH as u64).read_to_string(&mut text).ok()?;
    text.parse().ok().filter(|_| text.len() == WIDTH)
}
