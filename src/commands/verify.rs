//! `verify`: every done job has its files with the recorded size and hash.

use serde_json::json;

use super::{Context, finish};
use crate::artifacts::{Artifacts, Check, Content, Error, FetchSettings, FoundSidecar, RelPath};
use crate::domain::{Digest, JobState, text};
use crate::exit::Exit;
use crate::ledger::{ArtifactView, BatchId, JobFilter, JobId, JobView, Ledger};

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
    /// What is there instead.
    pub(super) damage: Damage,
    /// The hash it should have.
    pub(super) sha256: Option<Digest>,
    problem: String,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing is in its place.
    Missing,
    /// Another content is.
    Altered,
    /// Something is that cannot be read, or is no file: nobody but the user may move it.
    InTheWay,
    /// The artifact has no sidecar, or that of another one.
    Sidecar,
}

/// Reads every recorded file and compares it.
pub(super) async fn verify(cx: &mut Context, batch: Option<&str>) -> anyhow::Result<Exit> {
    let ledger = cx.need_ledger().await?;
    let found = inspect(cx, &ledger, batch).await?;
    tell(cx, &found, false)
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
            found.bad.extend(look(artifacts.as_ref(), ledger, job, &mut found.sound).await?);
        }
    }
    Ok(found)
}

/// What is wrong with the files of one job.
async fn look(
    artifacts: Option<&Artifacts>,
    ledger: &Ledger,
    job: &JobView,
    sound: &mut u64,
) -> anyhow::Result<Vec<Bad>> {
    let bad = |path: String, sha256, (damage, problem)| Bad {
        job: job.id,
        name: (job.batch.clone(), job.key.clone()),
        path,
        damage,
        sha256,
        problem,
    };
    let files = ledger.artifacts_of(job.id).await?;
    let mut all = Vec::new();
    if files.is_empty() {
        let problem = (Damage::Missing, "the ledger records no file".to_owned());
        all.push(bad(String::new(), None, problem));
    }
    for file in files {
        match problem(artifacts, &file).await {
            None => *sound += 1,
            Some(problem) => all.push(bad(file.path.clone(), Some(file.sha256), problem)),
        }
        if let Some((path, problem)) = beside(artifacts, job, &file).await {
            all.push(bad(path, Some(file.sha256), problem));
        }
    }
    Ok(all)
}

/// What is wrong with a file. Whatever the disk has against looking at one keeps nobody from looking
/// at the others.
async fn problem(artifacts: Option<&Artifacts>, file: &ArtifactView) -> Option<(Damage, String)> {
    let content = Content { bytes: file.bytes, sha256: file.sha256 };
    let state = match (artifacts, RelPath::parse(&file.path)) {
        (Some(artifacts), Ok(name)) => artifacts.check(&name, content).await,
        _ => Ok(Check::Missing),
    };
    match state {
        Ok(Check::Sound) => None,
        Ok(Check::Missing) => Some((Damage::Missing, "missing".to_owned())),
        Ok(Check::Differs { bytes, .. }) if bytes != file.bytes => {
            Some((Damage::Altered, format!("has {bytes} bytes instead of {}", file.bytes)))
        }
        Ok(Check::Differs { sha256, .. }) => {
            let problem = format!("has been altered: sha256 {sha256} instead of {}", file.sha256);
            Some((Damage::Altered, problem))
        }
        Err(error) => Some(in_the_way(&error)),
    }
}

fn in_the_way(error: &Error) -> (Damage, String) {
    (Damage::InTheWay, format!("cannot be looked at, move it away: {error}"))
}

/// What is wrong with a file's sidecar, with its path.
async fn beside(
    artifacts: Option<&Artifacts>,
    job: &JobView,
    file: &ArtifactView,
) -> Option<(String, (Damage, String))> {
    let name = RelPath::parse(&file.path).ok()?;
    let problem = match artifacts?.find_sidecar(&name).await {
        Ok(FoundSidecar::Of { prediction, sha256 }) => {
            let is_its = job.prediction.as_ref().is_none_or(|it| *it == prediction)
                && sha256 == file.sha256.hex();
            if is_its {
                return None;
            }
            (Damage::Sidecar, "is the sidecar of another file".to_owned())
        }
        Ok(FoundSidecar::Missing) => (Damage::Sidecar, "the sidecar is missing".to_owned()),
        Ok(FoundSidecar::Foreign) => {
            (Damage::InTheWay, "stands where a sidecar belongs, move it away".to_owned())
        }
        Err(error) => in_the_way(&error),
    };
    Some((name.sidecar().to_string(), problem))
}

/// Prints what was found, or what is left of it after all that could be repaired was.
pub(super) fn tell(cx: &mut Context, found: &Found, repaired: bool) -> anyhow::Result<Exit> {
    for bad in &found.bad {
        report(cx, bad)?;
    }
    conclude(cx, found, repaired)
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

fn conclude(cx: &mut Context, found: &Found, repaired: bool) -> anyhow::Result<Exit> {
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
    if !found.bad.is_empty() && !repaired && !cx.json() {
        let places = finish::places(&cx.settings, true);
        writeln!(
            cx.out,
            "next: nightreel verify --repair{places}    (fetches them again, for free)"
        )?;
    }
    Ok(if found.bad.is_empty() { Exit::Done } else { Exit::NeedsDecision })
}
