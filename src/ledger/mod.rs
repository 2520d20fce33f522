//! All SQL of the program: the SQLite ledger, the only truth about what was wanted, paid and stored.
//!
//! Its public methods speak of jobs, attempts and money and never of tables, so that a Postgres twin
//! for many machines can take their place later. Writes go through one writer task that commits many
//! changes with one sync; reads have connections of their own. It does no HTTP and reads no manifest.

mod access;
mod again;
mod charges;
mod collect;
mod control;
mod emergency;
mod error;
mod import;
mod mark;
mod measured;
mod network;
mod open;
mod operate;
mod owner;
mod pages;
mod past;
mod queue;
mod resolve;
mod shapes;
mod submit;
mod tally;
#[cfg(test)]
mod tests;
mod transition;
mod uploads;
mod views;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqlitePool;

use mark::Marks;
use tally::Tally;
use writer::{Connections, Tx, Writer};

pub use again::PaidAgain;
pub use collect::NewArtifact;
pub use control::{Asked, Control, Live};
pub use emergency::{Emergency, Rescued, TakenUp};
pub use error::{Error, Result};
pub use import::{Known, NewBatch, NewJob};
pub use measured::{Charged, Sizes};
pub use network::network_file_system;
pub use open::{APPLICATION_ID, OLDEST_SQLITE, SCHEMA_VERSION};
pub use owner::{Ownership, identity, ledger_path, running};
pub use pages::{Bin, Cause, Changed, PageFile, PageJob};
pub use past::Past;
pub use queue::{Held, Job, Paid, UnknownAttempt};
pub use submit::{Begun, Intent, NewAttempt, Next};
pub use tally::BatchTally;
pub use transition::Trouble;
pub use views::{ArtifactView, AttemptView, BatchView, JobFilter, JobView};

/// A batch's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// A job's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// An attempt's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub i64);

/// A run's number in the ledger, and its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// An open ledger. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    path: Arc<Path>,
    connections: Connections,
    tally: Arc<Mutex<Tally>>,
    fence: Arc<Mutex<Option<i64>>>,
    marks: Option<Arc<Marks>>,
    behind: Option<Arc<Error>>,
}

impl Ledger {
    /// Opens the ledger for reading and writing; makes or migrates it where that is due.
    pub async fn open(path: &Path) -> Result<Self> {
        let connection = open::writer(path).await?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let fence = Arc::new(Mutex::new(None));
        let writer = Writer::start(connection, Arc::clone(&tally), Arc::clone(&fence));
        let (readers, _) = open::readers(path)
            .await?
            .ok_or_else(|| Error::Missing { what: "schema".to_owned() })?;
        let connections = Connections { readers, writer: Some(writer) };
        let marks = Some(Arc::new(Marks::open(path)));
        Ok(Self { path: path.into(), connections, tally, fence, marks, behind: None })
    }

    /// Whether there is a ledger's file. That nobody knows, since its folder lets nobody look, is an
    /// error: what is taken for new would be paid for again.
    pub fn exists(path: &Path) -> Result<bool> {
        access::exists(path)
    }

    /// Opens it for reading only; `None` where there is none, or none that was ever begun.
    pub async fn read(path: &Path) -> Result<Option<Self>> {
        if !Self::exists(path)? {
            return Ok(None);
        }
        let Some((readers, behind)) = open::readers(path).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: path.into(),
            connections: Connections { readers, writer: None },
            tally: Arc::default(),
            fence: Arc::default(),
            marks: None,
            behind: behind.map(Arc::new),
        }))
    }

    /// Why a ledger opened for reading would be refused for writing: it lacks what was begun.
    #[must_use]
    pub fn behind(&self) -> Option<&Error> {
        self.behind.as_deref()
    }

    /// Begins to keep figures of these batches.
    pub async fn watch(&self, names: &[String]) -> Result<()> {
        if self.connections.writer.is_none() {
            return self.recount(names).await;
        }
        // In the writer's turn nothing is committed between the count and the first effect on it.
        let (ledger, names) = (self.clone(), names.to_vec());
        self.write(move |_| Box::pin(async move { ledger.recount(&names).await })).await
    }

    async fn recount(&self, names: &[String]) -> Result<()> {
        let views = self.batches(names).await?;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.batches = views.into_iter().map(|view| (view.id, view.tally)).collect();
        Ok(())
    }

    /// The figures of a batch being watched, as of the last commit.
    #[must_use]
    pub fn tally(&self, batch: BatchId) -> BatchTally {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.batches.get(&batch).copied().unwrap_or_default()
    }

    /// Ends the writer after what it holds, and closes every connection.
    pub async fn close(self) {
        self.connections.readers.close().await;
        if let Some(writer) = self.connections.writer {
            writer.close().await;
        }
    }

    fn raise_fence(&self, to: i64) {
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    fn readers(&self) -> &SqlitePool {
        &self.connections.readers
    }

    async fn write<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t, 'c> FnOnce(&'t mut Tx<'c>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let writer = self.connections.writer.as_ref().ok_or(Error::Closed)?;
        writer.write(change).await
    }
}
