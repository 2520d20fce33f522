//! A story: one folder of `examples/`, copied to a place of its own and played there with the real
//! program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nightreel::simulator::book::{self, Charge, Fact, Fate};
use serde::Deserialize;
use serde_json::Value;

/// How long a step may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(45);

/// What `expected.json` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) steps: Vec<Step>,
    /// Generations that were paid for and came to a result, over all steps.
    pub(crate) paid_results: usize,
    /// The files of the output folder at the end, without the sidecars.
    pub(crate) files: BTreeSet<String>,
}

/// One command line of a story, as its README shows it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// The part of `--format json` that is the same in every run.
    pub(crate) result: Option<Value>,
    /// Instead of a result: what `plan --rows` says of each row, in order, as `KEY ACTION: REASON`,
    /// with `TIME` for times.
    pub(crate) plan: Option<Vec<String>>,
    /// Instead of a result: so many accepted predictions later it is killed.
    pub(crate) killed_after_accepted: Option<usize>,
}

/// A folder with a manifest in it, in which nightreel is run.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// A copy of a folder of the repository, with its folders.
    pub(crate) fn copy_of(folder: &Path) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        copy(folder, stage.folder.path());
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command line to its end.
    pub(crate) fn run(&self, line: &str) -> Output {
        let child = self.command(line).spawn().unwrap();
        let watched = Watched::new(child, line);
        watched.output()
    }

    /// Runs a command line with `--format json`; the exit code of the process and what it says of it agree.
    pub(crate) fn json(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --format json"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        let Ok(mut said) = serde_json::from_slice::<Value>(&output.stdout) else {
            return serde_json::json!({ "exit": code, "stderr": stderr });
        };
        said["stderr"] = stderr.into_owned().into();
        assert_eq!(said["exit"].as_i64(), code.map(i64::from), "{line}: {said}");
        said
    }

    /// What a `plan` says of each row.
    pub(crate) fn plan(&self, line: &str) -> Vec<String> {
        let output = self.run(&format!("{line} --rows --format json"));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = said["batches"].as_array().unwrap().iter();
        rows.flat_map(|batch| batch["jobs"].as_array().unwrap())
            .map(|row| {
                let reason = without_times(&word(row, "reason"));
                format!("{} {}: {reason}", word(row, "key"), word(row, "action"))
            })
            .collect()
    }

    /// Runs a command line until its events tell of `accepted` predictions, and kills it there.
    pub(crate) fn kill(&self, line: &str, accepted: usize) {
        let events = self.path("events.jsonl");
        let mut child = self.command(&format!("{line} --events events.jsonl")).spawn().unwrap();
        let since = Instant::now();
        let told = || {
            std::fs::read_to_string(&events)
                .map_or(0, |text| text.matches(r#""kind":"prediction_accepted""#).count())
        };
        while told() < accepted {
            assert!(since.elapsed() < PATIENCE, "{line}: only {} accepted", told());
            assert!(child.try_wait().unwrap().is_none(), "{line}: ended before it was killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The charges of the embedded simulator's book.
    pub(crate) fn charges(&self) -> Vec<Charge> {
        let entries = book::read(&self.path("state/simulator/book.jsonl")).unwrap();
        let charge = |entry: &book::Entry| entry.charge().cloned();
        entries.iter().filter_map(charge).collect()
    }

    /// Predictions that were paid for and not given back.
    pub(crate) fn paid_results(&self) -> Vec<String> {
        let kept = |charge: &Charge| matches!(charge.fate, Fate::Completes);
        self.charges().into_iter().filter(kept).map(|charge| charge.prediction).collect()
    }

    /// How many files were uploaded.
    pub(crate) fn uploads(&self) -> usize {
        let entries = book::read(&self.path("state/simulator/book.jsonl")).unwrap();
        entries.iter().filter(|entry| matches!(entry.fact, Fact::Uploaded(_))).count()
    }

    /// The jobs as `list` tells them.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let output = self.run("list --format json");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every file below the output folder but the reports and the ledger's mark, as a path in it.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let root = self.path("outputs");
        let mut found = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                if !path.ends_with("index.html") && !name.starts_with(".nightreel-last-") {
                    found.insert(name.to_owned());
                }
            }
        }
        found
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nightreel"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        for name in ["STATE_DIR", "OUTPUT_DIR", "CONCURRENCY", "RPM", "LOG"] {
            command.env_remove(format!("NIGHTREEL_{name}"));
        }
        command.env_remove("ATLASCLOUD_BASE_URL").env_remove("ATLASCLOUD_API_KEY");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A process that is killed if it takes too long, so that a hang is a failure and not a wait.
struct Watched<'a> {
    child: Child,
    line: &'a str,
}

impl<'a> Watched<'a> {
    fn new(child: Child, line: &'a str) -> Self {
        Self { child, line }
    }

    fn output(mut self) -> Output {
        let mut pipes = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let stdout = std::thread::spawn(move || read(&mut pipes.0));
        let stderr = std::thread::spawn(move || read(&mut pipes.1));
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if since.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("`nightreel {}` has not ended", self.line);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

fn read(pipe: &mut impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The text with `TIME` where a date, a time of day and an offset stand.
fn without_times(text: &str) -> String {
    let is_date = |word: &str| word.len() == 10 && word.split('-').count() == 3;
    let mut kept = Vec::new();
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        if is_date(word) {
            // The time of day, and the offset, which a colon may follow.
            let offset = words.nth(1).unwrap_or_default();
            kept.push(if offset.ends_with(':') { "TIME:" } else { "TIME" });
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        // Whoever played a story in the repository has left these behind.
        if ["state", "outputs"].iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether `all` says everything that `part` says; lists must have the same length.
pub(crate) fn says(all: &Value, part: &Value) -> bool {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            part.iter().all(|(name, part)| all.get(name).is_some_and(|value| says(value, part)))
        }
        (Value::Array(all), Value::Array(part)) => {
            all.len() == part.len() && all.iter().zip(part).all(|(all, part)| says(all, part))
        }
        _ => all == part,
    }
}

pub(crate) fn has_extension(file: &str, wanted: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == wanted)
}
