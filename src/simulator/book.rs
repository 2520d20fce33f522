//! The book of charges: what was paid for, written down before the payer hears of it.
//!
//! It is the judge of every test about money, and independent of nightreel's own ledger: append-only
//! JSON lines, each synced to disk before the answer that tells of its charge is sent.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::{Endpoint, Micros, Timestamp};

use super::writer::{Durable, Writer};

/// One line of the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the simulator's clock.
    pub at: Timestamp,
    /// The entry's number, from 1.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What a line of the book tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// A submission was accepted and paid for.
    Charged(Arc<Charge>),
    /// A prediction completed.
    Completed {
        /// Its id.
        prediction: String,
    },
    /// A prediction ended without a result.
    Failed {
        /// Its id.
        prediction: String,
        /// The status word it ended with, for example `failed` or `timeout`.
        status: String,
    },
    /// The amount of a failed prediction was given back.
    Refunded {
        /// Its id.
        prediction: String,
        /// The amount.
        price: Micros,
    },
    /// A file was uploaded.
    Uploaded(Upload),
}

/// An accepted submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The prediction's id.
    pub prediction: String,
    /// The model's id.
    pub model: String,
    /// Where it was submitted.
    pub endpoint: Endpoint,
    /// What was charged.
    pub price: Micros,
    /// The body as JSON text with sorted keys and no blanks.
    pub body: Arc<str>,
    /// The SHA-256 of `body`, as hex: what identifies a job here.
    pub body_sha256: String,
    /// The body as it was sent, where that differs from `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sent: Option<Arc<str>>,
    /// The first digits of the key's hash; tasks are seen by their own key only.
    pub key_hash: String,
    /// The `X-Request-ID` of the submission's answer.
    pub request_id: String,
    /// The submission's number among all, from 1.
    pub ordinal: u64,
    /// Its number among those with the same body, from 1.
    pub occurrence: u64,
    /// Predictions not yet ended, with this one.
    pub in_flight: u64,
    /// When the prediction ends; never where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// How it ends.
    pub fate: Fate,
    /// The kind of the fault that the submission met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The hours of `X-AtlasCloud-Object-Expiration-Hours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_hours: Option<u64>,
    /// The hours of `X-AtlasCloud-Request-Retention-Hours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_hours: Option<u64>,
}

/// How a prediction ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// With its outputs.
    Completes,
    /// Without, and the amount is given back.
    Fails {
        /// The status word.
        status: String,
        /// What the API says about it.
        message: String,
        /// The API's code, where it gives one.
        code: Option<serde_json::Value>,
        /// Whether polls answer it with HTTP 500 instead of 200 (atlas-api.md 1.2).
        by_5xx: bool,
    },
    /// Not at all.
    NeverFinishes,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name in the URL it got: hash and extension.
    pub name: String,
    /// The SHA-256 of its content, as hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// The name it was sent with.
    pub file_name: String,
}

/// What keeps a book from being used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, read, locked or repaired.
    #[error("cannot use the book {}: {source}; choose another file with --book", path.display())]
    File {
        /// The book.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another simulator uses it.
    #[error("the book {} is in use by another simulator; stop that one or choose another file", path.display())]
    InUse {
        /// The book.
        path: PathBuf,
    },
    /// A line that is not the last is not an entry.
    #[error("{}:{line}: not an entry of a book of charges: {source}", path.display())]
    Line {
        /// The book.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Entry {
    /// The charge this entry tells of.
    #[must_use]
    pub fn charge(&self) -> Option<&Charge> {
        match &self.fact {
            Fact::Charged(charge) => Some(charge),
            _ => None,
        }
    }
}

/// Reads the entries of a book. A last line that was cut by a crash is left out.
pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    opened.map_err(|source| Error::file(path, source))?;
    Ok(parse(path, &bytes)?.0)
}

impl Error {
    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

/// The entries, and how many bytes they take.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Entry>, u64), Error> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines = bytes[..whole].split(|byte| *byte == b'\n').enumerate();
    let entries = lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| Error::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((entries, u64::try_from(whole).unwrap_or(u64::MAX)))
}

/// A book that is open for writing: in a file, or in memory only.
#[derive(Debug)]
pub(super) struct Book {
    entries: Mutex<Vec<Arc<Entry>>>,
    writer: Option<Writer>,
    path: Option<PathBuf>,
}

impl Book {
    /// Opens or makes the book at `path`; without a path it lives in memory.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Self { entries: Mutex::default(), writer: None, path: None });
        };
        let mut file = open_locked(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::file(path, source))?;
        let (entries, whole) = parse(path, &bytes)?;
        let writer = start_writer(file, whole).map_err(|source| Error::file(path, source))?;
        Ok(Self {
            entries: Mutex::new(entries.into_iter().map(Arc::new).collect()),
            writer: Some(writer),
            path: Some(path.to_owned()),
        })
    }

    /// Where the content of uploaded files is kept, if anywhere.
    pub(super) fn uploads_folder(&self) -> Option<PathBuf> {
        let mut folder = self.path.clone()?.into_os_string();
        folder.push(".uploads");
        Some(folder.into())
    }

    /// Appends a fact; what it gives back tells when the fact is on disk.
    pub(super) fn append(&self, at: Timestamp, fact: Fact) -> Durable {
        let mut entries = self.lock();
        let seq = entries.last().map_or(1, |last| last.seq + 1);
        let entry = Arc::new(Entry { at, seq, fact });
        entries.push(Arc::clone(&entry));
        // Sent under the lock, so that the file has the order of the numbers.
        match &self.writer {
            Some(writer) => writer.append(entry),
            None => Durable::already(),
        }
    }

    /// All entries so far.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_locked(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|source| Error::file(path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(Error::file(path, source)),
    }
}

/// Cuts off what a crash left of a last line, then hands the file to the writer.
fn start_writer(mut file: File, whole: u64) -> std::io::Result<Writer> {
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    file.sync_all()?;
    Writer::start(file, whole)
}
