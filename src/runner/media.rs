//! Local files behind URLs: each content is uploaded once for an API host, whatever the number of
//! rows, runs and batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::shared::Shared;
use crate::atlas::UploadError;
use crate::domain::kill_point;
use crate::domain::{MediaKey, Request, clock};
use crate::ledger;

/// How long an uploaded URL is trusted. The vendor calls it temporary and gives no length
/// (atlas-api.md 1.4); a day is well within what was seen.
const TRUSTED: Duration = Duration::from_hours(24);

/// Uploads of this run: concurrent rows with one file wait for one upload.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<MediaKey, Arc<OnceCell<String>>>>);

/// Why a file has no URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum MediaError {
    /// The API or the file said no.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// The URL of every local file of a request, uploading what has none yet.
pub(super) async fn urls(
    shared: &Shared,
    request: &Request,
) -> Result<HashMap<MediaKey, String>, MediaError> {
    let mut urls = HashMap::new();
    for key in request.media() {
        let url = url(shared, &key).await?;
        urls.insert(key, url);
    }
    Ok(urls)
}

async fn url(shared: &Shared, key: &MediaKey) -> Result<String, MediaError> {
    let cell = {
        let mut cells = shared.uploads.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key.clone()).or_default())
    };
    cell.get_or_try_init(|| find_or_upload(shared, key)).await.cloned()
}

async fn find_or_upload(shared: &Shared, key: &MediaKey) -> Result<String, MediaError> {
    // The exact host and port, not the origin: a simulator that was started anew has no old files.
    let host = shared.api.base_url().origin().ascii_serialization();
    let since = clock::from_millis(
        clock::now().as_millisecond() - i64::try_from(TRUSTED.as_millis()).unwrap_or(0),
    );
    if let Some(url) = shared.ledger.upload(&host, key, since).await? {
        return Ok(url);
    }
    let file = shared.ledger.media(key).await?;
    kill_point("upload_due");
    let url = shared.api.upload(&file).await?;
    kill_point("upload_done");
    shared.ledger.record_upload(&host, key, &url).await?;
    kill_point("upload_recorded");
    tracing::info!(size_bytes = file.bytes, "uploaded {}", file.path.display());
    Ok(url)
}
