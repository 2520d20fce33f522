//! Polls.

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Shared, view};
use crate::domain::Timestamp;
use crate::simulator::book::Fate;
use crate::simulator::fault::{Effect, Gate, Rule, View};
use crate::simulator::pick::Subject;
use crate::simulator::prediction::{Phase, Prediction};
use crate::simulator::reply::{Call, Reply, json, success};
use crate::simulator::world::World;

/// `GET prediction/{id}` and `GET result/{id}`.
pub(super) async fn poll(
    State(world): Shared,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
) -> Reply {
    let now = world.clock.now();
    let found = world.prediction(&id, &call.key_hash);
    let found = found.filter(|prediction| !prediction.is_forgotten(now, &world.clock));
    let Some(prediction) = found else {
        return call.error(StatusCode::NOT_FOUND, "prediction not found");
    };
    let prompt = prediction.parameter("prompt");
    let subject = Subject {
        job: &prediction.charge.body_sha256,
        texts: &[
            &prediction.charge.body,
            prompt.as_ref().and_then(Value::as_str).unwrap_or_default(),
        ],
    };
    let phase = prediction.phase(now);
    let mut rule = None;
    if world.faults.concern(Gate::Poll) {
        rule = world.faults.pick(Gate::Poll, &subject).1;
    }
    if rule.is_none() && phase == Phase::Completed && world.faults.concern(Gate::Outcome) {
        rule = world.faults.pick(Gate::Outcome, &subject).1;
    }
    let rule = rule.as_deref();
    let normal = async { answer(&world, &prediction, now, rule) };
    if rule.is_some_and(|rule| matches!(rule.effect, Effect::View(_))) {
        return normal.await;
    }
    world.under(rule, &call, normal).await
}

fn answer(world: &World, prediction: &Prediction, now: Timestamp, rule: Option<&Rule>) -> Reply {
    let mut data = view::data(world, prediction, now);
    if let Some((rule, view)) = rule.and_then(viewed) {
        change(world, prediction, (rule, view), &mut data);
    }
    if let Fate::Fails { by_5xx: true, message, .. } = &prediction.charge.fate
        && prediction.phase(now) == Phase::Failed
    {
        let body = json!({ "code": 500, "message": message, "data": data });
        return json(StatusCode::INTERNAL_SERVER_ERROR, &body);
    }
    success(&data)
}

fn viewed(rule: &Rule) -> Option<(&Rule, View)> {
    match rule.effect {
        Effect::View(view) => Some((rule, view)),
        _ => None,
    }
}

fn change(world: &World, prediction: &Prediction, (rule, view): (&Rule, View), data: &mut Value) {
    match view {
        View::UnknownStatus => {
            data["status"] = json!(rule.with.word.as_deref().unwrap_or("paused"));
            data["outputs"] = Value::Null;
        }
        View::OtherId => {
            let other = uuid::Uuid::now_v7().simple().to_string();
            data["id"] = json!(other);
        }
        View::ErrorObject => {
            data["error"] = json!({ "message": data["error"], "reason": "object" });
        }
        _ => view::change_outcome(world, prediction, (rule, view), data),
    }
}
