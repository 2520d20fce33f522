//! `requeue` and `cancel`: what the operator does to jobs that are not at the API.

use super::Context;
use super::context::Wrong;
use crate::domain::{JobState, text};
use crate::exit::Exit;
use crate::ledger::{BatchId, JobId, Ledger, PaidAgain};

/// Failed and canceled jobs back to `pending`, with all their tries again.
///
/// Whole batches only with `--failed`: a slip of the finger shall not buy a batch again.
pub(super) async fn requeue(
    cx: &mut Context,
    names: &[String],
    (failed, pay_again): (bool, bool),
) -> anyhow::Result<Exit> {
    let ledger = cx.write_ledger().await?;
    let mut moved = 0;
    if failed && names.is_empty() {
        moved += ledger.move_all(None, Vec::new(), JobState::Failed, JobState::Pending).await?;
    }
    for chosen in choose(cx, &ledger, names).await? {
        moved += match chosen {
            Chosen::Batch(batch) if failed => {
                ledger
                    .move_all(Some(batch), Vec::new(), JobState::Failed, JobState::Pending)
                    .await?
            }
            Chosen::Batch(_) => {
                return Err(Wrong("a whole batch needs --failed as well".to_owned()).into());
            }
            Chosen::Job(job) => {
                let mut moved = 0;
                for state in [JobState::Failed, JobState::Canceled] {
                    moved += ledger.move_all(None, vec![job], state, JobState::Pending).await?;
                }
                moved + if moved == 0 { paid(cx, &ledger, job, pay_again).await? } else { 0 }
            }
        };
    }
    if !failed && names.is_empty() {
        return Err(Wrong("name jobs, or give --failed for all failed ones".to_owned()).into());
    }
    ledger.close().await;
    tell_json(cx, moved, JobState::Pending)?;
    let noun = text::count(moved, "job");
    match moved {
        0 => writeln!(
            cx.err,
            "no failed job to requeue; done, running and unknown ones are left alone"
        )?,
        _ => writeln!(cx.err, "{noun} back to pending; `nightreel run MANIFEST` submits them")?,
    }
    Ok(Exit::Done)
}

/// A job that is paid for and has no output: asking the API again is free, making it anew is not.
async fn paid(
    cx: &mut Context,
    ledger: &Ledger,
    job: JobId,
    pay_again: bool,
) -> anyhow::Result<u64> {
    let Some(paid) = ledger.paid_job(job).await? else { return Ok(0) };
    if !matches!(paid.state, JobState::Quarantined | JobState::LostOutput) {
        return Ok(0);
    }
    if !pay_again {
        return Err(Wrong(format!(
            "{}/{} is {} and was paid {}; `nightreel resolve` asks for its output again, for free. \
             To make it anew and pay again, add --pay-again",
            text::visible(&paid.job.batch_name),
            text::visible(&paid.job.key),
            paid.state,
            paid.reserved.human()
        ))
        .into());
    }
    let again = ledger.pay_again(job).await? == PaidAgain::Yes;
    if again {
        let (batch, key) = (&paid.job.batch_name, &paid.job.key);
        let (batch, key) = (text::visible(batch), text::visible(key));
        writeln!(cx.err, "paying again for {batch}/{key}: {} is given up", paid.reserved.human())?;
    }
    Ok(u64::from(again))
}

/// Pending jobs to `canceled`. What was submitted cannot be canceled at the API.
pub(super) async fn cancel(cx: &mut Context, names: &[String]) -> anyhow::Result<Exit> {
    let ledger = cx.write_ledger().await?;
    let mut moved = 0;
    for chosen in choose(cx, &ledger, names).await? {
        let (batch, jobs) = match chosen {
            Chosen::Batch(batch) => (Some(batch), Vec::new()),
            Chosen::Job(job) => (None, vec![job]),
        };
        moved += ledger.move_all(batch, jobs, JobState::Pending, JobState::Canceled).await?;
    }
    ledger.close().await;
    tell_json(cx, moved, JobState::Canceled)?;
    let noun = text::count(moved, "job");
    match moved {
        0 => writeln!(
            cx.err,
            "no pending job to cancel; the API has no way to cancel what was submitted"
        )?,
        _ => writeln!(cx.err, "{noun} canceled; `nightreel requeue JOB…` brings one back")?,
    }
    Ok(Exit::Done)
}

/// What a name on the command line means.
enum Chosen {
    /// All of a batch.
    Batch(BatchId),
    /// One job.
    Job(JobId),
}

/// A batch's name means the batch; anything else is a job.
async fn choose(cx: &Context, ledger: &Ledger, names: &[String]) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for name in names {
        let batch = ledger.batches(std::slice::from_ref(name)).await?;
        chosen.push(match batch.first() {
            Some(view) => Chosen::Batch(view.id),
            None => Chosen::Job(cx.job(ledger, name).await?.id),
        });
    }
    Ok(chosen)
}

fn tell_json(cx: &mut Context, moved: u64, to: JobState) -> anyhow::Result<()> {
    if cx.json() {
        writeln!(cx.out, "{}", serde_json::json!({ "moved": moved, "to": to }))?;
    }
    Ok(())
}
