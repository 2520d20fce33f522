//! What the client answered, and what it sent.

use serde_json::Value;

/// What a tool answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) is_error: bool,
}

/// A request as the client made it.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// Method and path with its query.
    pub(crate) line: String,
    /// Whether it carried the key.
    pub(crate) key: bool,
    /// The JSON body; the parts of a form as name, file name and type.
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn read(line: &str) -> Self {
        let request: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| request[name].as_str().unwrap();
        // A body is told as the text that was sent.
        let body = match &request["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        let line = format!("{} {}", text("method"), text("path"));
        Self { line, key: request["key"] == true, body }
    }
}

impl Said {
    /// Asserts that each of these is said.
    pub(crate) fn tells(&self, phrases: &[&str]) {
        for phrase in phrases {
            assert!(self.text.contains(phrase), "`{phrase}` is not in:\n{}", self.text);
        }
    }

    /// Asserts that it is an error that says each of these.
    pub(crate) fn refuses(&self, phrases: &[&str]) {
        assert!(self.is_error, "no error: {}", self.text);
        self.tells(phrases);
    }

    /// What stands between `before` and the end of its line.
    pub(crate) fn after(&self, before: &str) -> &str {
        let rest = self.text.split_once(before).unwrap_or_else(|| panic!("{before}: {self:?}")).1;
        rest.lines().next().unwrap_or_default()
    }

    /// The id a submission was answered with.
    pub(crate) fn id(&self) -> String {
        assert!(!self.is_error, "{}", self.text);
        self.after("**Prediction ID**: `").trim_end_matches('`').to_owned()
    }
}
