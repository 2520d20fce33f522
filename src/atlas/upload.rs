//! Uploads of local media (atlas-api.md 1.4). They cost nothing, so they are repeated a few times.
//!
//! A URL is remembered under its content's hash for ever, so the bytes are hashed twice: before
//! anything is sent, and as they leave.

use std::io;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Url};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::Api;
use super::answer::{ANSWER_LIMIT, Answer, exchange};
use super::class;
use super::classify::{Meaning, Verdict};
use super::error::UploadError;
use super::reads::delays;
use super::wire::path;
use crate::domain::digest::Hasher;
use crate::domain::{Digest, MediaFile};

/// The least time an upload may take, as the vendor's client gives it.
const BASE_TIMEOUT: Duration = Duration::from_mins(5);
/// The slowest line an upload still succeeds on, in bytes a second.
const SLOWEST_LINE: u64 = 100_000;
const PIECE: usize = 128 << 10;

impl Api {
    /// Uploads a file and returns the URL the API gives it. The file must still be what the
    /// manifest's hash says.
    pub async fn upload(&self, file: &MediaFile) -> Result<String, UploadError> {
        let mut delays = delays();
        loop {
            let error = match self.try_upload(file).await {
                Ok(url) => return Ok(url),
                Err(error) => error,
            };
            match delays.next().filter(|_| is_worth_another(&error)) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    async fn try_upload(&self, file: &MediaFile) -> Result<String, UploadError> {
        let content = unchanged(file).await?;
        let extension = &file.key.extension;
        let length = file.bytes;
        let stream = Body::wrap_stream(hashed(content, file.key.sha256));
        let part = Part::stream_with_length(stream, length)
            .file_name(format!("{}.{extension}", file.key.sha256.short()))
            .mime_str(media_type(extension))
            .map_err(|_| refused(class::INVALID_REQUEST, "its media type cannot be named"))?;
        let slowest = Duration::from_secs(length / SLOWEST_LINE);
        let request = self
            .post_request(path::UPLOAD_MEDIA)
            .timeout(BASE_TIMEOUT.max(slowest))
            .multipart(Form::new().part("file", part));
        match exchange(request, ANSWER_LIMIT).await {
            Ok(answer) => uploaded(&answer),
            Err(fault) => Err(UploadError::Transient {
                class: fault.class,
                message: fault.message,
                retry_after: None,
            }),
        }
    }
}

/// Whether to try again at once. A rate limit is left to the caller, who holds nothing meanwhile.
fn is_worth_another(error: &UploadError) -> bool {
    matches!(error, UploadError::Transient { class, retry_after: None, .. }
        if ![class::RATE_LIMITED, class::BALANCE, class::REDIRECTED].contains(class))
}

/// Opens the file and makes sure that it is what the manifest says.
async fn unchanged(file: &MediaFile) -> Result<File, UploadError> {
    let changed = |what: String| UploadError::Changed { path: file.path.clone(), what };
    let unreadable = |error: io::Error| changed(format!("it cannot be read: {error}"));
    let mut content = File::open(&file.path).await.map_err(unreadable)?;
    let found = content.metadata().await.map_err(unreadable)?.len();
    if found != file.bytes {
        let had = file.bytes;
        return Err(changed(format!("it had {had} bytes, now {found}")));
    }
    if digest(&mut content).await.map_err(unreadable)? != file.key.sha256 {
        return Err(changed("its content differs".to_owned()));
    }
    content.rewind().await.map_err(unreadable)?;
    Ok(content)
}

async fn digest(content: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE];
    loop {
        let length = content.read(&mut piece).await?;
        if length == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&piece[..length]);
    }
}

/// The file's bytes; fails at their end, before the request is whole, where they are not
/// the expected ones.
fn hashed(content: File, expected: Digest) -> impl Stream<Item = io::Result<Vec<u8>>> {
    stream::try_unfold((content, Hasher::default()), move |(mut content, mut hasher)| async move {
        let mut piece = vec![0; PIECE];
        let length = content.read(&mut piece).await?;
        if length == 0 {
            let same = hasher.finish() == expected;
            let changed = || io::Error::other("the file changed while it was sent");
            return if same { Ok(None) } else { Err(changed()) };
        }
        piece.truncate(length);
        hasher.update(&piece);
        Ok(Some((piece, (content, hasher))))
    })
}

fn uploaded(answer: &Answer) -> Result<String, UploadError> {
    let verdict = Verdict::on(answer);
    let class = verdict.class;
    let message = verdict.message;
    match verdict.meaning {
        Meaning::Fine => url_in(answer).ok_or_else(|| UploadError::Transient {
            class,
            message: format!("HTTP {} without the file's URL", answer.status),
            retry_after: None,
        }),
        Meaning::JobFails => Err(UploadError::Refused { class, message }),
        Meaning::StopKey => Err(UploadError::StopKey { message }),
        Meaning::Wait
        | Meaning::Refused
        | Meaning::StopBalance
        | Meaning::Misdirected
        | Meaning::Unclear => {
            Err(UploadError::Transient { class, message, retry_after: answer.retry_after })
        }
    }
}

/// The URL at one of its documented places.
fn url_in(answer: &Answer) -> Option<String> {
    let body = answer.envelope()?;
    let in_data = |key: &str| body.data()?.get(key);
    let places =
        [in_data("download_url"), in_data("url"), body.get("download_url"), body.get("url")];
    places.into_iter().flatten().find_map(|place| {
        let text = place.as_str()?.trim();
        let url = Url::parse(text).ok()?;
        matches!(url.scheme(), "https" | "http").then(|| text.to_owned())
    })
}

fn refused(class: &'static str, message: &str) -> UploadError {
    UploadError::Refused { class, message: message.to_owned() }
}

/// The type that goes with an extension: a mismatch is refused later by the model
/// (atlas-api.md 1.4).
fn media_type(extension: &str) -> &'static str {
    match extension {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "svg" => "image/svg+xml",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "opus" => "audio/opus",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
