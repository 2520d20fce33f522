//! The rows of a plan, one by one: kept in a file of no name until they are told, since a hundred
//! thousand of them are no use in memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write};

use serde::{Deserialize, Serialize};

use super::super::spool::Spool;
use crate::domain::{Micros, text};

/// Bytes of a reason shown in a line: room for three changed fields.
const LONGEST_REASON: usize = 400;

/// A row of the plan, or a job whose row is gone, as it is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    /// `None` where it cannot be read.
    pub(super) key: Option<String>,
    /// `None` where there is no row.
    pub(super) row: Option<u64>,
    /// The action's word.
    pub(super) action: String,
    /// Why.
    pub(super) reason: String,
    /// What it will cost.
    pub(super) price: Option<Micros>,
}

impl Line {
    /// What stands before the reason.
    fn cells(&self) -> [String; 3] {
        let key = match (&self.key, self.row) {
            (Some(key), _) => text::visible(key),
            (None, row) => format!("row {}", row.unwrap_or_default()),
        };
        let price = self.price.map_or_else(|| "-".to_owned(), Micros::human);
        [key, self.action.clone(), price]
    }
}

/// The lines, where they were asked for.
#[derive(Default)]
pub(super) struct Lines {
    kept: Option<(BufWriter<File>, Spool)>,
    /// How wide the columns are, in characters.
    widths: [usize; 3],
    /// Why the first line that was not kept was not.
    failed: Option<io::Error>,
}

impl Lines {
    /// Keeps lines, or none where they are not `wanted`.
    pub(super) fn new(wanted: bool) -> io::Result<Self> {
        let kept = if wanted {
            let (file, spool) = Spool::make("plan")?;
            Some((BufWriter::new(file), spool))
        } else {
            None
        };
        Ok(Self { kept, ..Self::default() })
    }

    /// Keeps a line; where it cannot be kept, telling them says so.
    pub(super) fn push(&mut self, line: impl FnOnce() -> Line) {
        let Some((file, _)) = self.kept.as_mut().filter(|_| self.failed.is_none()) else { return };
        let line = line();
        for (width, cell) in self.widths.iter_mut().zip(line.cells()) {
            *width = (*width).max(cell.chars().count());
        }
        let kept = serde_json::to_writer(&mut *file, &line).map_err(io::Error::from);
        self.failed = kept.and_then(|()| file.write_all(b"\n")).err();
    }

    /// Whether there are any to be told.
    pub(super) fn are_wanted(&self) -> bool {
        self.kept.is_some()
    }

    /// Writes the lines for people.
    pub(super) fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let [key_width, action_width, price_width] = self.widths;
        self.each(|written| {
            let line: Line = serde_json::from_str(written)?;
            let [key, action, price] = line.cells();
            let reason = text::cut(&text::visible(&line.reason), LONGEST_REASON);
            writeln!(
                out,
                "{key:<key_width$}  {action:<action_width$}  {price:>price_width$}  {reason}"
            )
        })
    }

    /// Writes the lines as the elements of a JSON array.
    pub(super) fn write_json(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut comma = "";
        self.each(|written| {
            let told = write!(out, "{comma}{written}");
            comma = ",";
            told
        })
    }

    fn each(&mut self, mut tell: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let Some((file, _)) = &mut self.kept else { return Ok(()) };
        self.failed.take().map_or(Ok(()), Err)?;
        file.flush()?;
        let file = file.get_mut();
        file.rewind()?;
        for line in BufReader::new(&*file).lines() {
            tell(&line?)?;
        }
        Ok(())
    }
}
