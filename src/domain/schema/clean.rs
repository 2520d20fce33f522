//! A schema from somebody else, made harmless: references put in place, and only keywords kept whose
//! values make sense. What is left has a bounded size and compiles.

use serde_json::{Map, Number, Value};

use crate::domain::text;

/// How deep schemas may be nested.
const DEPTH: usize = 24;
/// How many schemas, allowed values and names one input may have in all.
const NODES: usize = 5000;
/// The most bytes of a default or allowed value.
const VALUE_LIMIT: usize = 1024;
/// The most bytes of a description.
const DESCRIPTION_LIMIT: usize = 400;
/// The most bytes of a pattern.
const PATTERN_LIMIT: usize = 300;

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];
const NUMBERS: [&str; 4] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
const COUNTS: [&str; 4] = ["minLength", "maxLength", "minItems", "maxItems"];
const SWITCHES: [&str; 3] = ["uniqueItems", "hidden", "disabled"];
const SCHEMAS: [&str; 5] = ["anyOf", "oneOf", "allOf", "items", "additionalProperties"];
const PARTS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// The harmless form of `schema`, whose references point into `document`.
pub(super) fn clean(document: &Value, schema: &Value) -> Value {
    let mut cleaner = Cleaner { document, nodes: 0, trail: Vec::new() };
    cleaner.schema(schema, 0)
}

/// Takes keywords out of a cleaned schema at every depth. What stands in `properties` are names.
pub(super) fn without(shape: &mut Value, keywords: &[&str]) {
    match shape {
        Value::Object(map) => {
            map.retain(|keyword, _| !keywords.contains(&keyword.as_str()));
            for (keyword, part) in map {
                match part {
                    Value::Object(properties) if keyword == "properties" => {
                        properties.values_mut().for_each(|part| without(part, keywords));
                    }
                    part if SCHEMAS.contains(&keyword.as_str()) => without(part, keywords),
                    _ => {}
                }
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| without(part, keywords)),
        _ => {}
    }
}

struct Cleaner<'a> {
    document: &'a Value,
    nodes: usize,
    /// The references being followed.
    trail: Vec<&'a str>,
}

impl<'a> Cleaner<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Value {
        let Value::Object(map) = schema else {
            return Value::Bool(schema != &Value::Bool(false));
        };
        self.nodes += 1;
        if depth > DEPTH || self.nodes > NODES {
            return Value::Bool(true);
        }
        let mut clean = match map.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.followed(reference, depth),
            None => Map::new(),
        };
        self.own(map, depth, &mut clean);
        Value::Object(clean)
    }

    /// What a local reference points to; nothing where it leads outside or back to itself.
    fn followed(&mut self, reference: &'a str, depth: usize) -> Map<String, Value> {
        let target = reference.strip_prefix('#').and_then(|place| self.document.pointer(place));
        let Some(target) = target.filter(|_| !self.trail.contains(&reference)) else {
            return Map::new();
        };
        self.trail.push(reference);
        let clean = self.schema(target, depth + 1);
        self.trail.pop();
        match clean {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn own(&mut self, map: &'a Map<String, Value>, depth: usize, clean: &mut Map<String, Value>) {
        simple(map, clean);
        for name in ["required", "x-order-properties"] {
            if let Some(Value::Array(names)) = map.get(name) {
                let names: Vec<Value> =
                    names.iter().filter(|name| name.is_string()).take(NODES).cloned().collect();
                self.nodes += names.len();
                clean.insert(name.to_owned(), unique(names).into());
            }
        }
        if let Some(Value::Array(values)) = map.get("enum") {
            self.nodes += values.len();
            if self.nodes <= NODES && !values.is_empty() && values.iter().all(is_small) {
                clean.insert("enum".to_owned(), unique(values.clone()).into());
            }
        }
        for name in ["items", "additionalProperties"] {
            if let Some(part @ (Value::Object(_) | Value::Bool(_))) = map.get(name) {
                clean.insert(name.to_owned(), self.schema(part, depth + 1));
            }
        }
        for name in PARTS {
            if let Some(Value::Array(parts)) = map.get(name)
                && !parts.is_empty()
            {
                let parts = parts.iter().take(NODES).map(|part| self.schema(part, depth + 1));
                clean.insert(name.to_owned(), parts.collect());
            }
        }
        if let Some(Value::Object(properties)) = map.get("properties") {
            let properties = properties.iter().take(NODES);
            let shapes =
                properties.map(|(name, shape)| (name.clone(), self.schema(shape, depth + 1)));
            clean.insert("properties".to_owned(), Value::Object(shapes.collect()));
        }
        nullable(map, clean);
    }
}

/// Copies the keywords that hold no schemas.
fn simple(map: &Map<String, Value>, clean: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| clean.insert(name.to_owned(), value);
    match map.get("type") {
        Some(Value::String(name)) if TYPES.contains(&name.as_str()) => {
            put("type", name.as_str().into());
        }
        Some(Value::Array(names)) => {
            let known = |name: &&Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
            let names: Vec<Value> = names.iter().filter(known).take(TYPES.len()).cloned().collect();
            if !names.is_empty() {
                put("type", unique(names).into());
            }
        }
        _ => {}
    }
    for name in ["default", "const"] {
        if let Some(value) = map.get(name).filter(|value| is_small(value)) {
            put(name, value.clone());
        }
    }
    for name in NUMBERS {
        if let Some(Value::Number(number)) = map.get(name) {
            put(name, Value::Number(number.clone()));
        }
    }
    for name in COUNTS {
        if let Some(count) = map.get(name).and_then(whole) {
            put(name, count.into());
        }
    }
    for name in SWITCHES {
        if let Some(switch @ Value::Bool(_)) = map.get(name) {
            put(name, switch.clone());
        }
    }
    // Fractions of floating point would refuse values that are right.
    if let Some(step) = map.get("multipleOf").and_then(whole).filter(|step| *step > 0) {
        put("multipleOf", step.into());
    }
    for (name, limit) in [("pattern", PATTERN_LIMIT), ("format", 40), ("x-accept", 200)] {
        if let Some(Value::String(words)) = map.get(name)
            && words.len() <= limit
        {
            put(name, words.as_str().into());
        }
    }
    for name in ["description", "title"] {
        if let Some(Value::String(words)) = map.get(name) {
            let words = text::visible(&text::cut(words.trim(), DESCRIPTION_LIMIT));
            put(name, words.into());
        }
    }
    exclusive(map, clean);
}

/// `OpenAPI` 3.0 writes `exclusiveMinimum: true` beside `minimum`.
fn exclusive(map: &Map<String, Value>, clean: &mut Map<String, Value>) {
    for (switch, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if map.get(switch) == Some(&Value::Bool(true))
            && let Some(number) = clean.remove(bound)
        {
            clean.insert(switch.to_owned(), number);
        }
    }
}

/// `OpenAPI` 3.0 writes `nullable: true` where JSON Schema has a type of its own.
fn nullable(map: &Map<String, Value>, clean: &mut Map<String, Value>) {
    if map.get("nullable") != Some(&Value::Bool(true)) {
        return;
    }
    if let Some(Value::String(name)) = clean.get("type") {
        let both = vec![Value::from(name.as_str()), "null".into()];
        clean.insert("type".to_owned(), unique(both).into());
    }
    if let Some(Value::Array(values)) = clean.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

fn unique(mut values: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(value.to_string()));
    values
}

fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= VALUE_LIMIT,
        Value::Array(items) => items.len() <= 16 && items.iter().all(is_scalar),
        Value::Object(map) => map.is_empty(),
        _ => true,
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= VALUE_LIMIT,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}

/// A whole number from 0, also where it is written `5.0`.
fn whole(value: &Value) -> Option<u64> {
    let digits = value.as_number().map(Number::to_string)?;
    digits.strip_suffix(".0").unwrap_or(&digits).parse().ok()
}
