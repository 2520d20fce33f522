//! The JSON Schema of a TOML manifest, for editors: made of the same lists of keys that parse.

use serde_json::{Map, Value, json};

use super::field::{RESERVED, Slot};
use super::toml::{BATCH, TABLES};

/// The schema (draft 2020-12) of a TOML manifest, whose `[run]` table may hold the settings `run`, each
/// with the schema of its value.
#[must_use]
pub fn json_schema(run: &[(&str, Value)]) -> Value {
    let tables: Map<String, Value> =
        TABLES.iter().map(|table| ((*table).to_owned(), table_schema(table, run))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nightreel manifest",
        "description": "Jobs for nightreel. In an editor with Taplo (Even Better TOML), write \
            `#:schema PATH/nightreel-manifest.schema.json` as the first line of the manifest. \
            `nightreel plan` checks more: templates, files, and what each model takes.",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
    })
}

fn table_schema(table: &str, run: &[(&str, Value)]) -> Value {
    match table {
        "batch" => json!({
            "description": "What holds for the batch as a whole.",
            "type": "object",
            "properties": BATCH.iter().map(|key| ((*key).to_owned(), of_batch(key))).collect::<Map<_, _>>(),
            "additionalProperties": false,
        }),
        "run" => json!({
            "description": "Settings of the run; flags and the environment win over them.",
            "type": "object",
            "properties": run.iter().map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect::<Map<_, _>>(),
            "additionalProperties": false,
        }),
        "matrix" => json!({
            "description": "Axes: each list is crossed into every job as a template variable.",
            "type": "object",
            "additionalProperties": {
                "type": "array", "minItems": 1, "items": { "not": { "type": "array" } },
            },
        }),
        "job" => json!({
            "description": "One wanted result, or one for each crossing of [matrix].",
            "type": "array", "items": fields(),
        }),
        _ => json!({ "description": "Fields of every job that gives none.", "allOf": [fields()] }),
    }
}

fn of_batch(key: &str) -> Value {
    match key {
        "budget" => amount("The most the batch may cost, in dollars."),
        "name" => json!({ "type": "string", "description": "Default: the file's name." }),
        "rows" => json!({ "type": "string", "description": "A CSV file with more rows." }),
        _ => json!({ "type": "string", "description": "The template of file names." }),
    }
}

/// The fields of a job; any other name is a parameter of its model.
fn fields() -> Value {
    let mut known: Map<String, Value> =
        RESERVED.iter().map(|name| ((*name).to_owned(), of_field(name))).collect();
    for name in ["var", "vars"] {
        let variables =
            json!({ "type": "object", "description": "Variables for templates; not sent." });
        known.insert(name.to_owned(), variables);
    }
    json!({
        "type": "object", "properties": known,
        "additionalProperties": { "description": "A parameter of the model." },
    })
}

fn of_field(name: &str) -> Value {
    match Slot::named(name) {
        Slot::Id => json!({ "type": ["string", "integer"], "description": "The job's key." }),
        Slot::Model => json!({ "type": "string", "description": "The model's id." }),
        Slot::Output => {
            json!({ "type": "string", "description": "The template of its file names." })
        }
        Slot::Count => json!({ "type": "integer", "description": "How many variants." }),
        Slot::Priority => json!({ "type": "integer", "description": "Higher goes first." }),
        Slot::Price => amount("What one job costs, in dollars."),
        Slot::Var(_) | Slot::Param(_) => {
            json!({ "type": "string", "description": "What is wanted; a template." })
        }
    }
}

fn amount(description: &str) -> Value {
    json!({ "type": ["string", "number"], "description": description })
}
