//! From verified temporary files to `done`: names, hashes durable, rename, sidecar, done.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::shared::Shared;
use crate::artifacts::{
    Adopted, Check, Content, Error as DiskError, Fetched, Naming, Placed, RelPath, Sidecar,
    SidecarMedia,
};
use crate::domain::{EventKind, JobState, Timestamp, clock, kill_point};
use crate::ledger::{ArtifactView, Error, NewArtifact, Paid, Trouble};

/// What storing came to.
pub(super) enum Stored {
    /// Every file is in place and the ledger says so.
    Done,
    /// Something stood in the way; the lane tries again.
    NotYet,
    /// The output folder does not take any more.
    Failed(DiskError),
}

/// The folder a job's file will be in, as far as that can be told before its type is known.
pub(super) fn folder(paid: &Paid, index: usize) -> RelPath {
    let vars = vars(paid);
    let taken = HashSet::new();
    let named = plain_name(&naming(paid, &vars, (index, paid.outputs.len()), "mp4"), &taken);
    named.parent()
}

/// Names the files, commits sizes and hashes, and puts them in place.
pub(super) async fn store(
    shared: &Shared,
    paid: &Paid,
    files: Vec<Fetched>,
) -> Result<Stored, Error> {
    let vars = vars(paid);
    let mut taken = HashSet::new();
    let mut planned = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let naming = naming(paid, &vars, (index + 1, files.len()), file.media.extension);
        let name = match choose(shared, paid, &naming, file, &mut taken).await? {
            Ok(name) => name,
            Err(error) => return Ok(Stored::Failed(error)),
        };
        planned.push(plan(&name, file, index)?);
    }
    kill_point("files_due");
    match shared.ledger.store(paid.job.id, paid.attempt, planned).await {
        // Another job was quicker; the next try sees its name taken.
        Err(Error::NameTaken { .. }) => return Ok(Stored::NotYet),
        other => other?,
    }
    kill_point("files_recorded");
    let recorded = shared.ledger.artifacts_of(paid.job.id).await?;
    for (file, record) in files.iter().zip(&recorded) {
        let Ok(name) = RelPath::parse(&record.path) else { return again(shared, paid).await };
        match shared.artifacts.place(file, &name).await {
            Ok(Placed::New | Placed::AlreadyExists { same: true }) => {}
            Ok(Placed::AlreadyExists { same: false }) => return again(shared, paid).await,
            Err(error) => return Ok(Stored::Failed(error)),
        }
    }
    kill_point("names_given");
    finish(shared, paid, &recorded).await
}

/// Goes on with what a crash left between the recorded hashes and `done`.
pub(super) async fn take_up(shared: &Shared, paid: &Paid) -> Result<Stored, Error> {
    let recorded = shared.ledger.artifacts_of(paid.job.id).await?;
    if recorded.is_empty() {
        return again(shared, paid).await;
    }
    for record in &recorded {
        let (Ok(name), Ok(temp)) = (RelPath::parse(&record.path), RelPath::parse(&record.temp))
        else {
            return again(shared, paid).await;
        };
        let content = Content { bytes: record.bytes, sha256: record.sha256 };
        match shared.artifacts.adopt(&name, &temp, content).await {
            Ok(Adopted::InPlace | Adopted::Placed) => {}
            Ok(Adopted::Occupied | Adopted::Gone) => return again(shared, paid).await,
            Err(error) => return Ok(Stored::Failed(error)),
        }
    }
    finish(shared, paid, &recorded).await
}

/// Back to `ready`: the file is fetched again, which is free.
async fn again(shared: &Shared, paid: &Paid) -> Result<Stored, Error> {
    let trouble = Trouble {
        class: "file_missing".to_owned(),
        message: "a file was not where the ledger recorded it; fetched again".to_owned(),
        ..Trouble::default()
    };
    shared.ledger.set_aside(paid.job.id, JobState::Ready, trouble).await?;
    Ok(Stored::NotYet)
}

fn vars(paid: &Paid) -> Map<String, Value> {
    let parsed = paid.job.vars.as_deref().and_then(|text| serde_json::from_str(text).ok());
    parsed.unwrap_or_default()
}

fn naming<'a>(
    paid: &'a Paid,
    vars: &'a Map<String, Value>,
    (index, outputs): (usize, usize),
    extension: &'a str,
) -> Naming<'a> {
    let job = &paid.job;
    Naming {
        template: job.output.as_deref(),
        batch: &job.batch_name,
        key: &job.key,
        model: &job.request.model,
        prompt: job.request.prompt(),
        row: job.row,
        created_at: job.created_at,
        vars,
        params: &job.request.params,
        index,
        outputs,
        extension,
    }
}

/// A paid file is never lost to its template: where that gives no name, the default does.
fn plain_name(naming: &Naming<'_>, taken: &HashSet<String>) -> RelPath {
    let is_taken = |path: &RelPath| taken.contains(&path.folded());
    let default = Naming { template: None, batch: "outputs", ..*naming };
    naming
        .name(&is_taken)
        .or_else(|error| {
            tracing::warn!(job.key = naming.key, "{error}; the default name is used");
            Naming { template: None, ..*naming }.name(&is_taken)
        })
        .or_else(|_| default.name(&is_taken))
        .unwrap_or_else(|_| RelPath::unique(naming.extension))
}

/// A name that no other attempt's file and no foreign file has.
async fn choose(
    shared: &Shared,
    paid: &Paid,
    naming: &Naming<'_>,
    file: &Fetched,
    taken: &mut HashSet<String>,
) -> Result<Result<RelPath, DiskError>, Error> {
    loop {
        let name = plain_name(naming, taken);
        let free = shared.ledger.name_is_free(&name.folded(), paid.attempt).await?;
        let content = Content { bytes: file.bytes, sha256: file.sha256 };
        let on_disk = match shared.artifacts.check(&name, content).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        taken.insert(name.folded());
        if free && !matches!(on_disk, Check::Differs { .. }) {
            return Ok(Ok(name));
        }
    }
}

fn plan(name: &RelPath, file: &Fetched, index: usize) -> Result<NewArtifact, Error> {
    let media = serde_json::to_string(&SidecarMedia::from(&file.media))
        .map_err(|error| Error::Missing { what: format!("media description: {error}") })?;
    Ok(NewArtifact {
        number: i64::try_from(index + 1).unwrap_or(i64::MAX),
        path: name.to_string(),
        folded: name.folded(),
        temp: file.temp.to_string(),
        bytes: file.bytes,
        sha256: file.sha256,
        media,
        source_host: file.source_host.clone(),
    })
}

/// Sidecars, `done`, and the news.
async fn finish(shared: &Shared, paid: &Paid, recorded: &[ArtifactView]) -> Result<Stored, Error> {
    let seconds = took(paid).1;
    for record in recorded {
        let Ok(name) = RelPath::parse(&record.path) else { continue };
        let Some(sidecar) = sidecar_of(paid, record) else { continue };
        match shared.artifacts.write_sidecar(&name, &sidecar).await {
            Ok(()) => {}
            // Somebody's own file has that name; the artifact itself is safe.
            Err(error @ DiskError::NotASidecar(_)) => tracing::warn!("{error}"),
            Err(error) => return Ok(Stored::Failed(error)),
        }
    }
    kill_point("sidecars_written");
    shared.ledger.finish(paid.job.id, paid.attempt).await?;
    kill_point("done");
    let (batch, job) = (&paid.job.batch_name, &paid.job.key);
    for record in recorded {
        shared
            .tell(EventKind::ArtifactSaved {
                batch: batch.clone(),
                job: job.clone(),
                path: record.path.clone(),
                bytes: record.bytes,
                sha256: record.sha256.hex(),
            })
            .await;
    }
    let cost = Some(paid.charged.unwrap_or(paid.reserved));
    shared.tell(EventKind::JobDone { batch: batch.clone(), job: job.clone(), seconds, cost }).await;
    Ok(Stored::Done)
}

/// When a paid generation ended, and how many seconds it took.
fn took(paid: &Paid) -> (Timestamp, u64) {
    let completed_at = paid.completed_at.unwrap_or_else(clock::now);
    (completed_at, clock::between(paid.accepted_at, completed_at).as_secs())
}

/// The sidecar of a file, from the ledger alone; `None` where that has no description of the file.
#[must_use]
pub fn sidecar_of(paid: &Paid, record: &ArtifactView) -> Option<Sidecar> {
    let (completed_at, seconds) = took(paid);
    let media = serde_json::from_str(&record.media).ok()?;
    Some(Sidecar {
        key: paid.job.key.clone(),
        batch: paid.job.batch_name.clone(),
        model: paid.job.request.model.clone(),
        request: serde_json::from_str(&paid.job.request.canonical()).ok()?,
        prediction_id: paid.prediction.clone(),
        cost: Some(paid.charged.unwrap_or(paid.reserved)),
        created_at: paid.job.created_at,
        completed_at,
        seconds,
        source_url_host: record.source_host.clone(),
        bytes: record.bytes,
        sha256: record.sha256,
        media,
        nightreel: Sidecar::VERSION,
    })
}
