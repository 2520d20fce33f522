//! `dashboard`: the report's page, live, on loopback; `run --dashboard` serves it beside the run.

use serde_json::json;

use super::Context;
use super::report::folders;
use crate::artifacts::{self, RelPath};
use crate::dashboard::{Dashboard, Names, Options};
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::runner::Signals;

/// Serves until a signal comes.
pub(super) async fn dashboard(cx: &mut Context, port: u16) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let ledger = cx.need_ledger().await?;
    let dashboard = start(cx, ledger, port).await?;
    if cx.json() {
        writeln!(cx.out, "{}", json!({ "url": dashboard.url() }))?;
    } else {
        writeln!(cx.out, "{}", dashboard.url())?;
    }
    cx.out.flush()?;
    writeln!(cx.err, "the dashboard is open to whoever has this address; Ctrl-C ends it")?;
    signals.next().await;
    dashboard.stop().await;
    Ok(Exit::Done)
}

/// Serves the dashboard beside a run. A run goes on without it where that cannot be.
pub(super) async fn beside(cx: &mut Context) -> anyhow::Result<Option<Dashboard>> {
    let ledger = cx.need_ledger().await?;
    match start(cx, ledger, 0).await {
        Ok(dashboard) => {
            writeln!(cx.err, "the dashboard is at {} while the run goes on", dashboard.url())?;
            Ok(Some(dashboard))
        }
        Err(error) => {
            writeln!(cx.err, "warning: no dashboard: {error:#}")?;
            Ok(None)
        }
    }
}

async fn start(cx: &Context, ledger: Ledger, port: u16) -> anyhow::Result<Dashboard> {
    let options = Options {
        ledger,
        ledger_path: cx.ledger_path(),
        state_dir: cx.settings.state_dir.clone(),
        output_dir: cx.settings.output_dir.clone(),
        folders: folders(&cx.settings),
        names: NAMES,
        port,
    };
    Ok(Dashboard::start(options).await?)
}

const NAMES: Names = Names {
    folder: |batch| Some(artifacts::batch_folder(batch).ok()?.as_str().to_owned()),
    sidecar: |path| Some(RelPath::parse(path).ok()?.sidecar().as_str().to_owned()),
    folded: |path| Some(RelPath::parse(path).ok()?.folded()),
};
