//! What group commit and multi-row inserts are worth, each beside its alternative, on this disk.
//!
//! `cargo bench --bench ledger`. The figures hang on the disk's sync time; the ratios hardly do.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use nightreel::domain::{
    Digest, JobSpec, Micros, Origin, Position, PredictionId, Request, Timestamp,
};
use nightreel::ledger::{
    BatchId, Begun, Intent, JobId, Ledger, NewArtifact, NewAttempt, NewBatch, NewJob, RunId,
};
use serde_json::Map;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Jobs each round takes through its steps.
const JOBS: u32 = 1024;
/// Jobs where each change has a commit of its own, which is slow.
const FEW_JOBS: u32 = 128;
/// Rows each round brings in.
const ROWS: u64 = 2000;
/// Callers that change the ledger at the same time.
const CALLERS: [usize; 3] = [1, 16, 256];

fn main() {
    divan::main();
}

#[divan::bench(args = CALLERS, sample_count = 5, sample_size = 1)]
fn intents_in_groups(bencher: Bencher<'_, '_>, callers: usize) {
    intents(bencher, callers, JOBS, Semaphore::MAX_PERMITS);
}

#[divan::bench(args = CALLERS, sample_count = 5, sample_size = 1)]
fn intents_one_a_commit(bencher: Bencher<'_, '_>, callers: usize) {
    intents(bencher, callers, FEW_JOBS, 1);
}

#[divan::bench(args = CALLERS, sample_count = 5, sample_size = 1)]
fn whole_jobs_in_groups(bencher: Bencher<'_, '_>, callers: usize) {
    whole_jobs(bencher, callers, JOBS, Semaphore::MAX_PERMITS);
}

#[divan::bench(args = CALLERS, sample_count = 5, sample_size = 1)]
fn whole_jobs_one_a_commit(bencher: Bencher<'_, '_>, callers: usize) {
    whole_jobs(bencher, callers, FEW_JOBS, 1);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn enqueue_many_rows_a_statement(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| (runtime.block_on(Bench::open(1)), rows(0..ROWS)))
        .bench_local_values(|(bench, rows)| {
            runtime.block_on(bench.ledger.enqueue(bench.batch, rows)).unwrap();
            bench
        });
}

/// The same rows, each a call of its own; the commits are shared here too.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn enqueue_row_by_row(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(ROWS))
        .with_inputs(|| (runtime.block_on(Bench::open(1)), rows(0..ROWS)))
        .bench_local_values(|(bench, rows)| {
            let each = rows.into_iter().map(|row| bench.ledger.enqueue(bench.batch, vec![row]));
            let done = runtime.block_on(join_all(each));
            assert!(done.iter().all(Result::is_ok));
            bench
        });
}

fn intents(bencher: Bencher<'_, '_>, callers: usize, jobs: u32, at_once: usize) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(jobs))
        .with_inputs(|| runtime.block_on(Bench::with_jobs(at_once, jobs)))
        .bench_local_values(|bench| {
            runtime.block_on(stream::iter(bench.jobs.clone()).for_each_concurrent(
                callers,
                async |job| {
                    bench.begin(job).await;
                },
            ));
            bench
        });
}

fn whole_jobs(bencher: Bencher<'_, '_>, callers: usize, jobs: u32, at_once: usize) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(5 * jobs))
        .with_inputs(|| runtime.block_on(Bench::with_jobs(at_once, jobs)))
        .bench_local_values(|bench| {
            runtime.block_on(
                stream::iter(bench.jobs.clone())
                    .for_each_concurrent(callers, async |job| bench.whole(job).await),
            );
            bench
        });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A ledger of its own for each round.
struct Bench {
    ledger: Ledger,
    batch: BatchId,
    run: RunId,
    jobs: Vec<JobId>,
    at_once: Arc<Semaphore>,
    _folder: TempDir,
}

impl Bench {
    /// `at_once` changes may be handed to the writer at a time: with 1 nothing shares a commit.
    async fn open(at_once: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).await.unwrap();
        let run = ledger.begin_run("bench").await.unwrap();
        let batch = ledger
            .open_batch(NewBatch {
                name: "bench".to_owned(),
                manifest: "bench.csv".to_owned(),
                origin: origin(),
                budget: None,
            })
            .await
            .unwrap();
        let at_once = Arc::new(Semaphore::new(at_once));
        Self { ledger, batch, run, jobs: Vec::new(), at_once, _folder: folder }
    }

    async fn with_jobs(at_once: usize, jobs: u32) -> Self {
        let mut bench = Self::open(at_once).await;
        bench.ledger.enqueue(bench.batch, rows(0..u64::from(jobs))).await.unwrap();
        let due = bench.ledger.due(bench.batch, Timestamp::MAX, jobs, &[]).await.unwrap();
        bench.jobs = due.into_iter().map(|job| job.id).collect();
        bench
    }

    async fn begin(&self, job: JobId) -> Intent {
        let _permit = self.at_once.acquire().await.unwrap();
        let begun = self
            .ledger
            .begin_attempt(NewAttempt {
                job,
                run: self.run,
                origin: origin(),
                model: "minimax/hailuo-02/fast".to_owned(),
                body_sha256: Digest::of(b"body"),
                price: Micros(100_000),
            })
            .await
            .unwrap();
        match begun {
            Begun::Intent(intent) => intent,
            other => panic!("no intent: {other:?}"),
        }
    }

    /// The five commits of a job that goes well.
    async fn whole(&self, job: JobId) {
        let intent = self.begin(job).await;
        let attempt = intent.attempt();
        let prediction = PredictionId::parse(&format!("prediction-{}", attempt.0)).unwrap();
        let step = || self.at_once.acquire();
        {
            let _permit = step().await.unwrap();
            self.ledger.accept(&intent, &prediction, Some(200), None).await.unwrap();
        }
        {
            let _permit = step().await.unwrap();
            let outputs = ["https://cdn.example/video.mp4".to_owned()];
            self.ledger.complete(attempt, &outputs, None).await.unwrap();
        }
        {
            let _permit = step().await.unwrap();
            self.ledger.store(job, attempt, vec![file(job)]).await.unwrap();
        }
        let _permit = step().await.unwrap();
        self.ledger.finish(job, attempt).await.unwrap();
    }
}

fn origin() -> Origin {
    Origin::from_ledger("loopback".to_owned())
}

fn file(job: JobId) -> NewArtifact {
    NewArtifact {
        number: 1,
        path: format!("bench/{}.mp4", job.0),
        folded: format!("bench/{}.mp4", job.0),
        temp: format!("bench/.{}.partial", job.0),
        bytes: 4075,
        sha256: Digest::of(b"video"),
        media: r#"{"type":"video/mp4"}"#.to_owned(),
        source_host: Some("cdn.example".to_owned()),
    }
}

fn rows(numbers: std::ops::Range<u64>) -> Vec<NewJob> {
    numbers.map(row).collect()
}

fn row(number: u64) -> NewJob {
    let prompt = format!("{number}: {}", "a long walk over the hills at night, ".repeat(8));
    let params = Map::from_iter([("prompt".to_owned(), prompt.into())]);
    NewJob {
        spec: JobSpec {
            key: format!("row-{number:08}"),
            request: Request { model: "minimax/hailuo-02/fast".to_owned(), params },
            media: Vec::new(),
            output: None,
            vars: Map::new(),
            priority: 0,
            price: None,
            row: number + 1,
            position: Position::new(&"bench.csv".into(), number + 2, 0),
            faults: Vec::new(),
        },
        price: Some(Micros(100_000)),
        invalid: None,
    }
}
