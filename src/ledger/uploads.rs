//! Uploads: one for each content and API host, reused by all rows, runs and batches.

use super::Ledger;
use super::error::{Error, Result};
use crate::domain::{MediaKey, Timestamp};

impl Ledger {
    /// The URL a content was uploaded to since `since`, where it was.
    pub async fn upload(
        &self,
        host: &str,
        key: &MediaKey,
        since: Timestamp,
    ) -> Result<Option<String>> {
        sqlx::query_scalar(
            "SELECT url FROM uploads WHERE host = ?1 AND sha256 = ?2 AND extension = ?3 \
             AND uploaded_at >= ?4",
        )
        .bind(host.to_owned())
        .bind(key.sha256.0.to_vec())
        .bind(key.extension.clone())
        .bind(since.as_millisecond())
        .fetch_optional(self.readers())
        .await
        .map_err(Error::on("looking for an upload"))
    }

    /// Records where a content was uploaded to.
    pub async fn record_upload(&self, host: &str, key: &MediaKey, url: &str) -> Result<()> {
        let (host, key, url) = (host.to_owned(), key.clone(), url.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO uploads (host, sha256, extension, url, uploaded_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (host, sha256, extension) \
                     DO UPDATE SET url = excluded.url, uploaded_at = excluded.uploaded_at",
                )
                .bind(host)
                .bind(key.sha256.0.to_vec())
                .bind(key.extension)
                .bind(url)
                .bind(tx.millis())
                .execute(&mut *tx.connection)
                .await
                .map_err(Error::on("recording an upload"))?;
                Ok(())
            })
        })
        .await
    }
}
