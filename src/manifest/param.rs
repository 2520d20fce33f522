//! The value of a parameter: rendered, typed, and with local files replaced by their hashes.

use std::path::Path;

use serde_json::Value;

use super::field::{At, Field, Kind, Mistake, Param, Raw, quoted};
use super::media::Files;
use super::render::{Renderer, Scope};
use super::value::literal;
use crate::domain::request::MEDIA_PREFIX;
use crate::domain::{MediaFile, text};

/// The most bytes a prompt may have.
const PROMPT_LIMIT: usize = 1 << 20;

/// Reads parameters, and remembers templates and files across the rows of one pass.
pub(super) struct Params {
    /// The templates.
    pub(super) renderer: Renderer,
    files: Files,
}

impl Params {
    /// Media paths are relative to `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self { renderer: Renderer::new(), files: Files::new(folder) }
    }

    /// The value to be sent. The local files in it are added to `media`.
    pub(super) fn value(
        &mut self,
        field: &Field<'_>,
        param: &Param,
        scope: &Scope<'_>,
        media: &mut Vec<MediaFile>,
    ) -> Result<Value, Vec<Mistake>> {
        let value = match field.raw {
            Raw::Cell(cell) => self
                .text(field.at, cell, scope)
                .and_then(|text| typed(param.kind, text).map_err(|message| field.at.says(message))),
            Raw::Typed(value) => self.rendered(field.at, value, scope),
        };
        let mut value = value.map_err(|mistake| vec![mistake])?;
        let mut problems = Vec::new();
        problems.extend(too_long(param, &value));
        self.settle(param.kind, &mut value, media, &mut problems);
        if problems.is_empty() {
            return Ok(value);
        }
        Err(problems.into_iter().map(|problem| field.at.says(problem)).collect())
    }

    /// A text of the row, rendered.
    pub(super) fn text(
        &mut self,
        at: At,
        text: &str,
        scope: &Scope<'_>,
    ) -> Result<String, Mistake> {
        self.renderer.render(text, scope).map_err(|error| Mistake {
            at,
            offset: error.range.map_or(0, |range| range.start),
            message: error.message,
        })
    }

    /// A TOML value with every string in it rendered.
    fn rendered(&mut self, at: At, value: &Value, scope: &Scope<'_>) -> Result<Value, Mistake> {
        match value {
            Value::String(text) => self.text(at, text, scope).map(Value::String),
            Value::Array(values) => {
                values.iter().map(|value| self.rendered(at, value, scope)).collect()
            }
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.rendered(at, value, scope)?)))
                .collect(),
            other => Ok(other.clone()),
        }
    }

    /// Puts hashes in the place of local files, at every depth.
    fn settle(
        &mut self,
        kind: Kind,
        value: &mut Value,
        media: &mut Vec<MediaFile>,
        problems: &mut Vec<String>,
    ) {
        match (kind, value) {
            (_, Value::String(text)) if text.starts_with(MEDIA_PREFIX) => problems.push(format!(
                "a text that begins with `{MEDIA_PREFIX}` cannot be sent; nightreel marks its uploads so"
            )),
            (Kind::Media(name), Value::String(text)) => match self.files.find(name, text) {
                Ok(Some(file)) => {
                    *text = file.key.placeholder();
                    if !media.iter().any(|known| known.key == file.key) {
                        media.push(file);
                    }
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            },
            (kind, Value::Array(values)) => {
                for value in values {
                    self.settle(kind, value, media, problems);
                }
            }
            (_, Value::Object(map)) => {
                for (name, value) in map {
                    self.settle(Param::named(name).kind, value, media, problems);
                }
            }
            (Kind::Media(name), other) if name.sure => problems.push(format!(
                "expected a URL, a `data:` URI or the path of a file, found {}",
                quoted(&other.to_string())
            )),
            _ => {}
        }
    }
}

/// The value of a CSV cell.
fn typed(kind: Kind, text: String) -> Result<Value, String> {
    let trimmed = text.trim();
    match kind {
        Kind::Text => Ok(text.into()),
        Kind::Media(name) if name.plural && trimmed.starts_with('[') => {
            serde_json::from_str::<Vec<String>>(trimmed).map(Value::from).map_err(|error| {
                format!("expected a JSON list such as [\"a.png\", \"b.png\"]: {error}")
            })
        }
        Kind::Media(name) if name.sure => Ok(trimmed.into()),
        Kind::Media(_) | Kind::Plain => Ok(literal(trimmed).unwrap_or_else(|| text.into())),
    }
}

fn too_long(param: &Param, value: &Value) -> Option<String> {
    let length = value.as_str().filter(|_| param.name == "prompt")?.len();
    let found = text::bytes(u64::try_from(length).unwrap_or(u64::MAX));
    (length > PROMPT_LIMIT).then(|| format!("this prompt has {found}; at most 1 MiB is sent"))
}
