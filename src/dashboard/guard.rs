//! Who is let in: a browser on this machine, at this address, that was given the token. No other web
//! page can read or do anything here, whatever name it was found under (reliability.md S5).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, COOKIE, HOST, HeaderName, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Desk;
use crate::domain::Digest;

/// Bytes of randomness in a token.
const TOKEN: usize = 32;
/// A header that no form and no other origin can send without being asked about first.
const OURS: &str = "x-nightreel";

const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: &str = "sec-fetch-site";

/// The address, and the token that goes with it.
pub(super) struct Guard {
    port: u16,
    token: String,
}

impl Guard {
    /// A guard with a token of its own; `None` where the system gives no randomness.
    pub(super) fn new(port: u16) -> Option<Self> {
        let mut bytes = [0; TOKEN];
        rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
        Some(Self { port, token: Digest(bytes).hex() })
    }

    /// The address that lets a browser in.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    fn hosts(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", self.port))
    }

    fn is_token(&self, told: &str) -> bool {
        // Hashes are compared: how long that takes says nothing about the token.
        Digest::of(told.as_bytes()) == Digest::of(self.token.as_bytes())
    }

    /// The cookie's name has the port, as cookies are shared by all ports of a host.
    fn cookie(&self) -> String {
        format!("nightreel-{}", self.port)
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|cookies| cookies.split(';')).any(|cookie| {
            let pair = cookie.trim().split_once('=');
            pair.is_some_and(|(found, token)| found == name && self.is_token(token))
        })
    }

    /// Why a request is not answered.
    fn refusal(&self, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let hosts = self.hosts();
        if !text(HOST.as_str()).is_some_and(|host| hosts.iter().any(|ours| ours == host)) {
            return Some("this address is not called so");
        }
        let origin = text(ORIGIN.as_str());
        let ours = |origin: &str| {
            origin.strip_prefix("http://").is_some_and(|host| hosts.iter().any(|it| it == host))
        };
        if origin.is_some_and(|origin| !ours(origin)) {
            return Some("another page asks");
        }
        if text(FETCH_SITE).is_some_and(|site| !["same-origin", "none"].contains(&site)) {
            return Some("another page asks");
        }
        let reads = [Method::GET, Method::HEAD].contains(method);
        (!reads && (origin.is_none() || text(OURS).is_none()))
            .then_some("only the dashboard's own page may do that")
    }
}

/// Lets a request through or refuses it, and says what browsers may do with the answer.
pub(super) async fn check(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let guard = &desk.guard;
    let refused = |why| (StatusCode::FORBIDDEN, format!("nightreel: {why}\n")).into_response();
    let mut response = if let Some(why) = guard.refusal(request.method(), request.headers()) {
        refused(why)
    } else if guard.has_cookie(request.headers()) {
        next.run(request).await
    } else if let Some(cookie) = guard.admit(&request) {
        let home = (LOCATION, HeaderValue::from_static("/"));
        (StatusCode::SEE_OTHER, [home, (SET_COOKIE, cookie)]).into_response()
    } else {
        refused("open the address that nightreel printed; it has the token")
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (SAME_ORIGIN, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// The cookie for a browser that comes with the token in its address.
    fn admit(&self, request: &Request) -> Option<HeaderValue> {
        let is_home = request.method() == Method::GET && request.uri().path() == "/";
        let token = request.uri().query()?.strip_prefix("token=")?;
        if !is_home || !self.is_token(token) {
            return None;
        }
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie(), self.token);
        HeaderValue::from_str(&cookie).ok()
    }
}
