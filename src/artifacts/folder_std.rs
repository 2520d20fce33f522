//! A folder by its path, for systems without directory handles. Links are looked for before each
//! operation; unlike on Unix, one that is put there in between is not noticed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What tells a folder from another one that has come to have its path: nothing but the path here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(PathBuf);

/// A folder.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which must not itself be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !fs::symlink_metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(path.to_owned()))
    }

    /// The folder `name` in this one.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
        Self::open(&self.0.join(name))
    }

    /// What tells this folder from another.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        Ok(Identity(self.0.canonicalize()?))
    }

    /// Makes the folder `name` in this one; false where there is something already.
    pub(super) fn make(&self, name: &str) -> io::Result<bool> {
        match fs::create_dir(self.0.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `name` is a symbolic link.
    pub(super) fn is_link(&self, name: &str) -> bool {
        fs::symlink_metadata(self.0.join(name)).is_ok_and(|it| it.is_symlink())
    }

    /// Makes the file `name`, which must not exist in any form.
    pub(super) fn create_new(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.0.join(name))
    }

    /// Opens the regular file `name` for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.file(name, OpenOptions::new().read(true))
    }

    /// Opens the regular file `name` for reading and writing.
    pub(super) fn write(&self, name: &str) -> io::Result<File> {
        self.file(name, OpenOptions::new().read(true).write(true))
    }

    fn file(&self, name: &str, options: &OpenOptions) -> io::Result<File> {
        let path = self.0.join(name);
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        options.open(path)
    }

    /// Gives the file `name` the name `new` in `folder`, where nothing may have that name: a hard
    /// link is made only then.
    pub(super) fn rename_new(&self, name: &str, folder: &Self, new: &str) -> io::Result<()> {
        fs::hard_link(self.0.join(name), folder.0.join(new))?;
        self.remove(name)
    }

    /// Gives the file `name` the name `new` in this folder, in the place of what has it.
    pub(super) fn replace(&self, name: &str, new: &str) -> io::Result<()> {
        fs::rename(self.0.join(name), self.0.join(new))
    }

    /// Removes the file `name`; it is fine if there is none.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Folders cannot be synced here; the file system's journal keeps their names.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the Unix twin needs both")]
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Not to be learnt from the standard library.
    #[expect(clippy::unused_self, reason = "the Unix twin needs it")]
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
