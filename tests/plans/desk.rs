//! Where a night is played: a folder, a simulator, and the real program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightreel::atlas::{Api, ApiSettings};
use nightreel::domain::{JobSpec, JobState};
use nightreel::ledger::{JobFilter, Ledger, ledger_path};
use nightreel::manifest::{self, Source};
use nightreel::simulator::{Options, Scenario, Simulator};
use proptest::test_runner::TestCaseError;
use tokio::runtime::Runtime;

use crate::book::Book;
use crate::made::{Night, Seen, Table};
use crate::past::Past;
use crate::process::{Ended, Run};

/// Nothing fails and nothing takes long: what is submitted twice was meant to be.
const SCENARIO: &str = "[latency]\nkind = \"fixed\"\nlength = \"1ms\"\n";
const SETTINGS: &str = "poll_min = \"10ms\"\npoll_max = \"50ms\"\nretry_base = \"10ms\"\n\
    retry_cap = \"50ms\"\nabsence_wait = \"1s\"\nprogress = \"none\"\n";

/// Tasks are seen by the key only that they were submitted with.
const KEY: &str = "apikey-of-the-tests";

/// How often each body was, or is to be, submitted.
type Bodies = BTreeMap<String, usize>;

pub(crate) struct Desk {
    folder: tempfile::TempDir,
    simulator: Option<Simulator>,
    url: String,
    runtime: Runtime,
}

impl Desk {
    /// On a memory disk where there is one: durability is other suites' business.
    pub(crate) fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            address: ([127, 0, 0, 1], 0).into(),
            scenario: Scenario::parse(SCENARIO, "the scenario").unwrap(),
            book: Some(folder.path().join("book.jsonl")),
            key: None,
        };
        let simulator = runtime.block_on(Simulator::start(options)).unwrap();
        let url = simulator.base_url().to_string();
        let desk = Self { folder, simulator: Some(simulator), url, runtime };
        desk.file("nightreel.toml", SETTINGS);
        desk
    }

    /// Plays a night to its end.
    pub(crate) fn play(&self, night: &Night) -> Result<Seen, TestCaseError> {
        let mut tables: Vec<Table> =
            night.batches.iter().map(|batch| batch.table.clone()).collect();
        let names = self.write(&tables);
        self.runtime.block_on(self.past(night, &names));
        let mut seen = Seen::default();
        for (round, reruns) in night.reruns.iter().enumerate() {
            for (table, batch) in tables.iter_mut().zip(&night.batches) {
                for edit in &batch.edits[round] {
                    table.edit(edit);
                }
                if !night.skips {
                    *table = table.flawless();
                }
            }
            let names = self.write(&tables);
            let how = How { reruns: *reruns, ramp: night.ramp, skips: night.skips };
            self.plan_and_run(&names, how, &mut seen)?;
        }
        Ok(seen)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes())
            .unwrap();
        path
    }

    /// Writes the manifests and returns their names.
    fn write(&self, tables: &[Table]) -> Vec<String> {
        let names = tables.iter().enumerate().map(|(number, table)| {
            let (name, text) = table.write(&format!("b{number}"));
            self.file(&name, &text);
            name
        });
        names.collect()
    }

    fn specs(&self, name: &str) -> Vec<JobSpec> {
        let path = self.folder.path().join(name);
        let manifest = manifest::open(&Source::Path(path)).unwrap();
        manifest.rows().unwrap().filter_map(Result::ok).collect()
    }

    /// The ledger as earlier nights left it.
    async fn past(&self, night: &Night, names: &[String]) {
        let state = self.folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let ledger = Ledger::open(&ledger_path(&state)).await.unwrap();
        let api = Api::new(ApiSettings {
            base_url: self.url.parse().unwrap(),
            key: Some(KEY.into()),
            proxy: None,
            submit_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(20),
        });
        let api = api.unwrap();
        let run = ledger.begin_run("yesterday").await.unwrap();
        let past = Past { ledger: &ledger, api: &api, run };
        for (number, (batch, file)) in night.batches.iter().zip(names).enumerate() {
            let specs = self.specs(file);
            past.batch(&format!("b{number}"), file, specs, &batch.fates).await;
        }
        ledger.close().await;
    }

    fn nightreel(&self, command: &str, names: &[String], how: How) -> Run {
        let changed = if how.reruns { "rerun" } else { "keep" };
        let flags = ["--changed", changed, "--format", "json", "--base-url", &self.url];
        let run = Run::new(self.folder.path(), [command]).with(names).with(flags);
        let run = if how.skips { run.with(["--skip-invalid"]) } else { run };
        run.env("ATLASCLOUD_API_KEY", KEY)
    }

    fn submits(&self) -> u64 {
        self.simulator.as_ref().map_or(0, |simulator| simulator.figures().submits)
    }

    fn submitted(&self, skipped: usize) -> Bodies {
        let book = Book::read(&self.folder.path().join("book.jsonl"));
        let mut bodies = Bodies::new();
        for charge in book.charges().skip(skipped) {
            *bodies.entry(charge.body.to_string()).or_default() += 1;
        }
        bodies
    }

    fn plan_and_run(
        &self,
        names: &[String],
        how: How,
        seen: &mut Seen,
    ) -> Result<(), TestCaseError> {
        let before = self.submitted(0).values().sum();
        let posts = self.submits();
        let planned = self.nightreel("plan", names, how).with(["--rows"]).end();
        check(planned.code() == 0, || format!("the plan: {planned}"))?;
        check(self.submits() == posts, || "planning submitted something".to_owned())?;
        let wanted = self.wanted(names, &planned, (how.reruns, seen));
        let plan = planned.json()["hash"].as_str().unwrap().to_owned();
        let run = self.nightreel("run", names, how).with(["--plan", &plan]);
        let ran = run.with(if how.ramp { &[][..] } else { &["--no-ramp"] }).end();
        // Four where a row changed while its job was at the API: that one is made anew by a later run.
        let ends: &[i32] = if how.reruns { &[0, 3, 4] } else { &[0, 3] };
        check(ends.contains(&ran.code()), || format!("{planned}\nthe run: {ran}"))?;
        let submitted = self.submitted(before);
        let all: usize = wanted.values().sum();
        let tried = self.submits() - posts;
        check(submitted == wanted && tried == all as u64, || {
            let differ = |these: &Bodies, those: &Bodies| -> Bodies {
                let rest = these.iter().filter(|(body, times)| those.get(*body) != Some(times));
                rest.map(|(body, times)| (body.clone(), *times)).collect()
            };
            format!(
                "planned but not so submitted {:#?}\nsubmitted but not so planned {:#?}\n\
                 {tried} POSTs for {all} rows\n{planned}\n{ran}",
                differ(&wanted, &submitted),
                differ(&submitted, &wanted)
            )
        })
    }

    /// The requests of the ledger's jobs, by batch and key.
    async fn known(&self) -> BTreeMap<(String, String), String> {
        let path = ledger_path(&self.folder.path().join("state"));
        let ledger = Ledger::read(&path).await.unwrap().unwrap();
        let jobs = ledger.jobs(&JobFilter::default(), u32::MAX).await.unwrap();
        ledger.close().await;
        // One that was taken out or left out comes back with what its row asks for.
        let comes_back = |state| matches!(state, JobState::Canceled | JobState::Invalid);
        let jobs = jobs.into_iter().filter(|job| !comes_back(job.state));
        jobs.map(|job| ((job.batch, job.key), job.request)).collect()
    }

    /// The bodies of the rows that the plan says are submitted.
    fn wanted(
        &self,
        names: &[String],
        planned: &Ended,
        (reruns, seen): (bool, &mut Seen),
    ) -> Bodies {
        let plan = planned.json();
        let known = self.runtime.block_on(self.known());
        let mut wanted = Bodies::new();
        for (name, batch) in names.iter().zip(plan["batches"].as_array().unwrap()) {
            let jobs = batch["jobs"].as_array().unwrap().iter();
            let jobs: Vec<_> = jobs.filter(|job| job["action"] != "removed").collect();
            assert_eq!(jobs.len() as u64, batch["rows"]["total"].as_u64().unwrap(), "{batch:#}");
            let specs = self.specs(name);
            let mut specs = specs.into_iter().peekable();
            for job in jobs {
                let spec = specs.next_if(|spec| job["row"] == spec.row);
                let Some(spec) = spec.filter(|_| job["action"] != "invalid") else {
                    assert_eq!(job["action"], "invalid", "{name}: {batch:#}");
                    seen.left_out += 1;
                    continue;
                };
                assert_eq!(job["key"], spec.key, "{name}: {batch:#}");
                let count = match job["action"].as_str().unwrap() {
                    "new" => &mut seen.new,
                    "retry" => &mut seen.retry,
                    "changed" if reruns => &mut seen.rerun,
                    "changed" => {
                        seen.kept += 1;
                        continue;
                    }
                    _ => {
                        seen.others += 1;
                        continue;
                    }
                };
                *count += 1;
                let name = (batch["batch"].as_str().unwrap().to_owned(), spec.key.clone());
                // A changed row that is kept is sent as it came in.
                let held = known.get(&name).filter(|_| !reruns).cloned();
                *wanted.entry(held.unwrap_or(spec.request.canonical())).or_default() += 1;
            }
        }
        wanted
    }
}

/// How a round is planned and run.
#[derive(Clone, Copy)]
struct How {
    reruns: bool,
    ramp: bool,
    skips: bool,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            self.runtime.block_on(simulator.stop());
        }
    }
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(TestCaseError::fail(otherwise())) }
}
