//! The collect lane: completed predictions become files in place. Nothing here costs money, so it is
//! tried as long as there is hope; a result is never bought again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::gate::Stop;
use super::poll::Polling;
use super::shared::Shared;
use super::stop;
use super::store;
use super::work::Busy;
use crate::artifacts::{Expect, FetchError, Fetched, RelPath, Wanted};
use crate::atlas::PollAnswer;
use crate::domain::{JobState, Output};
use crate::ledger::{Error, JobId, Paid, Trouble};

/// Jobs read at a time.
const PAGE: u32 = 64;
/// Fresh links asked for after "gone" before the output counts as lost.
const GONE: u32 = 3;
/// Failed tries with one link before a fresh one is asked for.
const TRIES_A_LINK: u32 = 3;
/// Failed tries in all before the output counts as lost, or as no media.
const TRIES: u32 = 18;
/// Pages instead of media before the job is set aside.
const NO_MEDIA: u32 = 3;

/// How often collecting a job has failed, and when it may be tried again.
#[derive(Clone, Copy, Debug)]
struct Trials {
    gone: u32,
    failed: u32,
    no_media: u32,
    not_before: Instant,
    busy: bool,
}

impl Trials {
    fn is_free(&self) -> bool {
        !self.busy && self.not_before <= Instant::now()
    }
}

/// The lane's memory of jobs that did not go through at once.
#[derive(Default)]
struct Book(Mutex<HashMap<JobId, Trials>>);

impl Book {
    fn with<T>(&self, job: JobId, change: impl FnOnce(&mut Trials) -> T) -> T {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(book.entry(job).or_insert_with(|| Trials {
            gone: 0,
            failed: 0,
            no_media: 0,
            not_before: Instant::now(),
            busy: false,
        }))
    }

    /// Whether nobody has a job and its pause is over.
    fn is_free(&self, job: JobId) -> bool {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.get(&job).is_none_or(Trials::is_free)
    }

    /// Takes a job if it is free.
    fn take(&self, job: JobId) -> bool {
        self.with(job, |trials| {
            let free = trials.is_free();
            trials.busy |= free;
            free
        })
    }

    /// Counts one more failure of a kind.
    fn count(&self, job: JobId, kind: impl FnOnce(&mut Trials) -> &mut u32) -> u32 {
        self.with(job, |trials| {
            let count = kind(trials);
            *count += 1;
            *count
        })
    }

    fn release(&self, job: JobId, forget: bool) {
        self.with(job, |trials| trials.busy = false);
        if forget {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
        }
    }
}

/// Collects until the run is to end. A download that is cut then goes on in the next run.
pub(super) async fn lane(shared: Arc<Shared>) -> Result<(), Error> {
    let book = Arc::new(Book::default());
    let mut candidates = VecDeque::new();
    let mut tasks = JoinSet::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&shared.downloads).acquire_owned() => permit,
            () = shared.gate.leaving() => return Ok(()),
        };
        let Ok(permit) = permit else { return Ok(()) };
        if let Some(paid) = next(&shared, &book, &mut candidates).await? {
            let busy = shared.begin_work();
            tasks.spawn(one(Arc::clone(&shared), Arc::clone(&book), paid, (permit, busy)));
        } else {
            drop(permit);
            tokio::select! {
                () = shared.collect_woken() => {}
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                () = shared.gate.leaving() => return Ok(()),
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    ended.unwrap_or_else(|panic| Err(super::crashed(&panic)))?;
                }
            }
        }
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap_or_else(|panic| Err(super::crashed(&panic)))?;
        }
    }
}

/// The next job to collect, from the candidates read before or from a new page of them.
async fn next(
    shared: &Shared,
    book: &Book,
    candidates: &mut VecDeque<JobId>,
) -> Result<Option<Paid>, Error> {
    loop {
        while let Some(job) = candidates.pop_front() {
            if let Some(paid) = take(shared, book, job).await? {
                return Ok(Some(paid));
            }
        }
        *candidates = page(shared, book).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
    }
}

/// Jobs that are free to be collected; what a crash left in `storing` goes first.
async fn page(shared: &Shared, book: &Book) -> Result<VecDeque<JobId>, Error> {
    for state in [JobState::Storing, JobState::Ready] {
        let mut after = JobId(0);
        loop {
            let page = shared.ledger.paid(state, after, PAGE).await?;
            let Some(last) = page.last().map(|paid| paid.job.id) else { break };
            after = last;
            let mine = page.iter().filter(|paid| shared.is_mine(paid)).map(|paid| paid.job.id);
            let free: VecDeque<JobId> = mine.filter(|job| book.is_free(*job)).collect();
            if !free.is_empty() {
                return Ok(free);
            }
        }
    }
    Ok(VecDeque::new())
}

/// Takes a job, and looks again: it may have been collected since the page was read.
async fn take(shared: &Shared, book: &Book, job: JobId) -> Result<Option<Paid>, Error> {
    if !book.take(job) {
        return Ok(None);
    }
    let paid = shared.ledger.paid_job(job).await?;
    match paid.as_ref().map(|paid| paid.state) {
        Some(JobState::Ready | JobState::Storing) => return Ok(paid),
        // A job that waits for a fresh link has failed before, and that still counts.
        state => book.release(job, state != Some(JobState::Submitted)),
    }
    Ok(None)
}

async fn one(
    shared: Arc<Shared>,
    book: Arc<Book>,
    paid: Paid,
    held: (OwnedSemaphorePermit, Busy),
) -> Result<(), Error> {
    let result = collect(&shared, &book, &paid).await;
    let done = matches!(result, Ok(true));
    book.release(paid.job.id, done);
    if let Err(error) = &result {
        stop(&shared, Stop::Storage(error.to_string())).await;
    }
    drop(held);
    shared.wake_collect();
    result.map(|_| ())
}

/// Brings one job to `done`, or one step nearer. Returns whether it is done.
async fn collect(shared: &Shared, book: &Book, paid: &Paid) -> Result<bool, Error> {
    if paid.state == JobState::Storing {
        return stored(shared, store::take_up(shared, paid).await?).await;
    }
    let mut paid = paid.clone();
    let mut is_fresh = false;
    loop {
        match fetch_all(shared, &paid).await {
            Ok(files) => return stored(shared, store::store(shared, &paid, files).await?).await,
            Err(error) => match failed(shared, book, (&paid, is_fresh), error).await? {
                // A fresh link is used at once: in a queue it might run out like the first one.
                Some(fresh) => (paid, is_fresh) = (fresh, true),
                None => return Ok(false),
            },
        }
    }
}

async fn stored(shared: &Shared, stored: store::Stored) -> Result<bool, Error> {
    Ok(match stored {
        store::Stored::Done => true,
        store::Stored::NotYet => false,
        store::Stored::Failed(error) => {
            stop(shared, Stop::Storage(error.to_string())).await;
            false
        }
    })
}

async fn fetch_all(shared: &Shared, paid: &Paid) -> Result<Vec<Fetched>, FetchError> {
    let mut files = Vec::new();
    for (index, raw) in paid.outputs.iter().enumerate() {
        files.push(fetch(shared, paid, index + 1, &Output::parse(raw)).await?);
    }
    Ok(files)
}

async fn fetch(
    shared: &Shared,
    paid: &Paid,
    index: usize,
    output: &Output,
) -> Result<Fetched, FetchError> {
    let folder: RelPath = store::folder(paid, index);
    let stem = format!("{}-{index}", paid.attempt.0);
    let endpoint = shared.endpoints.get(&paid.job.request.model);
    let expect = endpoint.map_or(Expect::Any, |endpoint| Expect::from(*endpoint));
    let wanted = Wanted { output, folder: &folder, stem: &stem, expect };
    tokio::select! {
        fetched = shared.artifacts.fetch(&wanted) => fetched,
        () = shared.gate.leaving() => Err(FetchError::Transient {
            message: "the run is ending".to_owned(),
            retry_after: None,
        }),
    }
}

/// What a failed download means for the job. Returns it with a fresh link where there is one.
async fn failed(
    shared: &Shared,
    book: &Book,
    (paid, is_fresh): (&Paid, bool),
    error: FetchError,
) -> Result<Option<Paid>, Error> {
    if shared.gate.is_leaving() {
        return Ok(None);
    }
    let message = error.to_string();
    let trouble = |class: &str| Trouble {
        class: class.to_owned(),
        message: message.clone(),
        ..Trouble::default()
    };
    tracing::warn!(job.key = paid.job.key, message, "a download failed");
    let job = paid.job.id;
    match error {
        // A link that waited in the queue may have run out there: that says nothing.
        FetchError::Gone { .. } if !is_fresh => {
            fresh_link(shared, paid, trouble("link_gone")).await
        }
        FetchError::Gone { .. } => {
            let gone = book.count(job, |trials| &mut trials.gone);
            if gone >= GONE {
                return set_aside(shared, paid, JobState::LostOutput, trouble("link_gone")).await;
            }
            fresh_link(shared, paid, trouble("link_gone")).await
        }
        FetchError::Transient { retry_after, .. } => {
            try_again(shared, book, paid, trouble("download"), retry_after).await
        }
        FetchError::NotMedia { .. } => {
            let pages = book.count(job, |trials| &mut trials.no_media);
            if pages >= NO_MEDIA {
                return set_aside(shared, paid, JobState::Quarantined, trouble("no_media")).await;
            }
            try_again(shared, book, paid, trouble("no_media"), None).await
        }
        FetchError::Refused { .. } => {
            set_aside(shared, paid, JobState::Quarantined, trouble("address_refused")).await
        }
        FetchError::TooLarge { .. } => {
            set_aside(shared, paid, JobState::Quarantined, trouble("too_large")).await
        }
        FetchError::Full(_) | FetchError::Io(_) => {
            stop(shared, Stop::Storage(message)).await;
            Ok(None)
        }
    }
}

/// Waits, and every few tries asks the API for a fresh link: that also tells whether the network is
/// there at all, so an outage loses nothing.
async fn try_again(
    shared: &Shared,
    book: &Book,
    paid: &Paid,
    trouble: Trouble,
    retry_after: Option<Duration>,
) -> Result<Option<Paid>, Error> {
    let backoff = shared.limits.backoff;
    let failed = book.with(paid.job.id, |trials| {
        trials.failed += 1;
        trials.not_before = Instant::now() + backoff.delay_at_least(trials.failed, retry_after);
        trials.failed
    });
    if failed >= TRIES {
        return set_aside(shared, paid, JobState::LostOutput, trouble).await;
    }
    if failed.is_multiple_of(TRIES_A_LINK) {
        // The pause holds all the same: the lane takes the job up when it is over.
        fresh_link(shared, paid, trouble).await?;
    }
    Ok(None)
}

/// The same prediction, a new link; never a new generation. Where the API cannot say at once, the
/// poll lane goes on asking.
async fn fresh_link(shared: &Shared, paid: &Paid, trouble: Trouble) -> Result<Option<Paid>, Error> {
    shared.ledger.set_aside(paid.job.id, JobState::Submitted, trouble).await?;
    match shared.api.poll(&paid.prediction).await.answer {
        PollAnswer::Completed { outputs, price, too_many: false, .. } if !outputs.is_empty() => {
            shared.ledger.complete(paid.attempt, &outputs, price).await?;
            shared.ledger.paid_job(paid.job.id).await
        }
        _ => {
            shared.poll(Polling::new(shared, paid.clone(), None));
            Ok(None)
        }
    }
}

async fn set_aside(
    shared: &Shared,
    paid: &Paid,
    to: JobState,
    trouble: Trouble,
) -> Result<Option<Paid>, Error> {
    shared.ledger.set_aside(paid.job.id, to, trouble.clone()).await?;
    shared.tell_failed(&paid.job, to, &trouble).await;
    Ok(None)
}
