//! A folder held open, so that whatever happens to its path, files are made in this very folder.
//! No operation follows a symbolic link.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};

/// What tells a folder from another one that has come to have its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    const FLAGS: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

    /// Opens the folder at `path`, which must not itself be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, Self::FLAGS, Mode::empty())?))
    }

    /// Opens the folder `name` in this one.
    pub(super) fn enter(&self, name: &str) -> io::Result<Self> {
        Ok(Self(fs::openat(&self.0, name, Self::FLAGS, Mode::empty())?))
    }

    /// What tells this folder from another.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        let stat = fs::fstat(&self.0)?;
        Ok(Identity { device: wide(stat.st_dev), inode: wide(stat.st_ino) })
    }

    /// Makes the folder `name` in this one; false where there is something already.
    pub(super) fn make(&self, name: &str) -> io::Result<bool> {
        match fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether `name` is a symbolic link.
    pub(super) fn is_link(&self, name: &str) -> bool {
        fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    }

    /// Makes the file `name`, which must not exist in any form.
    pub(super) fn create_new(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens the regular file `name` for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    /// Opens the regular file `name` for reading and writing.
    pub(super) fn write(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR)
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // Without NONBLOCK the opening of a FIFO would wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    /// Gives the file `name` the name `new` in `folder`, where nothing may have that name.
    pub(super) fn rename_new(&self, name: &str, folder: &Self, new: &str) -> io::Result<()> {
        match self.rename_exclusive(name, folder, new) {
            Err(error) if is_unsupported(&error) => self.link_and_remove(name, folder, new),
            other => other,
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_exclusive(&self, name: &str, folder: &Self, new: &str) -> io::Result<()> {
        let flags = fs::RenameFlags::NOREPLACE;
        Ok(fs::renameat_with(&self.0, name, &folder.0, new, flags)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_exclusive(&self, _: &str, _: &Self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A hard link is made only where nothing has the name: the portable way not to replace.
    pub(super) fn link_and_remove(&self, name: &str, folder: &Self, new: &str) -> io::Result<()> {
        fs::linkat(&self.0, name, &folder.0, new, AtFlags::empty())?;
        self.remove(name)
    }

    /// Gives the file `name` the name `new` in this folder, in the place of what has it.
    pub(super) fn replace(&self, name: &str, new: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0, name, &self.0, new)?)
    }

    /// Removes the file `name`; it is fine if there is none.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the names in this folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        // By the standard library and not by a bare system call: the power suite stands between.
        let folder = std::fs::File::from(self.0.try_clone()?);
        match folder.sync_all() {
            // Some network and user-space file systems have no such operation for folders.
            Err(error) if is_unsupported_sync(&error) => Ok(()),
            other => other,
        }
    }

    /// Bytes that this user may still write to the file system.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let stat = fs::fstatvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The types of these numbers differ between systems.
fn wide(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

fn is_unsupported_sync(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::INVAL, Errno::NOTSUP]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn neither_way_of_renaming_replaces_a_file() {
        let shelf = tempfile::tempdir().unwrap();
        let folder = Folder::open(shelf.path()).unwrap();
        for name in ["a", "b"] {
            folder.create_new(name).unwrap().write_all(name.as_bytes()).unwrap();
        }
        let ways = [Folder::rename_new, Folder::link_and_remove];
        for way in ways {
            let error = way(&folder, "a", &folder, "b").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        folder.link_and_remove("a", &folder, "c").unwrap();
        folder.rename_new("c", &folder, "d").unwrap();
        assert!(folder.read("a").is_err() && folder.read("c").is_err());
        assert_eq!(io::read_to_string(folder.read("d").unwrap()).unwrap(), "a");
        assert_eq!(io::read_to_string(folder.read("b").unwrap()).unwrap(), "b");
    }

    #[test]
    fn only_regular_files_are_opened() {
        let shelf = tempfile::tempdir().unwrap();
        let folder = Folder::open(shelf.path()).unwrap();
        folder.make("folder").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", shelf.path().join("link")).unwrap();
        fs::mknodat(&folder.0, "fifo", FileType::Fifo, Mode::RUSR, 0).unwrap();
        for name in ["folder", "link", "fifo", "missing"] {
            assert!(folder.read(name).is_err(), "{name}");
        }
        assert!(folder.is_link("link") && !folder.is_link("folder"));
        assert!(folder.enter("link").is_err());
    }
}
