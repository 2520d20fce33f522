//! Opening what a user named: each way it can be no readable text file gets its own words.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::SystemTime;

/// The byte order mark some programs put before UTF-8.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";
/// What to do about another encoding.
pub(super) const SAVE_AS_UTF8: &str = "save the file as UTF-8";
/// The mistake most often made by spreadsheets.
pub(super) const UTF16: &str = "the file is UTF-16; save it as UTF-8";
/// The most bytes a TOML manifest may have: it is held in memory.
const TOML_LIMIT: u64 = 64 << 20;

/// Opens a regular file. The error says what it is instead, without its name.
pub(super) fn open(path: &Path) -> Result<File, String> {
    let kind = std::fs::metadata(path).map_err(|error| unopened(&error))?.file_type();
    if kind.is_dir() {
        return Err("is a folder, not a file".to_owned());
    }
    if kind.is_fifo() {
        return Err("is a pipe, which can be read only once; give `-` and pipe it in".to_owned());
    }
    if !kind.is_file() {
        return Err("is a device or a socket, not a file".to_owned());
    }
    File::open(path).map_err(|error| unopened(&error))
}

/// What tells one state of a file from another: which file it is, its length, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: u64,
    bytes: u64,
    written: Option<SystemTime>,
}

/// The stamp of a file; `None` where there is none.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let file = 0;
    Some(Stamp { file, bytes: metadata.len(), written: metadata.modified().ok() })
}

/// Reads a whole TOML file; the error comes with the byte it is about, where there is one.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    open(path)?.take(TOML_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| unopened(&error))?;
    if bytes.len() as u64 > TOML_LIMIT {
        return Err("is larger than 64 MiB; put its rows into a CSV file and name that by `rows` in [batch]".to_owned());
    }
    if is_utf16(&bytes) {
        return Err(UTF16.to_owned());
    }
    if bytes.starts_with(BOM) {
        bytes.drain(..BOM.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|b| *b == b'\n').count();
        format!("byte {at} of the file, on line {line}, is not UTF-8; {SAVE_AS_UTF8}")
    })
}

/// Whether a file that begins so is UTF-16, with or without a mark.
pub(super) fn is_utf16(beginning: &[u8]) -> bool {
    match beginning {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

fn unopened(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read (permission denied)".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
