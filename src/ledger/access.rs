//! Whether the ledger's file is there and may be used, asked of the system: SQLite only says that it
//! cannot open a file, and not why. The file is not opened for it (see `open`).

use std::io;
use std::path::Path;

use super::error::{Error, Result};

/// What is to be done with a file or folder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// To look at what it holds.
    Read,
    /// To change it, and to make files in it.
    Write,
}

/// Whether the file is there. Whatever keeps anybody from looking is an error.
pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|source| Error::Io {
        doing: "look for",
        path: path.to_owned(),
        source,
    })
}

/// Refuses a file that this user may not use so, and says why.
pub(super) fn require(path: &Path, access: Access) -> Result<()> {
    let doing = match access {
        Access::Read => "read",
        Access::Write => "write to",
    };
    may(path, access).map_err(|source| Error::Io { doing, path: path.to_owned(), source })
}

/// Whether this user may do that with a file or folder.
#[cfg(unix)]
pub(super) fn may(path: &Path, access: Access) -> io::Result<()> {
    let wanted = match access {
        Access::Read => rustix::fs::Access::READ_OK,
        Access::Write => rustix::fs::Access::WRITE_OK,
    };
    Ok(rustix::fs::access(path, wanted)?)
}

#[cfg(not(unix))]
pub(super) fn may(_: &Path, _: Access) -> io::Result<()> {
    Ok(())
}
