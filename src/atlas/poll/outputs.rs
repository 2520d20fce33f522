//! The outputs of a completed prediction, out of every shape they come in (atlas-api.md 1.2).

use serde_json::{Map, Value};

/// How many outputs of one prediction are taken (reliability.md S6).
const LIMIT: usize = 64;

/// Where outputs stand, the usual place first. The last ones hold the results of models whose
/// result is text.
const PLACES: [&str; 5] = ["outputs", "output", "files", "stt_result", "lyrics_result"];

/// Where an output that is an object keeps its content.
const CONTENT: [&str; 7] =
    ["url", "download_url", "audio_url", "video_url", "output", "uri", "text"];

/// The raw elements, each once, and whether there were more than are taken.
pub(super) fn of(fields: &Map<String, Value>) -> (Vec<String>, bool) {
    let mut outputs = Vec::new();
    for place in PLACES {
        if let Some(value) = fields.get(place) {
            collect(value, &mut outputs);
        }
        if !outputs.is_empty() {
            break;
        }
    }
    let too_many = outputs.len() > LIMIT;
    outputs.truncate(LIMIT);
    (outputs, too_many)
}

/// Adds what a value holds, up to one more than the limit.
fn collect(value: &Value, outputs: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let is_new = !text.trim().is_empty() && !outputs.contains(text);
            if is_new && outputs.len() <= LIMIT {
                outputs.push(text.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, outputs)),
        Value::Object(map) => {
            let content =
                CONTENT.iter().find_map(|key| map.get(*key).filter(|value| value.is_string()));
            if let Some(content) = content {
                collect(content, outputs);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(json: &str) -> (Vec<String>, bool) {
        of(serde_json::from_str::<Value>(json).unwrap().as_object().unwrap())
    }

    #[test]
    fn every_documented_shape_is_understood() {
        for shape in [
            r#"{"outputs":["https://a/1"]}"#,
            r#"{"outputs":"https://a/1"}"#,
            r#"{"outputs":["https://a/1",null,"","https://a/1"]}"#,
            r#"{"outputs":[{"url":"https://a/1"}]}"#,
            r#"{"outputs":[{"url":null,"download_url":"https://a/1"}]}"#,
            r#"{"outputs":[{"audio_url":"https://a/1"}]}"#,
            r#"{"outputs":[{"video_url":"https://a/1"}]}"#,
            r#"{"outputs":[{"uri":"https://a/1"}]}"#,
            r#"{"outputs":null,"output":"https://a/1"}"#,
            r#"{"outputs":[],"output":["https://a/1"]}"#,
            r#"{"output":{"url":"https://a/1"}}"#,
        ] {
            assert_eq!(outputs(shape), (vec!["https://a/1".to_owned()], false), "{shape}");
        }
        for none in [r#"{"outputs":null}"#, r#"{"outputs":[]}"#, "{}", r#"{"outputs":[7]}"#] {
            assert_eq!(outputs(none), (vec![], false), "{none}");
        }
    }

    #[test]
    fn text_results_count_where_there_is_nothing_else() {
        let heard = outputs(r#"{"outputs":[],"stt_result":{"text":"Hello there."}}"#);
        assert_eq!(heard.0, ["Hello there."]);
    }

    #[test]
    fn at_most_64_are_taken() {
        let list: Vec<String> = (0..1000).map(|n| format!("https://a/{n}")).collect();
        let json = |list: &[String]| serde_json::json!({"outputs": list}).to_string();
        let (taken, too_many) = outputs(&json(&list));
        assert_eq!((taken.len(), too_many), (64, true));
        let (taken, too_many) = outputs(&json(&list[..64]));
        assert_eq!((taken.len(), too_many), (64, false));
    }
}
