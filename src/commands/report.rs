//! `report`: the page of a batch, in its folder below the output folder; a run ends with it too.

use std::path::PathBuf;

use serde_json::json;

use super::Context;
use super::context::whole;
use crate::artifacts::{self, Artifacts, FetchSettings, RelPath};
use crate::domain::text;
use crate::exit::Exit;
use crate::ledger::{BatchView, Ledger};
use crate::report::{self, Folders, Kind, Links};
use crate::settings::Settings;

/// Writes the page of the named batch, or of all.
pub(super) async fn report(cx: &mut Context, batch: Option<&str>) -> anyhow::Result<Exit> {
    let Some(ledger) = cx.read_ledger().await? else {
        return cx.no_ledger(&json!({ "reports": [] }));
    };
    let views = match batch {
        Some(name) => vec![cx.batch(&ledger, name).await?],
        None => ledger.batches(&[]).await?,
    };
    let artifacts = Artifacts::open(&cx.settings.output_dir, FetchSettings::default())?;
    let mut pages = Vec::new();
    for view in &views {
        let page = write(&cx.settings, &artifacts, &ledger, view).await?;
        if !cx.json() {
            writeln!(cx.out, "{}", text::visible(&page.to_string_lossy()))?;
        }
        pages.push(json!({ "batch": view.name, "path": page }));
    }
    if cx.json() {
        writeln!(cx.out, "{}", json!({ "reports": pages }))?;
    }
    Ok(Exit::Done)
}

/// Writes the pages of these batches at the end of a run: what is to be said of each. A page that
/// cannot be written takes nothing from the run, and `nightreel report` writes it another time.
pub(super) async fn after_run(
    settings: &Settings,
    artifacts: &Artifacts,
    ledger: &Ledger,
    views: &[BatchView],
) -> Vec<String> {
    let mut said = Vec::new();
    for view in views {
        said.push(match write(settings, artifacts, ledger, view).await {
            Ok(page) => format!("the report is {}", text::visible(&page.to_string_lossy())),
            Err(error) => {
                format!("no report of {} was written: {}", text::visible(&view.name), whole(&error))
            }
        });
    }
    said
}

async fn write(
    settings: &Settings,
    artifacts: &Artifacts,
    ledger: &Ledger,
    view: &BatchView,
) -> anyhow::Result<PathBuf> {
    let folder = artifacts::batch_folder(&view.name)?;
    let name = RelPath::parse(&format!("{}/{}", folder.as_str(), report::NAME))?;
    let sidecar = |path: &str| Some(RelPath::parse(path).ok()?.sidecar().as_str().to_owned());
    let links = Links { folder: folder.as_str(), sidecar: &sidecar };
    let mut draft = artifacts.draft_page(&name).await?;
    report::write(Kind::Report, (ledger, view), &folders(settings), &links, &mut draft).await?;
    artifacts.publish_page(draft, report::MARK).await?;
    Ok(settings.output_dir.join(name.as_str()))
}

/// The same where nothing was to do, so that no output folder is open yet.
pub(super) async fn without_run(
    settings: &Settings,
    ledger: &Ledger,
    views: &[BatchView],
) -> Vec<String> {
    if views.is_empty() {
        return Vec::new();
    }
    match Artifacts::open(&settings.output_dir, FetchSettings::default()) {
        Ok(artifacts) => after_run(settings, &artifacts, ledger, views).await,
        Err(error) => vec![format!("no report was written: {error}")],
    }
}

/// The folders that the page's commands must name: those that are not where they are by default.
pub(super) fn folders(settings: &Settings) -> Folders {
    let usual = Settings::default();
    let named = |is: &PathBuf, usual: &PathBuf| (is != usual).then(|| is.clone());
    Folders {
        state_dir: named(&settings.state_dir, &usual.state_dir),
        output_dir: named(&settings.output_dir, &usual.output_dir),
    }
}
