//! What models take: their input schemas, read with tolerance and checked without surprise.
//!
//! The catalogue reads documents into [`Schema`]s and hands them over as [`Inputs`]; the manifest
//! reads its cells and checks its rows by them. Nothing here does I/O.

mod check;
mod clean;
mod document;
mod param;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use check::Rules;

pub use check::Fault;
pub use param::{Kind, Medium, Param};

/// What is known of the models that a manifest names, before its rows are read.
#[derive(Clone, Debug, Default)]
pub struct Inputs(HashMap<String, Known>);

/// What is known of one model.
#[derive(Clone, Debug)]
pub enum Known {
    /// Its parameters.
    Schema(Arc<Schema>),
    /// It cannot be submitted to: why, in a sentence.
    Refused(String),
}

/// The input schema of one model, compiled once.
#[derive(Debug)]
pub struct Schema {
    params: Vec<Param>,
    /// Whether parameters without a description are taken too.
    open: bool,
    rules: Rules,
    picture: Option<Picture>,
}

/// What a picture must be like to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The least number of pixels of the shorter side.
    pub short_side: u64,
    /// The narrowest form, as width to height; its reverse is the widest.
    pub aspect: (u64, u64),
    /// The most bytes of the file.
    pub bytes: u64,
}

/// Why a document gives no schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSchema {
    /// There is neither `components.schemas.Input` nor a request body.
    #[error("it describes no input")]
    NoInput,
    /// The input has no properties.
    #[error("its input has no parameters")]
    NoParameters,
}

impl Inputs {
    /// Notes what is known of a model.
    pub fn insert(&mut self, model: String, known: Known) {
        self.0.insert(model, known);
    }

    /// What is known of a model.
    #[must_use]
    pub fn get(&self, model: &str) -> Option<&Known> {
        self.0.get(model)
    }

    /// The schema of a model.
    #[must_use]
    pub fn schema(&self, model: &str) -> Option<&Schema> {
        match self.0.get(model)? {
            Known::Schema(schema) => Some(schema),
            Known::Refused(_) => None,
        }
    }
}

impl Schema {
    /// Reads an `OpenAPI` document (atlas-api.md 1.5): the input may stand at
    /// `components.schemas.Input`, behind local `$ref`s, or only in a request body.
    /// What is recursive, too deep or not understood in it is taken for "anything".
    pub fn read(document: &Value) -> Result<Self, NoSchema> {
        let input = document::input(document).ok_or(NoSchema::NoInput)?;
        let root = clean::clean(document, input);
        let params = document::params(&root);
        if params.is_empty() {
            return Err(NoSchema::NoParameters);
        }
        let rules = Rules::compile(&params, &root);
        let open = root.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
        Ok(Self { params, open, rules, picture: None })
    }

    /// The same with bounds for pictures, which schemas do not state.
    #[must_use]
    pub fn with_picture(mut self, picture: Option<Picture>) -> Self {
        self.picture = picture;
        self
    }

    /// The parameters, in the order the model's own page has them.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The parameter of that name.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }

    /// What its pictures must be like.
    #[must_use]
    pub fn picture(&self) -> Option<&Picture> {
        self.picture.as_ref()
    }
}

#[cfg(test)]
mod tests;
