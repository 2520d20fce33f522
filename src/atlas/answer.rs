//! One HTTP exchange, brought to its end: an answer read up to a bound, or the fault in its place.
//!
//! reqwest's errors are turned to text here, without URL and with their whole chain of causes.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response, Url};

use super::wire::Envelope;
use super::{class, retry_after};
use crate::domain::clock;
use crate::domain::text;

/// How much of an answer is read (reliability.md S6).
pub(super) const ANSWER_LIMIT: usize = 4 << 20;
/// How much of a request id is kept, in bytes.
const REQUEST_ID_LIMIT: usize = 200;
/// How much of an answer that is not JSON is quoted, in bytes.
const QUOTE_LIMIT: usize = 120;

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The wait it asks for.
    pub(super) retry_after: Option<Duration>,
    /// The API's name of this exchange, visible and short.
    pub(super) request_id: Option<String>,
    /// What it holds.
    pub(super) body: Body,
}

/// The content of an answer.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// A JSON object.
    Json(Envelope),
    /// Nothing.
    Empty,
    /// Something else: why it is not JSON, with its beginning.
    Other(String),
    /// It could not be read to its end.
    Cut(Fault),
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// One of [`class`].
    pub(super) class: &'static str,
    /// The chain of causes.
    pub(super) message: String,
    /// Whether bytes of the request may have left this machine.
    pub(super) maybe_sent: bool,
}

/// Sends a request and reads its answer, at most `limit` bytes of it.
pub(super) async fn exchange(request: RequestBuilder, limit: usize) -> Result<Answer, Fault> {
    let started = std::time::Instant::now();
    let response = request.send().await.map_err(Fault::of)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let content = read(response, limit).await;
    let answer = Answer::new(status, &headers, content);
    tracing::debug!(
        http.status = status,
        request.id = answer.request_id,
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answer read"
    );
    Ok(answer)
}

async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut content = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Fault::of)? {
        if content.len() + piece.len() > limit {
            return Err(Fault {
                class: class::BAD_ANSWER,
                message: format!("the answer is longer than {limit} bytes"),
                maybe_sent: true,
            });
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

/// JSON that does not call itself so is taken for what it is, and said once: something between this
/// machine and the API may be rewriting answers.
fn warn_of_type(body: &Body, headers: &HeaderMap) {
    static SAID: Once = Once::new();
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if matches!(body, Body::Json(_)) && !kind.to_ascii_lowercase().contains("json") {
        SAID.call_once(|| {
            let kind = text::visible(kind);
            tracing::warn!("the API's JSON comes as `{kind}`; it is read all the same");
        });
    }
}

impl Answer {
    /// Puts an answer together from its parts.
    pub(super) fn new(status: u16, headers: &HeaderMap, content: Result<Vec<u8>, Fault>) -> Self {
        let body = match content {
            Ok(bytes) => {
                let body = Body::of(&bytes);
                warn_of_type(&body, headers);
                body
            }
            Err(fault) => Body::Cut(fault),
        };
        let in_header = headers
            .get("x-request-id")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let in_body = || match &body {
            Body::Json(envelope) => envelope.request_id().map(str::to_owned),
            _ => None,
        };
        let request_id = in_header
            .filter(|id| !id.is_empty())
            .or_else(in_body)
            .map(|id| brief(&id, REQUEST_ID_LIMIT));
        Self { status, retry_after: retry_after::read(headers, clock::now()), request_id, body }
    }

    /// The JSON object it holds.
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        match &self.body {
            Body::Json(envelope) => Some(envelope),
            _ => None,
        }
    }

    /// Whether the HTTP status is one of success.
    pub(super) fn is_2xx(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// What it says, for people: the API's words, or what came in their place.
    pub(super) fn message(&self) -> String {
        let status = self.status;
        let words = match &self.body {
            Body::Json(envelope) => {
                envelope.message().unwrap_or_else(|| format!("HTTP {status} without a message"))
            }
            Body::Empty => format!("HTTP {status} with an empty answer"),
            Body::Other(what) => format!("HTTP {status} with an answer that is {what}"),
            Body::Cut(fault) => format!("HTTP {status}, then: {}", fault.message),
        };
        text::from_api(&words)
    }
}

impl Body {
    fn of(bytes: &[u8]) -> Self {
        if bytes.trim_ascii().is_empty() {
            return Self::Empty;
        }
        match Envelope::parse(bytes) {
            Ok(envelope) => Self::Json(envelope),
            Err(reason) => {
                let beginning = &bytes[..bytes.len().min(QUOTE_LIMIT)];
                let beginning = brief(&String::from_utf8_lossy(beginning), QUOTE_LIMIT);
                Self::Other(format!("{reason}; it begins with `{beginning}`"))
            }
        }
    }
}

impl Fault {
    /// What a reqwest error means. Only a connection that never came about proves that nothing
    /// was sent (reliability.md, conclusion 2).
    pub(super) fn of(error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        let class = if unsent {
            class::UNREACHABLE
        } else if error.is_timeout() {
            class::TIMEOUT
        } else {
            class::RESET
        };
        let place = error.url().map(shown);
        let causes = chain(&error.without_url());
        Self {
            class,
            message: place.map_or_else(|| causes.clone(), |place| format!("{place}: {causes}")),
            maybe_sent: !unsent,
        }
    }
}

/// An error with everything beneath it.
pub(super) fn chain(error: &reqwest::Error) -> String {
    text::from_api(&text::causes(error))
}

/// A URL as it may stand in messages: without user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both refuse only URLs that cannot have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    text::visible(url.as_str().trim_end_matches('/'))
}

/// `words` made visible and cut to `limit` bytes.
pub(super) fn brief(words: &str, limit: usize) -> String {
    text::cut(&text::visible(&text::cut(words, limit)), limit)
}
