//! What the API charged above what was reserved: the next reservation of the same kind knows better.

use sqlx::Row as _;

use super::Ledger;
use super::error::{Error, Result};
use crate::domain::{Charges, Micros, Origin, Request, clock};

/// The newest of them that are looked at. All of one shape are told by one.
const MOST: i64 = 10_000;
/// A week: prices also fall.
const HOLDS_MS: i64 = 7 * 24 * 3600 * 1000;

impl Ledger {
    /// The charges of the last days that were above their reservations.
    pub async fn dearer(&self, origin: &Origin) -> Result<Charges> {
        let rows = sqlx::query(
            "SELECT j.request, a.charged FROM attempts a JOIN jobs j ON j.id = a.job_id \
             WHERE a.charged > a.reserved AND a.origin = ?1 AND a.intent_at >= ?2 \
             ORDER BY a.id DESC LIMIT ?3",
        )
        .bind(origin.as_str().to_owned())
        .bind(clock::now().as_millisecond().saturating_sub(HOLDS_MS))
        .bind(MOST)
        .fetch_all(self.readers())
        .await
        .map_err(Error::on("reading what was charged above its price"))?;
        let mut dearer = Charges::default();
        for row in &rows {
            if let Some(request) = Request::from_canonical(row.get("request")) {
                dearer.learn(&request, Micros(row.get("charged")));
            }
        }
        Ok(dearer)
    }
}
