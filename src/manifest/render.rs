//! Templates of one pass over a manifest: the same template in many rows is compiled once.

use std::cell::OnceCell;

use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::{Map, Value};

use crate::domain::template::{self, TemplateError};

/// How many bytes of compiled templates' texts are kept. Rows that each bring a template of their
/// own push the others out; they would fill the memory otherwise.
const KEPT_BYTES: usize = 1 << 20;

/// Compiles and renders.
pub(super) struct Renderer {
    environment: Environment<'static>,
    kept: usize,
}

/// The variables a row's templates may name, put together only when one does.
pub(super) struct Scope<'a> {
    /// The row's own variables.
    pub(super) vars: &'a Map<String, Value>,
    /// The job's number.
    pub(super) row: u64,
    /// The variant, counted from 1.
    pub(super) variant: u64,
    /// The row's `id`, once it is known.
    pub(super) id: Option<String>,
    /// Filled by the first template that needs it.
    pub(super) known: OnceCell<Map<String, Value>>,
}

impl Scope<'_> {
    fn known(&self) -> &Map<String, Value> {
        self.known.get_or_init(|| {
            let mut known = self.vars.clone();
            known.insert("row".to_owned(), self.row.into());
            known.insert("variant".to_owned(), self.variant.into());
            if let Some(id) = &self.id {
                known.insert("id".to_owned(), id.clone().into());
            }
            known
        })
    }

    /// Gives the templates behind this the name `id`.
    pub(super) fn set_id(&mut self, id: &str) {
        self.id = Some(id.to_owned());
        self.known.take();
    }
}

impl Renderer {
    /// Nothing compiled yet.
    pub(super) fn new() -> Self {
        Self { environment: template::environment(), kept: 0 }
    }

    /// `text` with the row's variables put in; without braces it stays as it is.
    pub(super) fn render(&mut self, text: &str, scope: &Scope) -> Result<String, TemplateError> {
        if !template::is_template(text) {
            return Ok(text.to_owned());
        }
        self.render_with(text, scope.known())
    }

    /// `text` with `vars` put in.
    pub(super) fn render_with(
        &mut self,
        text: &str,
        vars: &Map<String, Value>,
    ) -> Result<String, TemplateError> {
        self.compile(text)
            .and_then(|()| self.environment.get_template(text))
            .and_then(|compiled| compiled.render(minijinja::Value::from(Serde(vars))))
            .map_err(|error| template::explain(&error, text, vars))
    }

    fn compile(&mut self, text: &str) -> Result<(), minijinja::Error> {
        if self.environment.get_template(text).is_ok() {
            return Ok(());
        }
        if self.kept + text.len() > KEPT_BYTES {
            self.environment.clear_templates();
            self.kept = 0;
        }
        self.kept += text.len();
        self.environment.add_template_owned(text.to_owned(), text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_templates_do_not_pile_up() {
        let mut renderer = Renderer::new();
        let vars = Map::new();
        for number in 0..30 {
            let text = format!("{{{{ {number} }}}}{}", "x".repeat(100_000));
            let shown = renderer.render_with(&text, &vars).unwrap();
            assert!(shown.starts_with(&format!("{number}x")));
        }
        assert!(renderer.environment.templates().count() <= 11);
    }
}
