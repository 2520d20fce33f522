//! Applies a fault to an answer: replaces it, bends its JSON, or cuts it on the wire.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::domain::{Timestamp, clock};

use super::fault::{Cut, Effect, Rule, Shape};
use super::reply::{Call, Made, Reply, json, typed};
use super::script::{End, Script, head};
use super::world::World;

/// Where an answer's request id stands.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A page as gateways and login walls show it.
pub(super) const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Please sign in</title></head>\
    <body><h1>Please sign in</h1><p>error code: 1010</p></body></html>\n";
/// How deep `deep_json` nests, and how large `huge_json` is in bytes.
const DEPTH: usize = 100_000;
const HUGE: usize = 50_000_000;
/// The size of the id that `huge_id` gives, in bytes.
const HUGE_ID: usize = 1_000_000;

impl World {
    /// The answer of `normal` under a fault. `normal` runs only where the fault lets it: what it
    /// would do is not done by a request that never arrives.
    pub(super) async fn under(
        &self,
        rule: Option<&Rule>,
        call: &Call,
        normal: impl Future<Output = Reply> + Send,
    ) -> Reply {
        let Some(rule) = rule else {
            return normal.await;
        };
        if let Some(instead) = self.instead(rule, call) {
            if rule.charged {
                let real = normal.await;
                if !real.status().is_success() {
                    return real;
                }
            }
            tokio::time::sleep(rule.with.wait).await;
            return instead;
        }
        let real = normal.await;
        if !real.status().is_success() {
            return real;
        }
        tokio::time::sleep(rule.with.wait).await;
        match rule.effect {
            Effect::Shape(shape) => self.bend(real, shape).await,
            Effect::Cut(cut) => cut_off(real, cut, call).await,
            _ => real,
        }
    }

    /// The answer of a fault that has one of its own.
    fn instead(&self, rule: &Rule, call: &Call) -> Option<Reply> {
        let with = &rule.with;
        let message = with.message.as_deref();
        Some(match rule.effect {
            Effect::Status(status) => {
                let usual = status.canonical_reason().unwrap_or("error").to_lowercase();
                let mut reply = call.error(status, message.unwrap_or(&usual));
                if let Some(after) =
                    with.retry_after.as_deref().and_then(|text| retry_after(text, self.clock.now()))
                {
                    reply.headers_mut().insert(RETRY_AFTER, after);
                }
                reply
            }
            Effect::Html(status) => typed(status, "text/html; charset=utf-8", PAGE),
            Effect::Redirect(status) => self.redirect(status, with.url.as_deref()),
            Effect::CodeIn200 => {
                let code = with.code.clone().unwrap_or(json!(500));
                let body = json!({
                    "code": code,
                    "message": message.unwrap_or("internal error"),
                    "request_id": call.request_id,
                    "data": null,
                });
                json(StatusCode::OK, &body)
            }
            Effect::Garbage => typed(StatusCode::OK, "application/json", "}{ NaN \u{0}\u{1b}[2J"),
            Effect::EmptyBody => typed(StatusCode::OK, "application/json", ""),
            Effect::Close => Script::just(End::Close).reply(),
            Effect::Reset | Effect::ResetBeforeRead | Effect::LandsLate => {
                Script::just(End::Reset).reply()
            }
            _ => return None,
        })
    }

    /// A redirect; without a target to this simulator's sink under another host name.
    pub(super) fn redirect(&self, status: StatusCode, url: Option<&str>) -> Reply {
        let mut reply = typed(status, "text/plain", "");
        let sink = self.base.replace("127.0.0.1", "localhost") + "/__sink";
        if let Ok(value) = HeaderValue::from_str(url.unwrap_or(&sink)) {
            reply.headers_mut().insert(LOCATION, value);
        }
        reply
    }

    async fn bend(&self, real: Reply, shape: Shape) -> Reply {
        let (mut parts, body) = real.into_parts();
        let bytes = collect(body).await;
        parts.headers.remove(CONTENT_LENGTH);
        if shape.hides_id() {
            parts.extensions.remove::<Made>();
        }
        if shape == Shape::TextPlain {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            parts.headers.insert(CONTENT_TYPE, plain);
        }
        let bent = match shape {
            Shape::TextPlain => bytes,
            Shape::Half => bytes.slice(..bytes.len() / 2),
            Shape::Deep => ["[".repeat(DEPTH), "]".repeat(DEPTH)].concat().into(),
            _ => {
                let mut value = serde_json::from_slice(&bytes).unwrap_or_default();
                self.reshape(&mut value, shape);
                value.to_string().into()
            }
        };
        Reply::from_parts(parts, Body::from(bent))
    }

    fn reshape(&self, value: &mut Value, shape: Shape) {
        let id = |id: Value| ("id", id);
        let (key, new) = match shape {
            Shape::NullId => id(Value::Null),
            Shape::NumberId => id(json!(4711)),
            Shape::EmptyId => id(json!("")),
            Shape::HugeId => id(json!("a".repeat(HUGE_ID))),
            Shape::WildId => id(json!("../../etc/passwd?x=#\u{1b}[2J")),
            Shape::RepeatedId => id(json!(self.first_id())),
            _ => return restructure(value, shape),
        };
        value["data"][key] = new;
    }
}

/// Moves, removes or renames parts of the envelope.
fn restructure(value: &mut Value, shape: Shape) {
    let data = value["data"].take();
    let field = |name: &str| data[name].clone();
    *value = match shape {
        Shape::BareObject => data,
        Shape::NestedData => json!({ "code": 200, "data": { "data": data } }),
        Shape::NullData => json!({ "code": 200, "message": "success", "data": null }),
        Shape::StringCode => json!({ "code": "200", "msg": "succeed", "data": data }),
        Shape::PredictionIdKey => envelope(&renamed(data, "id", Some("prediction_id"))),
        Shape::MissingId => envelope(&renamed(data, "id", None)),
        Shape::MissingUrl => envelope(&renamed(data, "download_url", None)),
        Shape::DataUrl => envelope(&renamed(data, "download_url", Some("url"))),
        Shape::TopLevelUrl => json!({ "url": data["download_url"] }),
        Shape::ShortNames => envelope(&json!({
            "download_url": field("download_url"),
            "file_name": field("filename"),
            "content_type": field("type"),
            "size": field("size"),
        })),
        Shape::Huge => json!({ "code": 200, "data": data, "padding": "x".repeat(HUGE) }),
        _ => envelope(&data),
    };
}

fn envelope(data: &Value) -> Value {
    json!({ "code": 200, "message": "success", "data": data })
}

fn renamed(mut data: Value, from: &str, to: Option<&str>) -> Value {
    if let Some(fields) = data.as_object_mut() {
        let moved = fields.remove(from);
        if let (Some(name), Some(moved)) = (to, moved) {
            fields.insert(name.to_owned(), moved);
        }
    }
    data
}

/// `7` as it is; `date+7s` as an HTTP date (RFC 9110 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<HeaderValue> {
    let Some(length) = text.strip_prefix("date+") else {
        return HeaderValue::from_str(text).ok();
    };
    let at = clock::after(now, clock::parse_duration(length).ok()?);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let date = printer.timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&date).ok()
}

/// All bytes of a body.
pub(super) async fn collect(body: Body) -> Bytes {
    match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    }
}

/// The true answer up to some point, then the end of the stream.
async fn cut_off(real: Reply, cut: Cut, call: &Call) -> Reply {
    let (mut parts, body) = real.into_parts();
    let bytes = collect(body).await;
    parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    if let Ok(id) = HeaderValue::from_str(&call.request_id) {
        parts.headers.insert(REQUEST_ID, id);
    }
    let mut sent = head(parts.status, &parts.headers);
    match cut {
        Cut::StatusLine => sent.truncate(b"HTTP/1.1 2".len()),
        Cut::Headers => sent.truncate(sent.len() / 2),
        Cut::Body => sent.extend(&bytes[..bytes.len() / 2]),
    }
    Script::just(End::Close).send(sent).reply()
}
