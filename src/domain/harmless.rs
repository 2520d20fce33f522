//! Values of a request as they may be shown: without signatures of URLs, and without whole files.

use serde_json::Value;
use url::Url;

use super::digest::Digest;

/// `value` without queries and passwords of URLs and without files that stand in it as `data:` URIs.
#[must_use]
pub fn harmless(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(harmless_text(text)),
        Value::Array(values) => values.iter().map(harmless).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), harmless(value))).collect()
        }
        other => other.clone(),
    }
}

fn harmless_text(text: &str) -> String {
    if text.starts_with("data:") {
        let head = text.split(',').next().unwrap_or("data:");
        return format!("{head},(sha256 {})", Digest::of(text.as_bytes()));
    }
    match Url::parse(text) {
        Ok(mut url) if url.has_host() && (url.query().is_some() || url.password().is_some()) => {
            url.set_query(None);
            // Fails only for URLs without a host.
            let _ = url.set_password(None);
            url.into()
        }
        _ => text.to_owned(),
    }
}
