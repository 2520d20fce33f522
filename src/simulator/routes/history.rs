//! The key's past tasks (atlas-api.md 1.3).

use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Shared, view};
use crate::domain::{Timestamp, clock};
use crate::simulator::fault::Gate;
use crate::simulator::pick::Subject;
use crate::simulator::prediction::Prediction;
use crate::simulator::reply::{Call, Reply, json};
use crate::simulator::scenario::HistoryMode;
use crate::simulator::world::World;

/// The page size where none is asked for.
const USUAL_SIZE: u64 = 10;

/// What is asked for.
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// The page, from 1.
    no: Option<u64>,
    size: Option<u64>,
    #[serde(rename = "sessionID")]
    session: Option<String>,
    model: Option<String>,
    status: Option<String>,
}

/// `GET history`.
pub(super) async fn history(
    State(world): Shared,
    Extension(call): Extension<Call>,
    Query(wanted): Query<Wanted>,
    uri: Uri,
) -> Reply {
    if world.scenario.history.mode == HistoryMode::Absent {
        return call.unauthorized();
    }
    let subject = Subject { job: "", texts: &[uri.query().unwrap_or_default()] };
    let (_, rule) = world.faults.pick(Gate::History, &subject);
    let normal = async { page(&world, &call, &wanted) };
    world.under(rule.as_deref(), &call, normal).await
}

fn page(world: &World, call: &Call, wanted: &Wanted) -> Reply {
    let now = world.clock.now();
    let size = wanted.size.unwrap_or(USUAL_SIZE);
    let size = size.clamp(1, world.scenario.history.page_cap);
    let number = wanted.no.unwrap_or(1).max(1);
    let found = world.predictions(&call.key_hash, |prediction| {
        is_listed(world, prediction, now) && wanted.fits(prediction, now)
    });
    let place = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let page = found.iter().skip(place((number - 1).saturating_mul(size)));
    let items = page.take(place(size)).map(|prediction| item(world, prediction, now));
    let data = json!({
        "items": items.collect::<Vec<_>>(),
        "pageNo": number,
        "pageSize": size,
        "total": found.len(),
    });
    json(StatusCode::OK, &json!({ "code": 200, "data": data }))
}

fn is_listed(world: &World, prediction: &Prediction, now: Timestamp) -> bool {
    let history = world.scenario.history;
    match history.mode {
        HistoryMode::Full => true,
        HistoryMode::Late => clock::after(prediction.at, world.clock.scaled(history.delay)) <= now,
        HistoryMode::Empty | HistoryMode::Absent => false,
    }
}

impl Wanted {
    fn fits(&self, prediction: &Prediction, now: Timestamp) -> bool {
        let charge = &prediction.charge;
        let is = |wanted: &Option<String>, true_one: &str| {
            let wanted = wanted.as_deref().filter(|wanted| !wanted.is_empty());
            wanted.is_none_or(|wanted| wanted == true_one)
        };
        is(&self.session, &charge.prediction)
            && is(&self.model, &charge.model)
            && is(&self.status, prediction.status(prediction.phase(now)))
    }
}

fn item(world: &World, prediction: &Prediction, now: Timestamp) -> Value {
    let charge = &prediction.charge;
    let data = view::data(world, prediction, now);
    let body = charge.body_sent.as_ref().unwrap_or(&charge.body);
    let history = world.scenario.history;
    let body = if history.number_forms { other_numbers(body) } else { body.to_string() };
    let body = if history.reorder_keys { reordered(&body) } else { body };
    json!({
        "ID": charge.prediction,
        "createdAt": prediction.at.as_second(),
        "model": charge.model,
        "requestBody": body,
        "status": data["status"],
        "result": data,
    })
}

/// The same object with its keys in falling order, and blanks.
fn reordered(body: &str) -> String {
    let fields: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let pairs = fields.iter().rev().map(|(key, value)| format!("{}: {value}", json!(key)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// The same object as an API tells it that keeps every number as a float.
fn other_numbers(body: &str) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    for value in fields.values_mut() {
        if let Some(whole) = value.as_i64() {
            *value = serde_json::from_str(&format!("{whole}.0")).unwrap_or_default();
        }
    }
    Value::Object(fields).to_string()
}
