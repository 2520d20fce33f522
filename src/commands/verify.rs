//! `verify`: every done job has its files with the recorded size and hash.

use serde_json::json;

use super::Context;
use crate::artifacts::{Artifacts, Check, Content, FetchSettings, RelPath};
use crate::domain::{Digest, JobState, text};
use crate::exit::Exit;
use crate::ledger::{ArtifactView, BatchId, JobFilter, JobId, Ledger};

/// Jobs whose files are read at a time.
const PAGE: u32 = 200;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Files as they should be.
    pub(super) sound: u64,
    /// Files that are not, with their jobs.
    pub(super) bad: Vec<Bad>,
}

/// A file that is not as it was recorded.
pub(super) struct Bad {
    /// The job.
    pub(super) job: JobId,
    /// Its batch and key.
    pub(super) name: (String, String),
    /// The file, relative to the output folder; empty where none is recorded.
    pub(super) path: String,
    /// Whether something stands in its place.
    pub(super) altered: bool,
    /// The hash it should have.
    pub(super) sha256: Option<Digest>,
    problem: String,
}

/// Reads every recorded file and compares it.
pub(super) async fn verify(cx: &mut Context, batch: Option<&str>) -> anyhow::Result<Exit> {
    let ledger = cx.need_ledger().await?;
    let found = inspect(cx, &ledger, batch).await?;
    tell(cx, &found)
}

/// Reads every recorded file of every done job.
pub(super) async fn inspect(
    cx: &Context,
    ledger: &Ledger,
    batch: Option<&str>,
) -> anyhow::Result<Found> {
    let batch: Option<BatchId> = match batch {
        Some(name) => Some(cx.batch(ledger, name).await?.id),
        None => None,
    };
    let folder = &cx.settings.output_dir;
    let artifacts = if folder.is_dir() {
        Some(Artifacts::open(folder, FetchSettings::default())?)
    } else {
        None
    };
    let mut found = Found::default();
    let mut after = JobId(0);
    loop {
        let done = JobFilter {
            batch,
            states: vec![JobState::Done],
            after: Some(after),
            ..JobFilter::default()
        };
        let jobs = ledger.jobs(&done, PAGE).await?;
        let Some(last) = jobs.last() else { break };
        after = last.id;
        for job in &jobs {
            let files = ledger.artifacts_of(job.id).await?;
            if files.is_empty() {
                found.bad.push(Bad {
                    job: job.id,
                    name: (job.batch.clone(), job.key.clone()),
                    path: String::new(),
                    altered: false,
                    sha256: None,
                    problem: "the ledger records no file".to_owned(),
                });
            }
            for file in files {
                match problem(artifacts.as_ref(), &file).await? {
                    None => found.sound += 1,
                    Some((altered, problem)) => found.bad.push(Bad {
                        job: job.id,
                        name: file.name,
                        path: file.path,
                        altered,
                        sha256: Some(file.sha256),
                        problem,
                    }),
                }
            }
        }
    }
    Ok(found)
}

/// What is wrong with a file, and whether something stands in its place.
async fn problem(
    artifacts: Option<&Artifacts>,
    file: &ArtifactView,
) -> anyhow::Result<Option<(bool, String)>> {
    let content = Content { bytes: file.bytes, sha256: file.sha256 };
    let state = match (artifacts, RelPath::parse(&file.path)) {
        (Some(artifacts), Ok(name)) => artifacts.check(&name, content).await?,
        _ => Check::Missing,
    };
    Ok(match state {
        Check::Sound => None,
        Check::Missing => Some((false, "missing".to_owned())),
        Check::Differs { bytes, .. } if bytes != file.bytes => {
            Some((true, format!("has {bytes} bytes instead of {}", file.bytes)))
        }
        Check::Differs { sha256, .. } => {
            Some((true, format!("has been altered: sha256 {sha256} instead of {}", file.sha256)))
        }
    })
}

/// Prints what was found.
pub(super) fn tell(cx: &mut Context, found: &Found) -> anyhow::Result<Exit> {
    for bad in &found.bad {
        report(cx, bad)?;
    }
    conclude(cx, found)
}

fn report(cx: &mut Context, bad: &Bad) -> anyhow::Result<()> {
    let Bad { name: (batch, key), path, problem, .. } = bad;
    if cx.json() {
        writeln!(
            cx.out,
            "{}",
            json!({ "batch": batch, "key": key, "path": path, "problem": problem })
        )?;
    } else {
        writeln!(
            cx.out,
            "{}/{}: {} {problem}",
            text::visible(batch),
            text::visible(key),
            text::visible(path)
        )?;
    }
    Ok(())
}

fn conclude(cx: &mut Context, found: &Found) -> anyhow::Result<Exit> {
    if cx.json() {
        let line = json!({ "sound": found.sound, "bad": found.bad.len() });
        writeln!(cx.out, "{line}")?;
    } else {
        writeln!(
            cx.out,
            "{} sound, {} missing or altered",
            text::count(found.sound, "file"),
            found.bad.len()
        )?;
    }
    Ok(if found.bad.is_empty() { Exit::Done } else { Exit::NeedsDecision })
}
