//! The commands that a page shows, complete with what this batch and these folders need.

use std::path::Path;

use super::{Folders, shell};
use crate::domain::Micros;
use crate::ledger::BatchView;

/// Keys in one command at most: long commands are cut by terminals.
pub(super) const KEYS: u32 = 200;

/// Makes commands for a batch.
pub(super) struct Commands<'a> {
    batch: &'a BatchView,
    folders: Vec<String>,
}

impl<'a> Commands<'a> {
    pub(super) fn new(batch: &'a BatchView, folders: &Folders) -> Self {
        let flag = |name: &str, path: &Option<std::path::PathBuf>| {
            path.iter().flat_map(|path| [name.to_owned(), shown(path)]).collect::<Vec<_>>()
        };
        let mut words = flag("--state-dir", &folders.state_dir);
        words.extend(flag("--output-dir", &folders.output_dir));
        Self { batch, folders: words }
    }

    /// A job's name on the command line.
    pub(super) fn job(&self, key: &str) -> String {
        format!("{}/{key}", self.batch.name)
    }

    /// `requeue --failed` of the whole batch.
    pub(super) fn requeue_failed(&self) -> String {
        self.line(&["requeue", "--failed"], &[&self.batch.name])
    }

    /// `requeue` of some jobs.
    pub(super) fn requeue(&self, keys: &[String], pay_again: bool) -> String {
        let jobs: Vec<String> = keys.iter().map(|key| self.job(key)).collect();
        let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
        let flags: &[&str] = if pay_again { &["requeue", "--pay-again"] } else { &["requeue"] };
        self.line(flags, &jobs)
    }

    /// `resolve` without a decision: the API is asked again.
    pub(super) fn ask_again(&self) -> String {
        self.at_the_api(&["resolve"], &self.batch.name)
    }

    /// `resolve` with one decision; `how` is its flag, `value` its value.
    pub(super) fn decide(&self, how: &str, value: &str) -> String {
        self.line(&["resolve", &format!("{how}={value}")], &[])
    }

    /// `run` of the manifest under the same budget; `None` where the manifest came by a pipe.
    pub(super) fn run(&self, flags: &[&str]) -> Option<String> {
        let budget = self.batch.tally.budget.map(Micros::human);
        let budget = budget.as_deref().map(|budget| budget.trim_start_matches('$'));
        let budget = budget.map_or(Vec::new(), |budget| vec!["--budget", budget]);
        let words = [&["run"], flags, &budget].concat();
        let manifest = self.batch.manifest.as_str();
        (manifest != "-").then(|| self.at_the_api(&words, manifest))
    }

    /// `plan` of the manifest.
    pub(super) fn plan(&self) -> Option<String> {
        let manifest = self.batch.manifest.as_str();
        (manifest != "-").then(|| self.at_the_api(&["plan"], manifest))
    }

    /// `list` of one state.
    pub(super) fn list(&self, state: &str) -> String {
        self.line(&["list", "--long", "--state", state], &[&self.batch.name])
    }

    /// What came from an API on this machine is nothing to the real one.
    fn at_the_api(&self, flags: &[&str], name: &str) -> String {
        if !self.batch.origin.is_loopback() {
            return self.line(flags, &[name]);
        }
        // `--simulate` may take a value: it stands where none follows.
        if name.starts_with('-') {
            return self.line(&[flags, &["--simulate"]].concat(), &[name]);
        }
        self.line(flags, &[name, "--simulate"])
    }

    fn line(&self, flags: &[&str], names: &[&str]) -> String {
        let folders = self.folders.iter().map(String::as_str);
        let guard = names.first().is_some_and(|name| name.starts_with('-')).then_some("--");
        let words = ["nightreel"].into_iter().chain(flags.iter().copied()).chain(folders);
        shell::line(words.chain(guard).chain(names.iter().copied()))
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
