//! The report: one self-contained page of a batch, made from the ledger alone.
//!
//! What people and APIs wrote enters it as JSON in one block of the page and nowhere else, see
//! `inert.rs`; the page's own script puts it on the screen as text. The batch's jobs are read and
//! written page by page, so the batch's size is felt on disk only.

mod commands;
mod data;
mod inert;
mod night;
mod page;
mod shell;
mod trouble;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::domain::clock;
use crate::ledger::{self, BatchView, Ledger};

pub use data::{Links, figures, job, whole};
pub use page::{Kind, MARK, live_policy};

/// What a page is called in its batch's folder.
pub const NAME: &str = "index.html";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The page could not be written.
    #[error("cannot write the report: {0}")]
    Write(#[from] io::Error),
}

/// Where the program is told to look: what its commands need beside their names.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `--state-dir`, where it is not the default.
    pub state_dir: Option<PathBuf>,
    /// `--output-dir`, where it is not the default.
    pub output_dir: Option<PathBuf>,
}

/// Writes the page of a batch: as a file, or as the dashboard serves it, where it keeps itself up to date
/// and acts.
pub async fn write(
    kind: Kind,
    (ledger, batch): (&Ledger, &BatchView),
    folders: &Folders,
    links: &Links<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), Error> {
    page::begin(out, kind)?;
    // Before anything is read: what changes from here on may not be in it.
    let at = clock::now().as_millisecond();
    match kind {
        Kind::Report => write!(out, "{{")?,
        Kind::Live => write!(out, "{{\"at\":{at},")?,
    }
    data::write(ledger, batch, folders, links, out).await?;
    Ok(page::end(out, kind)?)
}
