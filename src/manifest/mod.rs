//! manifest: from the text a user wrote to jobs with the places they stand at.
//!
//! ```text
//!  file ──▶ csv (scan, columns) ──┐
//!       └─▶ toml (span, value) ───┴▶ fields ──▶ row (render, param, media, key, output) ──▶ JobSpec
//!                                                 ▲ matrix × count
//! ```
//!
//! CSV is a stream: one row is in memory at a time. Nothing is sent, priced or written here. What
//! models take is handed in by whoever knows them (`domain::schema`).

mod columns;
mod csv;
mod editors;
mod field;
mod input;
mod key;
mod matrix;
mod media;
mod output;
mod param;
mod picture;
mod reading;
mod render;
mod row;
mod rows;
mod scan;
mod span;
mod starter;
mod toml;
mod value;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::csv::{Records, Table};
use self::field::{At, Owned, Slot};
use self::matrix::Axes;
use self::toml::{Document, Job};
use crate::domain::{Diagnostic, Inputs, Micros, Position, text};

pub use self::editors::json_schema;
pub use self::rows::{Rows, Unread};
pub use self::starter::{Starter, starter};
pub use self::toml::RunTable;

/// The most bytes the name of a batch may have.
const NAME_LIMIT: usize = 100;

/// How a manifest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Rows under a header.
    Csv,
    /// Tables.
    Toml,
}

/// Where a manifest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file; its extension tells the format.
    Path(PathBuf),
    /// Standard input, which the caller has copied to a file so that it can be read twice.
    /// Paths in it are relative to the working folder.
    Stdin {
        /// The copy.
        spool: PathBuf,
        /// What it is.
        format: Format,
    },
}

/// A manifest whose tables and header are read and checked, and whose rows are not yet.
#[derive(Debug)]
pub struct Manifest(Arc<Opened>, Arc<Inputs>);

/// What an opened manifest and its passes share.
#[derive(Debug)]
struct Opened {
    file: Arc<str>,
    batch: Arc<str>,
    folder: PathBuf,
    document: Option<Document>,
    table: Option<Table>,
    columns: Vec<Slot>,
    /// For each default, the column that stands before it.
    overridden: Vec<Option<usize>>,
    none: Axes,
}

/// Opens a manifest. The error has every mistake of its tables or its header.
pub fn open(source: &Source) -> Result<Manifest, Vec<Diagnostic>> {
    let place = Place::of(source)?;
    let mut opened = Opened {
        file: Arc::clone(&place.name),
        batch: Arc::from(""),
        folder: place.folder,
        document: None,
        table: None,
        columns: Vec::new(),
        overridden: Vec::new(),
        none: Axes::default(),
    };
    let whole = |message: String| vec![Position::new(&place.name, 0, 0).says(message)];
    match place.format {
        Format::Csv => {
            opened.table = Some(Table::new(place.path, Arc::clone(&place.name)));
        }
        Format::Toml => {
            let text = input::read_text(&place.path).map_err(whole)?;
            opened.document = Some(toml::parse(&place.name, text)?);
        }
    }
    opened.batch = opened.named(place.stem.as_deref())?.into();
    opened.find_rows()?;
    Ok(Manifest(Arc::new(opened), Arc::default()))
}

impl Manifest {
    /// Refuses a manifest whose rows are in a file that was changed since it was opened: what was
    /// planned is not what another pass would read.
    pub fn require_unchanged(&self) -> Result<(), Vec<Diagnostic>> {
        self.0.table.as_ref().map_or(Ok(()), Table::require_unchanged)
    }

    /// What the batch is called: `[batch].name`, else the file without its extension.
    #[must_use]
    pub fn batch(&self) -> &str {
        &self.0.batch
    }

    /// The file as the user named it; `-` for standard input.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The most the batch may cost, if the manifest says so.
    #[must_use]
    pub fn budget(&self) -> Option<Micros> {
        self.0.document.as_ref()?.batch.budget
    }

    /// The file name template of jobs that give none, if the manifest says so.
    #[must_use]
    pub fn output(&self) -> Option<&str> {
        self.0.output().map(|(output, _)| output)
    }

    /// The settings in the manifest, not interpreted.
    #[must_use]
    pub fn run_settings(&self) -> Option<&RunTable> {
        self.0.document.as_ref()?.run.as_ref()
    }

    /// The jobs, read from the beginning. May be called again: local files are then looked at again.
    pub fn rows(&self) -> Result<Rows, Vec<Diagnostic>> {
        let records = self.0.table.as_ref().map(|table| self.0.records(table));
        Ok(Rows::new(&self.0, records.transpose()?, &self.1))
    }

    /// Takes note of what is known of the models. From now on it decides how cells are read, and
    /// what it has against a row is told with the row.
    pub fn know(&mut self, inputs: &Arc<Inputs>) {
        self.1 = Arc::clone(inputs);
    }

    /// What is known of the models.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.1
    }

    /// The models that rows name. Rows that cannot be read are left out. `read` is told how many jobs,
    /// as [`Manifest::row_hint`] counts them, were looked at since it was told last.
    pub fn models(&self, read: impl FnMut(u64)) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
        Ok(self.rows()?.models(read))
    }

    /// About how many jobs there are, for progress; `None` where nothing is known.
    #[must_use]
    pub fn row_hint(&self) -> Option<u64> {
        let rows = match &self.0.table {
            Some(table) => table.row_hint()?,
            None => 0,
        };
        let jobs = u64::try_from(self.0.jobs().len()).ok()?;
        rows.checked_add(jobs)?.checked_mul(self.0.axes().crossings())
    }
}

impl Opened {
    fn defaults(&self) -> &[Owned] {
        self.document.as_ref().map_or(&[], |d| &d.defaults)
    }

    fn jobs(&self) -> &[Job] {
        self.document.as_ref().map_or(&[], |d| &d.jobs)
    }

    fn axes(&self) -> &Axes {
        self.document.as_ref().map_or(&self.none, |d| &d.axes)
    }

    /// The batch's output template.
    fn output(&self) -> Option<(&str, At)> {
        let output = self.document.as_ref()?.batch.output.as_ref()?;
        let at = At::Span(output.span.start, output.span.end);
        Some((output.text.as_str(), at))
    }

    /// The name of the batch, checked.
    fn named(&self, stem: Option<&str>) -> Result<String, Vec<Diagnostic>> {
        let given = self
            .document
            .as_ref()
            .and_then(|document| Some((document.batch.name.as_ref()?, &document.text)));
        let (name, place) = match given {
            Some((name, text)) => (name.text.as_str(), text.position(name.span.start)),
            None => (stem.unwrap_or_default(), Position::new(&self.file, 0, 0)),
        };
        let wrong = |problem| {
            let found = field::quoted(name);
            let hint =
                if self.document.is_some() { "set `name` in [batch]" } else { "rename the file" };
            vec![place.says(format!("{found} cannot be the name of a batch: it {problem}; {hint}"))]
        };
        check_name(name).map_err(wrong)?;
        Ok(name.to_owned())
    }

    /// Finds the CSV file, reads its header and makes sure that there is at least one row.
    fn find_rows(&mut self) -> Result<(), Vec<Diagnostic>> {
        self.find_table()?;
        let mut records = None;
        if let Some(table) = &self.table {
            let mut opened = table.open()?;
            self.columns = columns::read(&opened, self.defaults(), self.axes())?;
            // A mistake in the first row is told with those of the other rows.
            if !opened.advance().unwrap_or(true) {
                let message = "empty manifest: there is a header, but no rows follow it";
                return Err(vec![Position::new(&table.name, 0, 0).says(message)]);
            }
            records = Some(opened);
        }
        if let Some(document) = &self.document {
            let mut mistakes = document.misspelt(&self.columns);
            mistakes.extend(document.variables_on_axes());
            if records.is_none() && document.jobs.is_empty() {
                let message = "empty manifest: write at least one [[job]], or name a CSV file by `rows` in [batch]";
                mistakes.push(Position::new(&self.file, 0, 0).says(message));
            }
            if !mistakes.is_empty() {
                mistakes.sort();
                return Err(mistakes);
            }
        }
        self.overridden = self
            .defaults()
            .iter()
            .map(|default| self.columns.iter().position(|slot| *slot == default.slot))
            .collect();
        Ok(())
    }

    /// Finds the file that `rows` in `[batch]` names.
    fn find_table(&mut self) -> Result<(), Vec<Diagnostic>> {
        let Some(document) = &self.document else {
            return Ok(());
        };
        let Some(rows) = &document.batch.rows else {
            return Ok(());
        };
        let path = self.folder.join(&rows.text);
        if let Err(problem) = input::open(&path) {
            let found = field::quoted(&rows.text);
            let message = format!("the file {found} named by `rows`: {problem}");
            return Err(vec![document.text.position(rows.span.start).says(message)]);
        }
        self.table = Some(Table::new(path, beside(&self.file, &rows.text).into()));
        Ok(())
    }

    /// The rows of the CSV file, whose header must still be the one that was checked.
    fn records(&self, table: &Table) -> Result<Records, Vec<Diagnostic>> {
        table.require_unchanged()?;
        let records = table.open()?;
        if columns::read(&records, self.defaults(), self.axes())? != self.columns {
            let message = "the header was changed while it was being read; start again";
            return Err(vec![Position::new(&table.name, 1, 0).says(message)]);
        }
        Ok(records)
    }
}

/// What a source means: what it is called, where it is, and what its paths are relative to.
struct Place {
    name: Arc<str>,
    path: PathBuf,
    folder: PathBuf,
    stem: Option<String>,
    format: Format,
}

impl Place {
    fn of(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        match source {
            Source::Stdin { spool, format } => Ok(Self {
                name: Arc::from("-"),
                path: spool.clone(),
                folder: PathBuf::from("."),
                stem: Some("stdin".to_owned()),
                format: *format,
            }),
            Source::Path(path) => {
                let name: Arc<str> = path.to_string_lossy().into();
                let whole = |message: String| vec![Position::new(&name, 0, 0).says(message)];
                input::open(path).map_err(whole)?;
                Ok(Self {
                    format: format_of(path).map_err(whole)?,
                    folder: path.parent().map_or(PathBuf::new(), Path::to_owned),
                    stem: path.file_stem().and_then(|s| s.to_str()).map(str::to_owned),
                    path: path.clone(),
                    name,
                })
            }
        }
    }
}

fn format_of(path: &Path) -> Result<Format, String> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("toml") => Ok(Format::Toml),
        _ => Err("is neither .csv nor .toml; name it so that its format is known".to_owned()),
    }
}

/// Whether a batch may be called so: it is a folder of outputs, and `BATCH/KEY` names a job.
fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if name.len() > NAME_LIMIT {
        return Err(format!("has more than {NAME_LIMIT} bytes"));
    }
    if name.contains(['/', '\\']) {
        return Err("contains a slash".to_owned());
    }
    if text::visible(name) != name {
        return Err("contains a control character".to_owned());
    }
    if name.starts_with('.') {
        return Err("begins with a dot".to_owned());
    }
    Ok(())
}

/// How a user would name `rows`, which stands beside the manifest `file`.
fn beside(file: &str, rows: &str) -> String {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    folder.join(rows).to_string_lossy().into_owned()
}
