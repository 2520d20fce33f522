//! Media parameters: which texts are files, and what a file must be before anything is sent.
//!
//! Each content is hashed once for a pass over the manifest, however many rows refer to it, and
//! stands in the request by its hash.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::field::quoted;
use super::input;
use super::picture::{self, Header};
use crate::domain::digest::Hasher;
use crate::domain::schema::Picture;
use crate::domain::{Digest, MediaFile, MediaKey, text};

/// Extensions the API classifies uploads by (atlas-api.md 1.4): pictures, films and sounds.
const MEDIA: [&str; 21] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "avif", "heic", "svg", "mp4", "mov", "webm", "mkv",
    "avi", "mp3", "wav", "m4a", "aac", "ogg", "flac", "opus",
];
/// The other extensions it takes. They do not make a text a file by themselves.
const DOCUMENTS: [&str; 9] = ["pdf", "txt", "md", "doc", "docx", "xls", "xlsx", "ppt", "pptx"];

/// Parameters that hold media and nothing else.
const SURE: [&str; 18] = [
    "image",
    "image_url",
    "images",
    "image_urls",
    "video",
    "video_url",
    "videos",
    "audio",
    "audio_url",
    "audios",
    "mask",
    "mask_image",
    "end_image",
    "first_frame_image",
    "last_frame_image",
    "start_image",
    "reference_image",
    "reference_images",
];
/// Words in a name that make it likely to hold media.
const HINTS: [&str; 9] =
    ["image", "images", "video", "videos", "audio", "audios", "mask", "frame", "frames"];

/// The most bytes one file may have (atlas-api.md 1.4).
const FILE_LIMIT: u64 = 512_000_000;
/// The most bytes a `data:` URI may have; the API refuses bodies above 50 MB.
const DATA_LIMIT: usize = 20 << 20;
/// Files of a folder looked at for a name that is nearly right.
const NEIGHBOURS: usize = 2_000;
/// Missing files for which that is done in one pass: only the first mistakes are read by anybody.
const GUESSES: usize = 100;
/// Files remembered in one pass. Rows with an image each gain nothing by remembering it.
const REMEMBERED: usize = 10_000;

/// What the name of a parameter says about media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// It holds media and nothing else; otherwise only what looks like media is.
    pub(super) sure: bool,
    /// It holds a list.
    pub(super) plural: bool,
}

impl Name {
    /// What `name` says; `None` where it says nothing about media.
    pub(super) fn of(name: &str) -> Option<Self> {
        let sure = SURE.contains(&name);
        let hint = name.split('_').any(|word| HINTS.contains(&word));
        (sure || hint).then(|| Self {
            sure,
            plural: name
                .split('_')
                .any(|word| matches!(word, "images" | "videos" | "audios" | "urls")),
        })
    }
}

/// Finds, checks and hashes the local files of one pass over a manifest.
pub(super) struct Files {
    folder: PathBuf,
    known: HashMap<PathBuf, Result<MediaFile, String>>,
    headers: HashMap<Digest, Result<Header, String>>,
    guesses: usize,
}

impl Files {
    /// Paths are relative to `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let (known, headers) = (HashMap::new(), HashMap::new());
        Self { folder: folder.to_owned(), known, headers, guesses: 0 }
    }

    /// The file that `value` of a parameter refers to. `None`: the text is sent as it stands.
    pub(super) fn find(&mut self, name: Name, value: &str) -> Result<Option<MediaFile>, String> {
        let value = value.trim();
        if starts_with(value, "data:") {
            return fits_in_a_body(value).map(|()| None);
        }
        if let Some(scheme) = scheme(value) {
            return usable_url(value, scheme).map(|()| None);
        }
        let extension = extension(value);
        let looks_like_media = extension.as_deref().is_some_and(|e| MEDIA.contains(&e));
        if !name.sure && !looks_like_media {
            return Ok(None);
        }
        let known = extension
            .filter(|e| looks_like_media || DOCUMENTS.contains(&e.as_str()))
            .ok_or_else(|| unknown_extension(value))?;
        let path = self.folder.join(value);
        self.local(&path, known).map(Some).map_err(|problem| {
            let near = self.guess(&path).map_or_else(String::new, |near| {
                format!(
                    "; did you mean {}?",
                    quoted(&Path::new(value).with_file_name(near).to_string_lossy())
                )
            });
            format!("the file {} {problem}{near}", quoted(value))
        })
    }

    /// The name that was most likely meant, where there is no such file.
    fn guess(&mut self, path: &Path) -> Option<String> {
        self.guesses += 1;
        if self.guesses > GUESSES || path.symlink_metadata().is_ok() {
            return None;
        }
        neighbour(path)
    }

    /// Why a file is no picture of the kind that is wanted.
    pub(super) fn unfit(&mut self, file: &MediaFile, wanted: &Picture) -> Option<String> {
        if self.headers.len() >= REMEMBERED {
            self.headers.clear();
        }
        let header = self.headers.entry(file.key.sha256);
        let name = file.path.file_name()?.to_string_lossy();
        match header.or_insert_with(|| picture::header(&file.path)) {
            Ok(header) => picture::unfit(*header, &name, file.bytes, wanted),
            Err(problem) => Some(format!("the picture {} {problem}", quoted(&name))),
        }
    }

    fn local(&mut self, path: &Path, extension: String) -> Result<MediaFile, String> {
        let canonical = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let found = match self.known.get(&canonical) {
            Some(known) => known.clone(),
            None => self.remember(canonical, extension.clone()),
        };
        found.map(|mut file| {
            file.key.extension = extension;
            file.path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            file
        })
    }

    fn remember(&mut self, path: PathBuf, extension: String) -> Result<MediaFile, String> {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let found = read(&path, extension);
        self.known.insert(path, found.clone());
        found
    }
}

/// The file in its folder whose name is nearest.
fn neighbour(path: &Path) -> Option<String> {
    let files = std::fs::read_dir(path.parent()?).ok()?.take(NEIGHBOURS);
    let names: Vec<String> =
        files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    let wrong = path.file_name()?.to_str()?;
    text::nearest(wrong, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Checks and hashes one file.
fn read(path: &Path, extension: String) -> Result<MediaFile, String> {
    let mut file = input::open(path).map_err(|problem| match problem.as_str() {
        "there is no such file" => "does not exist".to_owned(),
        _ => problem,
    })?;
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    match file.metadata().map_err(unreadable)?.len() {
        0 => return Err("is empty".to_owned()),
        bytes if bytes > FILE_LIMIT => {
            let (found, limit) = (text::bytes(bytes), text::bytes(FILE_LIMIT));
            return Err(format!("has {found}; the API takes at most {limit}"));
        }
        _ => {}
    }
    let (sha256, bytes) = hash(&mut file).map_err(unreadable)?;
    let key = MediaKey { sha256, extension };
    Ok(MediaFile { key, path: path.to_owned(), bytes })
}

fn hash(file: &mut File) -> std::io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), bytes));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// The scheme of a URL. One letter is a drive, and a colon alone may stand in a file's name.
fn scheme(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once(':')?;
    let letters = scheme.len() >= 2
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let certain = rest.starts_with("//") || scheme.eq_ignore_ascii_case("file");
    (letters && certain).then_some(scheme)
}

fn usable_url(value: &str, scheme: &str) -> Result<(), String> {
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(format!(
            "addresses of the scheme {} are not sent; give an http(s) URL, a `data:` URI or the path of a file",
            quoted(scheme)
        ));
    }
    // The address itself may carry a signature, so it is not shown.
    match url::Url::parse(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("this is not a URL the API could open: {error}")),
    }
}

fn fits_in_a_body(value: &str) -> Result<(), String> {
    if !value.contains(',') {
        return Err("this `data:` URI has no comma before its content".to_owned());
    }
    if value.len() > DATA_LIMIT {
        return Err(
            "this `data:` URI is longer than 20 MiB; give the path of a file instead".to_owned()
        );
    }
    Ok(())
}

fn extension(value: &str) -> Option<String> {
    let extension = Path::new(value).extension()?.to_str()?;
    Some(extension.to_ascii_lowercase())
}

fn unknown_extension(value: &str) -> String {
    format!(
        "{} is no URL and no file of a kind the API takes; expected a name that ends for example in .png, .jpg, .webp, .mp4 or .mp3",
        quoted(value)
    )
}

fn starts_with(value: &str, prefix: &str) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
