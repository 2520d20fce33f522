//! The paths of the API and of the simulator itself.

mod history;
mod lists;
mod outputs;
mod poll;
mod submit;
mod upload;
mod view;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::atlas::wire::path;
use crate::domain::Endpoint;

use super::reply::{Call, Reply};
use super::world::World;

pub(super) use outputs::{Answer, stream};

/// The world as handlers get it.
type Shared = State<Arc<World>>;

/// All routes.
pub(super) fn router(world: Arc<World>) -> Router {
    let one = |path: &str| format!("{path}/{{id}}");
    let api = Router::new()
        .route(path::GENERATE_VIDEO, submit_to(Endpoint::Video))
        .route(path::GENERATE_IMAGE, submit_to(Endpoint::Image))
        .route(path::GENERATE_AUDIO, submit_to(Endpoint::Audio))
        .route(&one(path::PREDICTION), get(poll::poll))
        .route("/api/v1/model/result/{id}", get(poll::poll))
        .route(path::HISTORY, get(history::history))
        .route(path::CALCULATE, post(submit::calculate))
        .route(path::UPLOAD_MEDIA, post(upload::upload))
        .route(path::MODELS, get(lists::models))
        .route(path::BALANCE, get(lists::balance));
    let files = Router::new()
        .route("/schemas/{file}", get(lists::schema))
        .route("/uploads/{name}", get(upload::uploaded))
        .route("/outputs/{id}/{file}", get(outputs::output));
    let own = Router::new()
        .route("/__book", get(book))
        .route("/__figures", get(figures))
        .route("/__sink", any(sink))
        .route("/__loop", any(around));
    api.merge(files)
        .merge(own)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .with_state(world)
}

fn submit_to(endpoint: Endpoint) -> axum::routing::MethodRouter<Arc<World>> {
    post(move |world, call, request| submit::submit(world, call, endpoint, request))
}

async fn book(State(world): Shared) -> Json<Value> {
    world.settle();
    let entries = world.book.entries();
    let entries = entries.iter().map(|entry| json!(**entry));
    Json(Value::Array(entries.collect()))
}

async fn figures(State(world): Shared) -> Json<super::Figures> {
    Json(world.figures())
}

/// Where redirects of faults lead: what arrives here went where it should not.
async fn sink() -> &'static str {
    "this request should not have been sent\n"
}

/// A redirect to itself.
async fn around(State(world): Shared) -> Reply {
    let again = format!("{}/__loop", world.base);
    world.redirect(StatusCode::FOUND, Some(&again))
}

async fn unknown(Extension(call): Extension<Call>) -> Reply {
    call.unauthorized()
}

async fn wrong_method(Extension(call): Extension<Call>) -> Reply {
    call.error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}
