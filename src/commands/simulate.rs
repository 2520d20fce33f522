//! `simulate`: the built-in API on its own; and how `--simulate` starts it inside a run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::context::{Context, Failure, Wrong};
use crate::atlas::Api;
use crate::cli::{ApiArgs, SimulateArgs};
use crate::domain::text;
use crate::exit::Exit;
use crate::ledger::Ownership;
use crate::runner::Signals;
use crate::simulator::{Options, Scenario, Simulator};

/// How the embedded simulator behaves where no scenario is given.
const DEMO: &str = include_str!("demo-scenario.toml");

/// Serves until a signal comes.
pub(super) async fn simulate(cx: &mut Context, args: &SimulateArgs) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let scenario = scenario(args.scenario.as_deref())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let options = Options { address, scenario, book: args.book.clone(), key: args.key.clone() };
    let simulator = Simulator::start(options).await?;
    let url = simulator.base_url().as_str().trim_end_matches('/').to_owned();
    writeln!(cx.out, "{url}")?;
    cx.out.flush()?;
    writeln!(cx.err, "the simulator listens on {url}; Ctrl-C ends it")?;
    writeln!(cx.err, "use it: ATLASCLOUD_API_KEY=any nightreel run MANIFEST --base-url {url}")?;
    signals.next().await;
    let figures = simulator.figures();
    simulator.stop().await;
    writeln!(
        cx.err,
        "{} seen, {} charged ({}), {} refunded, at most {} in flight",
        text::count(figures.submits, "submission"),
        figures.charged,
        figures.charged_amount.human(),
        figures.refunded,
        figures.max_in_flight
    )?;
    Ok(Exit::Done)
}

/// Reads a scenario, or takes the built-in one.
fn scenario(path: Option<&Path>) -> anyhow::Result<Scenario> {
    let (text, name) = match path {
        None => (DEMO.to_owned(), "the built-in scenario".to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Wrong(format!("cannot read the scenario {}: {error}", path.display()))
            })?;
            (text, path.display().to_string())
        }
    };
    Scenario::parse(&text, &name).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Wrong(lines.join("\n")).into()
    })
}

/// The embedded simulator that stands in for the API.
#[derive(Clone, Debug)]
pub(super) struct Simulation {
    scenario: Scenario,
}

impl Simulation {
    /// What `--simulate` asks for where no manifest can be meant.
    pub(super) fn asked(api: &mut ApiArgs) -> Result<Option<Self>, Failure> {
        let Some(path) = api.simulate.take() else { return Ok(None) };
        Ok(Some(Self { scenario: scenario(path.as_deref())? }))
    }

    /// Starts it. Its book stays in the state folder, so that what it was paid for is known to it
    /// again after a crash.
    pub(super) async fn start(&self, cx: &Context) -> anyhow::Result<Simulator> {
        let folder = cx.settings.state_dir.join("simulator");
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        let started = self.serve(Some(folder.join("book.jsonl"))).await;
        // A run that keeps the book owns the ledger too, and its lock says who it is.
        if started.is_err()
            && let Some(owned) = Ownership::of_another(&cx.settings.state_dir)
        {
            return Err(owned.into());
        }
        started
    }

    /// Serves; without a book it knows nothing of what was paid for.
    pub(super) async fn serve(&self, book: Option<PathBuf>) -> anyhow::Result<Simulator> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let scenario = self.scenario.clone();
        Ok(Simulator::start(Options { address, scenario, book, key: None }).await?)
    }
}

impl Simulation {
    /// A client of the API: of the simulator, which is started, or of the one the settings name.
    pub(super) async fn api(
        simulation: Option<Self>,
        cx: &Context,
    ) -> anyhow::Result<(Api, Option<Simulator>)> {
        cx.need_key(simulation.is_some())?;
        let Some(simulation) = simulation else {
            let settings = cx.api_settings(cx.settings.base_url.clone(), cx.key()?);
            return Ok((Api::new(settings)?, None));
        };
        let simulator = simulation.start(cx).await?;
        let key = Some("simulator".to_owned().into());
        let settings = cx.api_settings(simulator.base_url().clone(), key);
        Ok((Api::new(settings)?, Some(simulator)))
    }
}

/// A client for questions that are free: of a simulator without a book, or of the API the settings
/// name, where there is a key or `anyway` says that none is needed.
pub(super) async fn for_questions(
    simulation: Option<&Simulation>,
    anyway: bool,
    cx: &Context,
) -> anyhow::Result<Option<(Api, Option<Simulator>)>> {
    if let Some(simulation) = simulation {
        let simulator = simulation.serve(None).await?;
        let key = Some("simulator".to_owned().into());
        let api = Api::new(cx.api_settings(simulator.base_url().clone(), key))?;
        return Ok(Some((api, Some(simulator))));
    }
    let key = cx.key()?;
    if key.is_none() && !anyway {
        return Ok(None);
    }
    Ok(Some((Api::new(cx.api_settings(cx.settings.base_url.clone(), key))?, None)))
}

/// What `--simulate` asks for. `--simulate jobs/demo.toml` means the manifest, not a scenario: it is
/// given back to the manifests.
pub(super) fn give_back(
    api: &mut ApiArgs,
    manifests: &mut Vec<PathBuf>,
) -> Result<Option<Simulation>, Failure> {
    let Some(value) = api.simulate.take() else { return Ok(None) };
    let path = match value {
        Some(path) if is_manifest(&path) => {
            manifests.insert(0, path);
            None
        }
        other => other,
    };
    if let (Some(path), true) = (&path, manifests.is_empty()) {
        return Err(Failure::wrong(format!(
            "no manifest is named: `{}` after --simulate is taken for a scenario; \
             write the manifest before --simulate",
            path.display()
        )));
    }
    Ok(Some(Simulation { scenario: scenario(path.as_deref())? }))
}

/// A manifest is a CSV file, standard input, or TOML with a manifest's tables.
fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if path == Path::new("-") || extension.is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        return true;
    }
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let of_a_manifest = |line: &str| {
        ["[[job", "[batch", "[defaults", "[matrix", "[run"]
            .iter()
            .any(|head| line.starts_with(head))
    };
    text.lines().any(|line| of_a_manifest(line.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn typed(value: &Path, others: &[&str]) -> (Result<Option<Simulation>, Failure>, Vec<PathBuf>) {
        let mut api = ApiArgs {
            base_url: None,
            api_key_file: None,
            proxy: None,
            simulate: Some(Some(value.to_owned())),
        };
        let mut manifests: Vec<PathBuf> = others.iter().map(PathBuf::from).collect();
        (give_back(&mut api, &mut manifests), manifests)
    }

    #[test]
    fn a_manifest_that_simulate_swallowed_is_given_back() {
        let manifest = file("[defaults]\nmodel = \"m\"\n");
        let (simulation, manifests) = typed(manifest.path(), &[]);
        assert!(simulation.unwrap().is_some());
        assert_eq!(manifests, [manifest.path()]);
    }

    #[test]
    fn a_scenario_stays_a_scenario() {
        let scenario = file("seed = 1\n[latency]\nkind = \"fixed\"\nlength = \"1s\"\n");
        let (simulation, manifests) = typed(scenario.path(), &["a.csv"]);
        assert!(simulation.unwrap().is_some());
        assert_eq!(manifests.len(), 1);
        let (simulation, _) = typed(Path::new("missing.toml"), &["a.csv"]);
        let said = simulation.unwrap_err().lines.join("\n");
        assert!(said.contains("cannot read the scenario missing.toml"), "{said}");
    }

    #[test]
    fn the_built_in_scenario_is_right() {
        scenario(None).unwrap();
    }
}
