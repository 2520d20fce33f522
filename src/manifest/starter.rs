//! A starter manifest for a model: every input of its schema with what is known of it, those that must
//! be there switched on. `plan` takes it as it is, once the files it names are in place.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::domain::schema::{Kind, Medium, Param};
use crate::domain::{Schema, text};

/// How much of what a schema says of an input is told, in bytes.
const WORDS_LIMIT: usize = 160;
/// The column in which remarks begin.
const REMARKS: usize = 40;
/// Numbers that some input or other takes.
const NUMBERS: [i64; 17] = [1, 0, 2, 3, 4, 5, 6, 8, 10, 16, 24, 30, 64, 100, 512, 1024, -1];

/// A starter manifest, and the files it wants beside it.
#[derive(Clone, Debug)]
pub struct Starter {
    /// The TOML text.
    pub text: String,
    /// Files it names that must be put there, relative to it.
    pub files: Vec<String>,
}

/// Writes a starter called `file` for a model, with the inputs of its schema where that is known.
#[must_use]
pub fn starter(file: &str, model: &str, schema: Option<&Schema>) -> Starter {
    let shown: Vec<&Param> = schema
        .map(Schema::params)
        .unwrap_or_default()
        .iter()
        .filter(|param| !param.is_hidden() && param.name != "model")
        .collect();
    let on = schema.map_or_else(Map::new, |schema| needed(model, schema, &shown));
    let file = text::visible(file);
    let prompt = shown.iter().find(|param| param.name == "prompt");
    let mut out = format!(
        "# A starter for {}. Change it, then:\n#\n\
         #     nightreel plan {file}              what it would do and cost; sends nothing\n\
         #     nightreel run {file} --simulate    try it on the built-in simulator, for nothing\n\
         #     nightreel run {file} --budget 5    make it, for 5 dollars at most\n#\n\
         # What stands behind a `#` is switched off.\n\n\
         [batch]\n\
         # budget = \"5.00\"                       # never more than this, in dollars\n\
         # output = \"{{{{ batch }}}}/{{{{ key }}}}.{{{{ ext }}}}\"\n\n\
         # What every job has, unless it says otherwise.\n[defaults]\nmodel = {}\n",
        text::visible(model),
        literal(&model.into()),
    );
    for param in shown.iter().filter(|param| param.name != "prompt") {
        line(&mut out, param, schema.map(|schema| (schema, model)), on.get(&param.name));
    }
    out.push_str(
        "\n# Every job once for each combination; a prompt takes them up as {{ mood }}.\n\
         # [matrix]\n# mood = [\"calm\", \"stormy\"]\n# shot = [\"wide shot\", \"close-up\"]\n",
    );
    for (id, words) in [
        ("first", "A paper boat drifts under a stone bridge at dusk, slow push in"),
        ("second", "The same boat at night, lanterns mirrored in the water, almost still"),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n[[job]]\nid = \"{id}\"\n");
        if let Some(param) = prompt.filter(|_| id == "first") {
            let _ = writeln!(out, "# {}", remark(param));
        }
        if prompt.is_some() || shown.is_empty() {
            let _ = writeln!(out, "prompt = \"{words}\"");
        }
    }
    out.push_str(
        "\n# Settings of this manifest; the same words as the flags of `run`.\n\
         # [run]\n# concurrency = 4\n# until = \"07:00\"\n",
    );
    let files = on.values().flat_map(paths).collect();
    Starter { text: out, files }
}

/// The inputs that make a request the model takes, with values: those it requires, and as many more
/// as its rules want.
fn needed(model: &str, schema: &Schema, params: &[&Param]) -> Map<String, Value> {
    let mut on: Map<String, Value> = params
        .iter()
        .filter(|param| param.required && param.name != "prompt")
        .map(|param| (param.name.clone(), sample(schema, model, param)))
        .collect();
    let fits = |on: &Map<String, Value>| {
        let mut whole = on.clone();
        if schema.param("prompt").is_some() {
            whole.insert("prompt".to_owned(), "A paper boat".into());
        }
        schema.check(model, &whole).is_empty()
    };
    for param in params.iter().filter(|param| !param.required && param.name != "prompt") {
        if fits(&on) {
            break;
        }
        let mut more = on.clone();
        more.insert(param.name.clone(), sample(schema, model, param));
        if fits(&more) {
            on = more;
        }
    }
    on
}

/// A value the input takes: the model's own, the first one allowed, or one that passes its schema.
fn sample(schema: &Schema, model: &str, param: &Param) -> Value {
    if let Some(medium) = param.medium {
        let path = Value::from(place(medium));
        return if param.kinds.contains(&Kind::List) { vec![path].into() } else { path };
    }
    let numbers = NUMBERS.iter().map(|number| Value::from(*number));
    let plain: Vec<Value> =
        numbers.chain([json!(0.5), json!(true), json!("words"), json!("1:1"), json!({})]).collect();
    let lists = plain.iter().map(|item| Value::from(vec![item.clone()]));
    let known = param.default().into_iter().chain(&param.allowed).cloned();
    let prefers_text = param.kinds.first() == Some(&Kind::Text);
    let text = prefers_text.then(|| json!("words"));
    let mut all = known.chain(text).chain(plain.iter().cloned()).chain(lists);
    let fits = |value: &Value| {
        let one = Map::from_iter([(param.name.clone(), value.clone())]);
        schema.check(model, &one).iter().all(|fault| fault.param.as_ref() != Some(&param.name))
    };
    all.find(fits).unwrap_or_else(|| json!("words"))
}

const fn place(medium: Medium) -> &'static str {
    match medium {
        Medium::Image | Medium::Any => "images/first.jpg",
        Medium::Video => "videos/first.mp4",
        Medium::Audio => "audio/first.mp3",
    }
}

fn paths(value: &Value) -> Vec<String> {
    let is_path = |text: &&str| {
        [Medium::Image, Medium::Video, Medium::Audio].iter().any(|medium| place(*medium) == *text)
    };
    match value {
        Value::Array(items) => items.iter().flat_map(paths).collect(),
        other => other.as_str().filter(is_path).map(str::to_owned).into_iter().collect(),
    }
}

/// One input: its value, switched off where it may be left out, and what is known of it.
fn line(out: &mut String, param: &Param, known: Option<(&Schema, &str)>, on: Option<&Value>) {
    let value = on.cloned().or_else(|| known.map(|(schema, model)| sample(schema, model, param)));
    let off = if on.is_some() { "" } else { "# " };
    let value = value.map_or_else(|| "\"\"".to_owned(), |value| literal(&value));
    let setting = format!("{off}{} = {value}", name(&param.name));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{setting:<REMARKS$} # {}", remark(param));
}

/// What is known of an input in a line that nothing in it can end.
fn remark(param: &Param) -> String {
    let mut words = vec![param.type_word()];
    words.extend(param.required.then(|| "required".to_owned()));
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let allowed: Vec<String> = param.allowed.iter().map(plain).collect();
    words.extend((!allowed.is_empty()).then(|| format!("one of {}", allowed.join(", "))));
    words.extend(Some(param.limits()).filter(|limits| !limits.is_empty()));
    words.extend(param.default().map(|value| format!("the model's own is {}", plain(value))));
    words.extend(param.description().map(str::to_owned));
    text::cut(&text::visible(&words.join("; ")), WORDS_LIMIT)
}

/// A name as a TOML key.
fn name(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { literal(&name.into()) }
}

/// A value as TOML on one line.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{} = {}", name(key), literal(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // Whole numbers of TOML have a sign.
        Value::Number(number) if number.is_u64() && !number.is_i64() => string(&number.to_string()),
        other => other.to_string(),
    }
}

/// A TOML basic string (toml.io, "String"), in which nothing hides.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if text::is_hidden(c) => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_schema_ends_a_remark_or_a_string() {
        let evil = "x\nmodel = \"dear\" # \u{202e}\"\"\"";
        let schema = Schema::read(&json!({ "components": { "schemas": { "Input": {
            "type": "object", "required": ["a\n\"b", "mode", "size"], "properties": {
                "prompt": { "type": "string", "maxLength": 2000, "description": evil },
                "size": { "enum": [u64::MAX] },
                "a\n\"b": { "type": "string", "description": evil },
                "mode": { "type": "string", "enum": [evil], "description": evil },
                "extra": { "type": "integer", "minimum": 7, "default": 9 } } } } } }))
        .unwrap();
        let made = starter("n.toml", "vendor/model", Some(&schema)).text;
        let read: toml::Table = made.parse().unwrap_or_else(|error| panic!("{error}\n{made}"));
        let defaults = read["defaults"].as_table().unwrap();
        assert_eq!(defaults["model"].as_str(), Some("vendor/model"));
        assert_eq!(defaults["mode"].as_str(), Some(evil));
        assert_eq!(defaults.len(), 4, "{made}");
        assert!(made.contains("\n# text; of at most 2000 characters; x\\nmodel"), "{made}");
        assert!(!made.contains('\u{202e}'), "{made}");
        assert!(made.contains("# extra = 9"), "{made}");
    }
}
