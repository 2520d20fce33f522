//! A story: a folder of its own, files in it, and the real program run there under a deadline.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::book::Book;

/// No process of a test may take longer.
const DEADLINE: Duration = Duration::from_secs(100);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

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

/// A command that is not started yet.
pub(crate) struct Run<'a> {
    story: &'a Story,
    command: Command,
    stdin: Option<String>,
}

/// A command under way; it is killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    started: Instant,
}

/// How a command ended and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
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
    pub(crate) fn nightreel<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nightreel"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        Run { story: self, command, stdin: None }
    }

    /// `run m.csv` against an API.
    pub(crate) fn run(&self, api: &Api) -> Run<'_> {
        self.nightreel(["run", "m.csv", "--events", "events.jsonl"]).at(api)
    }

    /// `run m.csv` with the embedded simulator and `scenario.toml`.
    pub(crate) fn simulated(&self, scenario: &str) -> Run<'_> {
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

    /// Every file below a folder, by its path relative to it, sorted.
    pub(crate) fn files(&self, below: &str) -> Vec<String> {
        let root = self.path(below);
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
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

impl Run<'_> {
    pub(crate) fn with<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends requests to this API, with a key.
    pub(crate) fn at(self, api: &Api) -> Self {
        self.with(["--base-url", api.url()]).env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let file = |kind| {
            let (file, path) = tempfile::Builder::new()
                .prefix(kind)
                .tempfile_in(self.story.folder.path())
                .unwrap()
                .keep()
                .unwrap();
            (Stdio::from(file), path)
        };
        let ((stdout, out), (stderr, err)) = (file("said-out-"), file("said-err-"));
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self.command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        if let Some(text) = self.stdin {
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        }
        Running { child, out, err, started: Instant::now() }
    }

    /// Runs to the end.
    pub(crate) fn end(self) -> Ended {
        self.start().end()
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn out_path(&self) -> PathBuf {
        self.out.clone()
    }

    pub(crate) fn err_path(&self) -> PathBuf {
        self.err.clone()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until something holds. Returns whether it came to hold before the process ended.
    pub(crate) fn until(&mut self, mut holds: impl FnMut() -> bool) -> bool {
        loop {
            if holds() {
                return true;
            }
            if self.has_ended() {
                return holds();
            }
            assert!(self.started.elapsed() < DEADLINE, "waited for too long");
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // A process that has just ended by itself cannot hear any more.
        rustix::process::kill_process(pid, signal).ok();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > DEADLINE {
                self.child.kill().unwrap();
                let said = fs::read_to_string(&self.err).unwrap_or_default();
                panic!("no end within {DEADLINE:?}; it said:\n{said}");
            }
            std::thread::sleep(LOOK);
        };
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (out, err) = (read(&self.out), read(&self.err));
        Ended { status, out, err, took: self.started.elapsed() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Ended {
    /// The exit code; -1 where a signal ended it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}\n{}", self.status, self.out, self.err)
    }
}
