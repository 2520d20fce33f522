//! The output folder and the folders below it: opened one by one, never through a link.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::Error;
use super::folder::{Folder, Identity};
use super::relpath::RelPath;

/// The output folder.
#[derive(Debug)]
pub(super) struct Tree {
    path: PathBuf,
    identity: Identity,
    /// Folders whose own names are durable, as far as this process knows.
    durable: Mutex<HashSet<RelPath>>,
}

impl Tree {
    /// Makes the folder if need be, and proves that files can be made, synced and removed in it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|cause| match what_stands(path) {
            Some(what) => Error::NotAFolder { path: path.to_owned(), what },
            None => Error::io("create the output folder", path, cause),
        })?;
        let path = path
            .canonicalize()
            .map_err(|cause| Error::io("find the output folder", path, cause))?;
        let folder = Folder::open(&path)
            .map_err(|cause| Error::io("open the output folder", &path, cause))?;
        let identity = folder
            .identity()
            .map_err(|cause| Error::io("look at the output folder", &path, cause))?;
        try_writing(&folder)
            .map_err(|cause| Error::io("write to the output folder", &path, cause))?;
        Ok(Self { path, identity, durable: Mutex::default() })
    }

    /// Where it is: absolute, without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The output folder itself, if it is still the one that was opened.
    pub(super) fn root(&self) -> Result<Folder, Error> {
        let replaced = || Error::RootReplaced(self.path.clone());
        let folder = Folder::open(&self.path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => replaced(),
            _ => Error::io("open the output folder", &self.path, cause),
        })?;
        match folder.identity() {
            Ok(identity) if identity == self.identity => Ok(folder),
            Ok(_) => Err(replaced()),
            Err(cause) => Err(Error::io("look at", &self.path, cause)),
        }
    }

    /// The folder `path`; `None` where it does not exist.
    pub(super) fn find(&self, path: &RelPath) -> Result<Option<Folder>, Error> {
        let mut folder = self.root()?;
        let mut at = RelPath::root();
        for name in path.components() {
            at = at.join(name)?;
            folder = match folder.enter(name) {
                Ok(inner) => inner,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(cause) => return Err(self.not_entered(&folder, &at, cause)),
            };
        }
        Ok(Some(folder))
    }

    /// The folder `path`, made where it is missing. Names of new folders are synced.
    pub(super) fn make(&self, path: &RelPath) -> Result<Folder, Error> {
        let mut folder = self.root()?;
        let mut at = RelPath::root();
        for name in path.components() {
            at = at.join(name)?;
            let made = folder
                .make(name)
                .map_err(|cause| Error::io("create the folder", &self.full(&at), cause))?;
            // A folder found may have been made by a process that died before it synced.
            if made || !self.is_durable(&at) {
                folder
                    .sync()
                    .map_err(|cause| Error::io("sync", &self.full(&at.parent()), cause))?;
                self.note_durable(&at);
            }
            folder = folder.enter(name).map_err(|cause| self.not_entered(&folder, &at, cause))?;
        }
        Ok(folder)
    }

    /// The whole path of `path`, for messages.
    pub(super) fn full(&self, path: &RelPath) -> PathBuf {
        path.below(&self.path)
    }

    /// What to say where the file or folder at `at`, in `parent`, could not be opened.
    pub(super) fn not_entered(&self, parent: &Folder, at: &RelPath, cause: io::Error) -> Error {
        if parent.is_link(at.file_name()) {
            return Error::Symlink(self.full(at));
        }
        if cause.kind() == io::ErrorKind::NotADirectory {
            return Error::NotAFolder { path: self.full(at), what: "a file" };
        }
        Error::io("open", &self.full(at), cause)
    }

    fn is_durable(&self, path: &RelPath) -> bool {
        let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.contains(path)
    }

    fn note_durable(&self, path: &RelPath) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.insert(path.clone());
    }
}

/// What has a folder's place, where it is none.
fn what_stands(path: &Path) -> Option<&'static str> {
    let found = fs::symlink_metadata(path).ok()?;
    match found.is_symlink() {
        true if !path.exists() => Some("a link that leads nowhere"),
        true => Some("a link to a file"),
        false => found.is_file().then_some("a file"),
    }
}

/// Makes, syncs and removes a file, so that a folder that cannot be used is known before anything
/// is paid for.
fn try_writing(folder: &Folder) -> io::Result<()> {
    let probe = format!(".nightreel-probe-{}", std::process::id());
    folder.remove(&probe)?;
    let written = folder.create_new(&probe).and_then(|file| file.sync_all());
    let removed = folder.remove(&probe);
    written.and(removed).and_then(|()| folder.sync())
}
