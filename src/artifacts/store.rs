//! Files under their final names: placed without replacing anything, adopted after a crash,
//! checked later.
//!
//! All of it is behind [`Store`], which knows paths, sizes and hashes only: the seam where an
//! object store will stand beside the local folder (a put with `If-None-Match: *` is its `place`).

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::Path;

use crate::domain::Digest;
use crate::domain::digest::Hasher;
use crate::domain::kill_point;

use super::error::Error;
use super::folder::Folder;
use super::relpath::RelPath;
use super::tree::Tree;

/// What became of a file on its way to its final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is there, durably.
    New,
    /// Something was there before.
    AlreadyExists {
        /// Whether it is a file with the same content. Then that one stays and the temporary file
        /// is gone; else both stay, and the caller tries another name.
        same: bool,
    },
}

/// What was found of a file after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is under its final name with the recorded content.
    InPlace,
    /// Its temporary file had the recorded content and has been placed.
    Placed,
    /// Its temporary file has the recorded content, and something else has its final name.
    Occupied,
    /// Nowhere: fetch it again.
    Gone,
}

/// What a file is compared to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The recorded size and hash.
    Sound,
    /// There is no file.
    Missing,
    /// Another content.
    Differs {
        /// Its size.
        bytes: u64,
        /// Its hash.
        sha256: Digest,
    },
}

/// Size and hash: what the ledger records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: Digest,
}

/// A file under a temporary name, on its way to being whole.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    folder: Folder,
    temp: String,
    name: RelPath,
}

impl Draft {
    /// The name it will have.
    pub(super) fn name(&self) -> &RelPath {
        &self.name
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The local output folder.
#[derive(Debug)]
pub(super) struct Store {
    tree: Tree,
}

impl Store {
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let tree = Tree::open(root)?;
        Ok(Self { tree })
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Gives the synced temporary file its final name, and syncs the folders.
    pub(super) fn place(
        &self,
        temp: &RelPath,
        content: &Content,
        name: &RelPath,
    ) -> Result<Placed, Error> {
        let to = self.tree.make(&name.parent())?;
        let from = self.tree.make(&temp.parent())?;
        match from.rename_new(temp.file_name(), &to, name.file_name()) {
            Ok(()) => {
                kill_point("renamed");
                self.sync(&to, name)?;
                kill_point("folder_synced");
                if temp.parent() != name.parent() {
                    self.sync(&from, temp)?;
                }
                Ok(Placed::New)
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                let same = self.check(name, content).is_ok_and(|it| it == Check::Sound);
                if same {
                    self.remove(&from, temp)?;
                    self.sync(&to, name)?;
                }
                Ok(Placed::AlreadyExists { same })
            }
            Err(cause) => Err(Error::io("give its name to", &self.tree.full(name), cause)),
        }
    }

    /// Finds a file again whose content was recorded before it was placed.
    pub(super) fn adopt(
        &self,
        temp: &RelPath,
        content: &Content,
        name: &RelPath,
    ) -> Result<Adopted, Error> {
        if self.check(name, content).is_ok_and(|it| it == Check::Sound) {
            let folder = self.tree.make(&name.parent())?;
            self.sync(&folder, name)?;
            if let Some(folder) = self.tree.find(&temp.parent())? {
                self.remove(&folder, temp)?;
            }
            return Ok(Adopted::InPlace);
        }
        let Some(file) = self.file(temp)? else {
            return Ok(Adopted::Gone);
        };
        if self.content(&file, temp)? != *content {
            return Ok(Adopted::Gone);
        }
        file.sync_all().map_err(|cause| Error::io("sync", &self.tree.full(temp), cause))?;
        Ok(match self.place(temp, content, name)? {
            Placed::New => Adopted::Placed,
            Placed::AlreadyExists { same: true } => Adopted::InPlace,
            Placed::AlreadyExists { same: false } => Adopted::Occupied,
        })
    }

    /// Compares the file to its record.
    pub(super) fn check(&self, name: &RelPath, content: &Content) -> Result<Check, Error> {
        let Some(file) = self.file(name)? else {
            return Ok(Check::Missing);
        };
        let found = self.content(&file, name)?;
        if found == *content {
            return Ok(Check::Sound);
        }
        Ok(Check::Differs { bytes: found.bytes, sha256: found.sha256 })
    }

    /// The content of a small file, as far as it is one; `None` where there is none.
    pub(super) fn small(&self, name: &RelPath) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let bytes = read_all(&file);
        bytes.map(Some).map_err(|cause| Error::io("read", &self.tree.full(name), cause))
    }

    /// Takes the file `name` out of the way, under a name of its own beside it: nothing is deleted.
    pub(super) fn move_aside(&self, name: &RelPath) -> Result<RelPath, Error> {
        let folder = self.tree.make(&name.parent())?;
        let full = self.tree.full(name);
        for number in 1..=MOST_ASIDE {
            let aside = match number {
                1 => name.with_suffix("conflict"),
                more => name.with_suffix(&format!("conflict-{more}")),
            };
            match folder.rename_new(name.file_name(), &folder, aside.file_name()) {
                Ok(()) => {
                    self.sync(&folder, name)?;
                    return Ok(aside);
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::io("move aside", &full, cause)),
            }
        }
        let cause = io::Error::other("too many copies were moved aside already");
        Err(Error::io("move aside", &full, cause))
    }

    /// Writes `bytes` as the file `name`, whole or not at all. What has the name already must
    /// pass `is_ours`.
    pub(super) fn write_small(
        &self,
        name: &RelPath,
        bytes: &[u8],
        is_ours: fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut draft = self.draft(name)?;
        draft.write_all(bytes).map_err(|cause| Error::io("write", &self.tree.full(name), cause))?;
        if self.publish(draft, is_ours)? {
            return Ok(());
        }
        Err(Error::NotASidecar(self.tree.full(name)))
    }

    /// Begins a file that will be called `name` once it is whole.
    pub(super) fn draft(&self, name: &RelPath) -> Result<Draft, Error> {
        let folder = self.tree.make(&name.parent())?;
        let temp = format!(".nightreel-{}.part", Digest::of(name.as_str().as_bytes()).short());
        let made = folder.remove(&temp).and_then(|()| folder.create_new(&temp));
        let file = made.map_err(|cause| Error::io("write", &self.tree.full(name), cause))?;
        Ok(Draft { file: BufWriter::new(file), folder, temp, name: name.clone() })
    }

    /// Syncs a draft and gives it its name, in the place of a file that passes `is_ours`. False
    /// where another file has the name: it stays, and the draft is gone.
    pub(super) fn publish(
        &self,
        draft: Draft,
        is_ours: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        let Draft { file, folder, temp, name } = draft;
        let full = self.tree.full(&name);
        let failed = |cause| Error::io("write", &full, cause);
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        let mut renamed = folder.rename_new(&temp, &folder, name.file_name());
        if renamed.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::AlreadyExists) {
            let ours = folder.read(name.file_name()).and_then(|file| read_all(&file));
            if !ours.is_ok_and(|bytes| is_ours(&bytes)) {
                folder.remove(&temp).map_err(failed)?;
                return Ok(false);
            }
            renamed = folder.replace(&temp, name.file_name());
        }
        renamed.map_err(failed)?;
        self.sync(&folder, &name)?;
        Ok(true)
    }

    pub(super) fn free_space(&self) -> Result<u64, Error> {
        let root = self.tree.root()?;
        root.free_bytes()
            .map_err(|cause| Error::io("ask for the free space of", self.tree.path(), cause))
    }

    /// Refuses where `bytes` more would leave less than the reserve: the ledger, often on the same
    /// disk, needs room to the last.
    pub(super) fn require_room(&self, bytes: u64, reserve: u64) -> Result<(), Error> {
        let free = self.free_space()?;
        let needed = bytes.saturating_add(reserve);
        if free >= needed {
            return Ok(());
        }
        Err(Error::TooFull { path: self.tree.path().to_owned(), free, needed })
    }

    /// Removes a temporary file.
    pub(super) fn discard(&self, temp: &RelPath) -> Result<(), Error> {
        match self.tree.find(&temp.parent())? {
            Some(folder) => self.remove(&folder, temp),
            None => Ok(()),
        }
    }

    /// The regular file at `name`; `None` where there is nothing.
    fn file(&self, name: &RelPath) -> Result<Option<File>, Error> {
        let Some(folder) = self.tree.find(&name.parent())? else {
            return Ok(None);
        };
        match folder.read(name.file_name()) {
            Ok(file) => Ok(Some(file)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.tree.not_entered(&folder, name, cause)),
        }
    }

    fn content(&self, file: &File, name: &RelPath) -> Result<Content, Error> {
        content_of(file).map_err(|cause| Error::io("read", &self.tree.full(name), cause))
    }

    fn remove(&self, folder: &Folder, file: &RelPath) -> Result<(), Error> {
        folder
            .remove(file.file_name())
            .map_err(|cause| Error::io("remove", &self.tree.full(file), cause))
    }

    fn sync(&self, folder: &Folder, holding: &RelPath) -> Result<(), Error> {
        folder.sync().map_err(|cause| Error::io("sync", &self.tree.full(&holding.parent()), cause))
    }
}

/// Copies of one file that are kept aside.
const MOST_ASIDE: u32 = 1000;

/// The most bytes of a file that is asked whether it is one of ours.
const SMALL: u64 = 16 << 20;

fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(SMALL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Size and hash of a file, read from where it stands to its end.
pub(super) fn content_of(mut file: &File) -> io::Result<Content> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(Content { bytes, sha256: hasher.finish() })
}
