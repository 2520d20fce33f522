//! `verify`: every done job has its files with the recorded size and hash.

use serde_json::json;

use super::Context;
use crate::artifacts::{Artifacts, Check, Content, FetchSettings, RelPath};
use crate::domain::JobState;
use crate::domain::text;
use crate::exit::Exit;
use crate::ledger::{ArtifactView, BatchId, JobFilter, JobId};

/// Jobs whose files are read at a time.
const PAGE: u32 = 200;

/// What was found.
#[derive(Default)]
struct Found {
    sound: u64,
    bad: u64,
}

/// Reads every recorded file and compares it.
pub(super) async fn verify(cx: &mut Context, batch: Option<&str>) -> anyhow::Result<Exit> {
    let ledger = cx.need_ledger().await?;
    let batch: Option<BatchId> = match batch {
        Some(name) => Some(cx.batch(&ledger, name).await?.id),
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
                report(cx, &mut found, (&job.batch, &job.key), "", "the ledger records no file")?;
            }
            for file in &files {
                check(cx, artifacts.as_ref(), file, &mut found).await?;
            }
        }
    }
    conclude(cx, &found)
}

async fn check(
    cx: &mut Context,
    artifacts: Option<&Artifacts>,
    file: &ArtifactView,
    found: &mut Found,
) -> anyhow::Result<()> {
    let content = Content { bytes: file.bytes, sha256: file.sha256 };
    let state = match (artifacts, RelPath::parse(&file.path)) {
        (Some(artifacts), Ok(name)) => artifacts.check(&name, content).await?,
        _ => Check::Missing,
    };
    let problem = match state {
        Check::Sound => {
            found.sound += 1;
            return Ok(());
        }
        Check::Missing => "missing".to_owned(),
        Check::Differs { bytes, .. } if bytes != file.bytes => {
            format!("has {bytes} bytes instead of {}", file.bytes)
        }
        Check::Differs { sha256, .. } => {
            format!("has been altered: sha256 {sha256} instead of {}", file.sha256)
        }
    };
    report(cx, found, (&file.name.0, &file.name.1), &file.path, &problem)
}

fn report(
    cx: &mut Context,
    found: &mut Found,
    (batch, key): (&str, &str),
    path: &str,
    problem: &str,
) -> anyhow::Result<()> {
    found.bad += 1;
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
        let line = json!({ "sound": found.sound, "bad": found.bad });
        writeln!(cx.out, "{line}")?;
    } else {
        writeln!(
            cx.out,
            "{} sound, {} missing or altered",
            text::count(found.sound, "file"),
            found.bad
        )?;
    }
    Ok(if found.bad == 0 { Exit::Done } else { Exit::NeedsDecision })
}
