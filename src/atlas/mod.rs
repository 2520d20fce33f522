//! All HTTP to the API: submit, poll, history, upload, catalogue, quote, balance.
//!
//! Knows neither jobs nor the ledger: it turns answers into meanings ([`class`] names them, one
//! table decides) and leaves every decision about money and repetition to its caller. Downloads
//! of outputs are not here; they never carry credentials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use secrecy::SecretString;

use crate::domain::Origin;

mod account;
mod answer;
mod catalogue;
pub mod class;
mod classify;
mod clients;
mod error;
mod greet;
mod history;
mod json;
mod poll;
mod reads;
mod retry_after;
mod submit;
mod upload;
pub mod wire;

pub use catalogue::Model;
pub use error::{Error, UploadError};
pub use history::{HistoryItem, HistoryPage, HistoryQuery, PAGE_SIZE_LIMIT};
pub use poll::{PollAnswer, Polled};
pub use submit::{Rejection, SubmitOutcome, Submitted};

/// Where the API is and how it is talked to.
pub struct ApiSettings {
    /// Everything stands below it: `https://api.atlascloud.ai`. Plain http only to loopback.
    pub base_url: Url,
    /// Sent to `base_url` and to nowhere else. A simulator needs none.
    pub key: Option<SecretString>,
    /// The proxy for everything but loopback; the environment's proxies are not used.
    pub proxy: Option<Url>,
    /// From the start of a submission to the end of its answer.
    pub submit_timeout: Duration,
    /// The same for reads.
    pub read_timeout: Duration,
}

/// A handle to the API; clones share everything.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    base: Url,
    authorization: Option<HeaderValue>,
    /// For paid POSTs and nothing else, so that nothing else can disturb their connections.
    submit: Client,
    /// For everything that costs nothing.
    read: Client,
    submit_timeout: Duration,
    read_timeout: Duration,
}

impl Api {
    /// Checks the settings and builds the clients. Connects to nothing.
    ///
    /// A rustls provider must have been installed for the process; reqwest panics without one.
    pub fn new(settings: ApiSettings) -> Result<Self, Error> {
        clients::check_base(&settings.base_url)?;
        let proxy = settings.proxy.as_ref();
        let authorization = settings.key.as_ref().map(clients::authorization);
        Ok(Self(Arc::new(Inner {
            authorization: authorization.transpose()?,
            submit: clients::build(&settings.base_url, proxy)?,
            read: clients::build(&settings.base_url, proxy)?,
            base: settings.base_url,
            submit_timeout: settings.submit_timeout,
            read_timeout: settings.read_timeout,
        })))
    }

    /// Which API results from here belong to.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::of(&self.0.base)
    }

    /// The base URL, free of credentials.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.0.base
    }

    /// Whether there is a key to send.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.0.authorization.is_some()
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.0.base.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url
    }

    fn submit_request(&self, path: &str) -> RequestBuilder {
        let request = self.0.submit.post(self.url(path));
        self.with_key(request.timeout(self.0.submit_timeout))
    }

    fn read_request(&self, url: Url) -> RequestBuilder {
        self.with_key(self.open_request(url))
    }

    /// A read that needs no key.
    fn open_request(&self, url: Url) -> RequestBuilder {
        let request = self.0.read.get(url);
        request.timeout(self.0.read_timeout)
    }

    fn post_request(&self, path: &str) -> RequestBuilder {
        let request = self.0.read.post(self.url(path));
        self.with_key(request.timeout(self.0.read_timeout))
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.0.authorization {
            Some(header) => request.header(AUTHORIZATION, header.clone()),
            None => request,
        }
    }
}

/// Without the key, and without what a proxy's URL may hold.
impl fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSettings")
            .field("base_url", &answer::shown(&self.base_url))
            .field("key", &self.key.is_some())
            .field("proxy", &self.proxy.as_ref().map(answer::shown))
            .field("submit_timeout", &self.submit_timeout)
            .field("read_timeout", &self.read_timeout)
            .finish()
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("base_url", &answer::shown(&self.0.base))
            .field("key", &self.has_key())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
