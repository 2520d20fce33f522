//! A TOML manifest: its tables, each thing with the place where it stands.
//!
//! The tables are read from spans rather than through serde, since spans do not survive
//! `#[serde(flatten)]`, and parameters may have any name. It is in memory as a whole; rows that
//! come by the million belong into the CSV file that `rows` names.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{Owned, Slot, check_variable, quoted};
use super::matrix::{self, Axes, Axis};
use super::span::Text;
use super::value;
use crate::domain::{Diagnostic, Micros, Position, text};

/// The tables of a manifest.
pub(super) const TABLES: [&str; 5] = ["batch", "defaults", "job", "matrix", "run"];
/// The keys of `[batch]`.
pub(super) const BATCH: [&str; 4] = ["budget", "name", "output", "rows"];

/// What a TOML manifest says.
#[derive(Debug)]
pub(super) struct Document {
    /// The text, for places.
    pub(super) text: Text,
    /// `[batch]`
    pub(super) batch: Batch,
    /// `[run]`
    pub(super) run: Option<RunTable>,
    /// `[matrix]`
    pub(super) axes: Axes,
    /// `[defaults]`
    pub(super) defaults: Vec<Owned>,
    /// `[[job]]`
    pub(super) jobs: Vec<Job>,
}

/// The `[batch]` table.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What the batch is called.
    pub(super) name: Option<Located>,
    /// The file name template of jobs that give none.
    pub(super) output: Option<Located>,
    /// The most the batch may cost.
    pub(super) budget: Option<Micros>,
    /// The CSV file with more rows.
    pub(super) rows: Option<Located>,
}

/// A text and where it is written.
#[derive(Debug)]
pub(super) struct Located {
    /// The text.
    pub(super) text: String,
    /// Its span in the TOML text.
    pub(super) span: Range<usize>,
}

/// One `[[job]]`.
#[derive(Debug)]
pub(super) struct Job {
    /// Its fields.
    pub(super) fields: Vec<Owned>,
    /// Where it begins.
    pub(super) at: usize,
}

/// The `[run]` table of a manifest, as it stands: the settings know what its keys mean.
#[derive(Debug)]
pub struct RunTable {
    entries: Vec<(String, toml::Value, Position)>,
}

impl RunTable {
    /// Each key with its value and the place of the key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &toml::Value, Position)> {
        self.entries.iter().map(|(key, value, at)| (key.as_str(), value, at.clone()))
    }
}

type Entry<'a> = (&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>);

/// Reads the text of the file `name`. The error has every mistake of the file.
pub(super) fn parse(name: &Arc<str>, text: String) -> Result<Document, Vec<Diagnostic>> {
    let text = Text::new(name, text);
    let (root, errors) = DeTable::parse_recoverable(text.as_str());
    if !errors.is_empty() {
        return Err(syntax_mistakes(&text, &errors));
    }
    let mut reader = Reader { text: &text, mistakes: Vec::new() };
    let tables = reader.tables(root.get_ref());
    let mut mistakes = reader.mistakes;
    if !mistakes.is_empty() {
        mistakes.sort();
        return Err(mistakes);
    }
    Ok(Document {
        batch: tables.batch,
        run: tables.run,
        axes: tables.axes,
        defaults: tables.defaults,
        jobs: tables.jobs,
        text,
    })
}

/// One mistake a line: what is told after the first of a line is mostly its echo.
fn syntax_mistakes(text: &Text, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut mistakes: Vec<_> = errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(0, |span| span.start);
            text.position(at).says(error.message())
        })
        .collect();
    mistakes.sort();
    mistakes.dedup_by_key(|mistake| mistake.position.line);
    mistakes
}

impl Document {
    /// Parameters that are misspelt fields. `columns` are those of the CSV file.
    pub(super) fn misspelt(&self, columns: &[Slot]) -> Vec<Diagnostic> {
        let of_defaults = |right: &str| has(&self.defaults, right);
        let in_columns = |right: &str| columns.iter().any(|slot| slot.name() == right);
        let in_jobs = |right: &str| self.jobs.iter().any(|job| has(&job.fields, right));
        let anywhere = |right: &str| of_defaults(right) || in_columns(right) || in_jobs(right);
        let defaults = self.misspelt_among(&self.defaults, &anywhere);
        let jobs = self.jobs.iter().flat_map(|job| {
            let given = |right: &str| of_defaults(right) || has(&job.fields, right);
            self.misspelt_among(&job.fields, &given)
        });
        defaults.into_iter().chain(jobs).collect()
    }

    /// Variables of jobs and defaults that are axes too: one would hide the other.
    pub(super) fn variables_on_axes(&self) -> Vec<Diagnostic> {
        let jobs = self.jobs.iter().flat_map(|job| &job.fields);
        let fields = self.defaults.iter().chain(jobs);
        fields
            .filter_map(|field| match &field.slot {
                Slot::Var(name) if self.axes.has(name) => {
                    let message = format!("the variable `{name}` is an axis of [matrix] already");
                    Some(self.text.position(field.key).says(message))
                }
                _ => None,
            })
            .collect()
    }

    fn misspelt_among(&self, fields: &[Owned], given: &dyn Fn(&str) -> bool) -> Vec<Diagnostic> {
        fields
            .iter()
            .filter_map(|field| {
                let right = field.slot.misspelt(given)?;
                let found = quoted(field.slot.name());
                let place = self.text.position(field.key);
                Some(place.says(format!("unknown key {found}, did you mean `{right}`?")))
            })
            .collect()
    }
}

fn has(fields: &[Owned], name: &str) -> bool {
    fields.iter().any(|field| field.slot.name() == name)
}

#[derive(Default)]
struct Tables {
    batch: Batch,
    run: Option<RunTable>,
    axes: Axes,
    defaults: Vec<Owned>,
    jobs: Vec<Job>,
}

struct Reader<'t> {
    text: &'t Text,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn says(&mut self, at: usize, message: impl Into<String>) {
        self.mistakes.push(self.text.position(at).says(message));
    }

    fn tables(&mut self, root: &DeTable<'_>) -> Tables {
        let mut tables = Tables::default();
        for (key, value) in root {
            match key.get_ref().as_ref() {
                "batch" => tables.batch = self.batch(value),
                "run" => tables.run = self.run(value),
                "matrix" => tables.axes = self.axes(value),
                "defaults" => tables.defaults = self.fields(value),
                "job" => tables.jobs = self.jobs(value),
                unknown => self.unknown_table(unknown, key.span().start),
            }
        }
        tables
    }

    fn unknown_table(&mut self, found: &str, at: usize) {
        let hint = if super::field::RESERVED.contains(&found) || found == "vars" {
            "; it belongs under [defaults] or [[job]]".to_owned()
        } else if BATCH.contains(&found) {
            "; it belongs under [batch]".to_owned()
        } else {
            did_you_mean(found, &TABLES)
        };
        self.says(at, format!("unknown table {}{hint}", quoted(found)));
    }

    /// The entries of a table in the order they are written.
    fn entries<'a>(&mut self, value: &'a Spanned<DeValue<'a>>) -> Vec<Entry<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            let found = value::kind(value.get_ref());
            self.says(value.span().start, format!("expected a table, found {found}"));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    fn batch(&mut self, value: &Spanned<DeValue<'_>>) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in self.entries(value) {
            match key.get_ref().as_ref() {
                "name" => batch.name = self.located(value),
                "output" => batch.output = self.located(value),
                "rows" => batch.rows = self.located(value),
                "budget" => batch.budget = self.budget(value),
                unknown => {
                    let hint = did_you_mean(unknown, &BATCH);
                    let message = format!("unknown key {} in [batch]{hint}", quoted(unknown));
                    self.says(key.span().start, message);
                }
            }
        }
        batch
    }

    fn located(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Located> {
        let span = value.span();
        match value.get_ref() {
            DeValue::String(text) => Some(Located { text: text.to_string(), span }),
            other => {
                let found = value::kind(other);
                self.says(span.start, format!("expected a string, found {found}"));
                None
            }
        }
    }

    fn budget(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Micros> {
        let amount = value::amount(value.get_ref())
            .and_then(|text| Micros::typed(&text).map_err(|error| error.to_string()));
        amount.map_err(|message| self.says(value.span().start, message)).ok()
    }

    fn run(&mut self, value: &Spanned<DeValue<'_>>) -> Option<RunTable> {
        let places: Vec<_> = self.entries(value);
        let mut root: toml::Table = self.text.as_str().parse().ok()?;
        let toml::Value::Table(mut table) = root.remove("run")? else {
            return None;
        };
        let entries = places.iter().filter_map(|(key, _)| {
            let place = self.text.position(key.span().start);
            let (key, value) = table.remove_entry(key.get_ref().as_ref())?;
            Some((key, value, place))
        });
        Some(RunTable { entries: entries.collect() })
    }

    fn axes(&mut self, value: &Spanned<DeValue<'_>>) -> Axes {
        let axes: Vec<_> = self
            .entries(value)
            .into_iter()
            .filter_map(|(key, value)| {
                self.check_variable(key.get_ref(), key.span().start);
                self.axis(key.get_ref(), value)
            })
            .collect();
        Axes::new(axes).unwrap_or_else(|| {
            let limit = matrix::LIMIT;
            self.says(value.span().start, format!("[matrix] crosses more than {limit} times"));
            Axes::default()
        })
    }

    fn axis(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<Axis> {
        let at = value.span().start;
        let Some(array) = value.get_ref().as_array() else {
            let found = value::kind(value.get_ref());
            self.says(at, format!("the axis {} must be a list, found {found}", quoted(name)));
            return None;
        };
        if array.is_empty() {
            self.says(
                at,
                format!("the axis {} is empty; every job would be crossed away", quoted(name)),
            );
            return None;
        }
        let values: Vec<_> = array.iter().filter_map(|value| self.axis_value(value)).collect();
        // A value that is wrong has been told; an axis must not become empty by it.
        (!values.is_empty()).then(|| Axis { name: name.to_owned(), values })
    }

    fn axis_value(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        if value.get_ref().is_array() {
            self.says(
                value.span().start,
                "a value of an axis must be a scalar or a table, found a list",
            );
            return None;
        }
        self.json(value)
    }

    fn jobs(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Job> {
        let Some(array) = value.get_ref().as_array() else {
            self.says(value.span().start, "write [[job]] with two brackets, once for each job");
            return Vec::new();
        };
        array.iter().map(|job| Job { fields: self.fields(job), at: job.span().start }).collect()
    }

    fn fields(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Owned> {
        let mut fields = Vec::new();
        for (key, value) in self.entries(value) {
            match key.get_ref().as_ref() {
                // `var.NAME = …` is what the same field is called in a CSV header.
                "vars" | "var" => fields.extend(self.variables(value)),
                name => fields.extend(self.field(name, key.span().start, value)),
            }
        }
        fields
    }

    fn variables(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Owned> {
        self.entries(value)
            .into_iter()
            .filter_map(|(name, value)| {
                self.check_variable(name.get_ref(), name.span().start);
                Some(Owned {
                    slot: Slot::Var(name.get_ref().to_string()),
                    value: self.json(value)?,
                    key: name.span().start,
                    span: value.span(),
                })
            })
            .collect()
    }

    fn field(&mut self, name: &str, key: usize, value: &Spanned<DeValue<'_>>) -> Option<Owned> {
        let slot = Slot::named(name);
        let span = value.span();
        match value::of_field(&slot, value) {
            Ok(value) => Some(Owned { slot, value, key, span }),
            Err(wrong) => {
                self.says(wrong.at, format!("{}: {}", quoted(name), wrong.message));
                None
            }
        }
    }

    fn json(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        value::json(value).map_err(|wrong| self.says(wrong.at, wrong.message)).ok()
    }

    fn check_variable(&mut self, name: &str, at: usize) {
        if let Err(message) = check_variable(name) {
            self.says(at, message);
        }
    }
}

fn did_you_mean(found: &str, known: &[&'static str]) -> String {
    match text::nearest(found, known.iter().copied()) {
        Some(near) => format!(", did you mean `{near}`?"),
        None => format!("; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
#[path = "toml_tests.rs"]
mod tests;
