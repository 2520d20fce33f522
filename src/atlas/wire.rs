//! What goes over the wire to and from the API (atlas-api.md), and nothing else.
//! The simulator shares this file and no other of this room.

use serde_json::{Map, Value};

use super::json;
use crate::domain::PredictionId;

/// Paths below the base URL (atlas-api.md, section 1).
pub mod path {
    use crate::domain::Endpoint;

    /// Submit a video job.
    pub const GENERATE_VIDEO: &str = "/api/v1/model/generateVideo";
    /// Submit an image or 3D job.
    pub const GENERATE_IMAGE: &str = "/api/v1/model/generateImage";
    /// Submit a speech, music or transcription job.
    pub const GENERATE_AUDIO: &str = "/api/v1/model/generateAudio";
    /// Poll: followed by `/` and the percent-encoded id.
    pub const PREDICTION: &str = "/api/v1/model/prediction";
    /// The key's past tasks.
    pub const HISTORY: &str = "/api/v1/model/history";
    /// A price quote for a submit body.
    pub const CALCULATE: &str = "/api/v1/model/calculate";
    /// Multipart upload, one part named `file`.
    pub const UPLOAD_MEDIA: &str = "/api/v1/model/uploadMedia";
    /// The public catalogue, no key.
    pub const MODELS: &str = "/api/v1/models";
    /// The account's balance.
    pub const BALANCE: &str = "/public/v1/balance";

    /// Where jobs of this endpoint are submitted.
    #[must_use]
    pub const fn submit(endpoint: Endpoint) -> &'static str {
        match endpoint {
            Endpoint::Video => GENERATE_VIDEO,
            Endpoint::Image => GENERATE_IMAGE,
            Endpoint::Audio => GENERATE_AUDIO,
        }
    }
}

/// The error code of an input refused by moderation (atlas-api.md, section 2).
pub const MODERATED: i64 = 1039;

/// Where the id of a new prediction may stand (atlas-api.md 1.1), the usual place first.
const ID_PLACES: [&str; 6] = [
    "/data/id",
    "/data/data/id",
    "/id",
    "/data/prediction_id",
    "/data/predictionId",
    "/data/session_id",
];

/// Messages that tell nothing.
const EMPTY_WORDS: [&str; 4] = ["success", "succeeded", "ok", "null"];

/// An answer of the API: a JSON object, usually `{"code","message","data"}`, in all its variants.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope(Value);

/// What an answer says about one prediction.
#[derive(Clone, Copy, Debug)]
pub struct Prediction<'a> {
    /// The fields of atlas-api.md 1.2.
    pub fields: &'a Map<String, Value>,
    /// Whether it stood in `data`; otherwise the whole answer is taken for it.
    pub enveloped: bool,
}

impl Envelope {
    /// Reads an answer strictly; the error is a short reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        match json::parse(bytes) {
            Ok(object @ Value::Object(_)) => Ok(Self(object)),
            Ok(_) => Err("JSON, but not an object".to_owned()),
            Err(error) => Err(format!("not JSON ({error})")),
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn into_json(self) -> Value {
        self.0
    }

    /// A field beside `data`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The content: `data`, where it is an object.
    #[must_use]
    pub fn data(&self) -> Option<&Map<String, Value>> {
        self.get("data").and_then(Value::as_object)
    }

    /// `code`, as a number or in digits.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.get("code").and_then(integer)
    }

    /// Whether the code of a moderation refusal stands at one of its places.
    #[must_use]
    pub fn is_moderated(&self) -> bool {
        let data = self.data();
        let places = [
            self.get("code"),
            self.get("error_code"),
            data.and_then(|data| data.get("error_code")),
            data.and_then(|data| data.get("error")?.get("code")),
        ];
        places.into_iter().flatten().any(|code| integer(code) == Some(MODERATED))
    }

    /// What the answer says in words: `msg`, `message`, `error` or `detail`.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        ["msg", "message", "error", "detail"]
            .iter()
            .filter_map(|key| said(self.get(key)?))
            .find(|words| !EMPTY_WORDS.contains(&words.to_lowercase().as_str()))
    }

    /// The API's name of this exchange, for its support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.get("request_id").and_then(Value::as_str)
    }

    /// The first id of sane form at one of its places.
    #[must_use]
    pub fn prediction_id(&self) -> Option<PredictionId> {
        ID_PLACES.iter().find_map(|place| PredictionId::parse(self.0.pointer(place)?.as_str()?))
    }

    /// The prediction in it: `data.data`, `data`, or the answer itself.
    #[must_use]
    pub fn prediction(&self) -> Option<Prediction<'_>> {
        let Some(data) = self.data() else {
            let fields = self.0.as_object()?;
            let enveloped = false;
            return fields.contains_key("status").then_some(Prediction { fields, enveloped });
        };
        let inner = data.get("data").and_then(Value::as_object);
        Some(Prediction { fields: inner.unwrap_or(data), enveloped: true })
    }
}

/// What a message or error value says: text, a number, or the like inside an object
/// (atlas-api.md 1.2, `error`).
#[must_use]
pub fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()).filter(|text| text != "0"),
        Value::Array(items) => items.iter().find_map(said),
        Value::Object(map) => ["message", "msg", "error", "detail", "reason"]
            .iter()
            .find_map(|key| said(map.get(*key)?)),
        Value::Null | Value::Bool(_) => None,
    }
}

/// A whole number, or its digits in a string.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
