//! `check`: is everything ready for tonight? One line a finding, with its remedy. Nothing is sent that
//! costs, and nothing is made but files that are removed at once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::simulate::Simulation;
use super::{Context, files};
use crate::artifacts::{Artifacts, FetchSettings};
use crate::atlas::Api;
use crate::domain::{JobState, Micros, clock, text};
use crate::exit::Exit;
use crate::ledger::{Ledger, network_file_system, running};

/// Clocks this far apart make waits and times in reports wrong.
const SKEW: Duration = Duration::from_mins(2);
/// Less free space than this is soon used up by videos.
const ROOM: u64 = 2_000_000_000;

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Fine,
    Doubtful,
    Wrong,
}

impl Is {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Doubtful => "warning",
            Self::Wrong => "FAIL",
        }
    }
}

/// What was found of one thing.
struct Finding {
    what: &'static str,
    is: Is,
    found: String,
    remedy: String,
    /// How the command ends where it is wrong.
    exit: Exit,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        let (found, remedy) = (found.into(), String::new());
        Self { what, is: Is::Fine, found, remedy, exit: Exit::Done }
    }

    fn doubtful(what: &'static str, found: impl Into<String>, remedy: &str) -> Self {
        let (found, remedy) = (found.into(), remedy.to_owned());
        Self { what, is: Is::Doubtful, found, remedy, exit: Exit::Done }
    }

    fn wrong(what: &'static str, found: impl Into<String>, remedy: &str, exit: Exit) -> Self {
        let (found, remedy) = (found.into(), remedy.to_owned());
        Self { what, is: Is::Wrong, found, remedy, exit }
    }
}

/// Looks at everything a run needs.
pub(super) async fn check(
    cx: &mut Context,
    simulation: Option<Simulation>,
) -> anyhow::Result<Exit> {
    let mut findings = vec![state_folder(cx), output_folder(cx).await, open_files(cx)];
    findings.extend(ledger(cx).await);
    findings.extend(api(cx, simulation).await?);
    tell(cx, &findings)?;
    let exits: Vec<Exit> = findings.iter().map(|finding| finding.exit).collect();
    Ok(Exit::first_of(&exits))
}

fn tell(cx: &mut Context, findings: &[Finding]) -> anyhow::Result<()> {
    if cx.json() {
        let all: Vec<_> = findings
            .iter()
            .map(|it| {
                json!({ "what": it.what, "is": it.is.as_str(), "found": it.found, "remedy": it.remedy })
            })
            .collect();
        let ready = findings.iter().all(|finding| finding.is != Is::Wrong);
        writeln!(cx.out, "{}", json!({ "ready": ready, "findings": all }))?;
        return Ok(());
    }
    for Finding { what, is, found, remedy, .. } in findings {
        let remedy = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
        writeln!(cx.out, "{:8}{what:15}{}{remedy}", is.as_str(), text::visible(found))?;
    }
    Ok(())
}

/// The folder itself, or the nearest one above it that is there.
fn existing(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = whole.ancestors().find(|folder| folder.is_dir());
    found.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Makes a file in a folder and removes it again.
fn try_writing(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".nightreel-check-{}", std::process::id()));
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|file| file.sync_all()).and_then(|()| std::fs::remove_file(&probe))
}

fn state_folder(cx: &Context) -> Finding {
    let what = "state folder";
    let path = &cx.settings.state_dir;
    let folder = existing(path);
    if let (Some(kind), false) = (network_file_system(&folder), cx.settings.allow_network_ledger) {
        return Finding::wrong(
            what,
            format!("{} is on a network file system ({kind})", path.display()),
            "choose a --state-dir on a local disk",
            Exit::Usage,
        );
    }
    match try_writing(&folder) {
        Ok(()) => Finding::fine(what, format!("{} can be written to", path.display())),
        Err(error) => Finding::wrong(
            what,
            format!("{} cannot be written to: {error}", path.display()),
            "choose another --state-dir, or change its owner",
            Exit::Internal,
        ),
    }
}

async fn output_folder(cx: &Context) -> Finding {
    let what = "output folder";
    let path = &cx.settings.output_dir;
    let wrong = |error: String| {
        let remedy = "choose another --output-dir, or make room";
        Finding::wrong(what, error, remedy, Exit::Internal)
    };
    let folder = existing(path);
    if path.symlink_metadata().is_ok() && folder != std::path::absolute(path).unwrap_or_default() {
        return wrong(format!("{} is no folder", path.display()));
    }
    let opened = match Artifacts::open(&folder, FetchSettings::default()) {
        Ok(opened) => opened,
        Err(error) => return wrong(error.to_string()),
    };
    if let Err(error) = opened.require_room().await {
        return wrong(error.to_string());
    }
    match opened.free_space().await {
        Ok(free) if free < ROOM => Finding::doubtful(
            what,
            format!("{} has {} free", path.display(), text::bytes(free)),
            "a night of videos may need more",
        ),
        Ok(free) => {
            Finding::fine(what, format!("{} has {} free", path.display(), text::bytes(free)))
        }
        Err(error) => wrong(error.to_string()),
    }
}

fn open_files(cx: &Context) -> Finding {
    match files::require(&cx.settings, cx.simulated) {
        Ok(()) => Finding::fine(
            "open files",
            format!(
                "enough for {} in flight",
                text::count(cx.settings.concurrency.get().into(), "prediction")
            ),
        ),
        Err(error) => Finding::wrong("open files", error.to_string(), "", Exit::Usage),
    }
}

/// The ledger: whether it is sound, whose it is, and what waits in it.
async fn ledger(cx: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Ledger::read(&cx.ledger_path()).await {
        Ok(None) => findings.push(Finding::fine("ledger", "none yet; the first run makes it")),
        Ok(Some(ledger)) => {
            if let Some(behind) = ledger.behind() {
                findings.push(Finding::wrong("ledger", behind.to_string(), "", Exit::Internal));
            }
            match ledger.batches(&[]).await {
                Ok(views) => {
                    let jobs: u64 = views.iter().map(|view| view.tally.total()).sum();
                    let said =
                        format!("sound, {} in {}", text::count(jobs, "job"), batches(views.len()));
                    findings.push(Finding::fine("ledger", said));
                    let needs = JobState::ALL.into_iter().filter(|state| state.needs_decision());
                    let undecided: u64 = needs
                        .map(|state| views.iter().map(|view| view.tally.count(state)).sum::<u64>())
                        .sum();
                    if undecided > 0 {
                        let said = format!("{} for a decision", waits(undecided));
                        let remedy = "`nightreel resolve` asks the API again, for free";
                        findings.push(Finding::doubtful("decisions", said, remedy));
                    }
                }
                Err(error) => {
                    findings.push(Finding::wrong("ledger", error.to_string(), "", Exit::Internal));
                }
            }
        }
        Err(error) => {
            findings.push(Finding::wrong("ledger", error.to_string(), "", Exit::Internal));
        }
    }
    if let Some(owner) = running(&cx.settings.state_dir) {
        let remedy = "a second run with this --state-dir would be refused";
        findings.push(Finding::doubtful("owner", format!("a run is going on: {owner}"), remedy));
    }
    findings
}

fn batches(count: usize) -> String {
    if count == 1 { "1 batch".to_owned() } else { format!("{count} batches") }
}

fn waits(count: u64) -> String {
    format!("{} {}", text::count(count, "job"), if count == 1 { "waits" } else { "wait" })
}

/// The API: whether it answers, what time it has, and whether it takes the key.
async fn api(cx: &Context, simulation: Option<Simulation>) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (mut key, mut url) = (cx.key()?, cx.settings.base_url.clone());
    let mut simulator = None;
    if let Some(simulation) = simulation {
        // Without a book: looking makes none.
        let serving = simulation.serve(None).await?;
        (key, url) = (Some("simulator".to_owned().into()), serving.base_url().clone());
        simulator = Some(serving);
    }
    let keyless = key.is_none();
    let api = Api::new(cx.api_settings(url, key))?;
    let begun = Instant::now();
    match api.greet().await {
        Ok(theirs) => {
            let took = clock::human(begun.elapsed());
            let url = api.base_url().as_str().trim_end_matches('/').to_owned();
            findings.push(Finding::fine("API", format!("{url} answers in {took}")));
            findings.extend(theirs.map(time));
        }
        Err(error) => findings.push(Finding::wrong(
            "API",
            error.to_string(),
            "look at the network, --proxy and --base-url",
            Exit::Internal,
        )),
    }
    if keyless {
        let remedy = "set ATLASCLOUD_API_KEY, or api_key_file in nightreel.toml";
        findings.push(Finding::wrong("key", "there is none", remedy, Exit::Account));
    } else {
        findings.push(balance(&api).await);
    }
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    Ok(findings)
}

fn time(theirs: crate::domain::Timestamp) -> Finding {
    let ours = clock::now();
    let apart = clock::between(theirs, ours).max(clock::between(ours, theirs));
    let said = format!("{} here, {} from the API's", clock::local(ours), clock::human(apart));
    if apart > SKEW {
        return Finding::doubtful("clock", said, "set this machine's clock");
    }
    Finding::fine("clock", said)
}

async fn balance(api: &Api) -> Finding {
    match api.balance().await {
        Ok(balance) if balance <= Micros::ZERO => Finding::wrong(
            "balance",
            format!("{} left", balance.human()),
            "top up the account",
            Exit::Account,
        ),
        Ok(balance) => Finding::fine("key, balance", format!("{} left", balance.human())),
        Err(error) if error.is_key_refused() => Finding::wrong(
            "key",
            error.to_string(),
            "copy the key again into ATLASCLOUD_API_KEY or its file",
            Exit::Account,
        ),
        Err(error) => {
            let remedy = "some keys may not see it; a run stops by itself when it is used up";
            Finding::doubtful("balance", error.to_string(), remedy)
        }
    }
}
