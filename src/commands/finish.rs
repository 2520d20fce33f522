//! The end of a run: the exit code, what happened, what it cost, where the files are, what next.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::context::Context;
use super::plan::Planned;
use super::present;
use super::report;
use super::status::{batch_json, write_human};
use crate::domain::{JobState, Totals, text};
use crate::exit::Exit;
use crate::ledger::{BatchView, Error, Ledger};
use crate::runner::Stop;
use crate::settings::Settings;

/// How a run ended.
pub(super) struct Outcome {
    /// The exit code.
    pub(super) exit: Exit,
    /// Why, in a sentence without its end.
    pub(super) reason: String,
    /// The last figures.
    pub(super) totals: Totals,
    /// The batches as they are now.
    pub(super) views: Vec<BatchView>,
    /// Rows with mistakes.
    left_out: u64,
    /// Those of them that the ledger does not have as `invalid`.
    unlisted: u64,
    /// Files of done jobs that are not there any more.
    missing: u64,
    /// What is to be said of the reports.
    pub(super) reports: Vec<String>,
}

impl Outcome {
    /// Reads the ledger once more: it, not memory, says how the run ended.
    pub(super) async fn new(
        ledger: &Ledger,
        names: &[String],
        plans: &[Planned],
        (ended, stops): (Result<Totals, Error>, Vec<Stop>),
    ) -> anyhow::Result<Self> {
        let views = match ledger.batches(names).await {
            Ok(views) => views,
            Err(error) if ended.is_ok() => return Err(error.into()),
            Err(_) => Vec::new(),
        };
        let left_out = plans.iter().map(|plan| plan.summary.left_out).sum();
        let listed: u64 = plans.iter().map(|p| p.summary.noted + p.summary.to_note).sum();
        let mut exits: Vec<Exit> = stops.iter().map(exit_of).collect();
        if matches!(ended, Err(Error::Fenced)) {
            // That nothing can be written any more follows from it.
            exits.retain(|exit| *exit != Exit::Internal);
        }
        let mut reasons: Vec<String> = stops.iter().map(Stop::reason).collect();
        let totals = ended.unwrap_or_else(|error| {
            exits.push(if matches!(error, Error::Fenced) { Exit::Owned } else { Exit::Internal });
            if !stops.iter().any(|stop| matches!(stop, Stop::Storage(_))) {
                reasons.push(error.to_string());
            }
            Totals::default()
        });
        exits.extend(exits_of(&views, left_out));
        let waits: u64 = plans.iter().map(|plan| plan.summary.waits).sum();
        if waits > 0 {
            exits.push(Exit::NeedsDecision);
            reasons.push(format!(
                "{} changed while the job was at the API, and had its old result collected; the same \
                 command makes it anew",
                text::count(waits, "row")
            ));
        }
        let exit = Exit::first_of(&exits);
        let reason =
            if reasons.is_empty() { meaning(exit, &views, left_out) } else { reasons.join("; ") };
        let unlisted = left_out - listed;
        let reports = Vec::new();
        Ok(Self { exit, reason, totals, views, left_out, unlisted, missing: 0, reports })
    }

    /// Looks whether the files of done jobs are where they were put.
    pub(super) async fn look_for_files(
        &mut self,
        output_dir: &Path,
        ledger: &Ledger,
    ) -> anyhow::Result<()> {
        let batches = self.views.iter().filter(|view| view.files > 0).map(|view| view.id);
        self.missing = present::missing(output_dir, ledger, batches).await?;
        Ok(())
    }

    /// Prints the end.
    pub(super) fn tell(&self, cx: &mut Context) -> anyhow::Result<Exit> {
        if cx.json() {
            let batches: Vec<_> = self.views.iter().map(|view| self.json_of(view)).collect();
            let whole = json!({
                "batches": batches, "exit": self.exit.code(), "reason": self.reason,
                "missing_files": self.missing,
            });
            writeln!(cx.out, "{whole}")?;
            return Ok(self.exit);
        }
        write_human(&mut cx.out, &self.views)?;
        if self.left_out > 0 {
            let rows = text::count(self.left_out, "row");
            writeln!(cx.out, "  {rows} left out for mistakes; `nightreel plan` names them")?;
        }
        if self.exit != Exit::Done {
            writeln!(cx.out, "{}", text::visible(&self.reason))?;
        }
        let folder = cx.settings.output_dir.clone();
        if self.views.iter().any(|view| view.files > 0) {
            writeln!(cx.out, "files are in {}", folder.display())?;
        }
        if self.missing > 0 {
            writeln!(
                cx.out,
                "WARNING: {} of done jobs not there any more, or of another size",
                text::count(self.missing, "file")
            )?;
        }
        for said in &self.reports {
            writeln!(cx.out, "{said}")?;
        }
        for line in self.next_steps(&cx.settings) {
            writeln!(cx.out, "next: {line}")?;
        }
        Ok(self.exit)
    }

    /// Rows that could not be read at all are in no ledger: they are counted here.
    fn json_of(&self, view: &BatchView) -> serde_json::Value {
        let mut batch = batch_json(view);
        if self.views.len() == 1 && self.unlisted > 0 {
            batch["jobs"]["invalid"] = (view.tally.count(JobState::Invalid) + self.unlisted).into();
        }
        batch
    }

    /// The exact commands that go on from here.
    fn next_steps(&self, settings: &Settings) -> Vec<String> {
        let at = places(settings, false);
        let has = |state: JobState| self.views.iter().any(|view| view.tally.count(state) > 0);
        let mut steps = Vec::new();
        if has(JobState::Failed) {
            steps.push(format!("nightreel list --failed{at}        (what failed and why)"));
            steps.push(format!("nightreel requeue --failed{at}     (give them another chance)"));
        }
        if JobState::ALL.into_iter().any(|state| state.needs_decision() && has(state)) {
            steps.push(format!("nightreel resolve{at}              (ask the API again, for free)"));
        }
        if self.missing > 0 {
            let places = places(settings, true);
            steps.push(format!(
                "nightreel verify --repair{places}    (fetches files again, for free)"
            ));
        }
        if JobState::ALL.into_iter().any(|state| state.is_open() && has(state)) {
            let raise = if self.exit == Exit::Budget { ", with a higher --budget" } else { "" };
            steps.push(format!("{}    (goes on where this stopped{raise})", same_command()));
        }
        steps
    }
}

/// The flags that say where things are, where that is not where they are by default.
pub(super) fn places(settings: &Settings, outputs: bool) -> String {
    let named = report::folders(settings);
    let output_dir = named.output_dir.filter(|_| outputs);
    let flags = [("state-dir", named.state_dir), ("output-dir", output_dir)];
    let given = flags
        .into_iter()
        .filter_map(|(name, path)| Some(format!(" --{name} {}", quoted(&path?.to_string_lossy()))));
    given.collect::<Vec<_>>().concat()
}

/// The command as it was typed, to be pasted into a shell: its flags are part of what goes on.
fn same_command() -> String {
    let words = std::env::args().skip(1).map(|word| quoted(&word));
    std::iter::once("nightreel".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", text::visible(word).replace('\'', r"'\''"))
}

/// An exit code in words. Canceled jobs are nobody's failure, but they are not done either.
fn meaning(exit: Exit, views: &[BatchView], left_out: u64) -> String {
    let all = |state| -> u64 { views.iter().map(|view| view.tally.count(state)).sum() };
    let (canceled, failed) = (all(JobState::Canceled), all(JobState::Failed));
    match exit {
        Exit::Done if canceled > 0 => format!("every job is done but {canceled} canceled"),
        Exit::SomeFailed if failed == 0 && left_out > 0 => {
            format!("{} left out for mistakes", text::count(left_out, "row"))
        }
        _ => exit.meaning().to_owned(),
    }
}

/// A stop's own exit code.
fn exit_of(stop: &Stop) -> Exit {
    match stop {
        Stop::Interrupted => Exit::Interrupted,
        Stop::Terminated => Exit::Terminated,
        Stop::Key(_) | Stop::Balance(_) => Exit::Account,
        Stop::Budget | Stop::Price(_) => Exit::Budget,
        Stop::Deadline => Exit::Deadline,
        Stop::Rejections(_) | Stop::Failures(_) | Stop::Unclear(_) => Exit::SomeFailed,
        Stop::Misdirected(_) => Exit::Usage,
        Stop::Storage(_) => Exit::Internal,
    }
}

fn exits_of(views: &[BatchView], left_out: u64) -> Vec<Exit> {
    let has = |state: &JobState| views.iter().any(|view| view.tally.count(*state) > 0);
    let mut exits = Vec::new();
    if JobState::ALL.iter().any(|state| state.needs_decision() && has(state)) {
        exits.push(Exit::NeedsDecision);
    }
    if has(&JobState::Failed) || has(&JobState::Invalid) || left_out > 0 {
        exits.push(Exit::SomeFailed);
    }
    exits
}

/// The exit code of a second signal.
#[must_use]
pub(super) fn signal_exit(stops: &[Stop]) -> Exit {
    let exits: Vec<Exit> = stops.iter().map(exit_of).collect();
    let signals = [Exit::Interrupted, Exit::Terminated];
    signals.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Interrupted)
}

/// Nothing to do is a result too: it is said, and the exit code is what the ledger says.
pub(super) async fn already_done(cx: &mut Context, plans: &[Planned]) -> anyhow::Result<Exit> {
    let names: Vec<String> = plans.iter().map(|plan| plan.batch.clone()).collect();
    let ledger = cx.read_ledger().await?;
    let mut views = match &ledger {
        Some(ledger) => ledger.batches(&names).await?,
        None => Vec::new(),
    };
    for view in &mut views {
        // The ledger has the cap of the last run that had anything to do.
        let plan = plans.iter().find(|plan| plan.batch == view.name);
        view.tally.budget = plan.and_then(|plan| plan.budget).or(view.tally.budget);
    }
    let left_out = plans.iter().map(|plan| plan.summary.left_out).sum();
    let noted: u64 = plans.iter().map(|plan| plan.summary.noted).sum();
    let exit = Exit::first_of(&exits_of(&views, left_out));
    let reason = match exit {
        Exit::Done => format!("nothing to do, {}", meaning(exit, &views, left_out)),
        other => format!("nothing to do: {}", meaning(other, &views, left_out)),
    };
    if !cx.json() {
        writeln!(cx.out, "{reason}; 0 submissions")?;
    }
    let totals = Totals::default();
    let reports = match &ledger {
        Some(ledger) => report::without_run(&cx.settings, ledger, &views).await,
        None => Vec::new(),
    };
    let unlisted = left_out - noted;
    let mut outcome =
        Outcome { exit, reason, totals, views, left_out, unlisted, missing: 0, reports };
    if let Some(ledger) = &ledger {
        outcome.look_for_files(&cx.settings.output_dir, ledger).await?;
    }
    outcome.tell(cx)
}
