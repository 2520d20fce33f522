//! The small values the tests are made of.

use serde_json::{Map, Value};

use super::super::{NewArtifact, NewBatch, NewJob, Next, Trouble};
use super::PRICE;
use crate::domain::{Digest, JobSpec, Origin, Position, PredictionId, Request, clock};

pub(super) fn origin() -> Origin {
    Origin::from_ledger("https://api.example".to_owned())
}

pub(super) fn prediction(id: &str) -> PredictionId {
    PredictionId::parse(id).unwrap()
}

pub(super) fn trouble(class: &str) -> Trouble {
    Trouble {
        class: class.to_owned(),
        message: format!("it was {class}"),
        http_status: Some(502),
        request_id: Some("req-1".to_owned()),
    }
}

pub(super) fn at_once(counted: bool) -> Next {
    Next::Again { not_before: clock::from_millis(0), counted }
}

pub(super) fn new_batch(name: &str) -> NewBatch {
    NewBatch {
        name: name.to_owned(),
        manifest: "films.csv".to_owned(),
        origin: origin(),
        budget: None,
    }
}

pub(super) fn new_job(key: &str) -> NewJob {
    let prompt = Value::from(format!("a film of {key}"));
    NewJob {
        spec: JobSpec {
            key: key.to_owned(),
            request: Request {
                model: "model".to_owned(),
                params: Map::from_iter([("prompt".to_owned(), prompt)]),
            },
            media: Vec::new(),
            output: None,
            vars: Map::new(),
            priority: 0,
            price: None,
            row: 1,
            position: Position::new(&"films.csv".into(), 2, 0),
            faults: Vec::new(),
        },
        price: Some(PRICE),
        invalid: None,
    }
}

pub(super) fn file(number: i64, path: &str) -> NewArtifact {
    NewArtifact {
        number,
        path: path.to_owned(),
        folded: path.to_lowercase(),
        temp: format!(".{path}.partial"),
        bytes: 4075,
        sha256: Digest::of(path.as_bytes()),
        media: r#"{"type":"video/mp4"}"#.to_owned(),
        source_host: Some("cdn.example".to_owned()),
    }
}
