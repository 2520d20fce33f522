//! The public catalogue of models (atlas-api.md 1.5): fetched without the key, read with tolerance.

use serde_json::Value;

use super::Api;
use super::answer::brief;
use super::error::Error;
use super::reads::read;
use super::wire::path;
use crate::domain::{Endpoint, Micros};

/// How much of the catalogue is read; it is near 600 kB.
const CATALOGUE_LIMIT: usize = 8 << 20;
/// How much of one text of an entry is kept, in bytes.
const TEXT_LIMIT: usize = 400;

const WHAT: &str = "model catalogue";

/// One model on offer. Its texts are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let categories = entry.get("categories").and_then(Value::as_array);
        let categories = categories.map_or(&[][..], Vec::as_slice).iter();
        Some(Self {
            id: text("/model").or_else(|| text("/id"))?,
            kind: text("/type").unwrap_or_default(),
            display_name: text("/displayName").or_else(|| text("/display_name")),
            profile: text("/profile"),
            organization: text("/organization"),
            categories: categories
                .filter_map(|category| Some(brief(category.as_str()?, TEXT_LIMIT)))
                .collect(),
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
