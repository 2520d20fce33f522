//! Whether the API can be reached at all, and what time it is there. Costs nothing, needs no key.

use reqwest::header::DATE;

use super::Api;
use super::answer::Fault;
use super::error::Error;
use super::retry_after::date;
use super::wire::path;
use crate::domain::Timestamp;

impl Api {
    /// Asks once for the catalogue, without reading it. Returns the API's own time, where it says so
    /// (RFC 9110, 6.6.1).
    pub async fn greet(&self) -> Result<Option<Timestamp>, Error> {
        const WHAT: &str = "greeting";
        let unanswered = |fault: Fault| Error::Unanswered {
            what: WHAT,
            class: fault.class,
            message: fault.message,
        };
        let request = self.open_request(self.url(path::MODELS));
        let response = request.send().await.map_err(Fault::of).map_err(unanswered)?;
        let status = response.status();
        if !status.is_success() {
            let message = format!("it answers {status}");
            return Err(Error::BadAnswer { what: WHAT, message });
        }
        Ok(response.headers().get(DATE).and_then(|value| date(value.to_str().ok()?.trim())))
    }
}
