//! What every command is given, and how it fails.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use indicatif::MultiProgress;
use secrecy::SecretString;
use serde_json::Value;

use super::stdio;
use crate::artifacts::{Artifacts, FetchSettings};
use crate::atlas::ApiSettings;
use crate::cli::Common;
use crate::domain::{Diagnostic, origin, text};
use crate::exit::Exit;
use crate::ledger::{BatchId, BatchView, JobFilter, JobView, Ledger, ledger_path};
use crate::manifest::Manifest;
use crate::progress::Reading;
use crate::settings::{self, Format, Layers, Partial, ProgressMode, Settings};
use crate::simulator::{self, book};

/// Why a command failed, with the exit code and all there is to say.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// One line each, the first one being the error.
    pub lines: Vec<String>,
}

impl Failure {
    /// Wrong usage, settings or manifest: nothing was sent.
    #[must_use]
    pub fn usage(lines: Vec<String>) -> Self {
        Self { exit: Exit::Usage, lines }
    }

    /// One sentence of wrong usage.
    #[must_use]
    pub fn wrong(line: impl Into<String>) -> Self {
        Self::usage(vec![line.into()])
    }

    /// Mistakes of an input, each with its place.
    #[must_use]
    pub fn mistakes(mistakes: &[Diagnostic]) -> Self {
        Self::usage(mistakes.iter().map(|mistake| text::visible(&mistake.to_string())).collect())
    }

    /// Standard output takes nothing.
    #[must_use]
    pub fn unwritten(error: io::Error) -> Self {
        Self { exit: Exit::Internal, lines: vec![stdio::Full(error).to_string()] }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        use crate::ledger::Error as Ledger;
        let exit = match error.downcast_ref::<Ledger>() {
            Some(Ledger::Owned { .. } | Ledger::Elsewhere { .. }) => Exit::Owned,
            Some(Ledger::Foreign { .. } | Ledger::Newer { .. }) => Exit::Usage,
            _ if is_anothers_book(&error) => Exit::Owned,
            _ if error.downcast_ref::<Wrong>().is_some() => Exit::Usage,
            _ if stdio::is_closed_pipe(&error) => Exit::Done,
            _ => Exit::Internal,
        };
        if exit == Exit::Done {
            return Self { exit, lines: Vec::new() };
        }
        Self { exit, lines: vec![whole(&error)] }
    }
}

/// Whether another process keeps the simulator's book, which stands beside the ledger.
fn is_anothers_book(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<simulator::Error>(),
        Some(simulator::Error::Book(book::Error::InUse { .. }))
    )
}

/// Something the user named is not there or not right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Wrong(pub(super) String);

/// What a command works with.
pub struct Context {
    /// Results go here.
    pub out: Box<dyn Write + Send>,
    /// Messages go here.
    pub err: Box<dyn Write + Send>,
    /// The settings that hold.
    pub settings: Settings,
    /// Whether the base URL is the embedded simulator's.
    pub simulated: bool,
    /// What is drawn on the terminal meanwhile.
    pub(super) bars: MultiProgress,
    layers: Layers,
}

impl Context {
    /// Resolves the settings of a command without a manifest.
    pub fn open(common: &Common, flags: Partial) -> Result<Self, Failure> {
        let file = settings::load(common.config.as_deref()).map_err(|m| Failure::mistakes(&m))?;
        let environment = settings::environment().map_err(Failure::usage)?;
        let flags = flags.over(common.partial());
        let layers = Layers { file, manifest: Partial::default(), environment, flags };
        let settings = layers.resolve().map_err(Failure::usage)?;
        Ok(Self {
            out: stdio::stdout(),
            err: stdio::stderr(),
            settings,
            simulated: false,
            bars: MultiProgress::new(),
            layers,
        })
    }

    /// Puts the manifests' `[run]` tables in their place among the layers.
    pub fn with_manifest(&mut self, run: Partial) -> Result<(), Failure> {
        self.layers.manifest = run;
        self.settings = self.layers.resolve().map_err(Failure::usage)?;
        Ok(())
    }

    /// Notes that the embedded simulator stands in for the API.
    pub fn simulated(&mut self, simulated: bool) {
        self.simulated = simulated;
    }

    /// Says something that the user should know and that stops nothing.
    pub(super) fn note(&mut self, words: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.err, "note: {}", text::visible(words))?)
    }

    /// Shows how far a manifest is read, where there is a terminal to show it on, until it is dropped.
    pub(super) fn reading(&self, manifest: &Manifest) -> Reading {
        let wanted = matches!(self.settings.progress, ProgressMode::Auto | ProgressMode::Bar);
        let amid_json = self.json() && io::stdout().is_terminal();
        let bars = Some(self.bars.clone()).filter(|_| wanted && !amid_json);
        Reading::new(bars, manifest.file(), manifest.row_hint())
    }

    /// Whether results are JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.settings.format == Format::Json
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger_path(&self) -> PathBuf {
        ledger_path(&self.settings.state_dir)
    }

    /// The ledger for reading, where there is one. One that a run would refuse is shown with a word.
    pub async fn read_ledger(&mut self) -> anyhow::Result<Option<Ledger>> {
        let ledger = Ledger::read(&self.ledger_path()).await?;
        if let Some(behind) = ledger.as_ref().and_then(Ledger::behind) {
            writeln!(self.err, "warning: {}", text::visible(&behind.to_string()))?;
        }
        Ok(ledger)
    }

    /// The ledger to plan with, where there is one: what a run would refuse is refused here too.
    pub async fn ledger_to_plan(&self) -> anyhow::Result<Option<Ledger>> {
        let ledger = Ledger::read(&self.ledger_path()).await?;
        if let Some(ledger) = &ledger {
            if let Some(behind) = ledger.behind() {
                anyhow::bail!("{behind}");
            }
            ledger.require_begun(&self.settings.output_dir).await?;
        }
        Ok(ledger)
    }

    /// The ledger for reading.
    pub async fn need_ledger(&mut self) -> anyhow::Result<Ledger> {
        let ledger = self.read_ledger().await?;
        ledger.ok_or_else(|| Wrong(self.no_ledger_text()).into())
    }

    /// The ledger for writing; it must be there already.
    pub async fn write_ledger(&self) -> anyhow::Result<Ledger> {
        let path = self.ledger_path();
        if !Ledger::exists(&path)? {
            return Err(Wrong(self.no_ledger_text()).into());
        }
        Ok(Ledger::open(&path).await?)
    }

    fn no_ledger_text(&self) -> String {
        let path = self.ledger_path();
        format!("there is no ledger at {}; start with `nightreel run MANIFEST`", path.display())
    }

    /// Says that there is no ledger, which is no error for a command that only looks.
    pub fn no_ledger(&mut self, json: &Value) -> anyhow::Result<Exit> {
        if self.json() {
            writeln!(self.out, "{json}")?;
        } else {
            let line = self.no_ledger_text();
            writeln!(self.out, "{line}")?;
        }
        Ok(Exit::Done)
    }

    /// The batch of that name.
    pub(super) async fn batch(&self, ledger: &Ledger, name: &str) -> anyhow::Result<BatchView> {
        let all = ledger.batches(&[]).await?;
        let names: Vec<String> = all.iter().map(|view| view.name.clone()).collect();
        all.into_iter()
            .find(|view| view.name == name)
            .ok_or_else(|| Wrong(no_such("batch", name, &names)).into())
    }

    /// The job called `BATCH/KEY`, or by a KEY that only one batch has.
    pub async fn job(&self, ledger: &Ledger, name: &str) -> anyhow::Result<JobView> {
        self.job_in(ledger, name, None).await
    }

    /// The same, within a batch where one is given.
    pub async fn job_in(
        &self,
        ledger: &Ledger,
        name: &str,
        batch: Option<BatchId>,
    ) -> anyhow::Result<JobView> {
        if let Some((batch_name, key)) = name.split_once('/') {
            let whole = ledger.batches(&[batch_name.to_owned()]).await?;
            if let Some(view) = whole.first() {
                let filter = filter(Some(view.id), key);
                if let Some(job) = ledger.jobs(&filter, 1).await?.pop() {
                    return Ok(job);
                }
            }
        }
        let mut found = ledger.jobs(&filter(batch, name), 5).await?;
        if found.len() > 1 {
            let names: Vec<String> =
                found.iter().map(|job| format!("{}/{}", job.batch, job.key)).collect();
            return Err(
                Wrong(format!("`{name}` is in several batches: {}", names.join(", "))).into()
            );
        }
        found.pop().ok_or_else(|| {
            let shown = text::visible(name);
            Wrong(format!("there is no job `{shown}`; `nightreel list` shows all")).into()
        })
    }

    /// Refuses to go on without a key, which only the embedded simulator does not need.
    pub fn need_key(&self, simulated: bool) -> anyhow::Result<()> {
        if simulated || self.key()?.is_some() {
            return Ok(());
        }
        Err(Wrong(NO_KEY.to_owned()).into())
    }

    /// The key, where there is one.
    pub(super) fn key(&self) -> anyhow::Result<Option<SecretString>> {
        let flag = self.layers.flags.api_key_file.as_deref();
        settings::api_key(flag, self.settings.api_key_file.as_deref())
            .map_err(|error| Wrong(error.to_string()).into())
    }

    /// How the API is spoken to at `base_url`.
    #[must_use]
    pub fn api_settings(&self, base_url: url::Url, key: Option<SecretString>) -> ApiSettings {
        ApiSettings {
            base_url,
            key,
            proxy: self.settings.proxy.clone(),
            submit_timeout: self.settings.submit_timeout,
            read_timeout: std::time::Duration::from_secs(30),
        }
    }

    /// The output folder, made if need be.
    pub fn artifacts(&self, base_url: &url::Url) -> anyhow::Result<Artifacts> {
        let settings = FetchSettings {
            allow_loopback: origin::is_loopback(base_url),
            proxy: self.settings.proxy.clone(),
            ..FetchSettings::default()
        };
        Ok(Artifacts::open(&self.settings.output_dir, settings)?)
    }
}

/// What to do where there is no key.
const NO_KEY: &str = "there is no API key; set ATLASCLOUD_API_KEY, or name a file with \
    --api-key-file, or try the simulator with --simulate";

fn filter(batch: Option<BatchId>, key: &str) -> JobFilter {
    JobFilter { batch, key: Some(key.to_owned()), ..JobFilter::default() }
}

fn no_such(what: &str, name: &str, known: &[String]) -> String {
    let shown = text::visible(name);
    match text::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("there is no {what} `{shown}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("there is no {what} `{shown}`; the ledger is empty"),
        None => format!("there is no {what} `{shown}`; there are {}", known.join(", ")),
    }
}

/// An error with its causes; what a message has said already is not said again.
pub(super) fn whole(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let more = cause.to_string();
        if !said.contains(&more) {
            said.push_str(": ");
            said.push_str(&more);
        }
    }
    said
}
