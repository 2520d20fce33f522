//! The API key: from the environment or from a file nobody else can read, never from a flag.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// The longest a key may be, in bytes.
const LONGEST: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("others may read the key file {path}; run `chmod 600 {path}` and start again")]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// What it holds is no key.
    #[error(
        "{place} does not hold a key: it is empty, too long, or has blanks or unprintable characters; copy the key again"
    )]
    NoKey {
        /// The file or the variable.
        place: String,
    },
}

/// Reads a key file, refusing one that others can read.
pub fn key_from_file(path: &Path) -> Result<SecretString, KeyError> {
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if is_open_to_others(&file).map_err(unreadable)? {
        return Err(KeyError::Open { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    checked(&text, &path.display().to_string())
}

/// Checks and wraps a key.
pub(super) fn checked(text: &str, place: &str) -> Result<SecretString, KeyError> {
    let key = text.trim();
    let sane = !key.is_empty()
        && key.len() as u64 <= LONGEST
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if sane {
        return Ok(SecretString::from(key.to_owned()));
    }
    Err(KeyError::NoKey { place: place.to_owned() })
}

#[cfg(unix)]
fn is_open_to_others(file: &std::fs::File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &std::fs::File) -> std::io::Result<bool> {
    Ok(false)
}
