//! One row, one crossing of the matrix, one variant: a job, or everything that is wrong with it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::field::{At, Field, Mistake, Raw, Slot, quoted};
use super::key::{self, Keys, Seen};
use super::matrix::Axes;
use super::output::Outputs;
use super::param::Params;
use super::render::Scope;
use crate::domain::schema::Known;
use crate::domain::{Inputs, JobSpec, MediaFile, Micros, Position, Request, Schema, template};

/// The most variants of one row.
const COUNT_LIMIT: u64 = 1000;

/// Makes jobs of rows, and remembers what it must across the rows of one pass.
pub(super) struct Builder {
    params: Params,
    outputs: Outputs,
    keys: Keys,
    inputs: Arc<Inputs>,
}

/// What a job is made of.
pub(super) struct Wanted<'a> {
    /// The fields, no slot twice.
    pub(super) fields: &'a [Field<'a>],
    /// The matrix.
    pub(super) axes: &'a Axes,
    /// The crossing of the matrix, from 0.
    pub(super) crossing: u64,
    /// How many variants the row has.
    pub(super) count: u64,
    /// The variant, from 1.
    pub(super) variant: u64,
    /// The job's number in the manifest, from 1.
    pub(super) row: u64,
    /// Where the row stands.
    pub(super) position: Position,
    /// Whether that is in the CSV file.
    pub(super) in_table: bool,
    /// The batch's output template.
    pub(super) output: Option<(&'a str, At)>,
}

/// A job half made.
#[derive(Default)]
struct Draft<'a> {
    id: Option<String>,
    model: String,
    output: Option<(&'a str, At)>,
    priority: i64,
    price: Option<Micros>,
    params: Map<String, Value>,
    /// Parameters that would be something else if nothing were known of the model.
    unread: Map<String, Value>,
    media: Vec<MediaFile>,
    /// What the model's schema has against the row.
    faults: Vec<Mistake>,
}

/// All mistakes of a row that is no job, and its key where that is given.
type Refused = (Option<String>, Vec<Mistake>);

/// How many variants the row with these fields has. What is wrong with a row whatever the crossing
/// is found here, so that it is told once.
pub(super) fn count(fields: &[Field<'_>], axes: &Axes) -> Result<u64, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut count = 1;
    for field in fields {
        match field.slot {
            Slot::Count => match count_of(field) {
                Ok(number) => count = number,
                Err(mistake) => mistakes.push(mistake),
            },
            Slot::Id => mistakes.extend(one_id_for_all(field, axes)),
            _ => {}
        }
    }
    if mistakes.is_empty() { Ok(count) } else { Err(mistakes) }
}

fn count_of(field: &Field<'_>) -> Result<u64, Mistake> {
    let number = match field.raw {
        Raw::Cell(cell) => cell.trim().parse().ok(),
        Raw::Typed(value) => value.as_u64(),
    };
    number.filter(|number| (1..=COUNT_LIMIT).contains(number)).ok_or_else(|| {
        let found = shown(field.raw);
        field
            .at
            .says(format!("`count` must be a whole number from 1 to {COUNT_LIMIT}, found {found}"))
    })
}

fn one_id_for_all(field: &Field<'_>, axes: &Axes) -> Option<Mistake> {
    let id = plain(field.raw).trim();
    let jobs = axes.crossings();
    (jobs > 1 && !template::is_template(id)).then(|| {
        field.at.says(format!(
            "[matrix] makes {jobs} jobs of this row, all with the id {}; make it a template such as `{}`",
            quoted(id),
            axes.id_template(id)
        ))
    })
}

impl Builder {
    /// For one pass over the manifest of `batch`, whose media paths are relative to `folder`.
    pub(super) fn new(batch: &Arc<str>, folder: &Path, inputs: &Arc<Inputs>) -> Self {
        Self {
            params: Params::new(folder),
            outputs: Outputs::new(batch),
            keys: Keys::default(),
            inputs: Arc::clone(inputs),
        }
    }

    /// The model of a row, where it can be read, and whether another crossing may have another.
    pub(super) fn model_of(&mut self, wanted: &Wanted<'_>) -> Option<(String, bool)> {
        let field = wanted.fields.iter().find(|field| *field.slot == Slot::Model)?;
        let is_template = template::is_template(plain(field.raw));
        let vars = if is_template { variables(wanted) } else { Map::new() };
        let scope = Scope {
            vars: &vars,
            row: wanted.row,
            variant: wanted.variant,
            id: None,
            known: OnceCell::new(),
        };
        Some((self.model(field, &scope).ok()?, is_template))
    }

    /// The job with what its model's schema has against it, or what keeps it from being one. `name_of`
    /// names the place of a job seen before.
    pub(super) fn build(
        &mut self,
        wanted: &Wanted<'_>,
        name_of: impl Fn(Seen) -> String,
    ) -> Result<(JobSpec, Vec<Mistake>), Refused> {
        let vars = variables(wanted);
        let mut scope = Scope {
            vars: &vars,
            row: wanted.row,
            variant: wanted.variant,
            id: None,
            known: OnceCell::new(),
        };
        let mut mistakes = Vec::new();
        let mut draft = Draft { output: wanted.output, ..Draft::default() };
        match self.identify(wanted, &mut scope, name_of) {
            Ok(id) => draft.id = id,
            Err(mistake) => mistakes.push(mistake),
        }
        let model = wanted.fields.iter().find(|field| *field.slot == Slot::Model);
        match model.map(|field| self.model(field, &scope)) {
            Some(Ok(model)) => draft.model = model,
            Some(Err(mistake)) => mistakes.push(mistake),
            None => mistakes.push(At::Row.says("this row names no `model`")),
        }
        let inputs = Arc::clone(&self.inputs);
        let schema = inputs.schema(&draft.model);
        for field in wanted.fields {
            if let Err(found) = self.put(field, schema, &scope, &mut draft) {
                mistakes.extend(found);
            }
        }
        if !mistakes.is_empty() {
            return Err((draft.id, mistakes));
        }
        self.finish(wanted, draft, vars).map_err(|(key, mistake)| (Some(key), vec![mistake]))
    }

    /// Renders, checks and takes the row's `id`, which the other templates may name.
    fn identify(
        &mut self,
        wanted: &Wanted<'_>,
        scope: &mut Scope<'_>,
        name_of: impl Fn(Seen) -> String,
    ) -> Result<Option<String>, Mistake> {
        let Some(field) = wanted.fields.iter().find(|field| *field.slot == Slot::Id) else {
            return Ok(None);
        };
        let template = plain(field.raw);
        let rendered = self.params.text(field.at, template, scope)?;
        let mut id = rendered.trim().to_owned();
        scope.set_id(&id);
        if wanted.count > 1 && !names_variant(template) {
            id = format!("{id}-{}", wanted.variant);
        }
        key::check(&id).map_err(|message| field.at.says(message))?;
        self.keys.take(&id, wanted.seen()).map_err(|other| {
            field.at.says(format!(
                "two jobs have the id {}: this one and the one at {}",
                quoted(&id),
                name_of(other)
            ))
        })?;
        Ok(Some(id))
    }

    /// Puts one field into the draft.
    fn put<'a>(
        &mut self,
        field: &Field<'a>,
        schema: Option<&Schema>,
        scope: &Scope<'_>,
        draft: &mut Draft<'a>,
    ) -> Result<(), Vec<Mistake>> {
        let wrong = |message: String| vec![field.at.says(message)];
        match field.slot {
            Slot::Id | Slot::Model | Slot::Count | Slot::Var(_) => {}
            Slot::Output => draft.output = Some((plain(field.raw), field.at)),
            Slot::Priority => draft.priority = priority(field.raw).map_err(wrong)?,
            Slot::Price => {
                let price = Micros::typed(plain(field.raw));
                draft.price = Some(price.map_err(|error| wrong(error.to_string()))?);
            }
            Slot::Param(param) => {
                let given = self.params.value(field, (param, schema), scope, &mut draft.media)?;
                draft.faults.extend(given.fault.map(|message| field.at.says(message)));
                draft.unread.extend(given.unread.map(|value| (param.name.clone(), value)));
                draft.params.insert(param.name.clone(), given.value);
            }
        }
        Ok(())
    }

    fn model(&mut self, field: &Field<'_>, scope: &Scope<'_>) -> Result<String, Mistake> {
        let rendered = self.params.text(field.at, plain(field.raw), scope)?;
        let model = rendered.trim();
        let blank_or_control = |c: char| c.is_whitespace() || c.is_control();
        if model.is_empty() || model.contains(blank_or_control) {
            let message = format!("{} is not the id of a model", quoted(model));
            return Err(field.at.says(message));
        }
        Ok(model.to_owned())
    }

    fn finish(
        &mut self,
        wanted: &Wanted<'_>,
        draft: Draft<'_>,
        mut vars: Map<String, Value>,
    ) -> Result<(JobSpec, Vec<Mistake>), (String, Mistake)> {
        let request = Request { model: draft.model, params: draft.params };
        let mut faults = draft.faults;
        faults.extend(self.against(wanted.fields, &request));
        if wanted.count > 1 {
            vars.insert("variant".to_owned(), wanted.variant.into());
        }
        let job = JobSpec {
            key: draft.id.unwrap_or_else(|| {
                self.keys.of(unread(&request, draft.unread).digest(), wanted.seen())
            }),
            request,
            media: draft.media,
            output: draft.output.map(|(output, _)| output.trim().to_owned()),
            vars,
            priority: draft.priority,
            price: draft.price,
            row: wanted.row,
            position: wanted.position.clone(),
            faults: Vec::new(),
        };
        let at = draft.output.map_or(At::Row, |(_, at)| at);
        match self.outputs.check(&job, at, &mut self.params.renderer) {
            Ok(()) => Ok((job, faults)),
            Err(mistake) => Err((job.key, mistake)),
        }
    }

    /// What is known against a request to its model, at the fields it is about.
    fn against(&self, fields: &[Field<'_>], request: &Request) -> Vec<Mistake> {
        let place = |wanted: &str| {
            fields
                .iter()
                .find(|field| field.slot.name() == wanted && !matches!(field.slot, Slot::Var(_)))
        };
        let at = |name: &str| place(name).map_or(At::Row, |field| field.at);
        match self.inputs.get(&request.model) {
            None => Vec::new(),
            Some(Known::Refused(why)) => vec![at("model").says(why.as_str())],
            Some(Known::Schema(schema)) => schema
                .check(&request.model, &request.params)
                .into_iter()
                .map(|fault| fault.param.as_deref().map_or(At::Row, at).says(fault.message))
                .collect(),
        }
    }
}

impl Wanted<'_> {
    fn seen(&self) -> Seen {
        Seen::on(self.position.line, self.in_table)
    }
}

/// The request as it would be if nothing were known of its model: keys are made of it, so that a
/// schema that comes, goes or changes gives no row another key.
fn unread(request: &Request, differing: Map<String, Value>) -> Cow<'_, Request> {
    if differing.is_empty() {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    request.params.extend(differing);
    Cow::Owned(request)
}

/// The row's variables: axes of the matrix and `var.NAME`.
fn variables(wanted: &Wanted<'_>) -> Map<String, Value> {
    let mut vars = Map::new();
    wanted.axes.put(wanted.crossing, &mut vars);
    for field in wanted.fields {
        if let Slot::Var(name) = field.slot {
            let value = match field.raw {
                Raw::Cell(cell) => cell.into(),
                Raw::Typed(value) => value.clone(),
            };
            vars.insert(name.clone(), value);
        }
    }
    vars
}

fn priority(raw: Raw<'_>) -> Result<i64, String> {
    let number = match raw {
        Raw::Cell(cell) => cell.trim().parse().ok(),
        Raw::Typed(value) => value.as_i64(),
    };
    number.ok_or_else(|| format!("`priority` must be a whole number, found {}", shown(raw)))
}

/// The text of a field that is a text.
fn plain(raw: Raw<'_>) -> &str {
    match raw {
        Raw::Cell(cell) => cell,
        Raw::Typed(value) => value.as_str().unwrap_or_default(),
    }
}

fn shown(raw: Raw<'_>) -> String {
    match raw {
        Raw::Cell(cell) => quoted(cell),
        Raw::Typed(value) => quoted(&value.to_string()),
    }
}

/// Whether an `id` tells its variants apart by itself.
fn names_variant(id: &str) -> bool {
    template::is_template(id) && id.contains("variant")
}
