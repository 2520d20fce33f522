//! Files of the output folder: artifacts the ledger knows and their sidecars, nothing else, and never
//! as something a browser would run.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use super::Desk;
use super::pages::{Refused, broken};

/// What a browser may show by itself; anything else is offered as a download.
const SHOWN: [(&str, &str); 17] = [
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("avif", "image/avif"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("m4a", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("json", "application/json"),
];

/// A page that a file would make of itself may show the file, and run nothing.
const SANDBOX: &str =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// Serves one file, whole or in part (RFC 9110, 14.2).
pub(super) async fn serve(desk: &Desk, path: &str, request: Request) -> Result<Response, Refused> {
    let missing = || (StatusCode::NOT_FOUND, "nightreel: there is no such file\n".to_owned());
    if !is_ours(desk, path).await? {
        return Err(missing());
    }
    let file = inside(&desk.options.output_dir, path).await.ok_or_else(missing)?;
    let Ok(response) = ServeFile::new(file).oneshot(request).await;
    let mut response = response.map(Body::new).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let extension = Path::new(path).extension().unwrap_or_default().to_ascii_lowercase();
    let kind = SHOWN.iter().find(|(known, _)| extension == *known).map(|(_, kind)| *kind);
    let said = HeaderValue::from_static(kind.unwrap_or("application/octet-stream"));
    headers.insert(CONTENT_TYPE, said);
    if kind.is_none() {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

/// Whether it is an artifact's path, or its sidecar's.
async fn is_ours(desk: &Desk, path: &str) -> Result<bool, Refused> {
    let names = desk.options.names;
    let Some(folded) = (names.folded)(path) else { return Ok(false) };
    let known = desk.options.ledger.artifact_at(&folded).await.map_err(|error| broken(&error))?;
    Ok(known.is_some_and(|known| {
        known == path || (names.sidecar)(&known).is_some_and(|sidecar| sidecar == path)
    }))
}

/// The file, where no link leads out of the folder.
async fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let whole = tokio::fs::canonicalize(root.join(path)).await.ok()?;
    let root = tokio::fs::canonicalize(root).await.ok()?;
    let is_file = tokio::fs::metadata(&whole).await.ok()?.is_file();
    (is_file && whole.starts_with(root)).then_some(whole)
}
