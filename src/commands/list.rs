//! `list`: one line a job, page by page.

use serde_json::{Value, json};

use super::Context;
use super::table::Table;
use crate::domain::{JobState, text};
use crate::exit::Exit;
use crate::ledger::{ArtifactView, BatchId, JobFilter, JobView, Ledger};

/// Jobs read at a time.
const PAGE: u32 = 500;

/// Which jobs to list, and how much of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Only this batch.
    pub(super) batch: Option<String>,
    /// Only these states; all where empty.
    pub(super) states: Vec<JobState>,
    /// Also prompt, prediction and files.
    pub(super) long: bool,
}

/// Prints the jobs.
pub(super) async fn list(cx: &mut Context, wish: &Wish) -> anyhow::Result<Exit> {
    let Some(ledger) = cx.read_ledger().await? else {
        return cx.no_ledger(&json!({ "jobs": 0 }));
    };
    let batch: Option<BatchId> = match &wish.batch {
        Some(name) => Some(cx.batch(&ledger, name).await?.id),
        None => None,
    };
    let mut filter = JobFilter { batch, states: wish.states.clone(), ..JobFilter::default() };
    let mut shown = 0;
    loop {
        let page = ledger.jobs(&filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        shown += page.len();
        if cx.json() {
            for job in &page {
                let files = ledger.artifacts_of(job.id).await?;
                writeln!(cx.out, "{}", job_json(job, &files))?;
            }
        } else {
            write_page(cx, &ledger, &page, wish.long).await?;
        }
    }
    if shown == 0 && !cx.json() {
        writeln!(cx.out, "no such jobs")?;
    }
    Ok(Exit::Done)
}

/// A job in the contract's JSON (section 7).
#[must_use]
pub(super) fn job_json(job: &JobView, files: &[ArtifactView]) -> Value {
    json!({
        "batch": job.batch,
        "key": job.key,
        "state": job.state,
        "model": job.model,
        "attempts": job.attempts,
        "prediction_id": job.prediction,
        "cost": job.cost,
        "error": job.error.as_ref().map(|(class, message)| json!({ "class": class, "message": message })),
        "artifacts": files.iter().map(file_json).collect::<Vec<_>>(),
        "row": job.row,
    })
}

fn file_json(file: &ArtifactView) -> Value {
    json!({ "path": file.path, "bytes": file.bytes, "sha256": file.sha256.hex() })
}

async fn write_page(
    cx: &mut Context,
    ledger: &Ledger,
    page: &[JobView],
    long: bool,
) -> anyhow::Result<()> {
    let mut table = Table::default();
    for job in page {
        table.row([
            format!("{}/{}", text::visible(&job.batch), text::visible(&job.key)),
            job.state.to_string(),
            job.cost.human(),
            text::count(u64::try_from(job.attempts).unwrap_or(0), "attempt"),
            text::visible(&job.model),
            text::cut(&error(job), 100),
        ]);
    }
    if !long {
        return Ok(table.write(&mut cx.out, "")?);
    }
    for (job, line) in page.iter().zip(lines(&table)?) {
        writeln!(cx.out, "{line}")?;
        write_long(cx, ledger, job).await?;
    }
    Ok(())
}

fn lines(table: &Table) -> anyhow::Result<Vec<String>> {
    let mut text = Vec::new();
    table.write(&mut text, "")?;
    Ok(String::from_utf8(text)?.lines().map(str::to_owned).collect())
}

async fn write_long(cx: &mut Context, ledger: &Ledger, job: &JobView) -> anyhow::Result<()> {
    let prompt = crate::domain::Request::from_canonical(&job.request)
        .and_then(|request| request.prompt().map(text::visible));
    if let Some(prompt) = prompt {
        writeln!(cx.out, "    prompt: {}", text::cut(&prompt, 200))?;
    }
    if let Some(prediction) = &job.prediction {
        writeln!(cx.out, "    prediction: {prediction}")?;
    }
    for file in ledger.artifacts_of(job.id).await? {
        writeln!(cx.out, "    {} ({})", text::visible(&file.path), text::bytes(file.bytes))?;
    }
    Ok(())
}

/// What went wrong last, in one line.
#[must_use]
pub(super) fn error(job: &JobView) -> String {
    match &job.error {
        Some((class, message)) if job.state != JobState::Done => {
            format!("{}: {}", text::visible(class), text::visible(message))
        }
        _ => String::new(),
    }
}
