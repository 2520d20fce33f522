//! The download client: no credentials, no cookies, no Referer, no decompression, no redirect that
//! was not looked at, no connection to an address that is not public.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::domain::origin::is_loopback;
use crate::domain::{clock, text};

use super::FetchSettings;
use super::address::Rules;
use super::error::FetchError;
use super::part::{self, Beginning, Source};
use super::shown;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 3;

/// The longest wait that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(15);

/// An HTTP client for addresses that somebody else wrote.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    rules: Rules,
    /// The proxy's host: the one name that may have a private address, and no output may be there.
    proxy_host: Option<String>,
    /// How long an answer may take to begin.
    patience: Duration,
}

/// An answer with content, not read yet.
#[derive(Debug)]
pub(super) struct Answer {
    /// The content.
    pub(super) response: Response,
    /// The host it came from.
    pub(super) host: Option<String>,
    /// The address, for messages.
    pub(super) shown: String,
    /// The length of the whole, where it is known.
    pub(super) total: Option<u64>,
    /// Whether the end of the content can be told from a broken connection.
    pub(super) framed: bool,
    /// What the content is joined to.
    pub(super) start: Start,
}

/// Where an answer's content belongs.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// At the beginning; with a source, what arrives can be resumed.
    Fresh(Option<Source>),
    /// Behind what is there already.
    Behind(Beginning),
}

impl Client {
    pub(super) fn new(settings: &FetchSettings) -> Result<Self, reqwest::Error> {
        let rules = Rules { allow_loopback: settings.allow_loopback };
        let proxy_host =
            settings.proxy.as_ref().and_then(|proxy| proxy.host_str()).map(str::to_owned);
        let guard = Arc::new(Guard { rules, exempt: proxy_host.clone() });
        let build = |certificates: bool| {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("nightreel/", env!("CARGO_PKG_VERSION")))
                .default_headers(HeaderMap::from_iter([(
                    header::ACCEPT_ENCODING,
                    header::HeaderValue::from_static("identity"),
                )]))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(settings.connect_timeout)
                .dns_resolver(Arc::clone(&guard));
            builder = match settings.proxy.clone() {
                Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy)?.no_proxy(this_machine())),
                None => builder.no_proxy(),
            };
            if !certificates {
                builder = builder.tls_certs_only([]);
            }
            builder.build()
        };
        Ok(Self {
            // A host without CA files can still talk plain http to loopback.
            http: build(true).or_else(|_| build(false))?,
            rules,
            proxy_host,
            patience: settings.min_speed.1,
        })
    }

    /// Reads an output's address and checks it.
    pub(super) fn check(&self, raw: &str) -> Result<Url, FetchError> {
        let url = Url::parse(raw).map_err(|error| FetchError::Refused {
            reason: format!("is not a URL ({error})"),
            url: shown::raw_url(raw),
        })?;
        self.check_url(&url)?;
        Ok(url)
    }

    fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        let refused = |reason| FetchError::Refused { reason, url: shown::url(url) };
        self.rules.check(url).map_err(refused)?;
        let is_proxy = self.proxy_host.is_some() && url.host_str() == self.proxy_host.as_deref();
        if is_proxy && !is_loopback(url) {
            return Err(refused("is the proxy's own".to_owned()));
        }
        Ok(())
    }

    /// Asks for the content of `url`, from the end of `beginning` on where the server agrees that
    /// it is the same content.
    pub(super) async fn get(
        &self,
        url: &Url,
        beginning: Option<Beginning>,
        deadline: Instant,
    ) -> Result<Answer, FetchError> {
        if let Some(beginning) = beginning {
            let (response, at) = self.follow(url, Some(&beginning), deadline).await?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT if continues(&response, &beginning) => {
                    return Ok(answer(response, &at, Start::Behind(beginning)));
                }
                // Not a continuation of ours: never joined, asked for anew.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {}
                _ => return whole(response, &at, url),
            }
        }
        let (response, at) = self.follow(url, None, deadline).await?;
        whole(response, &at, url)
    }

    /// The first answer that is no redirect, and where it came from.
    async fn follow(
        &self,
        url: &Url,
        beginning: Option<&Beginning>,
        deadline: Instant,
    ) -> Result<(Response, Url), FetchError> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&url, beginning, deadline).await?;
            let Some(next) = redirect(&response, &url)? else {
                return Ok((response, url));
            };
            self.check_url(&next)?;
            url = next;
        }
        Err(FetchError::Refused {
            reason: format!("is reached only after more than {MOST_REDIRECTS} redirects"),
            url: shown::url(&url),
        })
    }

    async fn send(
        &self,
        url: &Url,
        beginning: Option<&Beginning>,
        deadline: Instant,
    ) -> Result<Response, FetchError> {
        let mut request = self.http.get(url.clone());
        if let Some(Beginning { source, durable }) = beginning {
            request = request
                .header(header::RANGE, format!("bytes={durable}-"))
                .header(header::IF_RANGE, &source.etag);
        }
        let until = deadline.min(Instant::now() + self.patience);
        match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failed(error, url)),
            Err(_) => Err(FetchError::transient(format!(
                "{} did not begin to answer in time",
                shown::url(url)
            ))),
        }
    }
}

/// Hosts that a proxy is not asked for.
fn this_machine() -> Option<reqwest::NoProxy> {
    reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1")
}

/// Where a redirect leads; `None` if the answer is none.
fn redirect(response: &Response, from: &Url) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    response
        .headers()
        .get(header::LOCATION)
        .and_then(|location| std::str::from_utf8(location.as_bytes()).ok())
        .and_then(|location| from.join(location).ok())
        .map(Some)
        .ok_or_else(|| FetchError::transient(format!("{} redirects to nowhere", shown::url(from))))
}

/// An answer with the whole content, or what its status means.
fn whole(response: Response, at: &Url, asked: &Url) -> Result<Answer, FetchError> {
    let status = response.status();
    if status == StatusCode::OK {
        let source = strong_etag(&response)
            .zip(response.content_length())
            .map(|(etag, total)| Source { etag, total, url: part::url_digest(asked) });
        return Ok(answer(response, at, Start::Fresh(source)));
    }
    let url = shown::url(at);
    match status.as_u16() {
        408 | 416 | 421 | 425 | 429 => {}
        status @ 400..=499 => return Err(FetchError::Gone { status, url }),
        _ => {}
    }
    Err(FetchError::Transient {
        message: format!("{url} answered {}", status.as_u16()),
        retry_after: retry_after(response.headers()),
    })
}

fn answer(response: Response, at: &Url, start: Start) -> Answer {
    let chunked = response.headers().contains_key(header::TRANSFER_ENCODING);
    let multiplexed = response.version() >= reqwest::Version::HTTP_2;
    let length = response.content_length();
    Answer {
        host: at.host_str().map(str::to_owned),
        shown: shown::url(at),
        total: match &start {
            Start::Fresh(_) => length,
            Start::Behind(beginning) => Some(beginning.source.total),
        },
        framed: length.is_some() || chunked || multiplexed,
        start,
        response,
    }
}

/// Whether a 206 goes on exactly where `beginning` ends, in the same content.
fn continues(response: &Response, beginning: &Beginning) -> bool {
    let Beginning { source, durable } = beginning;
    let (from, total) = (*durable, source.total);
    let expected = format!("bytes {from}-{}/{total}", total - 1);
    let range = response.headers().get(header::CONTENT_RANGE);
    range.is_some_and(|range| range.as_bytes() == expected.as_bytes())
        && strong_etag(response).as_ref() == Some(&source.etag)
        && response.content_length().is_none_or(|length| length == total - from)
}

/// The entity tag, if it promises that equal tags mean equal bytes.
fn strong_etag(response: &Response) -> Option<String> {
    let etag = response.headers().get(header::ETAG)?.to_str().ok()?;
    let strong =
        etag.len() > 2 && etag.len() <= 200 && etag.starts_with('"') && etag.ends_with('"');
    strong.then(|| etag.to_owned())
}

/// Seconds or a date, as RFC 9110, 10.2.3 has it; nonsense and the past are no wish.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        clock::between(clock::now(), at)
    };
    (!wait.is_zero()).then(|| wait.min(LONGEST_RETRY_AFTER))
}

/// What an error of the client means. Its own text may hold the whole URL, so only the causes
/// behind it are told.
pub(super) fn failed(error: reqwest::Error, url: &Url) -> FetchError {
    let error = error.without_url();
    let mut cause = error.source();
    let mut told = error.to_string();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<NotPublic>() {
            return FetchError::Refused { reason: refused.to_string(), url: shown::url(url) };
        }
        told = inner.to_string();
        cause = inner.source();
    }
    FetchError::transient(format!("{} broke off: {}", shown::url(url), text::from_api(&told)))
}

/// A host has no address that a download may go to.
#[derive(Debug, thiserror::Error)]
#[error("has a host, `{host}`, without a public address")]
struct NotPublic {
    host: String,
}

/// Asks the system for a host's addresses and lets only allowed ones through. It is asked for each
/// connection, so a name that changes its address between check and use gains nothing.
#[derive(Debug)]
struct Guard {
    rules: Rules,
    exempt: Option<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let rules = self.rules;
        let exempt = self.exempt.as_deref() == Some(host.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
            }
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| exempt || rules.allow(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic { host }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
