//! The name of an artifact: the manifest's template, rendered and then made safe for every file
//! system. A name that would leave the output folder is refused, never repaired.

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use crate::domain::template::{self, TemplateError};
use crate::domain::{Digest, Timestamp, text};

use super::relpath::{self, NotBelow, RelPath};

/// All that a template may name.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The job's template; `None` is the contract's default.
    pub template: Option<&'a str>,
    /// The batch's name.
    pub batch: &'a str,
    /// The job's key, also called `id`.
    pub key: &'a str,
    /// The model's id.
    pub model: &'a str,
    /// The prompt, where there is one.
    pub prompt: Option<&'a str>,
    /// Number of the row in the manifest, from 1.
    pub row: u64,
    /// When the job came into the ledger; its UTC date is `date`.
    pub created_at: Timestamp,
    /// The row's own template variables.
    pub vars: &'a Map<String, Value>,
    /// The request's parameters.
    pub params: &'a Map<String, Value>,
    /// Which of the job's outputs, from 1.
    pub index: usize,
    /// How many outputs it has.
    pub outputs: usize,
    /// The true extension of the file, without the dot.
    pub extension: &'a str,
}

/// Why a template gives no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamingError {
    /// It cannot be rendered.
    #[error("the output template cannot be rendered: {0}")]
    Template(#[from] TemplateError),
    /// What it renders to is not below the output folder.
    #[error("the output template leaves the output folder: {0}")]
    Leaves(#[from] NotBelow),
    /// Others have every name that could be made of it.
    #[error(
        "the output template gives `{0}`, which another job has; put {{{{ key }}}} into the template"
    )]
    Taken(RelPath),
}

/// The folder that a batch's files have by default: `{{ batch }}`, made safe as in a template.
pub fn batch_folder(batch: &str) -> Result<RelPath, NamingError> {
    let name: String = batch.nfc().collect();
    let refuse = |reason| NotBelow { path: name.clone(), reason };
    let components: Result<Vec<String>, NotBelow> =
        name.split('/').map(|part| Ok(fit(safe(part).map_err(refuse)?))).collect();
    Ok(RelPath::parse(&components?.join("/"))?)
}

impl Naming<'_> {
    /// The name, made distinct by a short hash of batch, key and index where `taken` says that
    /// another artifact has it.
    pub fn name(&self, taken: &dyn Fn(&RelPath) -> bool) -> Result<RelPath, NamingError> {
        let plain = self.render()?;
        let identity = format!("{}\0{}\0{}", self.batch, self.key, self.index);
        let hash = Digest::of(identity.as_bytes()).short();
        [plain.clone(), plain.with_suffix(&hash[..8]), plain.with_suffix(&hash)]
            .into_iter()
            .find(|path| !taken(path))
            .ok_or(NamingError::Taken(plain))
    }

    fn render(&self) -> Result<RelPath, NamingError> {
        let template = self.template.unwrap_or(template::DEFAULT_OUTPUT);
        let rendered: String = template::render(template, &self.variables())?.nfc().collect();
        let (folders, name) = match rendered.rsplit_once('/') {
            Some((folders, name)) => (Some(folders), name),
            None => (None, rendered.as_str()),
        };
        let refuse = |reason| NotBelow { path: rendered.clone(), reason };
        let mut components = Vec::new();
        for folder in folders.iter().flat_map(|folders| folders.split('/')) {
            components.push(fit(safe(folder).map_err(refuse)?));
        }
        components.push(fit(self.file_name(name).map_err(refuse)?));
        Ok(RelPath::parse(&components.join("/"))?)
    }

    /// `name` made safe, with the true extension where the template forgot it or wrote another.
    fn file_name(&self, name: &str) -> Result<String, &'static str> {
        let (stem, extension) = relpath::split_extension(name);
        let has_it = extension
            .strip_prefix('.')
            .is_some_and(|found| found.eq_ignore_ascii_case(self.extension));
        if has_it {
            return Ok(safe(stem)? + extension);
        }
        Ok(format!("{}.{}", safe(name)?, self.extension))
    }

    /// The program's own names win over the row's, and those over the request's parameters.
    /// Slashes of a prompt or a parameter make no folders; those of names and variables do.
    fn variables(&self) -> Map<String, Value> {
        let params = without_slashes(&Value::Object(self.params.clone()));
        let mut all = match &params {
            Value::Object(params) => params.clone(),
            _ => Map::new(),
        };
        all.extend(self.vars.clone());
        let vars = Value::Object(self.vars.clone());
        let prompt = self.prompt.unwrap_or_default();
        let own: [(&str, Value); 15] = [
            ("batch", self.batch.into()),
            ("date", self.created_at.strftime("%Y-%m-%d").to_string().into()),
            ("ext", self.extension.into()),
            ("id", self.key.into()),
            ("index", self.index.into()),
            ("key", self.key.into()),
            ("model", self.model.into()),
            ("model_slug", template::slug(self.model).into()),
            ("outputs", self.outputs.into()),
            ("params", params),
            ("prompt", flat(prompt).into()),
            ("prompt_slug", template::slug(prompt).into()),
            ("row", self.row.into()),
            ("var", vars.clone()),
            ("vars", vars),
        ];
        all.extend(own.map(|(name, value)| (name.to_owned(), value)));
        all.entry("variant").or_insert_with(|| 1.into());
        all
    }
}

fn flat(text: &str) -> String {
    text.replace('/', "_")
}

fn without_slashes(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(flat(text)),
        Value::Array(values) => values.iter().map(without_slashes).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), without_slashes(value))).collect()
        }
        other => other.clone(),
    }
}

/// `component` without characters that some file system or shell minds. Refused are only those
/// that name nothing or lead away.
fn safe(component: &str) -> Result<String, &'static str> {
    match component {
        "" => return Err("a part of it is empty"),
        "." | ".." => return Err("it leads out of the folder"),
        _ => {}
    }
    let end = component.trim_end_matches(['.', ' ']).len();
    let start = component.len() - component.trim_start_matches(['.', ' ', '-']).len();
    let replaced = |(at, c)| {
        let outer = at < start || at >= end;
        if outer || is_unsafe(c) { '_' } else { c }
    };
    Ok(component.char_indices().map(replaced).collect())
}

/// `component` with `_` behind a name that Windows reserves, and cut to what file systems take.
fn fit(mut component: String) -> String {
    if relpath::is_reserved(&component) {
        let stem = component.find('.').unwrap_or(component.len());
        component.insert(stem, '_');
    }
    relpath::shorten(&component, relpath::COMPONENT_LIMIT)
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || text::is_hidden(c) || "\\:*?\"<>|".contains(c)
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
