//! `new`: a starter manifest for a model.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::{Context, Wrong};
use super::simulate::Simulation;
use super::{knowledge, models};
use crate::catalog::{Age, BUILTIN_DATE, Catalog, Found};
use crate::cli::NewArgs;
use crate::domain::{Schema, text};
use crate::exit::Exit;
use crate::manifest::{self, Starter};

/// Writes the manifest and says what comes next.
pub(super) async fn new(
    cx: &mut Context,
    args: &NewArgs,
    simulation: Option<&Simulation>,
) -> anyhow::Result<Exit> {
    let path = with_extension(&args.name)?;
    let (mut catalog, simulator) = knowledge::catalog(cx, simulation).await?;
    let schema = learn(cx, &mut catalog, &args.model).await;
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    let shown = path.to_string_lossy();
    let made = manifest::starter(&shown, &args.model, schema?.as_ref());
    write(&path, &made)?;
    if cx.json() {
        let line = json!({ "path": shown, "model": args.model, "files": made.files });
        writeln!(cx.out, "{line}")?;
        return Ok(Exit::Done);
    }
    let shown = text::visible(&shown);
    writeln!(cx.out, "{shown} is written, for {}", text::visible(&args.model))?;
    for file in &made.files {
        writeln!(cx.out, "next: put {file} beside it, or write another path or a URL")?;
    }
    writeln!(cx.out, "next: nightreel plan {shown}")?;
    Ok(Exit::Done)
}

/// The schema of a model that can be submitted; `None` where nobody tells its inputs.
async fn learn(
    cx: &mut Context,
    catalog: &mut Catalog,
    model: &str,
) -> anyhow::Result<Option<Schema>> {
    let listing = match catalog.listing(Age::Day).await {
        Ok((listing, _)) => Some(listing.clone()),
        Err(error) => {
            cx.note(&format!("{error}; only the built-in table of {BUILTIN_DATE} is known"))?;
            None
        }
    };
    if let Some(why) = models::refusal(listing.as_ref(), model) {
        return Err(Wrong(why).into());
    }
    match catalog.schema(model, true).await {
        Ok(Found::Api(schema, _) | Found::Builtin(schema)) => Ok(Some(schema)),
        Err(why) => {
            cx.note(&format!("the inputs of {model} are not known: {why}"))?;
            Ok(None)
        }
    }
}

fn with_extension(name: &Path) -> Result<PathBuf, Wrong> {
    let shown = text::visible(&name.to_string_lossy());
    match name.extension().and_then(|extension| extension.to_str()) {
        _ if name.file_name().is_none() => Err(Wrong(format!("`{shown}` is no file name"))),
        Some("toml") => Ok(name.to_owned()),
        Some("csv") => Err(Wrong("a starter is a TOML file: give a name without `.csv`".into())),
        _ => Ok(PathBuf::from(format!("{}.toml", name.display()))),
    }
}

/// Makes the file, and never touches one that is there.
fn write(path: &Path, made: &Starter) -> Result<(), Wrong> {
    let shown = text::visible(&path.to_string_lossy());
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Wrong(format!("`{shown}` is there already and is left as it is; choose another name"))
        }
        _ => Wrong(format!("cannot write `{shown}`: {error}")),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(made.text.as_bytes()).map_err(failed)
}
