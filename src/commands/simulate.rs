//! `simulate`: the built-in API on its own; and how `--simulate` starts it inside a run.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::context::{Context, Wrong};
use crate::cli::SimulateArgs;
use crate::domain::text;
use crate::exit::Exit;
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

/// Starts the embedded simulator. Its book stays in the state folder, so that what it was paid for
/// is known to it again after a crash.
pub(super) async fn embedded(cx: &Context, path: Option<&Path>) -> anyhow::Result<Simulator> {
    let folder = cx.settings.state_dir.join("simulator");
    std::fs::create_dir_all(&folder)?;
    let options = Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scenario: scenario(path)?,
        book: Some(folder.join("book.jsonl")),
        key: None,
    };
    Ok(Simulator::start(options).await?)
}

/// `--simulate jobs/demo.toml` means the manifest, not a scenario: it is given back.
#[must_use]
pub(super) fn give_back(
    simulate: Option<Option<PathBuf>>,
    manifests: &mut Vec<PathBuf>,
) -> Option<Option<PathBuf>> {
    match simulate {
        Some(Some(path)) if is_manifest(&path) => {
            manifests.insert(0, path);
            Some(None)
        }
        other => other,
    }
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

    #[test]
    fn a_manifest_that_simulate_swallowed_is_given_back() {
        let manifest = file("[defaults]\nmodel = \"m\"\n");
        let mut manifests = Vec::new();
        let simulate = give_back(Some(Some(manifest.path().to_owned())), &mut manifests);
        assert_eq!(simulate, Some(None));
        assert_eq!(manifests, [manifest.path()]);
    }

    #[test]
    fn a_scenario_stays_a_scenario() {
        let scenario = file("seed = 1\n[latency]\nkind = \"fixed\"\n");
        let mut manifests = vec![PathBuf::from("a.csv")];
        let simulate = give_back(Some(Some(scenario.path().to_owned())), &mut manifests);
        assert_eq!(simulate, Some(Some(scenario.path().to_owned())));
        assert_eq!(manifests.len(), 1);
    }

    #[test]
    fn the_built_in_scenario_is_right() {
        scenario(None).unwrap();
    }
}
