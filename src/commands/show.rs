//! `show`: everything about one job.

use serde_json::{Value, json};

use super::Context;
use super::list::{error, job_json};
use super::status::meaning;
use crate::domain::{clock, text};
use crate::exit::Exit;
use crate::ledger::{ArtifactView, AttemptView, JobView};

/// Prints one job.
pub(super) async fn show(cx: &mut Context, job: &str) -> anyhow::Result<Exit> {
    let ledger = cx.need_ledger().await?;
    let job = cx.job(&ledger, job).await?;
    let attempts = ledger.attempts(job.id).await?;
    let files = ledger.artifacts_of(job.id).await?;
    if cx.json() {
        let mut whole = job_json(&job, &files);
        whole["request"] = serde_json::from_str(&job.request)?;
        whole["place"] = json!(job.place);
        whole["created_at"] = json!(clock::utc(job.created_at));
        whole["updated_at"] = json!(clock::utc(job.updated_at));
        whole["attempt_history"] = attempts.iter().map(attempt_json).collect();
        writeln!(cx.out, "{whole}")?;
    } else {
        write_job(cx, &job)?;
        write_attempts(cx, &attempts)?;
        write_files(cx, &files)?;
    }
    Ok(Exit::Done)
}

fn attempt_json(attempt: &AttemptView) -> Value {
    json!({
        "number": attempt.number,
        "state": attempt.state,
        "reserved": attempt.reserved,
        "charged": attempt.charged,
        "prediction_id": attempt.prediction,
        "adopted": attempt.adopted,
        "pays_again": attempt.pays_again,
        "http_status": attempt.http_status,
        "request_id": attempt.request_id,
        "error": attempt.error.as_ref().map(|(class, message)| json!({ "class": class, "message": message })),
        "evidence": attempt.evidence,
        "intent_at": clock::utc(attempt.intent_at),
        "accepted_at": attempt.accepted_at.map(clock::utc),
        "completed_at": attempt.completed_at.map(clock::utc),
    })
}

fn write_job(cx: &mut Context, job: &JobView) -> anyhow::Result<()> {
    let out = &mut cx.out;
    writeln!(
        out,
        "{}/{}: {}, {}",
        text::visible(&job.batch),
        text::visible(&job.key),
        job.state,
        meaning(job.state)
    )?;
    writeln!(out, "  model    {}", text::visible(&job.model))?;
    writeln!(out, "  row      {} ({})", job.row, text::visible(&job.place))?;
    writeln!(out, "  cost     {}", job.cost.human())?;
    let error = error(job);
    if !error.is_empty() {
        writeln!(out, "  trouble  {error}")?;
    }
    if let Some(at) = job.not_before {
        writeln!(out, "  due      {}", clock::local(at))?;
    }
    writeln!(
        out,
        "  enqueued {}, last change {}",
        clock::local(job.created_at),
        clock::local(job.updated_at)
    )?;
    let request: Value = serde_json::from_str(&job.request)?;
    for line in serde_json::to_string_pretty(&request)?.lines() {
        writeln!(out, "  {}", text::visible(line))?;
    }
    Ok(())
}

fn write_attempts(cx: &mut Context, attempts: &[AttemptView]) -> anyhow::Result<()> {
    for attempt in attempts {
        let charged = attempt.charged.unwrap_or(attempt.reserved);
        write!(
            cx.out,
            "attempt {}: {}, {} at {}",
            attempt.number,
            attempt.state,
            charged.human(),
            clock::local(attempt.intent_at)
        )?;
        if let Some(status) = attempt.http_status {
            write!(cx.out, ", HTTP {status}")?;
        }
        if let Some(end) = attempt.completed_at {
            let from = attempt.accepted_at.unwrap_or(attempt.intent_at);
            write!(cx.out, ", took {}", clock::human(clock::between(from, end)))?;
        }
        writeln!(cx.out)?;
        let notes = [
            ("prediction", attempt.prediction.clone()),
            ("request id", attempt.request_id.clone()),
            ("trouble", attempt.error.as_ref().map(|(class, said)| format!("{class}: {said}"))),
            ("evidence", attempt.evidence.clone()),
        ];
        for (name, note) in notes {
            if let Some(note) = note {
                writeln!(cx.out, "  {name:<10} {}", text::visible(&note))?;
            }
        }
    }
    Ok(())
}

fn write_files(cx: &mut Context, files: &[ArtifactView]) -> anyhow::Result<()> {
    for file in files {
        writeln!(
            cx.out,
            "file {}: {} ({}), sha256 {}",
            file.number,
            text::visible(&file.path),
            text::bytes(file.bytes),
            file.sha256
        )?;
    }
    Ok(())
}
