//! The value of a parameter: rendered, typed, and with local files replaced by their hashes.

use std::path::Path;

use serde_json::Value;

use super::field::{At, Field, Kind, Mistake, Param, Raw, quoted};
use super::media::Files;
use super::picture::unfit_inline;
use super::reading;
use super::render::{Renderer, Scope};
use super::value::literal;
use crate::domain::request::MEDIA_PREFIX;
use crate::domain::schema;
use crate::domain::{MediaFile, Schema, template, text};

/// The most bytes a prompt may have.
const PROMPT_LIMIT: usize = 1 << 20;

/// Reads parameters, and remembers templates and files across the rows of one pass.
pub(super) struct Params {
    /// The templates.
    pub(super) renderer: Renderer,
    files: Files,
}

/// A parameter as a row gives it.
pub(super) struct Given {
    /// What is sent.
    pub(super) value: Value,
    /// What it would be if nothing were known of the model, where that is something else.
    pub(super) unread: Option<Value>,
    /// What the model has against its file.
    pub(super) fault: Option<String>,
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
        (param, schema): (&Param, Option<&Schema>),
        scope: &Scope<'_>,
        media: &mut Vec<MediaFile>,
    ) -> Result<Given, Vec<Mistake>> {
        let said = schema.and_then(|schema| schema.param(&param.name));
        let kind = said.map_or(param.kind, |said| reading::kind(param.kind, said));
        let both = self.both(field, param.kind, said, scope).map_err(|mistake| vec![mistake])?;
        let (mut value, mut unread) = both;
        let mut problems = Vec::new();
        problems.extend(too_long(param, &value));
        let before = media.len();
        self.settle(kind, &mut value, media, &mut problems);
        if let Some(unread) = &mut unread {
            self.settle(param.kind, unread, &mut Vec::new(), &mut Vec::new());
        }
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|problem| field.at.says(problem)).collect());
        }
        let picture = schema.and_then(Schema::picture);
        let fault = picture
            .filter(|_| said.is_some_and(|said| said.medium == Some(schema::Medium::Image)))
            .and_then(|picture| {
                let of_file =
                    media[before..].iter().find_map(|file| self.files.unfit(file, picture));
                of_file.or_else(|| texts(&value).find_map(|text| unfit_inline(text, picture)))
            });
        Ok(Given { value, unread, fault })
    }

    /// The value as the model's schema has it read, and as it would be read without, where that
    /// is another.
    fn both(
        &mut self,
        field: &Field<'_>,
        kind: Kind,
        said: Option<&schema::Param>,
        scope: &Scope<'_>,
    ) -> Result<(Value, Option<Value>), Mistake> {
        let (text, plain) = match field.raw {
            Raw::Cell(cell) => {
                let text = self.text(field.at, cell, scope)?;
                let plain = typed(kind, text.clone());
                (Some(text), plain)
            }
            Raw::Typed(value) => {
                let rendered = self.rendered(field.at, value, scope)?;
                // A template gives a text, also where its variable is a number.
                let template = value.as_str().is_some_and(template::is_template);
                (rendered.as_str().filter(|_| template).map(str::to_owned), Ok(rendered))
            }
        };
        let read = said.zip(text).and_then(|(said, text)| reading::read(said, &text));
        let wrong = |message: String| field.at.says(message);
        match (read, plain) {
            (None, plain) => Ok((plain.map_err(wrong)?, None)),
            (Some(read), Ok(plain)) if read == plain => Ok((read, None)),
            (Some(read), plain) => Ok((read, plain.ok())),
        }
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

/// The text of a parameter, or the texts of its list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    all.iter().filter_map(Value::as_str)
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
