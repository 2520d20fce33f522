//! Which shapes of requests were seen to succeed, and how many jobs of the others wait.

use sqlx::Row as _;

use super::error::{Error, Result};
use super::{BatchId, Ledger};
use crate::domain::{Digest, Origin};

impl Ledger {
    /// Shapes of a batch's pending jobs that never succeeded at this API, with their model and the
    /// number of jobs.
    pub async fn unproved(
        &self,
        batch: BatchId,
        origin: &Origin,
    ) -> Result<Vec<(Digest, String, u64)>> {
        let rows = sqlx::query(
            "SELECT shape, model, count(*) AS jobs FROM jobs j WHERE batch_id = ?1 \
             AND state = 'pending' AND shape IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM shapes s WHERE s.origin = ?2 AND s.shape = j.shape) \
             GROUP BY shape",
        )
        .bind(batch.0)
        .bind(origin.as_str().to_owned())
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("counting shapes"))?;
        let shapes = rows.iter().filter_map(|row| {
            let shape = Digest::from_bytes(row.get("shape"))?;
            let jobs = u64::try_from(row.get::<i64, _>("jobs")).unwrap_or_default();
            Some((shape, row.get("model"), jobs))
        });
        Ok(shapes.collect())
    }

    /// Remembers that a shape succeeded.
    pub async fn prove(&self, origin: &Origin, shape: Digest, model: &str) -> Result<()> {
        let (origin, model) = (origin.as_str().to_owned(), model.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO shapes (origin, shape, model, proved_at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(origin)
                .bind(shape.0.to_vec())
                .bind(model)
                .bind(tx.millis())
                .execute(&mut *tx.connection)
                .await
                .map_err(Error::on("remembering a shape"))?;
                Ok(())
            })
        })
        .await
    }
}
