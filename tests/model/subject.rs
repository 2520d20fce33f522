//! The real ledger under the model's steps. It stands on a memory disk where there is one: durability
//! is other suites' business, order is this one's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use nightreel::domain::{
    AttemptState, Digest, JobSpec, JobState, Micros, Origin, Position, PredictionId, Request, clock,
};
use nightreel::ledger::{
    AttemptId, BatchId, Begun, Error, Intent, JobFilter, JobId, Ledger, NewArtifact, NewAttempt,
    NewBatch, NewJob, Next, RunId, Trouble,
};
use proptest_state_machine::StateMachineTest;
use tokio::runtime::Runtime;

use crate::reference::{JOBS, Model, Step};

/// Batches are told apart over all sequences of a thread, and predictions over all.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Sequences that share a ledger.
const SEQUENCES: u32 = 25;

/// A ledger that the sequences of one thread share, each with a batch of its own.
struct Desk {
    folder: tempfile::TempDir,
    runtime: Runtime,
    sequences: u32,
    /// Open between two sequences.
    open: Option<(Ledger, RunId)>,
}

thread_local! {
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
}

/// The ledger as one sequence sees it.
pub(crate) struct Subject {
    ledger: Ledger,
    run: RunId,
    name: String,
    batch: BatchId,
    jobs: Vec<JobId>,
    intents: HashMap<usize, Intent>,
    prices: Vec<Micros>,
    /// The job of the last step; `None` where it may have been any.
    touched: Option<usize>,
}

pub(crate) struct LedgerTest;

fn block<T>(future: impl Future<Output = T>) -> T {
    DESK.with(|desk| desk.borrow().as_ref().unwrap().runtime.block_on(future))
}

fn path() -> PathBuf {
    DESK.with(|desk| desk.borrow().as_ref().unwrap().folder.path().join("ledger.db"))
}

fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

fn origin() -> Origin {
    Origin::from_ledger("https://api.example".to_owned())
}

fn trouble() -> Trouble {
    Trouble { class: "a test".to_owned(), message: "so it goes".to_owned(), ..Trouble::default() }
}

fn open_desk() {
    DESK.with(|desk| {
        let mut desk = desk.borrow_mut();
        // Growing ledgers are other suites' business as well.
        desk.take_if(|desk| desk.sequences >= SEQUENCES);
        let desk = desk.get_or_insert_with(|| {
            let memory = std::path::Path::new("/dev/shm");
            let folder = if memory.is_dir() {
                tempfile::tempdir_in(memory).unwrap()
            } else {
                tempfile::tempdir().unwrap()
            };
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            Desk { folder, runtime, sequences: 0, open: None }
        });
        desk.sequences += 1;
    });
}

async fn take_over() -> (Ledger, RunId) {
    let ledger = Ledger::open(&path()).await.unwrap();
    let run = ledger.begin_run(&format!("run-{}", number())).await.unwrap();
    ledger.recover().await.unwrap();
    (ledger, run)
}

fn new_batch(name: &str, budget: Option<i64>) -> NewBatch {
    NewBatch {
        name: name.to_owned(),
        manifest: "m.csv".to_owned(),
        origin: origin(),
        budget: budget.map(Micros),
    }
}

fn new_job(key: &str, price: i64) -> NewJob {
    let request = format!(r#"{{"model":"m","prompt":"{key}"}}"#);
    let spec = JobSpec {
        key: key.to_owned(),
        request: Request::from_canonical(&request).unwrap(),
        media: Vec::new(),
        output: None,
        vars: serde_json::Map::new(),
        priority: 0,
        price: None,
        row: 1,
        position: Position::new(&"m.csv".into(), 1, 1),
        faults: Vec::new(),
    };
    NewJob { spec, price: Some(Micros(price)), invalid: None }
}

impl StateMachineTest for LedgerTest {
    type SystemUnderTest = Subject;
    type Reference = Model;

    fn init_test(model: &Model) -> Subject {
        open_desk();
        let open = DESK.with(|desk| desk.borrow_mut().as_mut().and_then(|desk| desk.open.take()));
        block(async {
            let (ledger, run) = match open {
                Some(open) => open,
                None => take_over().await,
            };
            let name = format!("batch-{}", number());
            let batch = ledger.open_batch(new_batch(&name, model.budget)).await.unwrap();
            let keys: Vec<String> = (0..JOBS).map(|n| format!("job-{n}")).collect();
            let rows = keys.iter().zip(&model.jobs).map(|(key, job)| new_job(key, job.price));
            ledger.enqueue(batch, rows.collect()).await.unwrap();
            let known = ledger.known(batch, &keys).await.unwrap();
            let jobs = keys.iter().map(|key| known[key].id).collect();
            let prices = model.jobs.iter().map(|job| Micros(job.price)).collect();
            Subject {
                ledger,
                run,
                name,
                batch,
                jobs,
                intents: HashMap::new(),
                prices,
                touched: None,
            }
        })
    }

    fn apply(mut subject: Subject, _: &Model, step: Step) -> Subject {
        subject.touched = step.job();
        block(async {
            match step {
                Step::Crash => {
                    // Dropped and not closed: what was not committed is gone.
                    let (ledger, run) = take_over().await;
                    (subject.ledger, subject.run) = (ledger, run);
                    subject.intents.clear();
                }
                Step::Overtake => {
                    let (ledger, run) = take_over().await;
                    let refused = subject.ledger.recover().await;
                    assert!(matches!(refused, Err(Error::Fenced)), "{refused:?}");
                    (subject.ledger, subject.run) = (ledger, run);
                    subject.intents.clear();
                }
                Step::Budget(budget) => {
                    subject.ledger.open_batch(new_batch(&subject.name, budget)).await.unwrap();
                }
                step => subject.step(step).await,
            }
        });
        subject
    }

    fn check_invariants(subject: &Subject, model: &Model) {
        block(subject.compare(model));
    }

    fn teardown(subject: Subject, _: Model) {
        let open = Some((subject.ledger, subject.run));
        DESK.with(|desk| desk.borrow_mut().as_mut().unwrap().open = open);
    }
}

impl Subject {
    /// The job's last attempt, where it has one.
    async fn last(&self, job: usize) -> Option<AttemptId> {
        self.ledger.attempts(self.jobs[job]).await.unwrap().last().map(|attempt| attempt.id)
    }

    /// Whether a step is refused is seen from what it did: the model says what that should be.
    async fn step(&mut self, step: Step) {
        let again = |again: bool| {
            let later = Next::Again { not_before: clock::now(), counted: true };
            if again { later } else { Next::Failed }
        };
        let ledger = self.ledger.clone();
        match step {
            Step::Begin(n) => self.begin(n).await,
            Step::Accept(n) => {
                if let Some(intent) = self.intents.get(&n) {
                    let prediction = PredictionId::parse(&format!("p{}", number())).unwrap();
                    ledger.accept(intent, &prediction, Some(200), None).await.ok();
                }
            }
            Step::Refuse(n, more) => {
                if let Some(intent) = self.intents.get(&n) {
                    let rejected = AttemptState::Rejected;
                    ledger.refuse(intent, rejected, trouble(), again(more)).await.ok();
                }
            }
            Step::LoseSight(n) => {
                if let Some(intent) = self.intents.get(&n) {
                    ledger.lose_sight(intent, trouble()).await.ok();
                }
            }
            Step::Store(n) => {
                if let Some(attempt) = self.last(n).await {
                    ledger.store(self.jobs[n], attempt, vec![artifact()]).await.ok();
                }
            }
            Step::Finish(n) => {
                if let Some(attempt) = self.last(n).await {
                    ledger.finish(self.jobs[n], attempt).await.ok();
                }
            }
            Step::SetAside(n) => {
                ledger.set_aside(self.jobs[n], JobState::Quarantined, trouble()).await.unwrap();
            }
            Step::PollAgain(n) => _ = ledger.poll_again(self.jobs[n]).await,
            Step::PayAgain(n) => _ = ledger.pay_again(self.jobs[n]).await,
            Step::Requeue(n) => {
                for from in [JobState::Failed, JobState::Canceled] {
                    self.move_one(n, from, JobState::Pending).await;
                }
            }
            Step::Cancel(n) => self.move_one(n, JobState::Pending, JobState::Canceled).await,
            other => self.settle(other, again).await,
        }
    }

    /// Steps of the last attempt, by its number.
    async fn settle(&self, step: Step, again: impl Fn(bool) -> Next) {
        let ledger = &self.ledger;
        let job = match step {
            Step::Complete(n)
            | Step::FailPrediction(n, _)
            | Step::LosePrediction(n)
            | Step::Adopt(n)
            | Step::Absent(n)
            | Step::Charged(n)
            | Step::PayAgainFor(n, _) => n,
            other => panic!("{other:?} is no step of an attempt"),
        };
        let Some(attempt) = self.last(job).await else { return };
        match step {
            Step::Complete(_) => {
                let outputs = ["https://cdn.example/1.mp4".to_owned()];
                ledger.complete(attempt, &outputs, None).await.ok();
            }
            Step::FailPrediction(_, more) => {
                ledger.fail_prediction(attempt, trouble(), again(more)).await.ok();
            }
            Step::LosePrediction(_) => {
                ledger.lose_prediction(attempt, None, trouble()).await.ok();
            }
            Step::Adopt(_) => {
                let prediction = PredictionId::parse(&format!("p{}", number())).unwrap();
                ledger.adopt(attempt, &prediction, "a test").await.ok();
            }
            Step::Absent(_) => _ = ledger.prove_absent(attempt, "a test", clock::now()).await,
            Step::Charged(_) => _ = ledger.assume_charged(attempt).await,
            Step::PayAgainFor(_, cap) => _ = ledger.pay_again_for(attempt, Micros(cap)).await,
            _ => {}
        }
    }

    async fn begin(&mut self, n: usize) {
        let new = NewAttempt {
            job: self.jobs[n],
            run: self.run,
            origin: origin(),
            model: "m".to_owned(),
            body_sha256: Digest::of(b"body"),
            price: self.prices[n],
        };
        if let Begun::Intent(intent) = self.ledger.begin_attempt(new).await.unwrap() {
            self.intents.insert(n, intent);
        }
    }

    async fn move_one(&self, n: usize, from: JobState, to: JobState) {
        self.ledger.move_all(None, vec![self.jobs[n]], from, to).await.unwrap();
    }

    /// States, attempts and money must be the model's.
    async fn compare(&self, model: &Model) {
        let filter = JobFilter { batch: Some(self.batch), ..JobFilter::default() };
        let jobs = self.ledger.jobs(&filter, 100).await.unwrap();
        for (n, (found, wanted)) in jobs.iter().zip(&model.jobs).enumerate() {
            assert_eq!(found.state, wanted.state, "job {n}: {wanted:?}");
            // What no step touched has the attempts it had.
            if self.touched.is_some_and(|touched| touched != n) {
                continue;
            }
            let attempts = self.ledger.attempts(found.id).await.unwrap();
            let seen: Vec<(AttemptState, bool)> =
                attempts.iter().map(|attempt| (attempt.state, attempt.pays_again)).collect();
            assert_eq!(seen, wanted.attempts, "job {n}: {wanted:?}");
            let open = attempts.iter().filter(|attempt| {
                use AttemptState as A;
                matches!(attempt.state, A::Intent | A::Unknown | A::Accepted)
            });
            assert!(open.count() <= 1, "M1: one open attempt at most");
        }
        let view = self.ledger.batches(std::slice::from_ref(&self.name)).await.unwrap().remove(0);
        assert_eq!(view.tally.money.map(|sum| sum.0), model.money(), "M4, M6: the money");
        assert_eq!(view.tally.total(), JOBS as u64, "D1: no row is lost");
    }
}

fn artifact() -> NewArtifact {
    let name = format!("{}.mp4", number());
    NewArtifact {
        number: 1,
        path: name.clone(),
        folded: name.clone(),
        temp: format!(".{name}.part"),
        bytes: 1,
        sha256: Digest::of(b"content"),
        media: "{}".to_owned(),
        source_host: None,
    }
}
