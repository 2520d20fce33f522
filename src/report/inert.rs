//! The one gate through which untrusted text enters the page: JSON in which nothing can end the block
//! it stands in, begin a tag or an entity, or hide.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::domain::{harmless, text};

/// The longest text that is shown whole, in bytes: the sidecar has the rest.
const TEXT_LIMIT: usize = 6_000;

/// Writes `value` as JSON for a `<script type="application/json">`.
pub(super) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(value)?;
    let mut rest = json.as_str();
    // Outside of strings JSON has none of these characters, and inside an escape means the same.
    while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let (plain, marked) = rest.split_at(at);
        let mut after = marked.chars();
        let mark = after.next().map_or(0, u32::from);
        write!(out, "{plain}\\u{mark:04x}")?;
        rest = after.as_str();
    }
    out.write_all(rest.as_bytes())
}

/// Text for people: its lines stay, what could reorder or hide something is made visible, and it is
/// cut where it is too long to be looked at.
pub(super) fn shown(text: &str) -> String {
    let lines: Vec<String> = text::cut(text, TEXT_LIMIT)
        .split('\n')
        .map(|line| text::visible(line.strip_suffix('\r').unwrap_or(line)))
        .collect();
    lines.join("\n")
}

/// A request's value for people: every text in it [`shown`], without signatures and whole files.
pub(super) fn shown_value(value: &Value) -> Value {
    fn each(value: &Value) -> Value {
        match value {
            Value::String(text) => shown(text).into(),
            Value::Array(values) => values.iter().map(each).collect(),
            Value::Object(map) => {
                map.iter().map(|(name, value)| (text::visible(name), each(value))).collect()
            }
            other => other.clone(),
        }
    }
    each(&harmless(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        write_json(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_ends_the_block_and_all_reads_back() {
        let value = json!({ "<b>": "</script><!-- &amp; \u{2028}\u{2029} é \"q\" \\", "n": 1 });
        let json = written(&value);
        assert!(!json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }

    #[test]
    fn text_keeps_its_lines_and_loses_its_tricks() {
        assert_eq!(shown("one\r\ntwo \u{202e}x\u{7}"), "one\ntwo \\u{202e}x\\u{7}");
        assert!(shown(&"é".repeat(TEXT_LIMIT)).len() <= TEXT_LIMIT);
        let value =
            json!({ "image": "https://cdn.example/a.png?Signature=secret", "n": [1, "\u{202e}"] });
        let shown = shown_value(&value).to_string();
        assert!(!shown.contains("secret") && !shown.contains('\u{202e}'), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(text in "\\PC{0,60}|[<>&\u{2028}\u{2029}/script]{0,40}") {
            let value = Value::from(text);
            proptest::prop_assert_eq!(&serde_json::from_str::<Value>(&written(&value)).unwrap(), &value);
        }
    }
}
