//! The one writer: many changes, one fsync. Each waiter is released only after its commit is
//! durable, and what it is told is what was committed.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{Error, Result, word};
use super::tally::{Effect, Tally};
use crate::domain::{Timestamp, clock, kill_point};

/// The most changes that share one commit.
const GROUP: usize = 256;
/// Changes that may wait for the writer before callers wait to hand theirs over.
const QUEUE: usize = 1024;

/// The open transaction a change works in.
pub(super) struct Tx<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) now: Timestamp,
    effects: Vec<Effect>,
}

impl Tx<'_> {
    /// Notes what the change does to the counts; applied once it is durable.
    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// The moment of the change in Unix milliseconds.
    pub(super) fn millis(&self) -> i64 {
        self.now.as_millisecond()
    }
}

/// A change to the ledger: runs inside a transaction, and tells its caller after the commit.
type Change = Box<dyn for<'t, 'c> FnOnce(&'t mut Tx<'c>) -> BoxFuture<'t, Result<Told>> + Send>;
/// Tells the caller: with `None` that its change is durable, else why it is not.
type Told = Box<dyn FnOnce(Option<Error>) + Send>;

struct Request {
    change: Change,
    refuse: Box<dyn FnOnce(Error) + Send>,
}

/// A handle to the writer task.
#[derive(Clone)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Writer {
    /// Starts the task on its own connection. With a `fence`, nothing is committed once another
    /// run has taken over.
    pub(super) fn start(
        connection: SqliteConnection,
        tally: Arc<Mutex<Tally>>,
        fence: Arc<Mutex<Option<i64>>>,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(serve(Task { connection, tally, fence }, inbox, stop.clone()));
        tasks.close();
        Self { requests, stop, tasks }
    }

    /// Finishes what was handed over, refuses what comes later, and closes the connection.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Makes one change, and returns once it is durable. The change runs to its end even if the
    /// caller stops waiting.
    pub(super) async fn write<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t, 'c> FnOnce(&'t mut Tx<'c>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let reply = Arc::new(Mutex::new(Some(reply)));
        let refused = Arc::clone(&reply);
        let request = Request {
            change: Box::new(move |tx| {
                Box::pin(async move {
                    let value = change(tx).await?;
                    let told: Told = Box::new(move |error| {
                        send(&reply, error.map_or(Ok(value), Err));
                    });
                    Ok(told)
                })
            }),
            refuse: Box::new(move |error| send(&refused, Err(error))),
        };
        self.requests.send(request).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

type Reply<T> = Arc<Mutex<Option<oneshot::Sender<Result<T>>>>>;

/// Answers the caller, who may have stopped listening.
fn send<T>(reply: &Reply<T>, result: Result<T>) {
    let sender = reply.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(sender) = sender {
        let _ = sender.send(result);
    }
}

struct Task {
    connection: SqliteConnection,
    tally: Arc<Mutex<Tally>>,
    fence: Arc<Mutex<Option<i64>>>,
}

async fn serve(mut task: Task, mut inbox: mpsc::Receiver<Request>, stop: CancellationToken) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !inbox.is_closed() => inbox.close(),
            taken = inbox.recv_many(&mut group, GROUP) => {
                if taken == 0 {
                    break;
                }
                task.commit_group(group.drain(..)).await;
            }
        }
    }
    // A clean close checkpoints the log and removes it; after a failure the log is simply kept.
    let _ = task.connection.close().await;
}

impl Task {
    /// One transaction for all requests of the group. A change that fails is undone alone; where
    /// even that fails, the whole group is.
    async fn commit_group(&mut self, group: impl Iterator<Item = Request>) {
        let (mut told, mut effects) = (Vec::new(), Vec::new());
        kill_point("group_begun");
        let mut failure = self.begin().await.err();
        for request in group {
            if let Some(error) = &failure {
                (request.refuse)(again(error));
                continue;
            }
            match self.apply(request.change, &mut effects).await {
                Applied::Done(tell) => told.push(tell),
                Applied::Undone(error) => (request.refuse)(error),
                Applied::GroupLost(error) => {
                    (request.refuse)(again(&error));
                    failure = Some(error);
                }
            }
        }
        match failure {
            None => failure = self.commit().await.err(),
            // SQLite may have rolled back by itself, then this says so and does no harm.
            Some(_) => self.execute("ROLLBACK").await.unwrap_or_default(),
        }
        kill_point("group_committed");
        if failure.is_none() {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            for effect in &effects {
                tally.apply(effect);
            }
        }
        for tell in told {
            tell(failure.as_ref().map(again));
        }
    }

    async fn begin(&mut self) -> Result<()> {
        let begun = self.execute("BEGIN IMMEDIATE; SAVEPOINT change").await;
        begun.map_err(Error::on("beginning a change"))?;
        let Some(mine) = *self.fence.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(());
        };
        let found: i64 = sqlx::query_scalar("SELECT fence FROM owner")
            .fetch_one(&mut self.connection)
            .await
            .map_err(Error::on("reading the fence"))?;
        if found == mine { Ok(()) } else { Err(Error::Fenced) }
    }

    /// Makes one change after the savepoint, and moves the savepoint behind it, or goes back to it.
    /// Neither works where an error made SQLite end the whole transaction, as a full disk may: then
    /// what went before in this group is gone too, and nothing may follow outside of it.
    async fn apply(&mut self, change: Change, effects: &mut Vec<Effect>) -> Applied {
        let mut tx =
            Tx { connection: &mut self.connection, now: clock::now(), effects: Vec::new() };
        let result = change(&mut tx).await;
        let done = std::mem::take(&mut tx.effects);
        let after = match &result {
            Ok(_) => self.execute("RELEASE change; SAVEPOINT change").await,
            Err(_) => self.execute("ROLLBACK TO change").await,
        };
        match (result, after) {
            (Ok(tell), Ok(())) => {
                effects.extend(done);
                Applied::Done(tell)
            }
            (Err(error), Ok(())) => Applied::Undone(error),
            (Ok(_), Err(source)) => Applied::GroupLost(Error::on("ending a change")(source)),
            (Err(error), Err(_)) => Applied::GroupLost(error),
        }
    }

    /// After a failed commit nothing is known but that it is not durable: the transaction is undone
    /// and every waiter is told (reliability.md 3.7: a failed sync is never tried again).
    async fn commit(&mut self) -> Result<()> {
        let Err(source) = self.execute("COMMIT").await else {
            return Ok(());
        };
        let reason = word(&source);
        self.execute("ROLLBACK").await.unwrap_or_default();
        Err(Error::NotDurable { reason })
    }

    async fn execute(&mut self, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await.map(|_| ())
    }
}

/// What became of one change within its group.
enum Applied {
    /// Made, and as durable as the group will be.
    Done(Told),
    /// Undone alone; the group goes on.
    Undone(Error),
    /// The transaction is gone, and every change of the group with it.
    GroupLost(Error),
}

/// The same failure for one more waiter.
fn again(error: &Error) -> Error {
    match error {
        Error::Fenced => Error::Fenced,
        Error::NotDurable { reason } => Error::NotDurable { reason: reason.clone() },
        other => Error::NotDurable { reason: other.to_string() },
    }
}

/// The readers of a ledger and the writer, where this process writes at all.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) readers: SqlitePool,
    pub(super) writer: Option<Writer>,
}
