//! Uploaded files: known by the hash of their content, kept beside the book or in memory.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use url::Url;

use crate::domain::{Digest, origin};

use super::book::Upload;

/// The most bytes of uploads held in memory; above that the oldest content is let go.
const MEMORY_LIMIT: u64 = 256_000_000;

/// The extensions the API knows, with their content types (atlas-api.md 1.4).
const EXTENSIONS: [(&str, &str); 33] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("svg", "image/svg+xml"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mkv", "video/x-matroska"),
    ("avi", "video/x-msvideo"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("m4a", "audio/mp4"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("opus", "audio/opus"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("json", "application/json"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("srt", "application/x-subrip"),
];

/// All uploads.
pub(super) struct Uploads {
    folder: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// By the name in the URL; the content where it is in memory.
    files: HashMap<String, Option<Bytes>>,
    /// The names whose content is in memory, oldest first.
    in_memory: Vec<String>,
    bytes: u64,
}

impl Uploads {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, held: Mutex::default() }
    }

    /// Keeps a file. `None` where the API does not know the extension.
    pub(super) fn store(&self, file_name: &str, content: Bytes) -> io::Result<Option<Upload>> {
        let Some(extension) = known_extension(file_name) else {
            return Ok(None);
        };
        let digest = Digest::of(&content);
        let upload = Upload {
            name: format!("{}.{extension}", &digest.hex()[..32]),
            sha256: digest.hex(),
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            file_name: file_name.to_owned(),
        };
        match &self.folder {
            Some(folder) => {
                write_whole(folder, &upload.name, &content)?;
                self.held().files.insert(upload.name.clone(), None);
            }
            None => self.held().keep(&upload, content),
        }
        Ok(Some(upload))
    }

    /// Takes up an upload of an earlier process.
    pub(super) fn restore(&self, upload: &Upload) {
        self.held().files.insert(upload.name.clone(), None);
    }

    /// The content of a file and its type; `None` where there is none (any more).
    pub(super) fn content(&self, name: &str) -> Option<(Bytes, &'static str)> {
        let held = self.held().files.get(name)?.clone();
        let content = match (held, &self.folder) {
            (Some(content), _) => content,
            (None, Some(folder)) => std::fs::read(folder.join(name)).ok()?.into(),
            (None, None) => return None,
        };
        Some((content, content_type(name)))
    }

    /// The first text in a request body that points to an upload of a simulator and to no file here.
    pub(super) fn missing(&self, value: &serde_json::Value) -> Option<String> {
        match value {
            serde_json::Value::String(text) => {
                let name = upload_name(text)?;
                (!self.held().files.contains_key(&name)).then_some(name)
            }
            serde_json::Value::Array(items) => items.iter().find_map(|item| self.missing(item)),
            serde_json::Value::Object(fields) => {
                fields.values().find_map(|item| self.missing(item))
            }
            _ => None,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn keep(&mut self, upload: &Upload, content: Bytes) {
        if self.files.insert(upload.name.clone(), Some(content)).is_some_and(|old| old.is_some()) {
            return;
        }
        self.in_memory.push(upload.name.clone());
        self.bytes += upload.bytes;
        while self.bytes > MEMORY_LIMIT && self.in_memory.len() > 1 {
            let oldest = self.in_memory.remove(0);
            let let_go = self.files.insert(oldest, None).flatten();
            let size = let_go.map_or(0, |content| u64::try_from(content.len()).unwrap_or(0));
            self.bytes = self.bytes.saturating_sub(size);
        }
    }
}

/// The type of a file by its extension, as the API classifies it.
pub(super) fn content_type(name: &str) -> &'static str {
    let extension = known_extension(name);
    let found = EXTENSIONS.iter().find(|(known, _)| Some(*known) == extension);
    found.map_or("application/octet-stream", |(_, content_type)| content_type)
}

fn known_extension(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    let found = EXTENSIONS.iter().find(|(known, _)| *known == extension);
    found.map(|(known, _)| *known)
}

/// The name in a URL of an upload. The port does not matter: it changes with every start.
fn upload_name(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(origin::is_loopback)?;
    Some(url.path().strip_prefix("/uploads/")?.to_owned())
}

/// Writes a file under another name first, so that it is never seen in part. Like everything that is
/// kept, it is for its owner only.
fn write_whole(folder: &std::path::Path, name: &str, content: &[u8]) -> io::Result<()> {
    let (mut builder, mut options) = (DirBuilder::new(), OpenOptions::new());
    builder.recursive(true);
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    builder.create(folder)?;
    let part = folder.join(format!("{name}.{}.part", uuid::Uuid::now_v7().simple()));
    let mut file = options.open(&part)?;
    file.write_all(content)?;
    file.sync_data()?;
    std::fs::rename(&part, folder.join(name))
}
