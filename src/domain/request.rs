//! The request of a job in canonical form: what is hashed, stored, and turned into the POST's body.
//!
//! A local media file stands in it as `upload:sha256-HEX.ext`, so the request's hash follows the
//! file's content: renaming a file reruns nothing, changing it does.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::digest::Digest;

/// What stands before the hash of a local file in a canonical request.
pub const MEDIA_PREFIX: &str = "upload:sha256-";

/// Which of the three submit endpoints a model belongs to (atlas-api.md 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// `generateVideo`
    Video,
    /// `generateImage`, for images and 3D
    Image,
    /// `generateAudio`
    Audio,
}

/// The content of a local media file, by hash and true extension (the API classifies by it).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaKey {
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Lower-case extension without the dot.
    pub extension: String,
}

/// A local media file that a request refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFile {
    /// Its content.
    pub key: MediaKey,
    /// Where it was when the manifest was read, absolute.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A model and its parameters: the flat body of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model's id.
    pub model: String,
    /// Everything else that is sent, at the top level of the body.
    pub params: Map<String, Value>,
}

impl MediaKey {
    /// How the file stands in a canonical request.
    #[must_use]
    pub fn placeholder(&self) -> String {
        format!("{MEDIA_PREFIX}{}.{}", self.sha256, self.extension)
    }

    /// Reads a placeholder back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hex, extension) = text.strip_prefix(MEDIA_PREFIX)?.split_once('.')?;
        Some(Self { sha256: Digest::parse(hex)?, extension: extension.to_owned() })
    }
}

impl Request {
    /// The JSON text with keys in alphabetical order at every level and no blanks.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.flat().to_string()
    }

    /// The hash that tells whether two requests ask for the same thing.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Reads a canonical request back from the ledger.
    #[must_use]
    pub fn from_canonical(text: &str) -> Option<Self> {
        let Value::Object(mut params) = serde_json::from_str(text).ok()? else {
            return None;
        };
        let Some(Value::String(model)) = params.remove("model") else {
            return None;
        };
        Some(Self { model, params })
    }

    /// The prompt, where there is one.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        self.params.get("prompt").and_then(Value::as_str)
    }

    /// The local files it refers to, each once.
    #[must_use]
    pub fn media(&self) -> Vec<MediaKey> {
        let mut found = Vec::new();
        for value in self.params.values() {
            collect_media(value, &mut found);
        }
        found.sort();
        found.dedup();
        found
    }

    /// The body to POST, with each local file replaced by the URL it was uploaded to, and whole
    /// numbers in one form: an API that tells the body back may have read `6.0` and write `6`.
    /// `None` where a URL is missing.
    #[must_use]
    pub fn body(&self, urls: &HashMap<MediaKey, String>) -> Option<String> {
        let mut flat = self.flat();
        replace_media(&mut flat, urls)?;
        write_wholes(&mut flat);
        Some(flat.to_string())
    }

    /// The hash of [`Request::body`], for a request that an API tells back.
    #[must_use]
    pub fn sent_digest(&self) -> Digest {
        let mut flat = self.flat();
        write_wholes(&mut flat);
        Digest::of(flat.to_string().as_bytes())
    }

    fn flat(&self) -> Value {
        let mut flat = self.params.clone();
        flat.insert("model".to_owned(), Value::String(self.model.clone()));
        // serde_json's map is a BTreeMap here (feature `preserve_order` is off): sorted by nature.
        Value::Object(flat)
    }
}

fn collect_media(value: &Value, found: &mut Vec<MediaKey>) {
    match value {
        Value::String(text) => found.extend(MediaKey::parse(text)),
        Value::Array(values) => values.iter().for_each(|value| collect_media(value, found)),
        Value::Object(map) => map.values().for_each(|value| collect_media(value, found)),
        _ => {}
    }
}

fn write_wholes(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            if let Some(whole) = text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok()) {
                *number = Number::from(whole);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_wholes),
        Value::Object(map) => map.values_mut().for_each(write_wholes),
        _ => {}
    }
}

fn replace_media(value: &mut Value, urls: &HashMap<MediaKey, String>) -> Option<()> {
    match value {
        Value::String(text) => {
            if let Some(key) = MediaKey::parse(text) {
                urls.get(&key)?.clone_into(text);
            }
        }
        Value::Array(values) => {
            for value in values {
                replace_media(value, urls)?;
            }
        }
        Value::Object(map) => {
            for value in map.values_mut() {
                replace_media(value, urls)?;
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Request {
        Request::from_canonical(json).unwrap()
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = request(r#"{"model":"m","b":{"y":1,"x":2},"a":1}"#);
        let two = request(r#"{"a":1,"b":{"x":2,"y":1},"model":"m"}"#);
        assert_eq!(one.canonical(), r#"{"a":1,"b":{"x":2,"y":1},"model":"m"}"#);
        assert_eq!(one.digest(), two.digest());
    }

    #[test]
    fn a_body_told_back_with_other_numbers_is_the_body_that_was_sent() {
        let mine = request(r#"{"model":"m","duration":6,"scale":[0.5,-0.0],"seed":2.0}"#);
        let told = request(r#"{"seed": 2, "scale": [5e-1, 0], "model": "m", "duration": 6.00}"#);
        assert_eq!(mine.sent_digest(), told.sent_digest());
        let body = mine.body(&HashMap::new()).unwrap();
        assert_eq!(Digest::of(body.as_bytes()), told.sent_digest());
        let other = request(r#"{"model":"m","duration":6.5,"scale":[0.5,0],"seed":2}"#);
        assert_ne!(mine.sent_digest(), other.sent_digest());
    }

    #[test]
    fn files_are_replaced_by_their_urls_at_every_depth() {
        let key = MediaKey { sha256: Digest::of(b"cat"), extension: "png".into() };
        let text = format!(
            r#"{{"model":"m","images":["{0}","https://x/y.png"],"o":{{"image":"{0}"}}}}"#,
            key.placeholder()
        );
        let request = request(&text);
        assert_eq!(request.media(), vec![key.clone()]);
        assert_eq!(request.body(&HashMap::new()), None);
        let body = request.body(&HashMap::from([(key, "https://u/1.png".into())])).unwrap();
        assert_eq!(
            body,
            r#"{"images":["https://u/1.png","https://x/y.png"],"model":"m","o":{"image":"https://u/1.png"}}"#
        );
    }
}
