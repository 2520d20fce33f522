//! The public catalogue of models and their schemas (atlas-api.md 1.5): fetched without the key, read
//! with tolerance.

use reqwest::Url;
use serde_json::Value;

use super::Api;
use super::answer::brief;
use super::error::Error;
use super::reads::read;
use super::wire::path;
use crate::domain::{Endpoint, Micros};

/// How much of the catalogue is read; it is near 600 kB.
const CATALOGUE_LIMIT: usize = 4 << 20;
/// How much of a schema document is read; they are some kB.
const SCHEMA_LIMIT: usize = 1 << 20;
/// How much of one text of an entry is kept, in bytes.
const TEXT_LIMIT: usize = 400;
/// How many words of a list of an entry are kept.
const WORDS: usize = 20;

const WHAT: &str = "model catalogue";
const SCHEMA: &str = "model schema";

/// One model on offer. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Model {
    /// The id to submit.
    pub id: String,
    /// `Text`, `Image`, `Video`, `Audio`, or a newer word; 3D is `Image`.
    pub kind: String,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is for, in a sentence.
    pub profile: Option<String>,
    /// Who makes it.
    pub organization: Option<String>,
    /// Words like `TEXT-TO-VIDEO`.
    pub categories: Vec<String>,
    /// What goes in: `text`, `image`, `video`, `audio`.
    pub input_modalities: Vec<String>,
    /// Whether it is on offer; the others are internal and do not work.
    pub display_console: bool,
    /// Where its `OpenAPI` document is, as the API wrote it: to be checked before it is fetched.
    pub schema: Option<String>,
    /// The price shown. What it is for is said by `price_unit` or by nobody: never multiply it.
    pub base_price: Option<Micros>,
    /// `generation`, `second`, `image`, `minute` or `1k_chars`; often missing.
    pub price_unit: Option<String>,
}

impl Model {
    /// Where it is submitted; `None` for what is no media model.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self.kind.to_lowercase().as_str() {
            "video" => Some(Endpoint::Video),
            "image" => Some(Endpoint::Image),
            "audio" => Some(Endpoint::Audio),
            _ => None,
        }
    }

    fn read(entry: &Value) -> Option<Self> {
        let text = |place: &str| {
            let text = entry.pointer(place)?.as_str()?.trim();
            (!text.is_empty()).then(|| brief(text, TEXT_LIMIT))
        };
        let words = |key: &str| -> Vec<String> {
            let words = entry.get(key).and_then(Value::as_array).into_iter().flatten();
            let words = words.filter_map(Value::as_str).take(WORDS);
            words.map(|word| brief(word, TEXT_LIMIT)).collect()
        };
        Some(Self {
            id: text("/model").or_else(|| text("/id"))?,
            kind: text("/type").unwrap_or_default(),
            display_name: text("/displayName").or_else(|| text("/display_name")),
            profile: text("/profile"),
            organization: text("/organization"),
            categories: words("categories"),
            input_modalities: words("input_modalities"),
            display_console: entry.get("display_console") != Some(&Value::Bool(false)),
            schema: text("/schema"),
            base_price: ["/price/actual/base_price", "/price/sku/text", "/price/base_price"]
                .iter()
                .find_map(|place| Micros::from_json(entry.pointer(place)?)),
            price_unit: text("/price/actual/unit").or_else(|| text("/price/unit")),
        })
    }
}

impl Api {
    /// All models of the catalogue; entries without an id are left out.
    pub async fn models(&self) -> Result<Vec<Model>, Error> {
        let url = self.url(path::MODELS);
        let answer = read(WHAT, CATALOGUE_LIMIT, || self.open_request(url.clone())).await?;
        let Some(Value::Array(entries)) = answer.get("data") else {
            return Err(Error::BadAnswer {
                what: WHAT,
                message: "its `data` is no list".to_owned(),
            });
        };
        Ok(entries.iter().filter_map(Model::read).collect())
    }

    /// The schema document that a model of the catalogue names, asked for without the key: it may
    /// stand at any host with https, and otherwise only where the API itself stands.
    pub async fn schema(&self, url: &str) -> Result<Value, Error> {
        let url = self.schema_url(url)?;
        Ok(read(SCHEMA, SCHEMA_LIMIT, || self.open_request(url.clone())).await?.into_json())
    }

    fn schema_url(&self, url: &str) -> Result<Url, Error> {
        let wrong = |reason: &str| Error::BadAnswer { what: SCHEMA, message: reason.to_owned() };
        let url = Url::parse(url).map_err(|_| wrong("the catalogue names no URL for it"))?;
        let own = url.origin() == self.base_url().origin();
        if url.scheme() != "https" && !own {
            return Err(wrong("the catalogue names a URL for it that is not https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the catalogue names a URL for it with a user in it"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_tolerance() {
        let fixture = include_str!("../../tests/fixtures/api/models.json");
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let entries = fixture["body"]["data"].as_array().unwrap();
        let models: Vec<_> = entries.iter().filter_map(Model::read).collect();
        insta::assert_debug_snapshot!(models);
    }
}
