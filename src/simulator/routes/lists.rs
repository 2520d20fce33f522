//! The catalogue, its schema documents, and the balance.

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use crate::simulator::catalog::Model;
use crate::simulator::fault::Gate;
use crate::simulator::pick::Subject;
use crate::simulator::reply::{Call, Reply, json};

/// What faults know of requests without a body.
const NOTHING: Subject<'_> = Subject { job: "", texts: &[] };

/// `GET /api/v1/models`.
pub(super) async fn models(State(world): Shared, Extension(call): Extension<Call>) -> Reply {
    let (_, rule) = world.faults.pick(Gate::Models, &NOTHING);
    let normal = async {
        let models = world.catalog.models().iter();
        let list: Vec<Value> =
            models.map(|model| model.listed(&world.base, world.price(model))).collect();
        json(StatusCode::OK, &json!({ "code": "200", "data": list }))
    };
    world.under(rule.as_deref(), &call, normal).await
}

/// The schema document of a model, at the address the catalogue gives.
pub(super) async fn schema(
    State(world): Shared,
    Extension(call): Extension<Call>,
    Path(file): Path<String>,
) -> Reply {
    let slug = file.strip_suffix(".json");
    let mut models = world.catalog.models().iter();
    let model = models.find(|model| Some(model.slug().as_str()) == slug);
    match model.and_then(Model::schema) {
        Some(document) => json(StatusCode::OK, &document),
        None => call.error(StatusCode::NOT_FOUND, "schema unavailable"),
    }
}

/// `GET /public/v1/balance` (atlas-api.md 1.7).
pub(super) async fn balance(State(world): Shared, Extension(call): Extension<Call>) -> Reply {
    let (_, rule) = world.faults.pick(Gate::Balance, &NOTHING);
    let normal = async {
        let (available, held) = world.balance();
        let money = |amount| json!({ "value": amount, "currency": "usd" });
        let none = money(crate::domain::Micros::ZERO);
        let body = json!({
            "object": "balance",
            "scope": "account",
            "account": { "id": "acct-simulator", "name": "Simulator", "type": "personal" },
            "available": money(available),
            "cash": money(available),
            "bonus": none,
            "subscription_bonus": none,
            "frozen": money(held),
            "credit_grant": {
                "status": "none",
                "granted": none,
                "used": none,
                "remaining_overdraft": none,
                "overdrawn": none,
            },
            "request_id": call.request_id,
        });
        json(StatusCode::OK, &body)
    };
    world.under(rule.as_deref(), &call, normal).await
}
