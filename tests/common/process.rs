//! The program as a process: what it is given, what it said, how it ended, all under a deadline.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;

/// No process of a test may take longer.
const DEADLINE: Duration = Duration::from_secs(100);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A command that is not started yet.
pub(crate) struct Run {
    folder: PathBuf,
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

impl Run {
    /// `nightreel` with these arguments in a folder, without any environment of its own.
    pub(crate) fn new<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nightreel"));
        command.args(args).current_dir(folder).env_clear();
        Self { folder: folder.to_owned(), command, stdin: None }
    }

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
                .tempfile_in(&self.folder)
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
