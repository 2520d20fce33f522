//! `run`: plan, ask, bring into the ledger, let the lanes work, say what happened.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::awake::Awake;
use super::context::{Context, Failure, Wrong};
use super::manifests::{self, Opened};
use super::notice::Told;
use super::plan::{self, Asked, Plans};
use super::simulate::Simulation;
use super::{dashboard, enqueue, files, finish, knowledge, report, simulate, sink};
use crate::artifacts::{Artifacts, batch_folder};
use crate::atlas::Api;
use crate::cli::{Common, RunArgs};
use crate::domain::{Endpoint, Event, EventKind, Origin, Timestamp, clock, kill_point, text};
use crate::exit::Exit;
use crate::ledger::{Emergency, Ledger, Ownership, network_file_system};
use crate::plan::Action;
use crate::progress::{self, Mode, Sinks};
use crate::runner::{self, Backoff, Gate, Limits, Parts, Signals};
use crate::settings::{self, LogFormat, OnUnknown, ProgressMode, Settings, TimeOfDay};
use crate::telemetry::{self, Logging};

/// Events that may wait for the display.
const EVENTS: usize = 4096;

/// Runs the manifests.
pub(super) async fn run(common: &Common, mut args: RunArgs) -> Result<Exit, Failure> {
    let simulation = simulate::give_back(&mut args.api, &mut args.manifest.manifests)?;
    let (mut cx, mut opened) = manifests::open("run", common, args.partial(), &args.manifest)?;
    cx.simulated(simulation.is_some());
    sink::check_events(&cx, &opened).map_err(anyhow::Error::from)?;
    if cx.settings.on_unknown == OnUnknown::Resubmit && cx.settings.max_double.is_none() {
        return Err(Failure::wrong(
            "--on-unknown resubmit may pay twice: say how much at most with --max-double USD",
        ));
    }
    let known = knowledge::of(&mut cx, &mut opened, simulation.as_ref()).await?;
    let asked = Asked { simulation, ..Asked::default() };
    let plans = plan_all(&mut cx, &opened, &asked).await?;
    plans.check(args.plan_hash.as_deref()).map_err(anyhow::Error::from)?;
    if nothing_to_do(&plans) {
        return Ok(finish::already_done(&mut cx, &plans.batches).await?);
    }
    if let Some(lack) = known.lack() {
        return Err(Failure::wrong(format!("{lack}; nothing was sent")));
    }
    let (common, dashboard) = (common.clone(), args.dashboard);
    let night = Night { common, opened, plans, endpoints: known.endpoints, dashboard };
    Ok(night.work(&mut cx, asked.simulation).await?)
}

/// Plans every manifest and refuses those with mistakes: nothing is sent, nothing is written.
async fn plan_all(cx: &mut Context, opened: &[Opened], asked: &Asked) -> Result<Plans, Failure> {
    let ledger = cx.ledger_to_plan().await.map_err(Failure::from)?;
    let plans = plan::all(cx, opened, ledger.as_ref(), asked).await.map_err(Failure::from)?;
    let mut lines = Vec::new();
    for plan in &plans.batches {
        if !cx.settings.skip_invalid {
            let summary = &plan.summary;
            lines.extend(manifests::mistake_lines(&summary.mistakes, summary.mistake_count));
        }
        let unpriced = plan.summary.unpriced();
        if plan.budget.is_some() && unpriced > 0 && !cx.settings.allow_unpriced {
            lines.push(format!(
                "{}: {} without a known price under a budget; give a `price` in the manifest, or --allow-unpriced",
                text::visible(&plan.batch),
                text::count(unpriced, "job")
            ));
        }
    }
    if !asks(cx) && !cx.settings.yes && !cx.simulated {
        lines.extend(plan::unclaimed_warnings(&plans, &cx.settings).map(|warning| {
            format!("{warning} With --yes it goes on all the same; nothing was sent")
        }));
    }
    if lines.is_empty() { Ok(plans) } else { Err(Failure::usage(lines)) }
}

/// Whether somebody is there to be asked.
fn asks(cx: &Context) -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !cx.json()
}

/// Whether no row of any manifest wants anything.
fn nothing_to_do(plans: &Plans) -> bool {
    let wants = [
        Action::New,
        Action::Retry,
        Action::InFlight,
        Action::Unknown,
        Action::SetAside,
        Action::OverBudget,
    ];
    plans.batches.iter().all(|plan| {
        plan.summary.submissions() == 0
            && plan.summary.to_note == 0
            && !plan.removed.wants_a_run()
            && wants.iter().all(|a| plan.summary.rows.of(*a) == 0)
    })
}

/// Everything between the plan and the exit code.
struct Night {
    common: Common,
    opened: Vec<Opened>,
    plans: Plans,
    /// Where each model is submitted to.
    endpoints: HashMap<String, Endpoint>,
    /// Whether the dashboard is served meanwhile.
    dashboard: bool,
}

impl Night {
    async fn work(
        mut self,
        cx: &mut Context,
        simulation: Option<Simulation>,
    ) -> anyhow::Result<Exit> {
        cx.need_key(simulation.is_some())?;
        make_state_dir(&cx.settings.state_dir)?;
        refuse_network(&cx.settings)?;
        files::require(&cx.settings, simulation.is_some())?;
        let _owner = Ownership::take(&cx.settings.state_dir)?;
        let sinks = sinks(cx)?;
        telemetry::start(&self.logging(cx), sinks.bars.clone())
            .map_err(|error| Wrong(error.to_string()))?;
        self.plans.prices.save()?;
        if !confirm(cx, &self.plans)? {
            return Ok(Exit::Done);
        }
        let _awake = Awake::hold(cx.settings.keep_awake && !cx.simulated);
        let mut signals = Signals::listen()?;
        if !wait_for(cx, &mut signals).await? {
            return Ok(Exit::Interrupted);
        }
        let (api, simulator) = Simulation::api(simulation, cx).await?;
        let exit = self.run_lanes(cx, api, (signals, sinks)).await;
        if let Some(simulator) = simulator {
            simulator.stop().await;
        }
        exit
    }

    fn logging(&self, cx: &Context) -> Logging {
        let verbose = i8::try_from(self.common.verbose).unwrap_or(i8::MAX);
        Logging {
            verbose: if self.common.quiet { -1 } else { verbose },
            json: self.common.log_format == LogFormat::Json,
            color: !settings::no_color() && std::io::stderr().is_terminal(),
            filter: settings::log_filter(),
            log_dir: Some(cx.settings.state_dir.join("logs")),
        }
    }

    async fn run_lanes(
        mut self,
        cx: &mut Context,
        api: Api,
        (signals, sinks): (Signals, Sinks),
    ) -> anyhow::Result<Exit> {
        let artifacts = self.outputs(cx, &api).await?;
        let ledger = Ledger::open(&cx.ledger_path()).await?;
        ledger.require_begun(artifacts.root()).await?;
        let name = uuid::Uuid::now_v7().to_string();
        let run = ledger.begin_run(&name).await?;
        ledger.mark_too(artifacts.root()).await?;
        let emergency = take_up(&ledger, &cx.settings.state_dir).await?;
        let (batches, enqueued) = self.enqueue(cx, &ledger, &api.origin()).await?;
        let names: Vec<String> = batches.iter().map(|(_, name)| name.clone()).collect();
        ledger.watch(&names).await?;
        let (events, inbox) = mpsc::channel(EVENTS);
        let (told, inbox) = Told::beside(inbox, cx.settings.notify.clone(), &names);
        let shown = progress::beside(inbox, sinks);
        let beside = if self.dashboard { dashboard::beside(cx).await? } else { None };
        let gate = Arc::new(Gate::default());
        let now = CancellationToken::new();
        let watched = watch_signals(cx, signals, &gate, &now);
        let parts = Parts {
            ledger: ledger.clone(),
            api,
            artifacts: artifacts.clone(),
            emergency,
            batches,
            endpoints: std::mem::take(&mut self.endpoints),
            run: (run, name.clone()),
            limits: limits(&cx.settings),
            events: events.clone(),
            manifests: self.opened.iter().map(|o| o.manifest.file().to_owned()).collect(),
            enqueued,
            deadline: deadline(&cx.settings),
            windows: cx.settings.windows.clone(),
        };
        let ended = tokio::select! {
            ended = runner::run(parts, Arc::clone(&gate)) => Some(ended),
            () = now.cancelled() => None,
        };
        watched.abort();
        if let Some(dashboard) = beside {
            dashboard.stop().await;
        }
        let Some(ended) = ended else {
            // The second signal: the ledger is right as it is, and the next run goes on from it.
            return Ok(finish::signal_exit(&gate.stops()));
        };
        let mut outcome =
            finish::Outcome::new(&ledger, &names, &self.plans.batches, (ended, gate.stops()))
                .await?;
        ledger.end_run(run, outcome.exit.code(), &outcome.reason).await.ok();
        kill_point("run_ended");
        // The folder as the run knew it: what stands in its place by now is not ours to write to.
        outcome.look_for_files(artifacts.root(), &ledger).await.ok();
        outcome.reports =
            report::after_run(&cx.settings, &artifacts, &ledger, &outcome.views).await;
        announce(&events, &name, &outcome).await;
        drop(events);
        tokio::time::timeout(Duration::from_secs(5), shown).await.ok();
        told.end().await;
        ledger.close().await;
        outcome.tell(cx)
    }

    /// The output folder, looked at before anything is paid for.
    async fn outputs(&self, cx: &Context, api: &Api) -> anyhow::Result<Artifacts> {
        let artifacts = cx.artifacts(api.base_url())?;
        artifacts.require_room().await?;
        for plan in &self.plans.batches {
            artifacts.require_folder(&batch_folder(&plan.batch)?).await?;
        }
        for folder in [cx.settings.state_dir.as_path(), artifacts.root()] {
            sync_above(folder)?;
        }
        Ok(artifacts)
    }

    async fn enqueue(
        &mut self,
        cx: &mut Context,
        ledger: &Ledger,
        origin: &Origin,
    ) -> anyhow::Result<enqueue::Enqueued> {
        let Plans { batches, prices, .. } = &mut self.plans;
        enqueue::all(cx, ledger, origin, (&self.opened, batches, prices)).await
    }
}

/// What an earlier run could not write into the ledger comes first.
pub(super) async fn take_up(ledger: &Ledger, state_dir: &Path) -> anyhow::Result<Emergency> {
    let (emergency, taken) = Emergency::take_up(ledger, state_dir).await?;
    for rescued in &taken.imported {
        let (batch, job, prediction) = (&rescued.batch, &rescued.key, &rescued.prediction);
        tracing::warn!(batch, job, prediction, "brought in from the emergency journal");
    }
    for strange in &taken.strange {
        let (batch, job, prediction) = (&strange.batch, &strange.key, &strange.prediction);
        tracing::error!(
            batch,
            job,
            prediction,
            "the emergency journal holds a prediction that the ledger has no place for; a copy of \
             the journal is kept in the state folder"
        );
    }
    Ok(emergency)
}

/// A ledger that a crash may damage is no ledger.
fn refuse_network(settings: &Settings) -> Result<(), Wrong> {
    let folder = &settings.state_dir;
    match network_file_system(folder) {
        Some(kind) if !settings.allow_network_ledger => Err(Wrong(format!(
            "the state folder {} is on a network file system ({kind}), where a crash may damage the \
             ledger and two machines may both believe to own it; choose a --state-dir on a local \
             disk, or say --allow-network-ledger",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Makes the state folder, for its owner only.
pub(super) fn make_state_dir(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Wrong(format!("cannot make the state folder {}: {error}", path.display())).into()
    })
}

/// A folder just made is durable only with the folders above it. Those that may not be opened, or
/// cannot be synced, are not ours to make durable.
fn sync_above(folder: &Path) -> anyhow::Result<()> {
    use std::io::ErrorKind as Kind;
    let whole = folder.canonicalize()?;
    for above in whole.ancestors().skip(1) {
        match std::fs::File::open(above).and_then(|folder| folder.sync_all()) {
            Err(error)
                if !matches!(
                    error.kind(),
                    Kind::PermissionDenied
                        | Kind::InvalidInput
                        | Kind::Unsupported
                        | Kind::ReadOnlyFilesystem
                ) =>
            {
                return Err(Wrong(format!("cannot sync {}: {error}", above.display())).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// On a terminal a run that spends money shows the plan and asks; elsewhere it does not ask.
fn confirm(cx: &mut Context, plans: &Plans) -> anyhow::Result<bool> {
    let spends = plans.batches.iter().any(|plan| plan.summary.submissions() > 0);
    if cx.json() {
        return Ok(true);
    }
    plan::write_human(&mut cx.err, plans, &cx.settings)?;
    if cx.settings.yes || cx.simulated || !asks(cx) || !spends {
        return Ok(true);
    }
    write!(cx.err, "go on? [y/N] ")?;
    cx.err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !yes {
        writeln!(cx.err, "nothing was sent")?;
    }
    Ok(yes)
}

/// Waits for `--at`. Returns whether to go on.
async fn wait_for(cx: &mut Context, signals: &mut Signals) -> anyhow::Result<bool> {
    let Some(at) = cx.settings.at else { return Ok(true) };
    let wait = until(at);
    writeln!(cx.err, "starting at {:02}:{:02}, in {}", at.hour, at.minute, clock::human(wait))?;
    Ok(tokio::select! {
        () = runner::wall_clock(clock::after(clock::now(), wait)) => true,
        _ = signals.next() => false,
    })
}

/// How long until that time of day comes next, local time.
fn until(time: TimeOfDay) -> Duration {
    let now = jiff::Zoned::now();
    let at = now
        .with()
        .hour(time.hour)
        .minute(time.minute)
        .second(0)
        .subsec_nanosecond(0)
        .build()
        .unwrap_or_else(|_| now.clone());
    let next = if at > now { Ok(at) } else { at.tomorrow() };
    let next = next.unwrap_or_else(|_| now.clone());
    Duration::try_from(next.duration_since(&now)).unwrap_or_default()
}

fn deadline(settings: &Settings) -> Option<Timestamp> {
    let length = settings.run_for.or_else(|| settings.until.map(until));
    length.map(|length| clock::after(clock::now(), length))
}

pub(super) fn limits(settings: &Settings) -> Limits {
    Limits {
        concurrency: settings.concurrency,
        downloads: settings.downloads,
        rpm: settings.rpm.map(std::num::NonZeroU32::get),
        max_attempts: settings.max_attempts,
        backoff: Backoff { base: settings.retry_base, cap: settings.retry_cap },
        poll: (settings.poll_min, settings.poll_max),
        job_timeout: settings.job_timeout,
        absence_wait: settings.absence_wait,
        ramp: !settings.no_ramp,
        pay_again: settings.max_double.filter(|_| settings.on_unknown == OnUnknown::Resubmit),
    }
}

/// Where progress and events go.
fn sinks(cx: &Context) -> Result<Sinks, Wrong> {
    let terminal = std::io::stderr().is_terminal();
    let mode = match cx.settings.progress {
        ProgressMode::Bar => Mode::Bar,
        ProgressMode::Auto if terminal => Mode::Bar,
        ProgressMode::Plain | ProgressMode::Auto => Mode::Plain,
        ProgressMode::None => Mode::None,
    };
    Ok(Sinks {
        mode,
        screen: Box::new(std::io::stderr()),
        events: sink::events(cx)?,
        bars: Some(cx.bars.clone()),
    })
}

/// The first signal closes the gate, the second ends the run at once.
pub(super) fn watch_signals(
    cx: &Context,
    signals: Signals,
    gate: &Arc<Gate>,
    now: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let (gate, now) = (Arc::clone(gate), now.clone());
    let says = !cx.json();
    tokio::spawn(async move {
        let first = move |stop: runner::Stop| {
            if says {
                tracing::warn!(
                    "{}; running submissions end first, a second signal ends now",
                    stop.reason()
                );
            }
            gate.stop(stop);
        };
        signals.watch(first, now).await;
    })
}

async fn announce(events: &mpsc::Sender<Event>, name: &str, outcome: &finish::Outcome) {
    let kind = EventKind::RunFinished { exit: outcome.exit.code(), reason: outcome.reason.clone() };
    let event = Event { at: clock::now(), run: name.to_owned(), kind, totals: outcome.totals };
    tokio::time::timeout(Duration::from_secs(5), events.send(event)).await.ok();
}
