//! One parameter: what may stand in it, in types for the program and in words for people.

use serde_json::Value;

use super::clean::without;
use crate::domain::{MediaKey, text};

/// Allowed values told in one message.
const TOLD: usize = 12;
/// Alternatives told in one message.
const ALTERNATIVES: usize = 4;
/// How much of a value is quoted, in bytes.
const QUOTE_LIMIT: usize = 60;
/// What says how a text must look.
pub(super) const TEXT_BOUNDS: [&str; 3] = ["pattern", "minLength", "maxLength"];
/// Parameters with an address that is no file of the user's.
const CALLBACKS: [&str; 3] = ["webhook_url", "callback_url", "notify_url"];

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// Any number.
    Number,
    /// True or false.
    Truth,
    /// A list.
    List,
    /// Names with values.
    Table,
}

/// What a file in a parameter must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// The schema says a URL and not of what.
    Any,
}

/// One parameter of a model.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name in the body.
    pub name: String,
    /// Whether every request must have it: what has a default need not be sent.
    pub required: bool,
    /// What may stand in it; empty where the schema does not say.
    pub kinds: Vec<Kind>,
    /// What the items of its list may be.
    pub items: Vec<Kind>,
    /// The only values allowed, if they are listed.
    pub allowed: Vec<Value>,
    /// Whether it holds a file.
    pub medium: Option<Medium>,
    /// The cleaned schema; `true` where several alternatives describe it.
    shape: Value,
}

impl Param {
    /// Reads a cleaned schema.
    pub(super) fn new(name: &str, shape: &Value, required: bool) -> Self {
        let mut param = Self {
            name: name.to_owned(),
            required: required && shape.get("default").is_none_or(Value::is_null),
            kinds: kinds(shape),
            items: shape.get("items").map(kinds).unwrap_or_default(),
            allowed: allowed(shape),
            medium: None,
            shape: shape.clone(),
        };
        param.medium = param.find_medium();
        if param.medium.is_some() {
            // A file stands as its hash until it is uploaded: what its URL must look like, the API says.
            without(&mut param.shape, &TEXT_BOUNDS);
        }
        param
    }

    /// Another alternative describes it too.
    pub(super) fn also(&mut self, shape: &Value, required: bool) {
        if self.shape != *shape {
            let both = Self::new(&self.name, shape, required);
            self.allowed = match (self.allowed.is_empty(), both.allowed.is_empty()) {
                (false, false) => [self.allowed.clone(), both.allowed].concat(),
                _ => Vec::new(),
            };
            self.kinds.extend(both.kinds);
            self.items.extend(both.items);
            self.medium = self.medium.or(both.medium);
            self.shape = Value::Bool(true);
        }
        self.required |= required && self.default().is_none();
    }

    /// Every request must have it, unless it has a default.
    pub(super) fn require(&mut self) {
        self.required = self.default().is_none();
    }

    /// The cleaned schema.
    pub(super) fn shape(&self) -> &Value {
        &self.shape
    }

    /// The value it has where none is sent.
    #[must_use]
    pub fn default(&self) -> Option<&Value> {
        self.shape.get("default").filter(|value| !value.is_null())
    }

    /// What it is for, safe to show.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        let words = self.shape.get("description").or_else(|| self.shape.get("title"))?.as_str()?;
        Some(words).filter(|words| !words.is_empty())
    }

    /// Whether the model's own page does not show it.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        ["hidden", "disabled"].iter().any(|word| self.shape.get(word) == Some(&Value::Bool(true)))
    }

    /// Its type in a word or two: `text`, `whole number`, `list of image`.
    #[must_use]
    pub fn type_word(&self) -> String {
        if let Some(medium) = self.medium {
            let list = self.kinds.contains(&Kind::List);
            return if list {
                format!("list of {}", medium.word())
            } else {
                medium.word().to_owned()
            };
        }
        let mut words: Vec<&str> = self.kinds.iter().map(|kind| kind.word()).collect();
        words.dedup();
        if words.is_empty() { "any".to_owned() } else { words.join(" or ") }
    }

    /// Its bounds in words; empty where it has none.
    #[must_use]
    pub fn limits(&self) -> String {
        bounds(&self.shape).unwrap_or_default()
    }

    /// What may stand in it, in words.
    #[must_use]
    pub fn expects(&self) -> String {
        match self.medium {
            Some(medium) if !self.kinds.contains(&Kind::List) => medium.expected().to_owned(),
            _ => expects(&self.shape),
        }
    }

    fn find_medium(&self) -> Option<Medium> {
        let may_be_text = |kinds: &[Kind]| kinds.is_empty() || kinds.contains(&Kind::Text);
        let list = self.kinds.contains(&Kind::List);
        let text = if list { may_be_text(&self.items) } else { may_be_text(&self.kinds) };
        if !text || !self.allowed.is_empty() || CALLBACKS.contains(&self.name.as_str()) {
            return None;
        }
        let items = self.shape.get("items");
        let said = |key: &str| {
            [Some(&self.shape), items].into_iter().flatten().find_map(|s| s.get(key)?.as_str())
        };
        match (said("x-accept"), said("format")) {
            (Some(accept), _) => Some(Medium::accepted(accept)),
            (None, Some("uri" | "url" | "uri-reference" | "binary")) => Some(Medium::Any),
            _ => None,
        }
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "whole number",
            Self::Number => "number",
            Self::Truth => "true or false",
            Self::List => "list",
            Self::Table => "table",
        }
    }
}

impl Medium {
    /// Reads `image/*` or `.png,.jpg`.
    fn accepted(accept: &str) -> Self {
        let accept = accept.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| accept.contains(word));
        let image = has(&["image", ".png", ".jp", ".webp"]);
        let video = has(&["video", ".mp4", ".mov", ".webm"]);
        let audio = has(&["audio", ".mp3", ".wav", ".m4a"]);
        match (image, video, audio) {
            (true, false, false) => Self::Image,
            (false, true, false) => Self::Video,
            (false, false, true) => Self::Audio,
            _ => Self::Any,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Any => "URL",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Image => "an image, as a URL, a `data:` URI or the path of a file",
            Self::Video => "a video, as a URL, a `data:` URI or the path of a file",
            Self::Audio => "a sound, as a URL, a `data:` URI or the path of a file",
            Self::Any => "a URL, a `data:` URI or the path of a file",
        }
    }
}

/// What the values of a schema may be; empty where it does not say.
fn kinds(shape: &Value) -> Vec<Kind> {
    let mut found = Vec::new();
    let mut add = |kind| {
        if !found.contains(&kind) {
            found.push(kind);
        }
    };
    match shape.get("type") {
        Some(Value::String(name)) => kind(name).into_iter().for_each(&mut add),
        Some(Value::Array(names)) => {
            names.iter().filter_map(|name| kind(name.as_str()?)).for_each(&mut add);
        }
        _ => {
            let values = shape.get("enum").and_then(Value::as_array).into_iter().flatten();
            values.chain(shape.get("const")).filter_map(kind_of).for_each(&mut add);
        }
    }
    for part in parts(shape) {
        kinds(part).into_iter().for_each(&mut add);
    }
    found
}

fn parts(shape: &Value) -> impl Iterator<Item = &Value> {
    let lists =
        ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| shape.get(name)?.as_array());
    lists.flatten()
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "string" => Kind::Text,
        "integer" => Kind::Whole,
        "number" => Kind::Number,
        "boolean" => Kind::Truth,
        "array" => Kind::List,
        "object" => Kind::Table,
        _ => return None,
    })
}

fn kind_of(value: &Value) -> Option<Kind> {
    Some(match value {
        Value::Null => return None,
        Value::String(_) => Kind::Text,
        Value::Bool(_) => Kind::Truth,
        Value::Number(number) if number.is_f64() => Kind::Number,
        Value::Number(_) => Kind::Whole,
        Value::Array(_) => Kind::List,
        Value::Object(_) => Kind::Table,
    })
}

fn allowed(shape: &Value) -> Vec<Value> {
    let listed = |shape: &Value| -> Vec<Value> {
        match (shape.get("enum"), shape.get("const")) {
            (Some(Value::Array(values)), _) => values.clone(),
            (_, Some(value)) => vec![value.clone()],
            _ => Vec::new(),
        }
    };
    let own = listed(shape);
    if !own.is_empty() {
        return own;
    }
    let alternatives = ["anyOf", "oneOf"].into_iter().find_map(|name| shape.get(name)?.as_array());
    let values: Vec<Vec<Value>> = alternatives.into_iter().flatten().map(listed).collect();
    if values.iter().any(Vec::is_empty) { Vec::new() } else { values.concat() }
}

/// What a schema takes, in words.
pub(super) fn expects(shape: &Value) -> String {
    let allowed = allowed(shape);
    if !allowed.is_empty() {
        return one_of(&allowed);
    }
    for (name, joint) in [("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = shape.get(name).and_then(Value::as_array) {
            let words: Vec<String> = parts.iter().take(ALTERNATIVES).map(expects).collect();
            return words.join(joint);
        }
    }
    let noun = match kinds(shape).as_slice() {
        [] => return "another value".to_owned(),
        [Kind::Text] => "a text".to_owned(),
        [Kind::Whole] => "a whole number".to_owned(),
        [Kind::Number] => "a number".to_owned(),
        [Kind::List] => "a list".to_owned(),
        [Kind::Table] => "a table of names and values".to_owned(),
        several => several.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" or "),
    };
    match bounds(shape) {
        Some(bounds) => format!("{noun} {bounds}"),
        None => noun,
    }
}

/// `one of 6, 10`.
fn one_of(values: &[Value]) -> String {
    let told: Vec<String> = values.iter().filter(|v| !v.is_null()).take(TOLD).map(quote).collect();
    let more =
        values.len().saturating_sub(told.len() + values.iter().filter(|v| v.is_null()).count());
    match (told.as_slice(), more) {
        ([one], 0) => one.clone(),
        (_, 0) => format!("one of {}", told.join(", ")),
        _ => format!("one of {} … ({more} more)", told.join(", ")),
    }
}

/// `from 1 to 10`, `of at most 2000 characters`, `of 1 to 4 items`.
fn bounds(shape: &Value) -> Option<String> {
    let number = |name: &str| shape.get(name).map(Value::to_string);
    let least =
        number("minimum").or_else(|| number("exclusiveMinimum").map(|n| format!("above {n}")));
    let most =
        number("maximum").or_else(|| number("exclusiveMaximum").map(|n| format!("below {n}")));
    let range = match (least, most) {
        (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
        (Some(least), None) => Some(format!("from {least}")),
        (None, Some(most)) => Some(format!("up to {most}")),
        (None, None) => None,
    };
    let size = |what: &str, noun: &str| {
        let least = shape.get(format!("min{what}")).and_then(Value::as_u64).filter(|n| *n > 0);
        let most = shape.get(format!("max{what}")).and_then(Value::as_u64);
        Some(match (least, most) {
            (Some(least), Some(most)) => format!("of {least} to {most} {noun}"),
            (Some(least), None) => format!("of at least {least} {noun}"),
            (None, Some(most)) => format!("of at most {most} {noun}"),
            (None, None) => return None,
        })
    };
    let step = number("multipleOf").map(|step| format!("in steps of {step}"));
    let all = [range, step, size("Length", "characters"), size("Items", "items")];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// A value as it stands in a message.
pub(super) fn quote(value: &Value) -> String {
    match value {
        Value::String(words) if MediaKey::parse(words).is_some() => "a file".to_owned(),
        Value::String(words) if words.len() > 4 * QUOTE_LIMIT => {
            format!("a text of {} characters", words.chars().count())
        }
        Value::String(words) => format!("`{}`", text::cut(&text::visible(words), QUOTE_LIMIT)),
        Value::Array(items) => format!("a list of {}", text::count(items.len() as u64, "item")),
        Value::Object(_) => "a table".to_owned(),
        other => other.to_string(),
    }
}
