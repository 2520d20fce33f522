//! Writes the book's lines: one thread, one sync for all lines that came in during the last one.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::book::Entry;

/// The most lines of one sync.
const BATCH: usize = 4096;

/// The thread that owns the book's file. Dropping it writes what is left and waits.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Option<Sender<Line>>,
    thread: Option<JoinHandle<()>>,
}

/// A promise that an entry is on disk.
#[derive(Debug)]
#[must_use = "an answer about money waits for this"]
pub(super) struct Durable(Option<oneshot::Receiver<bool>>);

/// The book could not be written: nothing may be told about the charge.
#[derive(Debug, thiserror::Error)]
#[error("the book of charges could not be written; see the simulator's log for the reason")]
pub(super) struct NotWritten;

struct Line {
    entry: Arc<Entry>,
    done: oneshot::Sender<bool>,
}

impl Durable {
    /// For a book in memory.
    pub(super) fn already() -> Self {
        Self(None)
    }

    /// For entries nobody waits for.
    pub(super) fn forget(self) {
        drop(self);
    }

    /// Waits until the entry is on disk.
    pub(super) async fn wait(self) -> Result<(), NotWritten> {
        let Some(done) = self.0 else {
            return Ok(());
        };
        let written = done.await.unwrap_or(false);
        if written { Ok(()) } else { Err(NotWritten) }
    }
}

impl Writer {
    /// Starts the thread; `length` is the size of the file so far.
    pub(super) fn start(file: File, length: u64) -> io::Result<Self> {
        let (lines, incoming) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("simulator-book".to_owned())
            .spawn(move || write_all(file, length, &incoming))?;
        Ok(Self { lines: Some(lines), thread: Some(thread) })
    }

    pub(super) fn append(&self, entry: Arc<Entry>) -> Durable {
        let (done, wait) = oneshot::channel();
        if let Some(lines) = &self.lines {
            // A thread that is gone drops `done`, which the waiter takes for a failure.
            lines.send(Line { entry, done }).ok();
        }
        Durable(Some(wait))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn write_all(mut file: File, mut length: u64, incoming: &Receiver<Line>) {
    let mut sound = true;
    while let Ok(first) = incoming.recv() {
        let mut batch = vec![first];
        batch.extend(incoming.try_iter().take(BATCH - 1));
        if sound {
            let written = write_batch(&mut file, length, &batch);
            sound = written.is_ok();
            match written {
                Ok(more) => length += more,
                Err(error) => tracing::error!(%error, "the simulator's book cannot be written"),
            }
        }
        for line in batch {
            line.done.send(sound).ok();
        }
    }
}

/// Writes and syncs a batch, or takes it back whole. A failed sync is never tried again: what it
/// could not write may be forgotten by the second one (reliability.md 3.7).
fn write_batch(file: &mut File, length: u64, batch: &[Line]) -> io::Result<u64> {
    let mut text = Vec::new();
    for line in batch {
        serde_json::to_writer(&mut text, &*line.entry)?;
        text.push(b'\n');
    }
    let written = file.write_all(&text).and_then(|()| file.sync_data());
    if let Err(error) = written {
        file.set_len(length).ok();
        return Err(error);
    }
    Ok(u64::try_from(text.len()).unwrap_or(u64::MAX))
}
