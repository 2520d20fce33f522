//! A prediction as polls and the history show it (atlas-api.md 1.2).

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::atlas::wire::path;
use crate::domain::{Endpoint, Timestamp, clock};

use crate::simulator::book::Fate;
use crate::simulator::catalog::{Model, plain};
use crate::simulator::fault::{Rule, View};
use crate::simulator::media::{Media, Wanted};
use crate::simulator::prediction::{Phase, Prediction};
use crate::simulator::world::World;

/// The `data` of an answer about a prediction, as of `now`.
pub(super) fn data(world: &World, prediction: &Prediction, now: Timestamp) -> Value {
    let phase = prediction.phase(now);
    let charge = &prediction.charge;
    let id = &charge.prediction;
    let mut data = json!({
        "id": id,
        "model": charge.model,
        "status": prediction.status(phase),
        "outputs": null,
        "urls": { "get": format!("{}{}/{id}", world.base, path::PREDICTION) },
        "created_at": clock::utc(prediction.at),
        "error": "",
        "has_nsfw_contents": null,
    });
    let Some(end) = charge.ends_at.filter(|_| matches!(phase, Phase::Completed | Phase::Failed))
    else {
        return data;
    };
    let taken = clock::between(prediction.at, end).as_millis();
    data["completed_at"] = json!(clock::utc(end));
    data["executionTime"] = json!(taken);
    data["latency_ms"] = json!(taken);
    data["timings"] = json!({ "inference": taken });
    if let Fate::Fails { message, code, .. } = &charge.fate {
        data["error"] = json!(message);
        if let Some(code) = code {
            data["error_code"] = code.clone();
        }
        return data;
    }
    data["price"] = json!(plain(charge.price));
    data["outputs"] = Value::Array(outputs(world, prediction, now));
    let flags = vec![false; count(data["outputs"].as_array())];
    data["has_nsfw_contents"] = json!(flags);
    data
}

/// The bytes of one output.
pub(super) fn media(world: &World, prediction: &Prediction, index: u64) -> Media {
    let aspect = prediction.parameter("aspect_ratio");
    let seconds = prediction.parameter("duration").and_then(|value| value.as_u64());
    let wanted = Wanted {
        prediction: &prediction.charge.prediction,
        index,
        endpoint: prediction.endpoint(),
        seconds: seconds.filter(|seconds| (1..=60).contains(seconds)).unwrap_or(6),
        aspect: aspect.as_ref().and_then(Value::as_str),
        bytes: world.scenario.output.bytes,
    };
    wanted.make()
}

/// A completed prediction as a fault shows it.
pub(super) fn change_outcome(
    world: &World,
    prediction: &Prediction,
    (rule, view): (&Rule, View),
    data: &mut Value,
) {
    let with = &rule.with;
    let outputs = data["outputs"].as_array().cloned().unwrap_or_default();
    let first = outputs.first().cloned().unwrap_or_default();
    let objects = || outputs.iter().map(|url| json!({ "url": url })).collect::<Vec<_>>();
    let changed = match view {
        View::OutputsEmpty => json!([]),
        View::OutputsObjects => json!(objects()),
        View::OutputsDuplicate => json!([outputs.as_slice(), outputs.as_slice()].concat()),
        View::OutputsMany => many(world, prediction, with.count),
        View::OutputsDataUri => {
            let (content_type, bytes) = inline(world, prediction);
            json!([format!("data:{content_type};base64,{}", STANDARD.encode(bytes))])
        }
        View::OutputsBase64 => json!([STANDARD.encode(inline(world, prediction).1)]),
        View::OutputsText => json!([transcript(prediction)]),
        View::OutputsExpired => {
            let past = world.clock.now();
            json!([world.link_until(prediction, 0, past)])
        }
        View::OutputsUrl => json!([with.url.as_deref().unwrap_or("file:///etc/passwd")]),
        View::Nsfw => {
            data["has_nsfw_contents"] = json!([true]);
            json!([])
        }
        View::OutputsMissing | View::OutputString => {
            if let Some(fields) = data.as_object_mut() {
                fields.remove("outputs");
            }
            if view == View::OutputString {
                data["output"] = first;
            }
            return;
        }
        View::Flap => {
            data["status"] = json!("processing");
            Value::Null
        }
        View::FinalWord => {
            data["status"] = json!(with.word.as_deref().unwrap_or("succeeded"));
            return;
        }
        _ => Value::Null,
    };
    data["outputs"] = changed;
}

fn outputs(world: &World, prediction: &Prediction, now: Timestamp) -> Vec<Value> {
    let model = world.catalog.find(&prediction.charge.model);
    if model.is_some_and(Model::gives_text) {
        return vec![json!(transcript(prediction))];
    }
    let count = world.scenario.output.count;
    let bare = prediction.parameter("enable_base64_output") == Some(json!(true));
    let one = |index| {
        if bare && prediction.endpoint() == Endpoint::Image {
            return json!(STANDARD.encode(whole(media(world, prediction, index))));
        }
        json!(world.link(prediction, index, now))
    };
    (0..count).map(one).collect()
}

fn many(world: &World, prediction: &Prediction, count: u64) -> Value {
    let end = world.media_ends(prediction);
    let links = (0..count).map(|index| json!(world.link_until(prediction, index, end)));
    Value::Array(links.collect())
}

fn inline(world: &World, prediction: &Prediction) -> (&'static str, Vec<u8>) {
    let media = media(world, prediction, 0);
    (media.content_type, whole(media))
}

fn whole(media: Media) -> Vec<u8> {
    let pieces: Vec<Bytes> = media.content.pieces();
    pieces.concat()
}

fn transcript(prediction: &Prediction) -> String {
    let id = &prediction.charge.prediction;
    format!("This is what the simulator heard.\nIt was prediction {id}, and it said: good night.\n")
}

fn count(list: Option<&Vec<Value>>) -> usize {
    list.map_or(0, Vec::len)
}
