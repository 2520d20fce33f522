//! `requeue` and `cancel`: what the operator does to jobs that are not at the API.

use super::Context;
use crate::domain::{JobState, text};
use crate::exit::Exit;
use crate::ledger::JobId;

/// Which jobs an operator means.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// A batch, all of it.
    pub batch: Option<String>,
    /// Single jobs, as `BATCH/KEY` or `KEY`.
    pub jobs: Vec<String>,
}

/// Failed and canceled jobs back to `pending`, with all their tries again.
pub async fn requeue(cx: &mut Context, chosen: &Chosen) -> anyhow::Result<Exit> {
    let states = if chosen.jobs.is_empty() {
        &[JobState::Failed][..]
    } else {
        &[JobState::Failed, JobState::Canceled, JobState::Invalid]
    };
    let moved = move_chosen(cx, chosen, states, JobState::Pending).await?;
    let noun = text::count(moved, "job");
    match moved {
        0 => writeln!(cx.err, "no failed job to requeue; done, running and unknown ones are left alone")?,
        _ => writeln!(cx.err, "{noun} back to pending; `nightreel run MANIFEST` submits them")?,
    }
    Ok(Exit::Done)
}

/// Pending jobs to `canceled`. What was submitted cannot be canceled at the API.
pub async fn cancel(cx: &mut Context, chosen: &Chosen) -> anyhow::Result<Exit> {
    let moved = move_chosen(cx, chosen, &[JobState::Pending], JobState::Canceled).await?;
    let noun = text::count(moved, "job");
    match moved {
        0 => writeln!(cx.err, "no pending job to cancel; the API has no way to cancel what was submitted")?,
        _ => writeln!(cx.err, "{noun} canceled; `nightreel requeue JOB…` brings one back")?,
    }
    Ok(Exit::Done)
}

async fn move_chosen(
    cx: &mut Context,
    chosen: &Chosen,
    from: &[JobState],
    to: JobState,
) -> anyhow::Result<u64> {
    let ledger = cx.write_ledger().await?;
    let batch = match &chosen.batch {
        Some(name) => Some(cx.batch(&ledger, name).await?.id),
        None => None,
    };
    let mut jobs: Vec<JobId> = Vec::new();
    for job in &chosen.jobs {
        jobs.push(cx.job_in(&ledger, job, batch).await?.id);
    }
    let mut moved = 0;
    for state in from {
        moved += ledger.move_all(batch, jobs.clone(), *state, to).await?;
    }
    ledger.close().await;
    if cx.json() {
        writeln!(cx.out, "{}", serde_json::json!({ "moved": moved, "to": to }))?;
    }
    Ok(moved)
}
