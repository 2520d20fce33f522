//! Cells read by the model's schema: a column may hold numbers for one model and texts for another.

use serde_json::Value;

use super::field::Kind;
use super::media::Name;
use super::value::literal;
use crate::domain::schema::{Kind as Type, Medium, Param};

/// What the text of a parameter may be, by its schema first and its name second.
pub(super) fn kind(by_name: Kind, said: &Param) -> Kind {
    let plural = said.kinds.contains(&Type::List);
    let may_be_text = said.kinds.is_empty() || plural || said.kinds.contains(&Type::Text);
    match (said.medium, by_name) {
        (Some(Medium::Any), Kind::Plain) => Kind::Media(Name { sure: false, plural }),
        (Some(Medium::Any), by_name) => by_name,
        (Some(_), _) => Kind::Media(Name { sure: true, plural }),
        // A size, a count or a word of a list is no file, whatever its name is.
        (None, Kind::Media(_)) if !may_be_text || !said.allowed.is_empty() => Kind::Plain,
        (None, by_name) => by_name,
    }
}

/// The value a cell stands for. `None`: the schema does not say, or nothing that fits was written.
pub(super) fn read(said: &Param, cell: &str) -> Option<Value> {
    let trimmed = cell.trim();
    let spelling = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(value) = said.allowed.iter().find(|value| spelling(value) == trimmed) {
        return Some(value.clone());
    }
    if said.kinds.contains(&Type::List) {
        return Some(list(said, cell));
    }
    one(&said.kinds, cell)
}

fn one(kinds: &[Type], cell: &str) -> Option<Value> {
    let trimmed = cell.trim();
    kinds
        .iter()
        .find_map(|kind| match kind {
            Type::Whole => whole(trimmed),
            Type::Number => literal(trimmed).filter(Value::is_number),
            // Spreadsheets write TRUE.
            Type::Truth => trimmed.to_ascii_lowercase().parse().ok().map(Value::Bool),
            Type::Table => serde_json::from_str(trimmed).ok().filter(Value::is_object),
            Type::Text | Type::List => None,
        })
        .or_else(|| kinds.contains(&Type::Text).then(|| cell.into()))
}

/// A JSON list, or a list of the one item that is written.
fn list(said: &Param, cell: &str) -> Value {
    let trimmed = cell.trim();
    if trimmed.starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<Value>>(trimmed)
    {
        return list.into();
    }
    let item = one(&said.items, cell).or_else(|| literal(trimmed));
    let item = item.unwrap_or_else(|| cell.into());
    let item = match (said.medium, item) {
        (Some(_), Value::String(text)) => text.trim().into(),
        (_, item) => item,
    };
    vec![item].into()
}

/// A whole number, also where a spreadsheet wrote `6.0`.
fn whole(cell: &str) -> Option<Value> {
    let digits = cell.split_once('.').map_or(cell, |(whole, rest)| {
        if !rest.is_empty() && rest.bytes().all(|b| b == b'0') { whole } else { cell }
    });
    literal(digits).filter(|value| value.is_i64() || value.is_u64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Schema;

    fn value(shape: &Value, cell: &str) -> Option<Value> {
        let input = json!({ "properties": { "p": shape } });
        let document = json!({ "components": { "schemas": { "Input": input } } });
        read(Schema::read(&document).unwrap().param("p").unwrap(), cell)
    }

    #[test]
    fn the_schema_decides_what_a_cell_is() {
        for (shape, cell, expected) in [
            (json!({ "type": "string" }), "6", json!("6")),
            (json!({ "type": "string" }), "true", json!("true")),
            (json!({ "type": "integer" }), " 6 ", json!(6)),
            (json!({ "type": "integer" }), "6.00", json!(6)),
            (json!({ "type": "number" }), "0.5", json!(0.5)),
            (json!({ "type": "boolean" }), "TRUE", json!(true)),
            (json!({ "type": "string", "enum": ["5", "10"] }), "5", json!("5")),
            (json!({ "enum": [5, "auto"] }), "5", json!(5)),
            (json!({ "enum": [5, "auto"] }), "auto", json!("auto")),
            (json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), "x", json!("x")),
            (json!({ "type": "array", "items": { "type": "integer" } }), "6", json!([6])),
            (json!({ "type": "array" }), "[\"a\", 2]", json!(["a", 2])),
            (json!({ "type": "object" }), "{\"a\": 1}", json!({ "a": 1 })),
        ] {
            assert_eq!(value(&shape, cell), Some(expected), "{shape}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_be_told() {
        assert_eq!(value(&json!({ "type": "integer" }), "six"), None);
        assert_eq!(value(&json!({ "type": "boolean" }), "yes"), None);
        assert_eq!(value(&json!({}), "6"), None);
    }
}
