//! What `run` and `plan` do with manifests alike: open them, find the settings, tell mistakes.

use std::collections::BTreeSet;
use std::io::{Read as _, Write};
use std::path::Path;

use super::context::{Context, Failure, Wrong};
use super::spool::Spool;
use crate::artifacts::{Naming, NamingError, NotBelow};
use crate::cli::{Common, InputFormat, ManifestArgs};
use crate::domain::{Diagnostic, Origin, clock, text};
use crate::ledger::BatchView;
use crate::manifest::{self, Format, Manifest, Source};
use crate::plan::{Action, OnChange, WalkError, Walked};
use crate::settings::{self, Changed, Partial, Settings};

/// The most that standard input may hold.
const STDIN_LIMIT: u64 = 4 << 30;
/// Mistakes printed; the rest are counted.
const SHOWN: usize = 50;

/// A manifest that was opened, with the copy of standard input if that is where it came from.
pub(super) struct Opened {
    /// The manifest.
    pub(super) manifest: Manifest,
    _spool: Option<Spool>,
}

/// Opens all manifests and resolves the settings. Tells every mistake of all of them at once;
/// `command` is the one that was typed.
pub(super) fn open(
    command: &str,
    common: &Common,
    flags: Partial,
    args: &ManifestArgs,
) -> Result<(Context, Vec<Opened>), Failure> {
    if args.manifests.is_empty() {
        return Err(Failure::wrong(format!(
            "no manifest is named; for example `nightreel {command} jobs/demo.toml --simulate`"
        )));
    }
    let mut cx = Context::open(common, flags)?;
    let mut opened = Vec::new();
    let mut mistakes = Vec::new();
    for path in &args.manifests {
        match open_one(path, args.input_format)? {
            Ok(one) => opened.push(one),
            Err(more) => mistakes.extend(more),
        }
    }
    let run = run_settings(&opened).unwrap_or_else(|more| {
        mistakes.extend(more);
        Partial::default()
    });
    if !mistakes.is_empty() {
        return Err(Failure::mistakes(&mistakes));
    }
    cx.with_manifest(run)?;
    one_batch_each(&opened)?;
    Ok((cx, opened))
}

fn open_one(
    path: &Path,
    format: Option<InputFormat>,
) -> Result<Result<Opened, Vec<Diagnostic>>, Failure> {
    if path != Path::new("-") {
        let source = Source::Path(path.to_owned());
        return Ok(manifest::open(&source).map(|manifest| Opened { manifest, _spool: None }));
    }
    let Some(format) = format else {
        return Err(Failure::wrong(
            "standard input needs --input-format csv or --input-format toml",
        ));
    };
    let spool = spool().map_err(|error| {
        Failure::wrong(format!("standard input cannot be copied to a file: {error}"))
    })?;
    let format = match format {
        InputFormat::Csv => Format::Csv,
        InputFormat::Toml => Format::Toml,
    };
    let source = Source::Stdin { spool: spool.path().to_owned(), format };
    Ok(manifest::open(&source).map(|manifest| Opened { manifest, _spool: Some(spool) }))
}

/// A manifest is read twice, standard input can be read once.
fn spool() -> std::io::Result<Spool> {
    let (mut file, spool) = Spool::make("stdin")?;
    std::io::copy(&mut std::io::stdin().lock().take(STDIN_LIMIT), &mut file)?;
    file.flush()?;
    Ok(spool)
}

fn run_settings(opened: &[Opened]) -> Result<Partial, Vec<Diagnostic>> {
    let mut tables = Vec::new();
    for one in opened {
        if let Some(run) = one.manifest.run_settings() {
            tables.push((one.manifest.file().to_owned(), settings::from_table(run.entries())?));
        }
    }
    settings::merge_manifests(tables)
}

fn one_batch_each(opened: &[Opened]) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for one in opened {
        let name = one.manifest.batch();
        if !names.insert(name.to_owned()) {
            return Err(Failure::wrong(format!(
                "two manifests have the batch name `{name}`; give one of them another [batch] name"
            )));
        }
    }
    Ok(())
}

/// What happens to changed rows, in the plan's words.
#[must_use]
pub(super) fn on_change(settings: &Settings) -> OnChange {
    match settings.changed {
        None => OnChange::Refuse,
        Some(Changed::Rerun) => OnChange::Rerun,
        Some(Changed::Keep) => OnChange::Keep,
    }
}

/// Where this command's requests go.
pub(super) fn origin(cx: &Context) -> Origin {
    if cx.simulated {
        return Origin::from_ledger("loopback".to_owned());
    }
    Origin::of(&cx.settings.base_url)
}

/// Results of a simulator are not the API's: a batch is never continued at the other one.
pub(super) fn check_origin(view: &BatchView, cx: &Context) -> anyhow::Result<()> {
    let wanted = origin(cx);
    if view.attempts == 0 || view.origin == wanted {
        return Ok(());
    }
    let (made, now) = (place(&view.origin), place(&wanted));
    Err(Wrong(format!(
        "batch `{}` was made at {made}, this run is for {now}: their results must not be mixed. \
         Use another --state-dir and --output-dir, or give the batch another name",
        text::visible(&view.name)
    ))
    .into())
}

fn place(origin: &Origin) -> String {
    if origin.is_loopback() {
        "the simulator (or a gateway on this machine)".to_owned()
    } else {
        origin.as_str().to_owned()
    }
}

/// A template whose names would leave the output folder is a mistake of its row, told before
/// anything is paid.
pub(super) fn check_name(batch: &str, walked: &mut Walked) {
    let Ok(row) = walked else { return };
    // A job that is sent as it came in keeps its name too.
    let is_named_now = row.costs && row.kept.is_none();
    let Some(template) = row.spec.output.as_deref().filter(|_| is_named_now) else { return };
    let naming = Naming {
        template: Some(template),
        batch,
        key: &row.spec.key,
        model: &row.spec.request.model,
        prompt: row.spec.request.prompt(),
        row: row.spec.row,
        created_at: clock::now(),
        vars: &row.spec.vars,
        params: &row.spec.request.params,
        index: 1,
        outputs: 1,
        extension: "mp4",
    };
    if let Err(error) = naming.name(&|_| false) {
        row.reason = unusable(&error);
        row.mistakes.push(row.spec.position.says(row.reason.clone()));
        (row.action, row.costs) = (Action::Invalid, false);
    }
}

/// Why a name cannot be used, in words for whoever wrote the template.
fn unusable(error: &NamingError) -> String {
    match error {
        NamingError::Leaves(NotBelow { path, .. }) if path.starts_with('/') => format!(
            "outputs stay inside the output folder (--output-dir), so their template must be a relative \
             path, and this one gives `{}`",
            text::visible(path)
        ),
        other => other.to_string(),
    }
}

/// An error of a walk, for people.
pub(super) fn explain(error: WalkError) -> anyhow::Error {
    match error {
        WalkError::Ledger(error) => error.into(),
        WalkError::Manifest(mistakes) => {
            let lines: Vec<String> =
                mistakes.iter().map(|mistake| text::visible(&mistake.to_string())).collect();
            Wrong(lines.join("\n")).into()
        }
    }
}

/// Mistakes for people: each once, the first ones in full.
#[must_use]
pub(super) fn mistake_lines(mistakes: &[Diagnostic], count: u64) -> Vec<String> {
    let mut distinct: Vec<&Diagnostic> = mistakes.iter().collect();
    distinct.sort();
    distinct.dedup();
    let mut lines: Vec<String> =
        distinct.iter().take(SHOWN).map(|m| text::visible(&m.to_string())).collect();
    let repeats = mistakes.len() - distinct.len();
    let more = count.saturating_sub((lines.len() + repeats) as u64);
    if more > 0 {
        lines.push(format!("… and {}", text::count(more, "more mistake")));
    }
    lines
}
