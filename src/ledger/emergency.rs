//! The emergency journal: where the id of a paid prediction goes when the ledger takes nothing any more
//! (reliability.md M5). The file is made and filled at the start of a run, so that a full disk has
//! room for it; the next start brings its records into the ledger before anything else.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::transition::{AttemptPatch, JobPatch, find_attempt, move_job, step_attempt};
use super::writer::Tx;
use super::{AttemptId, Ledger};
use crate::domain::{AttemptState, Digest, JobState, PredictionId, clock};

/// Room for some hundred ids: more than can be under way when a disk fills up.
const ROOM: usize = 256 << 10;

/// One id that the ledger did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescued {
    /// The attempt's number in the ledger.
    pub attempt: i64,
    /// The batch's name.
    pub batch: String,
    /// The job's key.
    pub key: String,
    /// The prediction.
    pub prediction: String,
    /// When it was accepted.
    pub at: clock::Timestamp,
}

/// The journal's name in the state folder.
pub(super) const JOURNAL: &str = "emergency.journal";

/// The open journal.
#[derive(Debug)]
pub struct Emergency {
    path: PathBuf,
    file: Mutex<(File, u64)>,
}

/// What became of the records of an earlier run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// Ids that the ledger has now.
    pub imported: Vec<Rescued>,
    /// Ids that it had already.
    pub known: u64,
    /// Ids that it cannot take: their attempts were settled otherwise, or are not there.
    pub strange: Vec<Rescued>,
}

impl Emergency {
    /// Opens the journal of a state folder, brings what it holds into the ledger, and empties it.
    pub async fn take_up(ledger: &Ledger, state_dir: &Path) -> Result<(Self, TakenUp)> {
        let path = state_dir.join(JOURNAL);
        let records = read(&path).map_err(io("read", &path))?;
        let mut taken = TakenUp::default();
        for record in records {
            match ledger.import_rescued(record.clone()).await? {
                Import::Done => taken.imported.push(record),
                Import::Known => taken.known += 1,
                Import::Strange => taken.strange.push(record),
            }
        }
        if !taken.strange.is_empty() {
            let aside = state_dir.join(format!("emergency-{}.journal", uuid::Uuid::now_v7()));
            std::fs::copy(&path, &aside).map_err(io("keep a copy of", &path))?;
        }
        let file = prepare(&path).map_err(io("prepare", &path))?;
        Ok((Self { path, file: Mutex::new((file, 0)) }, taken))
    }

    /// Writes one record and syncs it. Where even that fails, only stderr is left.
    pub fn note(&self, record: &Rescued) -> Result<()> {
        let line = encode(record);
        let mut journal = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, at) = &mut *journal;
        let written = file
            .seek(SeekFrom::Start(*at))
            .and_then(|_| file.write_all(line.as_bytes()))
            .and_then(|()| file.sync_data());
        *at += line.len() as u64;
        written.map_err(io("write", &self.path))
    }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::Io { doing, path: path.to_owned(), source }
}

/// A line is a digest, a blank and JSON: a torn one is known by its digest.
fn encode(record: &Rescued) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{} {json}\n", Digest::of(json.as_bytes()).short())
}

fn decode(line: &str) -> Option<Rescued> {
    let (digest, json) = line.split_once(' ')?;
    (Digest::of(json.as_bytes()).short() == digest).then(|| serde_json::from_str(json).ok())?
}

/// The whole records of a journal; a torn one at its end was never synced, and is left out.
fn read(path: &Path) -> std::io::Result<Vec<Rescued>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(4 * ROOM as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(decode).collect())
}

/// The journal, empty, with all its room on the disk.
fn prepare(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&vec![0; ROOM])?;
    file.set_len(ROOM as u64)?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// What the ledger makes of a record.
enum Import {
    Done,
    Known,
    Strange,
}

impl Ledger {
    async fn import_rescued(&self, record: Rescued) -> Result<Import> {
        self.write(|tx| Box::pin(async move { import(tx, &record).await })).await
    }
}

async fn import(tx: &mut Tx<'_>, record: &Rescued) -> Result<Import> {
    let Some(prediction) = PredictionId::parse(&record.prediction) else {
        return Ok(Import::Strange);
    };
    let holder: Option<i64> =
        sqlx::query_scalar("SELECT id FROM attempts WHERE prediction_id = ?1")
            .bind(prediction.as_str().to_owned())
            .fetch_optional(&mut *tx.connection)
            .await
            .map_err(Error::on("looking for a rescued id"))?;
    if let Some(holder) = holder {
        return Ok(if holder == record.attempt { Import::Known } else { Import::Strange });
    }
    let found = match find_attempt(tx, AttemptId(record.attempt)).await {
        Err(Error::Missing { .. }) => return Ok(Import::Strange),
        other => other?,
    };
    if !matches!(found.state, AttemptState::Intent | AttemptState::Unknown) {
        return Ok(Import::Strange);
    }
    let patch = AttemptPatch {
        prediction: Some(prediction.as_str()),
        evidence: Some("emergency journal"),
        ..AttemptPatch::default()
    };
    let job = step_attempt(tx, found, AttemptState::Accepted, patch).await?;
    move_job(tx, &job, JobState::Submitted, JobPatch::default()).await?;
    Ok(Import::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(attempt: i64) -> Rescued {
        let (batch, key) = ("b".to_owned(), "k \"1\"".to_owned());
        Rescued { attempt, batch, key, prediction: format!("p{attempt}"), at: clock::now() }
    }

    #[test]
    fn records_come_back_and_a_torn_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emergency.journal");
        let file = prepare(&path).unwrap();
        let journal = Emergency { path: path.clone(), file: Mutex::new((file, 0)) };
        let (one, two) = (record(1), record(2));
        journal.note(&one).unwrap();
        journal.note(&two).unwrap();
        let torn = encode(&record(3));
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        let end = (encode(&one).len() + encode(&two).len()) as u64;
        file.seek(SeekFrom::Start(end)).unwrap();
        file.write_all(&torn.as_bytes()[..torn.len() - 9]).unwrap();
        assert_eq!(read(&path).unwrap(), [one, two]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), ROOM as u64);
    }
}
