//! The shape of a request: its model and parameters, without what makes one row differ from the next.
//!
//! Two rows of one shape cost the same and fail for the same systematic reasons.

use serde_json::{Map, Value, json};

use super::digest::Digest;
use super::request::{MEDIA_PREFIX, Request};

/// Free words and seeds, which make no shape. The text of a speech has another name and a price.
const FREE: [&str; 3] = ["prompt", "negative_prompt", "seed"];
/// Longer strings, and those with blanks, are texts and no values of an enumeration.
const LONGEST_WORD: usize = 40;

/// What of a long text belongs to the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// That there is one.
    Alike,
    /// Its length in characters: speech is paid by it.
    ByLength,
}

impl Request {
    /// The hash of the request's shape.
    #[must_use]
    pub fn shape(&self, texts: Texts) -> Digest {
        let mut shape: Map<String, Value> = self
            .params
            .iter()
            .filter(|(name, _)| !FREE.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), shape(value, texts)))
            .collect();
        shape.insert("model".to_owned(), json!(self.model));
        Digest::of(Value::Object(shape).to_string().as_bytes())
    }
}

fn shape(value: &Value, texts: Texts) -> Value {
    match value {
        Value::String(text) if is_media(text) => json!("media"),
        Value::String(text) if is_word(text) => value.clone(),
        Value::String(text) => match texts {
            Texts::Alike => json!("text"),
            Texts::ByLength => json!(text.chars().count()),
        },
        Value::Array(values) => values.iter().map(|value| shape(value, texts)).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), shape(value, texts))).collect()
        }
        other => other.clone(),
    }
}

fn is_media(text: &str) -> bool {
    [MEDIA_PREFIX, "https://", "http://", "data:"].iter().any(|head| text.starts_with(head))
}

fn is_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(json: &str, texts: Texts) -> Digest {
        Request::from_canonical(json).unwrap().shape(texts)
    }

    #[test]
    fn words_pictures_and_seeds_make_no_shape_and_everything_else_does() {
        let of = |json| shape_of(json, Texts::Alike);
        let base = of(r#"{"model":"m","prompt":"a","image":"https://x/1","duration":6}"#);
        let same =
            r#"{"model":"m","prompt":"b","seed":7,"image":"upload:sha256-00.png","duration":6}"#;
        assert_eq!(base, of(same));
        for other in [
            r#"{"model":"m","prompt":"a","image":"https://x/1","duration":10}"#,
            r#"{"model":"n","prompt":"a","image":"https://x/1","duration":6}"#,
            r#"{"model":"m","prompt":"a","duration":6}"#,
            r#"{"model":"m","image":"https://x/1","duration":6,"size":"1K"}"#,
        ] {
            assert_ne!(base, of(other), "{other}");
        }
    }

    #[test]
    fn the_length_of_a_speech_makes_its_price_and_not_its_shape() {
        let speech = |length| format!(r#"{{"model":"m","text":"{}"}}"#, "a ".repeat(length));
        let (short, long) = (speech(100), speech(200));
        assert_ne!(shape_of(&short, Texts::ByLength), shape_of(&long, Texts::ByLength));
        assert_eq!(shape_of(&short, Texts::Alike), shape_of(&long, Texts::Alike));
    }
}
