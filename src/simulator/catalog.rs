//! The models the simulator knows: what they take, what they cost, and the check of a submit body.
//!
//! The data stands in `catalog.toml`; the shapes shown to clients follow atlas-api.md 1.5 and 4.1.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::atlas::wire::path;
use crate::domain::{Endpoint, Micros};

/// The longest `webhook_url` the API takes, in characters (atlas-api.md 1.6).
const WEBHOOK_LIMIT: usize = 1024;

/// What a model is listed as (atlas-api.md 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum ModelType {
    Video,
    Image,
    Audio,
    Text,
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: ModelType,
    name: String,
    pub(super) price: Micros,
    #[serde(default = "per_generation")]
    unit: String,
    /// The usual time of one generation, as the catalogue states it.
    seconds: u64,
    categories: Vec<String>,
    required: Vec<String>,
    inputs: Map<String, Value>,
    /// Whether it is offered; internal models are listed and refused.
    #[serde(default = "yes")]
    console: bool,
    /// Where its schema document has the input.
    #[serde(default)]
    schema: Form,
    /// `text` where the output is text rather than a file.
    #[serde(default)]
    gives: Option<String>,
}

/// How a schema document is written (atlas-api.md 1.5): live ones come in all of these forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// The input stands under its name, and the request body refers to it.
    #[default]
    Named,
    /// What stands under its name refers on, and requires `model` too.
    Referred,
    /// It stands in the request body only.
    Body,
    /// There is no document.
    None,
}

/// All models.
#[derive(Debug, Deserialize)]
pub(super) struct Catalog {
    model: Vec<Model>,
}

/// Why a submit body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

fn per_generation() -> String {
    "generation".to_owned()
}

fn yes() -> bool {
    true
}

impl ModelType {
    fn endpoint(self) -> Option<Endpoint> {
        match self {
            Self::Video => Some(Endpoint::Video),
            Self::Image => Some(Endpoint::Image),
            Self::Audio => Some(Endpoint::Audio),
            Self::Text => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Video => "Video",
            Self::Image => "Image",
            Self::Audio => "Audio",
            Self::Text => "Text",
        }
    }
}

impl Catalog {
    /// Reads the embedded list. The error is the text of a mistake in `catalog.toml`.
    pub(super) fn embedded() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("catalog.toml"))
    }

    pub(super) fn models(&self) -> &[Model] {
        &self.model
    }

    pub(super) fn find(&self, id: &str) -> Option<&Model> {
        self.model.iter().find(|model| model.id == id)
    }

    /// The model a submit body asks for, if the body is one that `endpoint` takes
    /// (`None` for a quote, which takes all).
    pub(super) fn check(
        &self,
        endpoint: Option<Endpoint>,
        body: &Map<String, Value>,
    ) -> Result<&Model, Refusal> {
        let id = match body.get("model") {
            Some(Value::String(id)) if !id.is_empty() => id,
            _ => return Err(Refusal::bad("`model` is required")),
        };
        let model = self.find(id).filter(|model| model.console);
        let model = model.ok_or_else(|| Refusal {
            status: StatusCode::NOT_FOUND,
            message: format!("model `{id}` not found or not available to this account"),
        })?;
        if endpoint.is_some() && model.kind.endpoint() != endpoint {
            return Err(Refusal::bad(&format!("model `{id}` is of type {}", model.kind.word())));
        }
        model.check(body)?;
        check_webhook(body)?;
        Ok(model)
    }
}

impl Refusal {
    pub(super) fn bad(detail: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: format!("invalid request parameters: {detail}"),
        }
    }
}

impl Model {
    /// Whether its output is text rather than a file.
    pub(super) fn gives_text(&self) -> bool {
        self.gives.as_deref() == Some("text")
    }

    fn check(&self, body: &Map<String, Value>) -> Result<(), Refusal> {
        for name in &self.required {
            if body.get(name).is_none_or(is_blank) {
                return Err(Refusal::bad(&format!("`{name}` is required")));
            }
        }
        // Unknown parameters pass: what the live API does with them is not known (atlas-api.md 4.2).
        for (name, property) in &self.inputs {
            if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
                check_value(name, property, value)?;
            }
        }
        Ok(())
    }

    /// The entry of `GET /api/v1/models`. `price` is the scenario's.
    pub(super) fn listed(&self, base: &str, price: Micros) -> Value {
        let side = json!({ "base_price": plain(price), "unit": self.unit });
        let mut entry = json!({
            "uuid": crate::domain::Digest::of(self.id.as_bytes()).short(),
            "model": self.id,
            "type": self.kind.word(),
            "displayName": self.name,
            "profile": format!("{} of the nightreel simulator", self.name),
            "tags": [self.kind.word().to_lowercase()],
            "categories": self.categories,
            "organization": self.id.split('/').next().unwrap_or_default(),
            "price": { "discount": "100", "actual": side, "origin": side },
            "avgLatency": self.seconds,
            "display_console": self.console,
            "supported_protocols": [],
            "input_modalities": self.modalities(),
            "output_modalities": [self.gives.clone().unwrap_or(self.kind.word().to_lowercase())],
            "priority": 1,
        });
        if self.schema != Form::None {
            entry["schema"] = json!(format!("{base}/schemas/{}.json", self.slug()));
        }
        entry
    }

    /// The id as it stands in a schema's URL.
    pub(super) fn slug(&self) -> String {
        self.id.replace(['/', '.'], "-")
    }

    /// The schema document, where there is one.
    pub(super) fn schema(&self) -> Option<Value> {
        let mut order = self.required.clone();
        order.extend(self.inputs.keys().filter(|name| !self.required.contains(name)).cloned());
        let submit = match self.kind.endpoint()? {
            Endpoint::Video => path::GENERATE_VIDEO,
            Endpoint::Image => path::GENERATE_IMAGE,
            Endpoint::Audio => path::GENERATE_AUDIO,
        };
        // The vendor's client tells its users to poll whatever path here says `prediction`.
        let poll = format!("{}/{{prediction_id}}", path::PREDICTION);
        let mut input = json!({
            "type": "object",
            "properties": self.inputs,
            "required": self.required,
            "x-order-properties": order,
        });
        let named = json!({ "$ref": "#/components/schemas/Input" });
        let (body, schemas) = match self.schema {
            Form::Named => (named, json!({ "Input": input })),
            Form::Referred => {
                input["properties"]["model"] = json!({ "type": "string", "default": self.id });
                input["required"] =
                    [&["model".to_owned()], self.required.as_slice()].concat().into();
                let schemas = json!({
                    "Input": { "$ref": "#/components/schemas/Parameters" },
                    "Parameters": input,
                });
                (named, schemas)
            }
            Form::Body => (input, json!({})),
            Form::None => return None,
        };
        Some(json!({
            "openapi": "3.0.0",
            "info": { "title": self.name, "version": "1.0.0" },
            "paths": {
                submit: { "post": {
                    "requestBody": { "content": { "application/json": { "schema": body } } },
                } },
                poll: { "get": {} },
            },
            "components": { "schemas": schemas },
        }))
    }

    fn modalities(&self) -> Vec<&'static str> {
        let media = ["image", "audio", "video"];
        let takes = |medium: &str| self.inputs.keys().any(|name| name.starts_with(medium));
        let mut found = vec!["text"];
        found.extend(media.into_iter().filter(|medium| takes(medium)));
        found
    }
}

/// An amount as the API writes it in its JSON: `0.10`.
pub(super) fn plain(amount: Micros) -> String {
    amount.human().replace('$', "")
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn check_value(name: &str, property: &Value, value: &Value) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(Refusal::bad(&format!("`{name}` {what}")));
    let fits = match property["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        _ => true,
    };
    if !fits {
        return wrong(&format!("must be of type {}", property["type"]));
    }
    if let Some(allowed) = property["enum"].as_array()
        && !allowed.contains(value)
    {
        return wrong(&format!("must be one of {}", property["enum"]));
    }
    if !within(property, value) {
        return wrong("is out of range");
    }
    if property["format"] == "uri" && !value.as_str().is_some_and(is_media_url) {
        return wrong("must be an http(s) URL or a data URI");
    }
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().try_for_each(|item| check_value(name, &property["items"], item))
}

/// Whether numbers, lengths of texts and of lists lie within a property's bounds.
fn within(property: &Value, value: &Value) -> bool {
    let size = match value {
        Value::Number(number) => {
            let number = number.as_f64();
            let least = property["minimum"].as_f64();
            let most = property["maximum"].as_f64();
            return least.is_none_or(|least| number >= Some(least))
                && most.is_none_or(|most| number <= Some(most));
        }
        Value::String(text) => (text.chars().count(), "Length"),
        Value::Array(items) => (items.len(), "Items"),
        _ => return true,
    };
    let bound = |end: &str| property[format!("{end}{}", size.1)].as_u64();
    let count = u64::try_from(size.0).unwrap_or(u64::MAX);
    bound("min").is_none_or(|least| count >= least) && bound("max").is_none_or(|most| count <= most)
}

fn is_media_url(text: &str) -> bool {
    text.starts_with("data:")
        || url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// atlas-api.md 1.6: https only, a public host, at most 1024 characters.
fn check_webhook(body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(value) = body.get("webhook_url").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let text = value.as_str().unwrap_or_default();
    let url = url::Url::parse(text).ok();
    let fine = url.is_some_and(|url| url.scheme() == "https" && is_public(&url));
    if fine && text.chars().count() <= WEBHOOK_LIMIT {
        return Ok(());
    }
    Err(Refusal::bad("`webhook_url` must be a public https URL"))
}

fn is_public(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => {
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified())
        }
        Some(url::Host::Ipv6(ip)) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unspecified())
        }
        Some(url::Host::Domain(name)) => name.contains('.') && !name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(endpoint: Endpoint, body: &Value) -> Option<u16> {
        let catalog = Catalog::embedded().unwrap();
        let checked = catalog.check(Some(endpoint), body.as_object().unwrap());
        checked.err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_body_is_checked_against_the_schema_of_its_model() {
        let image = "https://example.com/a.png";
        let fast = |extra: Value| {
            let mut body = json!({ "model": "minimax/hailuo-02/fast", "image": image });
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        };
        let video = |body: &Value| refused(Endpoint::Video, body);
        assert_eq!(video(&fast(json!({}))), None);
        assert_eq!(video(&fast(json!({ "duration": 10, "fps": 24 }))), None);
        assert_eq!(video(&fast(json!({ "duration": 7 }))), Some(400));
        assert_eq!(video(&fast(json!({ "duration": "6" }))), Some(400));
        assert_eq!(video(&fast(json!({ "image": "cat.png" }))), Some(400));
        assert_eq!(video(&fast(json!({ "image": "" }))), Some(400));
        assert_eq!(video(&fast(json!({ "prompt": "x".repeat(2001) }))), Some(400));
        assert_eq!(video(&fast(json!({ "webhook_url": "http://x.example/" }))), Some(400));
        assert_eq!(video(&json!({ "model": "minimax/hailuo-02/fast" })), Some(400));
        assert_eq!(video(&json!({ "prompt": "x" })), Some(400));
        assert_eq!(video(&json!({ "model": "no/such" })), Some(404));
        assert_eq!(refused(Endpoint::Audio, &fast(json!({}))), Some(400));
    }

    #[test]
    fn internal_models_are_listed_and_refused() {
        let body = json!({ "model": "lumen/still-0/internal", "prompt": "x" });
        assert_eq!(refused(Endpoint::Image, &body), Some(404));
    }

    #[test]
    fn every_kind_of_model_is_there() {
        let catalog = Catalog::embedded().unwrap();
        assert!(catalog.models().len() >= 12);
        for kind in [ModelType::Video, ModelType::Image, ModelType::Audio, ModelType::Text] {
            assert!(catalog.models().iter().any(|model| model.kind == kind));
        }
        let fast = catalog.find("minimax/hailuo-02/fast").unwrap();
        let schema = fast.schema().unwrap();
        assert_eq!(schema["components"]["schemas"]["Input"]["required"], json!(["image"]));
    }
}
