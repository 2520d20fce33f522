//! How fast `nightreel plan` reads a manifest, and that its memory hardly grows with it: the program as
//! a process, over 10,000 and 100,000 rows of CSV, beside no ledger, beside one in which every row is
//! done, and beside the same one when every row asks for something else now.
//!
//! `TMPDIR=/dev/shm cargo bench --bench plan`: making the ledgers is quicker without a disk. Rows a
//! second should be much the same for both lengths. At the end it prints the peak memory of each.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::stream::{self, StreamExt as _};
use nightreel::domain::{Digest, JobSpec, Micros, Origin, PredictionId, Timestamp};
use nightreel::ledger::{
    Begun, JobId, Ledger, NewArtifact, NewAttempt, NewBatch, NewJob, RunId, ledger_path,
};
use nightreel::manifest::{self, Source};
use tempfile::TempDir;

/// How long the manifests are.
const LENGTHS: [u64; 2] = [10_000, 100_000];
/// Jobs on their way through the ledger at the same time, while it is made.
const CALLERS: usize = 256;
/// Rows brought into the ledger at a time.
const CHUNK: usize = 500;
/// How often a process is asked for its memory.
const LOOK: Duration = Duration::from_millis(5);
const MODELS: [&str; 2] = ["minimax/hailuo-02/fast", "minimax/hailuo-02/t2v-standard"];
const PICTURE: &[u8] = include_bytes!("../jobs/images/town.jpg");
const URL: &str = "http://127.0.0.1:9";

/// A manifest, the ledger beside it, and what `plan` says of all rows.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    manifest: &'static str,
    state: &'static str,
    action: &'static str,
}

const CASES: [Case; 3] = [
    Case { name: "no ledger", manifest: "m.csv", state: "none", action: "new" },
    Case { name: "all done", manifest: "m.csv", state: "state", action: "done" },
    Case { name: "all changed", manifest: "changed/m.csv", state: "state", action: "changed" },
];

/// Made when the first of them is needed, which takes two minutes.
static FOLDERS: OnceLock<[TempDir; 2]> = OnceLock::new();

fn main() {
    divan::main();
    let Some(folders) = FOLDERS.get() else { return };
    std::io::stdout().write_all(memory().as_bytes()).unwrap();
    // What is static is never dropped.
    for folder in folders {
        fs::remove_dir_all(folder.path()).unwrap();
    }
}

#[divan::bench(args = LENGTHS, sample_count = 5, sample_size = 1)]
fn beside_no_ledger(bencher: Bencher<'_, '_>, rows: u64) {
    plans(bencher, CASES[0], rows);
}

#[divan::bench(args = LENGTHS, sample_count = 5, sample_size = 1)]
fn all_rows_are_done(bencher: Bencher<'_, '_>, rows: u64) {
    plans(bencher, CASES[1], rows);
}

#[divan::bench(args = LENGTHS, sample_count = 5, sample_size = 1)]
fn all_rows_are_changed(bencher: Bencher<'_, '_>, rows: u64) {
    plans(bencher, CASES[2], rows);
}

fn plans(bencher: Bencher<'_, '_>, case: Case, rows: u64) {
    let folder = of(rows);
    bencher.counter(ItemsCount::new(rows)).bench_local(|| plan(folder, case, rows));
}

fn of(rows: u64) -> &'static Path {
    let place = LENGTHS.iter().position(|length| *length == rows).unwrap();
    FOLDERS.get_or_init(|| LENGTHS.map(folder))[place].path()
}

/// Runs the program to its end. Returns the most memory it had in use, in kB, where the system tells.
fn plan(folder: &Path, case: Case, rows: u64) -> Option<u64> {
    let said = folder.join("said.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_nightreel"))
        .args(["plan", case.manifest, "--state-dir", case.state, "--base-url", URL])
        .args(["--changed", "keep", "--format", "json"])
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let mut peak = None;
    while child.try_wait().unwrap().is_none() {
        peak = peak_of(child.id()).max(peak);
        std::thread::sleep(LOOK);
    }
    let said: serde_json::Value = serde_json::from_slice(&fs::read(said).unwrap()).unwrap();
    assert_eq!(said["batches"][0]["rows"][case.action], rows, "{said:#}");
    peak
}

/// `VmHWM` of a process (proc(5)).
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn memory() -> String {
    let mut table = String::from("\npeak memory of `nightreel plan`\n");
    for case in CASES {
        let _ = write!(table, "{:12}", case.name);
        for rows in LENGTHS {
            let peak = plan(of(rows), case, rows).map_or("?".to_owned(), |peak| peak.to_string());
            let _ = write!(table, "  {peak:>8} kB at {rows} rows");
        }
        table.push('\n');
    }
    table
}

/// The manifests of a length, and the ledger in which all their rows are done.
fn folder(rows: u64) -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["changed/images", "images", "state"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    write(&path("images/town.jpg"), PICTURE);
    write(&path("changed/images/town.jpg"), PICTURE);
    write(&path("m.csv"), table(rows, "at night").as_bytes());
    write(&path("changed/m.csv"), table(rows, "at dawn").as_bytes());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(done(&path("m.csv"), &path("state")));
    folder
}

fn write(path: &Path, content: &[u8]) {
    File::create(path).unwrap().write_all(content).unwrap();
}

/// Rows of two models, every other one with a picture.
fn table(rows: u64, when: &str) -> String {
    let mut table = String::from("id,model,prompt,image,duration\n");
    for row in 0..rows {
        let (model, image) = (MODELS[(row % 2) as usize], ["images/town.jpg", ""]);
        let image = image[(row % 2) as usize];
        let _ = writeln!(
            table,
            "row-{row:06},{model},\"Scene {row}, a long walk over the hills {when}, slow push in\",{image},6"
        );
    }
    table
}

/// A ledger in which every job of the manifest is done at its first attempt.
async fn done(manifest: &Path, state: &Path) {
    let ledger = Ledger::open(&ledger_path(state)).await.unwrap();
    let run = ledger.begin_run("bench").await.unwrap();
    let new = NewBatch {
        name: "m".to_owned(),
        manifest: "m.csv".to_owned(),
        origin: origin(),
        budget: None,
    };
    let batch = ledger.open_batch(new).await.unwrap();
    let manifest = manifest::open(&Source::Path(manifest.to_owned())).unwrap();
    let mut rows = stream::iter(manifest.rows().unwrap()).chunks(CHUNK);
    while let Some(chunk) = rows.next().await {
        let jobs = chunk.into_iter().map(|row| job(row.unwrap())).collect();
        ledger.enqueue(batch, jobs).await.unwrap();
        let due =
            ledger.due(batch, Timestamp::MAX, u32::try_from(CHUNK).unwrap(), &[]).await.unwrap();
        let each = stream::iter(due).for_each_concurrent(CALLERS, async |job| {
            finish(&ledger, run, job.id).await;
        });
        each.await;
    }
    ledger.close().await;
}

fn job(spec: JobSpec) -> NewJob {
    NewJob { spec, price: Some(Micros(100_000)), invalid: None }
}

async fn finish(ledger: &Ledger, run: RunId, job: JobId) {
    let new = NewAttempt {
        job,
        run,
        origin: origin(),
        model: MODELS[0].to_owned(),
        body_sha256: Digest::of(b"body"),
        price: Micros(100_000),
    };
    let Begun::Intent(intent) = ledger.begin_attempt(new).await.unwrap() else {
        panic!("job {} is not begun", job.0);
    };
    let attempt = intent.attempt();
    let prediction = PredictionId::parse(&format!("prediction-{}", attempt.0)).unwrap();
    ledger.accept(&intent, &prediction, Some(200), None).await.unwrap();
    let outputs = ["https://cdn.example/video.mp4".to_owned()];
    ledger.complete(attempt, &outputs, None).await.unwrap();
    ledger.store(job, attempt, vec![file(job)]).await.unwrap();
    ledger.finish(job, attempt).await.unwrap();
}

fn file(job: JobId) -> NewArtifact {
    NewArtifact {
        number: 1,
        path: format!("m/{}.mp4", job.0),
        folded: format!("m/{}.mp4", job.0),
        temp: format!("m/.{}.partial", job.0),
        bytes: 4075,
        sha256: Digest::of(b"video"),
        media: r#"{"type":"video/mp4"}"#.to_owned(),
        source_host: Some("cdn.example".to_owned()),
    }
}

fn origin() -> Origin {
    Origin::of(&URL.parse().unwrap())
}
