//! Output templates, tried before anything is paid for. Files are named later, in another room.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::field::{At, Mistake};
use super::render::Renderer;
use crate::domain::{JobSpec, template};

/// The templates tried in one pass over a manifest.
pub(super) struct Outputs {
    batch: Arc<str>,
    /// Each template with the names it was tried with, as a hash.
    tried: HashSet<u64>,
}

impl Outputs {
    /// Nothing tried yet.
    pub(super) fn new(batch: &Arc<str>) -> Self {
        Self { batch: Arc::clone(batch), tried: HashSet::new() }
    }

    /// Renders the job's template for an imagined first output, once for each set of names that
    /// jobs have: whether it works depends on little else.
    pub(super) fn check(
        &mut self,
        job: &JobSpec,
        at: At,
        renderer: &mut Renderer,
    ) -> Result<(), Mistake> {
        let Some(output) = job.output.as_deref() else {
            return Ok(());
        };
        let names = names(job, output);
        if self.tried.contains(&names) {
            return Ok(());
        }
        let name = renderer.render_with(output, &self.example(job)).map_err(|error| Mistake {
            at,
            offset: error.range.map_or(0, |range| range.start),
            message: error.message,
        })?;
        if name.trim().is_empty() {
            return Err(at.says("this output template gives an empty name"));
        }
        self.tried.insert(names);
        Ok(())
    }

    /// The names that [`template::OUTPUT_VARIABLES`] lists, over the row's own.
    fn example(&self, job: &JobSpec) -> Map<String, Value> {
        let mut known = job.request.params.clone();
        known.extend(job.vars.clone());
        let prompt = job.request.prompt().unwrap_or_default();
        let model = job.request.model.as_str();
        let own: [(&str, Value); 15] = [
            ("batch", self.batch.as_ref().into()),
            ("date", "2026-01-31".into()),
            ("ext", "mp4".into()),
            ("id", job.key.as_str().into()),
            ("index", 1.into()),
            ("key", job.key.as_str().into()),
            ("model", model.into()),
            ("model_slug", template::slug(model).into()),
            ("outputs", 1.into()),
            ("params", Value::Object(job.request.params.clone())),
            ("prompt", prompt.into()),
            ("prompt_slug", template::slug(prompt).into()),
            ("row", job.row.into()),
            ("var", Value::Object(job.vars.clone())),
            ("vars", Value::Object(job.vars.clone())),
        ];
        known.extend(own.map(|(name, value)| (name.to_owned(), value)));
        known.entry("variant").or_insert_with(|| 1.into());
        known
    }
}

fn names(job: &JobSpec, output: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    output.hash(&mut hasher);
    for name in job.vars.keys().chain(job.request.params.keys()) {
        name.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Position, Request};

    #[test]
    fn every_name_an_output_may_use_is_known() {
        let job = JobSpec {
            key: "k".into(),
            request: Request { model: "m/x".into(), params: Map::new() },
            media: Vec::new(),
            output: None,
            vars: Map::new(),
            priority: 0,
            price: None,
            row: 1,
            position: Position::new(&"m.csv".into(), 2, 0),
            faults: Vec::new(),
        };
        let known = Outputs::new(&"b".into()).example(&job);
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        assert_eq!(names, template::OUTPUT_VARIABLES);
    }
}
