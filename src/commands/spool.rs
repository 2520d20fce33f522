//! A file for this process alone, in the system's folder for such files.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// Its name; the file is removed when this is dropped.
pub(super) struct Spool(PathBuf);

impl Spool {
    /// Makes a file that only its owner may read.
    pub(super) fn make(what: &str) -> std::io::Result<(File, Self)> {
        let name = format!("nightreel-{what}-{}", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok((file, Self(path)))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // It is of no use to anybody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&self.0);
    }
}
