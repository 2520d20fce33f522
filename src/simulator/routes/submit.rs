//! Submissions and price quotes.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value, json};

use crate::domain::{Digest, Endpoint, clock};

use super::Shared;
use super::view;
use crate::simulator::catalog::{self, Model, Refusal};
use crate::simulator::fault::{Effect, Gate, Rule};
use crate::simulator::pick::{Subject, Turn};
use crate::simulator::reply::{Call, Made, Reply, success};
use crate::simulator::script::{End, Script};
use crate::simulator::world::{Denied, Order, World};

/// The largest body, in bytes (atlas-api.md section 3).
const BODY_LIMIT: usize = 50 * 1024 * 1024;
/// The bounds of the retention headers, in hours (atlas-api.md 1.1).
const OBJECT_HOURS: std::ops::RangeInclusive<u64> = 1..=336;
const RECORD_HOURS: std::ops::RangeInclusive<u64> = 0..=336;

/// A body that is a JSON object.
struct Sent {
    fields: Map<String, Value>,
    text: Arc<str>,
    /// With sorted keys and no blanks.
    canonical: Arc<str>,
    sha256: String,
}

/// `POST generateVideo`, `generateImage`, `generateAudio`.
pub(super) async fn submit(
    State(world): Shared,
    Extension(call): Extension<Call>,
    endpoint: Endpoint,
    request: Request<Body>,
) -> Reply {
    world.note(|figures| figures.submits += 1);
    if let Some(rule) = world.faults.pick_unread(Gate::Submit) {
        tokio::time::sleep(rule.with.wait).await;
        return Script::just(End::Reset).reply();
    }
    let (parts, body) = request.into_parts();
    let sent = match read(&call, &parts.headers, body).await {
        Ok(sent) => sent,
        Err(reply) => return reply,
    };
    let (turn, rule) = pick(&world, Gate::Submit, &sent);
    let accept = accept(&world, &call, endpoint, (&sent, &parts.headers, turn, rule.clone()));
    if rule.as_ref().is_some_and(|rule| rule.effect == Effect::LandsLate) {
        return land_late(&world, &call, rule.as_deref(), accept);
    }
    let answered = async {
        match accept {
            Ok(order) => place(&world, &call, order).await,
            Err(refusal) => call.error(refusal.status, &refusal.message),
        }
    };
    let reply = world.under(rule.as_deref(), &call, answered).await;
    if reply.extensions().get::<Made>().is_some() {
        world.note(|figures| figures.accepted += 1);
    }
    reply
}

/// `POST calculate`.
pub(super) async fn calculate(
    State(world): Shared,
    Extension(call): Extension<Call>,
    request: Request<Body>,
) -> Reply {
    let (parts, body) = request.into_parts();
    let sent = match read(&call, &parts.headers, body).await {
        Ok(sent) => sent,
        Err(reply) => return reply,
    };
    let (_, rule) = pick(&world, Gate::Quote, &sent);
    let quoted = async {
        match world.catalog.check(None, &sent.fields) {
            Ok(model) => quote(&world, model),
            Err(refusal) => call.error(refusal.status, &refusal.message),
        }
    };
    world.under(rule.as_deref(), &call, quoted).await
}

fn quote(world: &World, model: &Model) -> Reply {
    let price = catalog::plain(world.price(model));
    success(&json!({
        "price": price,
        "origin_price": price,
        "discount": "100",
        "estimated": false,
        "estimated_tokens": 0,
        "currency": "usd",
    }))
}

fn pick(world: &World, gate: Gate, sent: &Sent) -> (Turn, Option<Arc<Rule>>) {
    let prompt = sent.fields.get("prompt").and_then(Value::as_str);
    let subject =
        Subject { job: &sent.sha256, texts: &[&sent.canonical, prompt.unwrap_or_default()] };
    world.faults.pick(gate, &subject)
}

/// The order of a body that is valid.
fn accept(
    world: &World,
    call: &Call,
    endpoint: Endpoint,
    (sent, headers, turn, fault): (&Sent, &HeaderMap, Turn, Option<Arc<Rule>>),
) -> Result<Order, Refusal> {
    let model = world.catalog.check(Some(endpoint), &sent.fields)?;
    let differs = sent.text != sent.canonical;
    Ok(Order {
        model: model.id.clone(),
        price: world.price(model),
        endpoint,
        body: Arc::clone(&sent.canonical),
        body_sha256: sent.sha256.clone(),
        body_sent: differs.then(|| Arc::clone(&sent.text)),
        key_hash: call.key_hash.clone(),
        request_id: call.request_id.clone(),
        turn,
        fault,
        object_hours: hours(headers, "x-atlascloud-object-expiration-hours", OBJECT_HOURS)?,
        record_hours: hours(headers, "x-atlascloud-request-retention-hours", RECORD_HOURS)?,
        missing_media: sent.fields.values().find_map(|value| world.uploads.missing(value)),
    })
}

async fn place(world: &Arc<World>, call: &Call, order: Order) -> Reply {
    match world.place(order).await {
        Ok(prediction) => {
            // As of before it began: a submission is never answered with an end.
            let before = clock::from_millis(0);
            let data = view::data(world, &prediction, before);
            let mut reply = success(&data);
            reply.extensions_mut().insert(Made);
            reply
        }
        Err(denied) => {
            let status = match denied {
                Denied::Rate(_) | Denied::InFlight(_) => StatusCode::TOO_MANY_REQUESTS,
                Denied::Balance => StatusCode::PAYMENT_REQUIRED,
                Denied::Book(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            call.error(status, &denied.to_string())
        }
    }
}

/// The connection breaks now; the submission takes effect later, whoever still waits.
fn land_late(
    world: &Arc<World>,
    call: &Call,
    rule: Option<&Rule>,
    accept: Result<Order, Refusal>,
) -> Reply {
    if let (Ok(order), Some(rule)) = (accept, rule) {
        let (world, wait) = (Arc::downgrade(world), rule.with.wait);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let Some(world) = world.upgrade() else {
                return;
            };
            if let Err(denied) = world.place(order).await {
                tracing::warn!(%denied, "a late submission was not accepted");
            }
        });
    }
    tracing::debug!(request_id = call.request_id, "a submission lands late");
    Script::just(End::Reset).reply()
}

async fn read(call: &Call, headers: &HeaderMap, body: Body) -> Result<Sent, Reply> {
    let bytes = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = "the body is larger than 50 MB; upload media first";
            return Err(call.error(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Err(_) => return Err(call.error(StatusCode::BAD_REQUEST, "the body ended early")),
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.starts_with("application/json")) {
        let message = "content type must be application/json";
        return Err(call.error(StatusCode::BAD_REQUEST, message));
    }
    parse(&bytes)
        .ok_or_else(|| call.error(StatusCode::BAD_REQUEST, "the body must be a JSON object"))
}

fn parse(bytes: &Bytes) -> Option<Sent> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    // serde_json keeps keys sorted here (its feature `preserve_order` is off).
    let canonical: Arc<str> = serde_json::to_string(&fields).ok()?.into();
    let text = if *text == *canonical { Arc::clone(&canonical) } else { text.into() };
    Some(Sent { sha256: Digest::of(canonical.as_bytes()).hex(), fields, text, canonical })
}

fn hours(
    headers: &HeaderMap,
    name: &str,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let hours = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match hours.filter(|hours| allowed.contains(hours)) {
        Some(hours) => Ok(Some(hours)),
        None => Err(Refusal::bad(&format!(
            "`{name}` must be a whole number from {} to {}",
            allowed.start(),
            allowed.end()
        ))),
    }
}
