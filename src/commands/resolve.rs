//! `resolve`: settles unknown outcomes by evidence or by the operator's word, and asks the API once
//! more about jobs that were set aside. Nothing here submits anything.

use serde_json::json;

use super::Context;
use super::simulate::Simulation;
use crate::atlas::{Api, PollAnswer};
use crate::cli::ResolveArgs;
use crate::domain::{JobState, PredictionId, clock, text};
use crate::exit::Exit;
use crate::ledger::{BatchId, JobId, Ledger, UnknownAttempt};
use crate::runner::{Lookup, Readable};

/// Carries the decisions out; with none, asks the history and the predictions again.
pub(super) async fn resolve(
    cx: &mut Context,
    decisions: &ResolveArgs,
    simulation: Option<Simulation>,
) -> anyhow::Result<Exit> {
    let ledger = cx.write_ledger().await?;
    let batch = match &decisions.batch {
        Some(name) => Some(cx.batch(&ledger, name).await?.id),
        None => None,
    };
    let result = if decide(cx, &ledger, batch, decisions).await? {
        Ok(Exit::Done)
    } else {
        let (api, simulator) = Simulation::api(simulation, cx).await?;
        let exit = ask_again(cx, &ledger, &api, batch).await;
        if let Some(simulator) = simulator {
            simulator.stop().await;
        }
        exit
    };
    ledger.close().await;
    result
}

async fn decide(
    cx: &mut Context,
    ledger: &Ledger,
    batch: Option<BatchId>,
    decisions: &ResolveArgs,
) -> anyhow::Result<bool> {
    let mut decided = false;
    for pair in &decisions.adopt {
        let (job, id) = pair.rsplit_once('=').ok_or_else(|| {
            anyhow::anyhow!("--adopt takes JOB=PREDICTION_ID; `{pair}` has no `=`")
        })?;
        let prediction = PredictionId::parse(id)
            .ok_or_else(|| anyhow::anyhow!("`{}` is no prediction id", text::visible(id)))?;
        let unknown = unknown(cx, ledger, batch, job).await?;
        ledger.adopt(unknown.attempt, &prediction, "operator").await?;
        say(cx, &unknown, "adopted; the next run polls it")?;
        decided = true;
    }
    for job in &decisions.absent {
        let unknown = unknown(cx, ledger, batch, job).await?;
        ledger.prove_absent(unknown.attempt, "operator", clock::now()).await?;
        say(cx, &unknown, "back to pending; the next run submits it")?;
        decided = true;
    }
    for job in &decisions.charged {
        let unknown = unknown(cx, ledger, batch, job).await?;
        ledger.assume_charged(unknown.attempt).await?;
        say(cx, &unknown, "failed, its money counts as spent")?;
        decided = true;
    }
    Ok(decided)
}

async fn unknown(
    cx: &Context,
    ledger: &Ledger,
    batch: Option<BatchId>,
    job: &str,
) -> anyhow::Result<UnknownAttempt> {
    let found = cx.job_in(ledger, job, batch).await?;
    let unknowns = ledger.unknowns(u32::MAX).await?;
    unknowns.into_iter().find(|unknown| unknown.job == found.id).ok_or_else(|| {
        anyhow::anyhow!(
            "{}/{} is {}, not unknown: nothing to settle",
            found.batch,
            found.key,
            found.state
        )
    })
}

fn say(cx: &mut Context, unknown: &UnknownAttempt, what: &str) -> anyhow::Result<()> {
    let (batch, key) = (&unknown.batch_name, &unknown.key);
    if cx.json() {
        writeln!(cx.out, "{}", json!({ "batch": batch, "key": key, "resolved": what }))?;
    } else {
        writeln!(cx.out, "{}/{}: {what}", text::visible(batch), text::visible(key))?;
    }
    Ok(())
}

/// Looks every unknown up once, and polls what was set aside once. What completed meanwhile is
/// collected by the next run.
async fn ask_again(
    cx: &mut Context,
    ledger: &Ledger,
    api: &Api,
    batch: Option<BatchId>,
) -> anyhow::Result<Exit> {
    let absence_wait = cx.settings.absence_wait;
    let looked = Lookup { ledger, api, absence_wait, batch }.look().await?;
    if let Readable::Never(why) | Readable::NotNow(why) = &looked.readable {
        writeln!(cx.err, "the history cannot be asked: {why}")?;
    }
    for (unknown, how) in &looked.settled {
        say(cx, unknown, how.as_str())?;
    }
    for (unknown, found) in &looked.unclear {
        explain(cx, unknown, found)?;
    }
    let revived = poll_set_aside(cx, ledger, api, batch).await?;
    let left = ledger.unknowns(u32::MAX).await?;
    let left = left.iter().filter(|unknown| batch.is_none_or(|id| id == unknown.batch)).count();
    if !cx.json() {
        writeln!(
            cx.out,
            "{} settled, {} to be collected by the next run, {left} still unknown",
            text::count(looked.settled.len() as u64, "unknown outcome"),
            text::count(revived, "job"),
        )?;
    }
    Ok(if left == 0 { Exit::Done } else { Exit::NeedsDecision })
}

/// What the operator needs to decide a case that no look can settle.
fn explain(
    cx: &mut Context,
    unknown: &UnknownAttempt,
    found: &[PredictionId],
) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let name = format!("{}/{}", text::visible(&unknown.batch_name), text::visible(&unknown.key));
    writeln!(cx.err, "{name}: the history shows these tasks with this request; which is its own?")?;
    for id in found {
        writeln!(cx.err, "  nightreel resolve --adopt {name}={id}")?;
    }
    Ok(())
}

async fn poll_set_aside(
    cx: &mut Context,
    ledger: &Ledger,
    api: &Api,
    batch: Option<BatchId>,
) -> anyhow::Result<u64> {
    let mut revived = 0;
    for state in [JobState::Quarantined, JobState::LostOutput] {
        let mut after = JobId(0);
        loop {
            let page = ledger.paid(state, after, 100).await?;
            let Some(last) = page.last() else { break };
            after = last.job.id;
            for paid in page {
                let meant = batch.is_none_or(|id| id == paid.job.batch);
                if !meant || paid.origin != api.origin() {
                    continue;
                }
                let answer = api.poll(&paid.prediction).await.answer;
                if matches!(&answer, PollAnswer::Completed { outputs, .. } if !outputs.is_empty()) {
                    ledger.poll_again(paid.job.id).await?;
                    revived += 1;
                } else {
                    let said = describe(&answer);
                    let (batch, key) = (&paid.job.batch_name, &paid.job.key);
                    writeln!(cx.err, "{}/{}: {said}", text::visible(batch), text::visible(key))?;
                }
            }
        }
    }
    Ok(revived)
}

fn describe(answer: &PollAnswer) -> String {
    match answer {
        PollAnswer::Running { status, .. } => format!("still `{status}` at the API"),
        PollAnswer::Completed { .. } => "completed, but without any output".to_owned(),
        PollAnswer::Failed { message, .. } => format!("failed at the API: {message}"),
        PollAnswer::NotFound { message } => format!("no longer known to the API: {message}"),
        PollAnswer::KeyRefused { message } => format!("the key is not accepted: {message}"),
        PollAnswer::Throttled { message, .. } | PollAnswer::Trouble { message, .. } => {
            format!("the API could not be asked: {message}")
        }
        PollAnswer::OtherPrediction { got } => format!("the API answered for {got} instead"),
    }
}
