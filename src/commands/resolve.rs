//! `resolve`: settles unknown outcomes by evidence or by the operator's word, and asks the API once
//! more about jobs that were set aside. Nothing here submits anything.

use std::collections::HashSet;

use serde_json::json;

use super::Context;
use super::adopt::{self, Checked};
use super::context::Wrong;
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
    args: &ResolveArgs,
    simulation: Option<Simulation>,
) -> anyhow::Result<Exit> {
    let ledger = cx.write_ledger().await?;
    let batch = match &args.batch {
        Some(name) => Some(cx.batch(&ledger, name).await?.id),
        None => None,
    };
    let decisions = decisions(cx, &ledger, batch, args).await?;
    let adopts = decisions.iter().any(|decision| decision.adopted().is_some());
    if !decisions.is_empty() && (args.unchecked || !adopts) {
        carry_out(cx, &ledger, decisions).await?;
        ledger.close().await;
        return Ok(Exit::Done);
    }
    let (api, simulator) = Simulation::api(simulation, cx).await?;
    let result = if decisions.is_empty() {
        ask_again(cx, &ledger, &api, batch).await
    } else {
        checked(cx, &ledger, &api, decisions).await
    };
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    ledger.close().await;
    result
}

/// What the operator says of one unknown outcome.
struct Decision {
    unknown: UnknownAttempt,
    word: Word,
}

enum Word {
    Adopt(PredictionId),
    Absent,
    Charged,
}

impl Decision {
    fn adopted(&self) -> Option<&PredictionId> {
        match &self.word {
            Word::Adopt(prediction) => Some(prediction),
            Word::Absent | Word::Charged => None,
        }
    }
}

/// All that was said, each about an unknown outcome of its own, before anything is carried out.
async fn decisions(
    cx: &Context,
    ledger: &Ledger,
    batch: Option<BatchId>,
    args: &ResolveArgs,
) -> anyhow::Result<Vec<Decision>> {
    let mut words = Vec::new();
    for pair in &args.adopt {
        let shown = text::visible(pair);
        let Some((job, id)) = pair.rsplit_once('=') else {
            return Err(wrong(format!("--adopt takes JOB=PREDICTION_ID; `{shown}` has no `=`")));
        };
        let Some(prediction) = PredictionId::parse(id) else {
            return Err(wrong(format!("`{}` is no prediction id", text::visible(id))));
        };
        words.push((job, Word::Adopt(prediction)));
    }
    words.extend(args.absent.iter().map(|job| (job.as_str(), Word::Absent)));
    words.extend(args.charged.iter().map(|job| (job.as_str(), Word::Charged)));
    let (mut jobs, mut ids) = (HashSet::new(), HashSet::new());
    let mut decisions = Vec::new();
    for (job, word) in words {
        let unknown = unknown(cx, ledger, batch, job).await?;
        if !jobs.insert(unknown.job) {
            return Err(wrong(format!("{} is named twice", name(&unknown))));
        }
        let decision = Decision { unknown, word };
        if let Some(id) = decision.adopted()
            && !ids.insert(id.clone())
        {
            return Err(wrong(format!("prediction {id} is given to two jobs; it is one job's")));
        }
        decisions.push(decision);
    }
    Ok(decisions)
}

fn wrong(words: String) -> anyhow::Error {
    Wrong(words).into()
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
        let (batch, key) = (text::visible(&found.batch), text::visible(&found.key));
        wrong(format!("{batch}/{key} is {}, not unknown: nothing to settle", found.state))
    })
}

/// Adopts only what the API's own word does not speak against.
async fn checked(
    cx: &mut Context,
    ledger: &Ledger,
    api: &Api,
    decisions: Vec<Decision>,
) -> anyhow::Result<Exit> {
    for decision in &decisions {
        let Some(id) = decision.adopted() else { continue };
        let name = name(&decision.unknown);
        match adopt::check(ledger, api, &decision.unknown, id).await? {
            Checked::Fits => {}
            Checked::Unseen(why) => writeln!(
                cx.err,
                "note: {name}: what {id} was asked for could not be compared ({why})"
            )?,
            Checked::Refused(why) => {
                return Err(wrong(format!("{name}={id}: {why}. Nothing was settled")));
            }
        }
    }
    carry_out(cx, ledger, decisions).await?;
    Ok(Exit::Done)
}

async fn carry_out(
    cx: &mut Context,
    ledger: &Ledger,
    decisions: Vec<Decision>,
) -> anyhow::Result<()> {
    for Decision { unknown, word } in decisions {
        let said = match word {
            Word::Adopt(prediction) => {
                ledger.adopt(unknown.attempt, &prediction, "operator").await?;
                "adopted; the next run polls it"
            }
            Word::Absent => {
                ledger.prove_absent(unknown.attempt, "operator", clock::now()).await?;
                "back to pending; the next run submits it"
            }
            Word::Charged => {
                ledger.assume_charged(unknown.attempt).await?;
                "failed, its money counts as spent"
            }
        };
        say(cx, &unknown, said)?;
    }
    Ok(())
}

fn name(unknown: &UnknownAttempt) -> String {
    format!("{}/{}", text::visible(&unknown.batch_name), text::visible(&unknown.key))
}

fn say(cx: &mut Context, unknown: &UnknownAttempt, what: &str) -> anyhow::Result<()> {
    if cx.json() {
        let (batch, key) = (&unknown.batch_name, &unknown.key);
        writeln!(cx.out, "{}", json!({ "batch": batch, "key": key, "resolved": what }))?;
    } else {
        writeln!(cx.out, "{}: {what}", name(unknown))?;
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
    let name = name(unknown);
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
