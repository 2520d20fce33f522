//! Values of a manifest as JSON: from TOML by its types, from a CSV cell by how it looks.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::field::{Kind, Slot};

/// A value that cannot be used, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its byte in the TOML text.
    pub(super) at: usize,
    /// Why.
    pub(super) message: String,
}

/// What a value is, for messages.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The value of a field, in the form rows expect it: an amount as its text, an id as text.
pub(super) fn of_field(slot: &Slot, value: &Spanned<DeValue<'_>>) -> Result<Value, Wrong> {
    let wrong = |message: String| Wrong { at: value.span().start, message };
    let expected = |what: &str| {
        let found = kind(value.get_ref());
        Err(wrong(format!("expected {what}, found {found}")))
    };
    match (slot, value.get_ref()) {
        (Slot::Id, DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(Value::String(number.as_str().to_owned()))
        }
        (Slot::Id | Slot::Model | Slot::Output, DeValue::String(_))
        | (Slot::Count | Slot::Priority, DeValue::Integer(_)) => json(value),
        (Slot::Id | Slot::Model | Slot::Output, _) => expected("a string"),
        (Slot::Count | Slot::Priority, _) => expected("a whole number"),
        (Slot::Price, amount_of) => amount(amount_of).map(Value::String).map_err(wrong),
        (Slot::Param(param), found) if param.kind == Kind::Text => match found {
            DeValue::String(_) => json(value),
            _ => expected("a string"),
        },
        (Slot::Param(_) | Slot::Var(_), _) => json(value),
    }
}

/// The text of an amount of money: a string, or a number as it is written, never as a float.
pub(super) fn amount(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        other => Err(format!("expected an amount of dollars such as 12.50, found {}", kind(other))),
    }
}

/// A TOML value as JSON. Dates, `inf`, `nan` and numbers beyond 64 bits have no JSON form.
pub(super) fn json(value: &Spanned<DeValue<'_>>) -> Result<Value, Wrong> {
    let wrong = |message: &str| Wrong { at: value.span().start, message: message.to_owned() };
    match value.get_ref() {
        DeValue::String(text) => Ok(Value::String(text.to_string())),
        DeValue::Boolean(truth) => Ok(Value::Bool(*truth)),
        DeValue::Integer(number) => {
            integer(number).ok_or_else(|| wrong("this number is beyond 64 bits"))
        }
        DeValue::Float(number) => float(number.as_str())
            .ok_or_else(|| wrong("this number has no JSON form; write it as a string")),
        DeValue::Datetime(_) => Err(wrong("a date has no JSON form; write it as a string")),
        DeValue::Array(values) => values.iter().map(json).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value)?))).collect()
        }
    }
}

fn integer(number: &DeInteger<'_>) -> Option<Value> {
    let (digits, radix) = (number.as_str(), number.radix());
    let signed = i64::from_str_radix(digits, radix).ok().map(Value::from);
    signed.or_else(|| u64::from_str_radix(digits, radix).ok().map(Value::from))
}

fn float(digits: &str) -> Option<Value> {
    let number = serde_json::Number::from_f64(digits.parse().ok()?)?;
    Some(Value::Number(number))
}

/// The number or boolean that a CSV cell is as a whole. `None`: it is text. A number that JSON
/// would hold inexactly, such as an id of twenty digits, stays text to the letter.
pub(super) fn literal(cell: &str) -> Option<Value> {
    match cell {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if !cell.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let value: Value = serde_json::from_str(cell).ok()?;
    let whole = cell.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    (value.is_number() && !(whole && value.is_f64())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_number_or_a_boolean_only_as_a_whole() {
        let json = |cell| literal(cell).map(|value: Value| value.to_string());
        for (cell, value) in [("6", "6"), ("-1.5", "-1.5"), ("true", "true"), ("1e2", "100.0")] {
            assert_eq!(json(cell).as_deref(), Some(value));
        }
        for text in [
            "",
            "007",
            "+1",
            "1.",
            ".5",
            "0x1F",
            "6s",
            "null",
            "True",
            "1 2",
            "[1]",
            "\"a\"",
            "NaN",
            "-",
            "1e999",
            "123456789012345678901234",
        ] {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}
