//! What editors are told of each setting's value in TOML. It takes no more than the parser takes; what
//! is wrong within a text (a URL, a duration), `plan` says.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Changed, Format, OnUnknown, ProgressMode};

/// The JSON Schema of one setting's value.
#[must_use]
pub fn value_schema(key: &str) -> Value {
    match key {
        "concurrency" | "downloads" | "max_attempts" => whole(10_000),
        "rpm" => whole(1_000_000),
        "budget" | "max_double" => json!({
            "type": ["number", "string"], "minimum": 0, "pattern": r"^[0-9]*\.?[0-9]*$",
            "description": "Dollars, for example 12.50.",
        }),
        "windows" => {
            let one =
                json!({ "type": "string", "pattern": "[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$" });
            json!({
                "anyOf": [one, { "type": "array", "items": one }],
                "description": "Times of the week, local time: mon-fri 22:00-07:00.",
            })
        }
        "no_ramp"
        | "keep_awake"
        | "allow_network_ledger"
        | "skip_invalid"
        | "allow_unpriced"
        | "no_schema"
        | "yes" => {
            json!({ "type": "boolean" })
        }
        "on_unknown" => words::<OnUnknown>(),
        "changed" => words::<Changed>(),
        "progress" => words::<ProgressMode>(),
        "format" => words::<Format>(),
        "until" | "at" => json!({
            "type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$", "description": "HH:MM, local time.",
        }),
        "state_dir" | "output_dir" | "base_url" | "api_key_file" | "proxy" | "events" => {
            json!({ "type": "string", "minLength": 1 })
        }
        _ => json!({
            "type": "string", "pattern": "[0-9]",
            "description": "A duration: 250ms, 30s, 5m, 8h.",
        }),
    }
}

fn whole(most: u32) -> Value {
    json!({ "type": ["integer", "string"], "minimum": 1, "maximum": most, "pattern": "^[0-9]+$" })
}

fn words<T: ValueEnum>() -> Value {
    let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    json!({ "enum": values.map(|value| value.get_name().to_owned()).collect::<Vec<_>>() })
}
