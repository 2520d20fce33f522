//! The HTTP clients of this room, stripped of all initiative of their own (reliability.md 3.7):
//! no retries, no redirects, no proxy but the configured one, no Referer, no decompression.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, ClientBuilder, Proxy, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::answer::{chain, shown};
use super::error::Error;
use crate::domain::origin::is_loopback;

/// How long a connection may take to come about, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections kept open for later. More of them take descriptors from the polls and downloads of a
/// process that may have few: it stood still for the minute and a half that they were kept.
const IDLE: usize = 8;
const USER_AGENT: &str = concat!("nightreel/", env!("CARGO_PKG_VERSION"));

/// A client for one base URL. Each power has its own, so that their connections are apart.
pub(super) fn build(base: &Url, proxy: Option<&Url>) -> Result<Client, Error> {
    // A proxy cannot reach this machine's own loopback.
    let proxy = proxy.filter(|_| !is_loopback(base));
    let builder = || -> Result<ClientBuilder, Error> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .https_only(base.scheme() == "https")
            .no_proxy();
        match proxy {
            Some(url) => Ok(builder.proxy(Proxy::all(url.clone()).map_err(client_error)?)),
            None => Ok(builder),
        }
    };
    // Hosts without CA files cannot build even a client for plain http (dependencies.md 5.2).
    match builder()?.build() {
        Ok(client) => Ok(client),
        Err(_) => builder()?.tls_certs_only([]).build().map_err(client_error),
    }
}

fn client_error(error: reqwest::Error) -> Error {
    Error::Client(chain(&error.without_url()))
}

/// The key as a header that no Debug prints.
pub(super) fn authorization(key: &SecretString) -> Result<HeaderValue, Error> {
    let key = key.expose_secret();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::Key);
    }
    let mut header = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| Error::Key)?;
    header.set_sensitive(true);
    Ok(header)
}

/// A base URL the key may be sent to.
pub(super) fn check_base(base: &Url) -> Result<(), Error> {
    let reason = if !base.username().is_empty() || base.password().is_some() {
        "it holds a user or password; the key is given by ATLASCLOUD_API_KEY or --api-key-file"
    } else if base.query().is_some() || base.fragment().is_some() {
        "it holds a query or fragment; give the address only"
    } else if base.host().is_none() {
        "it names no host"
    } else if base.path().trim_end_matches('/').ends_with("/api/v1") {
        "leave `/api/v1` away; it is added to every path"
    } else {
        match base.scheme() {
            "https" => return Ok(()),
            "http" if is_loopback(base) => return Ok(()),
            "http" => "plain http is for loopback addresses only; use https",
            _ => "its scheme is neither https nor http",
        }
    };
    Err(Error::BaseUrl { url: shown(base), reason })
}
