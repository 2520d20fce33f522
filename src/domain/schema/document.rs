//! Where the input stands in a document, and which parameters it has.

use serde_json::{Map, Value};

use super::param::Param;

/// The schema of the input (atlas-api.md 1.5).
pub(super) fn input(document: &Value) -> Option<&Value> {
    let named = document.pointer("/components/schemas/Input");
    named.or_else(|| bodies(document).next()).filter(|schema| schema.is_object())
}

/// The schemas of all request bodies.
fn bodies(document: &Value) -> impl Iterator<Item = &Value> {
    let paths = document.get("paths").and_then(Value::as_object);
    let operations = paths.into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let bodies = operations.flat_map(Map::values).filter_map(|operation| {
        let body = operation.get("requestBody")?;
        match body.get("$ref").and_then(Value::as_str) {
            Some(reference) => document.pointer(reference.strip_prefix('#')?),
            None => Some(body),
        }
    });
    bodies.filter_map(|body| {
        let content = body.get("content")?.as_object()?;
        let media = content.get("application/json").or_else(|| content.values().next())?;
        media.get("schema")
    })
}

/// The parameters of a cleaned input. `model` is none of them; it is always sent.
pub(super) fn params(root: &Value) -> Vec<Param> {
    let mut found = Vec::new();
    collect(root, true, &mut found);
    found.retain(|param| param.name != "model");
    let order: Vec<&str> = strings(root.get("x-order-properties")).collect();
    let place = |param: &Param| {
        let place = order.iter().position(|name| *name == param.name);
        (place.unwrap_or(usize::MAX), !param.required)
    };
    found.sort_by_key(place);
    found
}

/// Adds the properties of a schema and of what it is put together from. Alternatives require nothing
/// by themselves.
fn collect(schema: &Value, binds: bool, found: &mut Vec<Param>) {
    let required: Vec<&str> = strings(schema.get("required")).filter(|_| binds).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, shape) in properties.into_iter().flatten() {
        let needed = required.contains(&name.as_str());
        match found.iter_mut().find(|param| param.name == *name) {
            Some(known) => known.also(shape, needed),
            None => found.push(Param::new(name, shape, needed)),
        }
    }
    for (keyword, all) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
        let parts = schema.get(keyword).and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            collect(part, binds && all, found);
        }
    }
    // A parent may require what a part of it describes.
    for name in required {
        if let Some(param) = found.iter_mut().find(|param| param.name == name) {
            param.require();
        }
    }
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
