//! `verify --repair`: what is missing or altered is downloaded again from the same prediction, for free.
//! Nothing is generated: the lanes run without a batch to submit from.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::run;
use super::simulate::Simulation;
use super::verify::{self, Bad, Damage, Found};
use crate::artifacts::{Artifacts, FetchSettings, RelPath};
use crate::atlas::Api;
use crate::domain::{Digest, JobState, Windows, text};
use crate::exit::Exit;
use crate::ledger::{JobId, Ledger, Ownership, RunId};
use crate::runner::{self, Gate, Parts, Signals, sidecar_of};

/// Repairs what it can and verifies again.
pub(super) async fn repair(
    cx: &mut Context,
    batch: Option<&str>,
    simulation: Option<Simulation>,
) -> anyhow::Result<Exit> {
    cx.need_ledger().await?.close().await;
    let _owner = Ownership::take(&cx.settings.state_dir)?;
    let ledger = Ledger::open(&cx.ledger_path()).await?;
    let found = verify::inspect(cx, &ledger, batch).await?;
    if found.bad.is_empty() {
        return verify::tell(cx, &found, true);
    }
    write_sidecars(cx, &ledger, &found).await?;
    if !found.bad.iter().any(is_fetched) {
        let exit = conclude(cx, &ledger, batch, &found).await;
        ledger.close().await;
        return exit;
    }
    let (api, simulator) = Simulation::api(simulation, cx).await?;
    let fetched = fetch_again(cx, &ledger, &api, &found).await;
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    fetched?;
    let exit = conclude(cx, &ledger, batch, &found).await;
    ledger.close().await;
    exit
}

/// Whether a download mends it.
fn is_fetched(bad: &Bad) -> bool {
    matches!(bad.damage, Damage::Missing | Damage::Altered)
}

/// Sidecars are made of what the ledger has: that asks nobody.
async fn write_sidecars(cx: &mut Context, ledger: &Ledger, found: &Found) -> anyhow::Result<()> {
    let lacking: BTreeSet<JobId> =
        found.bad.iter().filter(|bad| bad.damage == Damage::Sidecar).map(|bad| bad.job).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let artifacts = Artifacts::open(&cx.settings.output_dir, FetchSettings::default())?;
    for job in lacking {
        let Some(paid) = ledger.paid_job(job).await? else { continue };
        for file in ledger.artifacts_of(job).await? {
            let (Ok(name), Some(sidecar)) = (RelPath::parse(&file.path), sidecar_of(&paid, &file))
            else {
                continue;
            };
            if let Err(error) = artifacts.write_sidecar(&name, &sidecar).await {
                writeln!(cx.err, "{}", text::visible(&error.to_string()))?;
            }
        }
    }
    Ok(())
}

/// Puts the jobs back to polling and lets the lanes bring them to `done` again.
async fn fetch_again(
    cx: &mut Context,
    ledger: &Ledger,
    api: &Api,
    found: &Found,
) -> anyhow::Result<()> {
    let artifacts = cx.artifacts(api.base_url())?;
    let name = format!("repair-{}", uuid::Uuid::now_v7());
    let run = ledger.begin_run(&name).await?;
    let mut jobs = BTreeSet::new();
    for bad in found.bad.iter().filter(|bad| is_fetched(bad)) {
        let mine = ledger.paid_job(bad.job).await?.is_some_and(|paid| paid.origin == api.origin());
        if !mine {
            let (batch, key) = (text::visible(&bad.name.0), text::visible(&bad.name.1));
            writeln!(cx.err, "{batch}/{key}: made at another API, left as it is")?;
            continue;
        }
        if bad.damage == Damage::Altered {
            let aside = artifacts.move_aside(&RelPath::parse(&bad.path)?).await?;
            writeln!(cx.err, "{} is kept as {aside}", text::visible(&bad.path))?;
        }
        jobs.insert(bad.job);
    }
    for job in &jobs {
        ledger.poll_again(*job).await?;
    }
    let outcome = lanes(cx, (ledger, api, artifacts), (run, name)).await;
    let exit = if outcome.is_ok() { Exit::Done } else { Exit::Internal };
    ledger.end_run(run, exit.code(), "verify --repair").await.ok();
    outcome
}

async fn lanes(
    cx: &Context,
    (ledger, api, artifacts): (&Ledger, &Api, Artifacts),
    run: (RunId, String),
) -> anyhow::Result<()> {
    let gate = Arc::new(Gate::default());
    let now = CancellationToken::new();
    let watched = run::watch_signals(cx, Signals::listen()?, &gate, &now);
    let (events, mut inbox) = mpsc::channel(64);
    let drained = tokio::spawn(async move { while inbox.recv().await.is_some() {} });
    let emergency = run::take_up(ledger, &cx.settings.state_dir).await?;
    let parts = Parts {
        ledger: ledger.clone(),
        api: api.clone(),
        artifacts,
        emergency,
        batches: Vec::new(),
        endpoints: HashMap::new(),
        run,
        limits: run::limits(&cx.settings),
        events,
        manifests: Vec::new(),
        enqueued: Vec::new(),
        deadline: None,
        windows: Windows::default(),
    };
    let ended = tokio::select! {
        ended = runner::run(parts, gate) => ended.map(|_| ()).map_err(anyhow::Error::from),
        () = now.cancelled() => Ok(()),
    };
    watched.abort();
    drained.abort();
    ended
}

/// Verifies again, and names what is another file than before or could not be had.
async fn conclude(
    cx: &mut Context,
    ledger: &Ledger,
    batch: Option<&str>,
    before: &Found,
) -> anyhow::Result<Exit> {
    let after = verify::inspect(cx, ledger, batch).await?;
    let fetched = before.bad.iter().filter(|bad| is_fetched(bad));
    let jobs: BTreeSet<JobId> = fetched.map(|bad| bad.job).collect();
    let mut lost = false;
    for job in jobs {
        let names = before.bad.iter().find(|bad| bad.job == job).map(|bad| bad.name.clone());
        let (batch, key) = names.unwrap_or_default();
        let (shown, key) = (text::visible(&batch), key);
        let view = cx.job_in(ledger, &key, Some(cx.batch(ledger, &batch).await?.id)).await?;
        let label = format!("{shown}/{}", text::visible(&key));
        if view.state != JobState::Done {
            lost = true;
            writeln!(
                cx.err,
                "{label}: not repaired, it is {} now{}",
                view.state,
                why(view.error.as_ref())
            )?;
            continue;
        }
        let files = ledger.artifacts_of(job).await?;
        let now: BTreeSet<Digest> = files.iter().map(|file| file.sha256).collect();
        let wanted = before.bad.iter().filter(|bad| bad.job == job).filter_map(|bad| bad.sha256);
        if wanted.into_iter().all(|sha256| now.contains(&sha256)) {
            writeln!(cx.err, "{label}: repaired")?;
        } else {
            writeln!(cx.err, "{label}: the API gives another file now; it is stored and recorded")?;
        }
    }
    let exit = verify::tell(cx, &after, true)?;
    Ok(if lost { Exit::NeedsDecision } else { exit })
}

fn why(error: Option<&(String, String)>) -> String {
    error.map_or_else(String::new, |(_, message)| format!(": {}", text::visible(message)))
}
