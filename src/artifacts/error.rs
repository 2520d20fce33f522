//! What can go wrong between an output and its file, told so that the runner knows what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::relpath::NotBelow;
use crate::domain::text;

/// The output folder would not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the user's share of it, is full.
    #[error("no space is left to write `{}` ({cause}); make room and run the same command again", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file would leave less room than is kept free.
    #[error(
        "`{}` has only {} left, and {} are needed for the next file and the reserve; make room and run \
         the same command again", path.display(), text::bytes(*free), text::bytes(*needed)
    )]
    TooFull {
        /// The output folder.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// Anything else the system refused.
    #[error("could not {action} `{}`: {cause}", path.display())]
    Io {
        /// A verb: `create`, `read`, `sync` …
        action: &'static str,
        /// The file or folder meant.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Something below the output folder is a symbolic link, which nothing is written through.
    #[error("`{}` is a symbolic link; nothing is written through links below the output folder, so replace it by a real folder", .0.display())]
    Symlink(PathBuf),
    /// Something else has the place of a folder.
    #[error("`{}` is {what}, where a folder is needed for outputs; move it away, or choose another --output-dir", path.display())]
    NotAFolder {
        /// Where.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The folder at the root's path is not the one that was opened.
    #[error("the output folder `{}` has vanished or was replaced during the run; put it back and run the same command again", .0.display())]
    RootReplaced(PathBuf),
    /// A file that nightreel did not make stands where a sidecar belongs.
    #[error("`{}` stands where a sidecar belongs and is not one; move it away and run `nightreel verify --repair`", .0.display())]
    NotASidecar(PathBuf),
    /// Something else has the name of a page.
    #[error("`{}` stands where the report belongs and is not one; move it away and run `nightreel report`", .0.display())]
    NotAPage(PathBuf),
    /// A path that is not safely below the output folder.
    #[error(transparent)]
    Path(#[from] NotBelow),
}

impl Error {
    /// The error of `action` on `path`, told apart by whether the disk is full.
    pub(super) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, cause },
            _ => Self::Io { action, path, cause },
        }
    }
}

/// Why an output did not become a verified temporary file. No variant holds a URL's query.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The link is dead: ask the API for a fresh one. The result itself is still paid for.
    #[error(
        "{url} answered {status}: the link has expired or the file was deleted (outputs live 14 days at most)"
    )]
    Gone {
        /// The HTTP status: a 4xx that waiting will not cure.
        status: u16,
        /// The address without its query.
        url: String,
    },
    /// Worth another try with the same link. What arrived may have been kept for a resume.
    #[error("{message}")]
    Transient {
        /// What happened, and where.
        message: String,
        /// How long the server asks to wait, at most 15 minutes.
        retry_after: Option<Duration>,
    },
    /// The address, or one it redirects to, is not allowed. Nothing was sent there.
    #[error("refused to download {url}: the address {reason}")]
    Refused {
        /// What is wrong with it.
        reason: String,
        /// The address without its query.
        url: String,
    },
    /// Something arrived, and it is not what a model of this kind makes.
    #[error("expected {expected} and got {found}, {kept}; it begins: {beginning}")]
    NotMedia {
        /// What was due.
        expected: &'static str,
        /// What it is by its first bytes.
        found: String,
        /// Its first characters, made visible.
        beginning: String,
        /// Where it is kept, or that it is not.
        kept: String,
    },
    /// More bytes than allowed.
    #[error("{url} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Where it came from, without query.
        url: String,
    },
    /// The disk is full: stop submitting, keep the job `ready`.
    #[error(transparent)]
    Full(Error),
    /// The output folder is not usable.
    #[error(transparent)]
    Io(Error),
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        match error {
            full @ (Error::Full { .. } | Error::TooFull { .. }) => Self::Full(full),
            other => Self::Io(other),
        }
    }
}

impl FetchError {
    /// Worth another try, with nothing known about when.
    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), retry_after: None }
    }
}
