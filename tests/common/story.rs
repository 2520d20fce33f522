//! A story: a folder of its own, files in it, and the real program run there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::api::Api;
use crate::book::Book;
use crate::process::Run;

/// Settings that make a night short. Flags still win over them.
const HURRIED: &str = r#"poll_min = "20ms"
poll_max = "500ms"
retry_base = "20ms"
retry_cap = "300ms"
absence_wait = "1s"
progress = "none"
"#;

/// Everything a test has on disk.
pub(crate) struct Story {
    folder: tempfile::TempDir,
}

impl Story {
    pub(crate) fn new() -> Self {
        let story = Self { folder: tempfile::tempdir().unwrap() };
        story.file("nightreel.toml", HURRIED);
        story
    }

    /// With a CSV manifest `m.csv` of `jobs` text-to-video rows.
    pub(crate) fn of_jobs(jobs: usize) -> Self {
        let story = Self::new();
        let rows = (1..=jobs)
            .map(|n| format!("job-{n:04},minimax/hailuo-02/t2v-standard,scene number {n:04}\n"));
        story.file("m.csv", format!("id,model,prompt\n{}", rows.collect::<String>()));
        story
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        path
    }

    /// A file that only its owner can read.
    pub(crate) fn private_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name, content);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// `nightreel` with these arguments, without any environment of its own.
    pub(crate) fn nightreel<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::new(self.folder.path(), args)
    }

    /// `run m.csv` against an API.
    pub(crate) fn run(&self, api: &Api) -> Run {
        self.nightreel(["run", "m.csv", "--events", "events.jsonl"]).at(api)
    }

    /// `run m.csv` with the embedded simulator and `scenario.toml`.
    pub(crate) fn simulated(&self, scenario: &str) -> Run {
        self.file("scenario.toml", scenario);
        self.nightreel(["run", "m.csv", "--events", "events.jsonl", "--simulate", "scenario.toml"])
    }

    /// The book of the embedded simulator.
    pub(crate) fn book(&self) -> Book {
        Book::read(&self.path("state/simulator/book.jsonl"))
    }

    /// All events told so far; a last line that is not whole yet is left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("events.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn count_events(&self, kind: &str) -> usize {
        self.events().iter().filter(|event| event["kind"] == kind).count()
    }

    /// Every file below a folder but the reports and the marks of ledgers, by its path relative to it, sorted.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let root = self.path(below);
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !is_report(&path) && !is_mark(&path) {
                    files.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// `list --format json`.
    pub(crate) fn list(&self) -> Vec<Value> {
        let listed = self.nightreel(["list", "--format", "json"]).end();
        assert_eq!(listed.code(), 0, "{listed}");
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only batch of `status --format json`.
    pub(crate) fn status(&self) -> Value {
        let status = self.nightreel(["status", "--format", "json"]).end();
        assert_eq!(status.code(), 0, "{status}");
        status.json()["batches"][0].clone()
    }

    /// Asserts that `verify` finds every file sound.
    pub(crate) fn verify(&self) {
        let verified = self.nightreel(["verify", "--format", "json"]).end();
        assert_eq!(verified.code(), 0, "{verified}");
        assert_eq!(verified.json()["bad"], 0, "{verified}");
    }
}

/// Whether a file tells of a ledger's last attempt.
fn is_mark(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(".nightreel-last-"))
}

/// Whether a file is the page that a run ends with.
fn is_report(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "index.html")
        && fs::read(path).unwrap().starts_with(nightreel::report::MARK.as_bytes())
}
