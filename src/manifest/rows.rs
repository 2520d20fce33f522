//! One pass over a manifest: the rows of its CSV file, then its `[[job]]`s, as jobs.
//!
//! In memory are one row, and across rows: a few words for each key, the templates and files used
//! last. A manifest of a million rows costs no more than its keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Opened;
use super::csv::Records;
use super::field::{At, Field, Mistake, Raw};
use super::key::Seen;
use super::row::{self, Builder, Wanted};
use crate::domain::{Diagnostic, Inputs, JobSpec, Position};

/// The jobs of a manifest. A row that is wrong gives an error with all its mistakes, never an empty
/// one, and the rows behind it follow. A mistake in something many rows share, such as a default,
/// is told for each of them.
pub struct Rows {
    opened: Arc<Opened>,
    builder: Builder,
    records: Option<Records>,
    next_job: usize,
    current: Option<Current>,
    number: u64,
}

/// A row that cannot be read, with all its mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The key of its job, where that much can be told.
    pub key: Option<String>,
    /// Number of the row in its manifest, counted as [`JobSpec::row`] is.
    pub row: u64,
    /// What is wrong with it; never empty.
    pub mistakes: Vec<Diagnostic>,
}

/// A row on its way through the matrix and its variants.
#[derive(Clone, Copy)]
struct Current {
    source: Source,
    count: u64,
    crossing: u64,
    variant: u64,
}

/// Where a row comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The record read last.
    Record,
    /// A `[[job]]`, by its number.
    Job(usize),
}

impl Rows {
    /// From the beginning of the manifest.
    pub(super) fn new(
        opened: &Arc<Opened>,
        records: Option<Records>,
        inputs: &Arc<Inputs>,
    ) -> Self {
        Self {
            builder: Builder::new(&opened.batch, &opened.folder, inputs),
            opened: Arc::clone(opened),
            records,
            next_job: 0,
            current: None,
            number: 0,
        }
    }

    /// The next row; `None` at the end.
    fn load(&mut self) -> Option<Result<Current, Vec<Diagnostic>>> {
        let source = match self.records.as_mut().map(Records::advance) {
            Some(Ok(true)) => Source::Record,
            Some(Err(mistakes)) => return Some(Err(mistakes)),
            Some(Ok(false)) | None => {
                self.records = None;
                let job = self.next_job;
                self.opened.jobs().get(job)?;
                self.next_job += 1;
                Source::Job(job)
            }
        };
        let row = Row { opened: &self.opened, records: self.records.as_ref(), source };
        let count = row::count(&row.fields(), self.opened.axes());
        Some(match count {
            Ok(count) => Ok(Current { source, count, crossing: 0, variant: 1 }),
            Err(mistakes) => Err(row.diagnose(mistakes)),
        })
    }

    fn build(&mut self, current: Current) -> Result<JobSpec, Unread> {
        let row =
            Row { opened: &self.opened, records: self.records.as_ref(), source: current.source };
        let fields = row.fields();
        let wanted = row.wanted(&fields, current, self.number);
        let built = self.builder.build(&wanted, |seen| self.opened.place_of(seen));
        let (mut job, faults) = built.map_err(|(key, mistakes)| {
            let mistakes = row.diagnose(mistakes);
            Unread { key, row: self.number, mistakes }
        })?;
        job.faults = row.diagnose(faults);
        Ok(job)
    }

    /// The models that the rows name, as far as they can be read.
    pub(super) fn models(mut self, mut read: impl FnMut(u64)) -> BTreeSet<String> {
        let mut models = BTreeSet::new();
        while let Some(loaded) = self.load() {
            self.number += 1;
            read(self.opened.axes().crossings());
            let Ok(mut current) = loaded else { continue };
            let row = Row {
                opened: &self.opened,
                records: self.records.as_ref(),
                source: current.source,
            };
            let fields = row.fields();
            loop {
                let wanted = row.wanted(&fields, current, self.number);
                let Some((model, is_template)) = self.builder.model_of(&wanted) else { break };
                if !models.contains(&model) {
                    models.insert(model);
                }
                // Only a template can name another model in another crossing.
                current.variant = current.count;
                match current.next(self.opened.axes().crossings()) {
                    Some(next) if is_template => current = next,
                    _ => break,
                }
            }
        }
        models
    }
}

impl Iterator for Rows {
    type Item = Result<JobSpec, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        self.number += 1;
        let current = match self.current.take() {
            Some(current) => current,
            None => match self.load()? {
                Ok(current) => current,
                Err(mistakes) => {
                    return Some(Err(Unread { key: None, row: self.number, mistakes }));
                }
            },
        };
        self.current = current.next(self.opened.axes().crossings());
        Some(self.build(current))
    }
}

impl Current {
    /// The next variant, else the next crossing.
    fn next(mut self, crossings: u64) -> Option<Self> {
        self.variant += 1;
        if self.variant > self.count {
            self.variant = 1;
            self.crossing += 1;
        }
        (self.crossing < crossings).then_some(self)
    }
}

/// A row as it stands in the manifest.
struct Row<'a> {
    opened: &'a Opened,
    records: Option<&'a Records>,
    source: Source,
}

impl<'a> Row<'a> {
    /// The fields it gives, and the defaults it does not.
    fn fields(&self) -> Vec<Field<'a>> {
        match (self.source, self.records) {
            (Source::Record, Some(records)) => self.cells(records),
            (Source::Record, None) => Vec::new(),
            (Source::Job(job), _) => self.job(job),
        }
    }

    fn cells(&self, records: &'a Records) -> Vec<Field<'a>> {
        let given = |cell: usize| records.record.get(cell).is_some_and(|c| !c.trim().is_empty());
        let defaults = self.opened.defaults().iter().zip(&self.opened.overridden);
        let mut fields: Vec<_> = defaults
            .filter(|(_, column)| !column.is_some_and(given))
            .map(|(default, _)| default.field())
            .collect();
        let cells = self.opened.columns.iter().zip(&records.record).enumerate();
        fields.extend(cells.filter(|(cell, _)| given(*cell)).map(|(cell, (slot, content))| {
            Field { slot, raw: Raw::Cell(content), at: At::Cell(cell) }
        }));
        fields
    }

    fn job(&self, job: usize) -> Vec<Field<'a>> {
        let own = &self.opened.jobs()[job].fields;
        let defaults = self.opened.defaults().iter();
        defaults
            .filter(|default| !own.iter().any(|field| field.slot == default.slot))
            .chain(own)
            .map(super::field::Owned::field)
            .collect()
    }

    fn wanted<'w>(&'w self, fields: &'w [Field<'a>], current: Current, number: u64) -> Wanted<'w> {
        Wanted {
            fields,
            axes: self.opened.axes(),
            crossing: current.crossing,
            count: current.count,
            variant: current.variant,
            row: number,
            position: self.position(),
            in_table: matches!(current.source, Source::Record),
            output: self.opened.output(),
        }
    }

    fn position(&self) -> Position {
        self.place(At::Row, 0)
    }

    fn diagnose(&self, mistakes: Vec<Mistake>) -> Vec<Diagnostic> {
        mistakes
            .into_iter()
            .map(|mistake| self.place(mistake.at, mistake.offset).says(mistake.message))
            .collect()
    }

    fn place(&self, at: At, offset: usize) -> Position {
        let text = self.opened.document.as_ref().map(|document| &document.text);
        let table = self.opened.table.as_ref().zip(self.records);
        match (at, self.source, text, table) {
            (At::Span(start, end), _, Some(text), _) => text.inside(&(start..end), offset),
            (At::Cell(cell), _, _, Some((table, records))) => {
                table.locate(records.start, cell, offset)
            }
            (_, Source::Record, _, Some((table, records))) => {
                Position::new(&table.name, records.start.line, 1)
            }
            (_, Source::Job(job), Some(text), _) => text.position(self.opened.jobs()[job].at),
            _ => Position::new(&self.opened.file, 0, 0),
        }
    }
}

impl Opened {
    /// The place of a job seen before, as a message names it.
    fn place_of(&self, seen: Seen) -> String {
        let file = match &self.table {
            Some(table) if seen.in_table => &table.name,
            _ => &self.file,
        };
        Position::new(file, u64::from(seen.line), 0).to_string()
    }
}
