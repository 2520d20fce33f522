//! A CSV file as a stream of rows with their places. One row is in memory at a time.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};

use super::input;
use super::scan::{Cursor, Fault, Scanner, Start, State, Step};
use crate::domain::{Diagnostic, Position, text};

/// How much is read at once, and how much of a file is looked at to guess its rows.
const BUFFER: usize = 64 << 10;

/// A CSV file, by its path and by the name the user knows it under.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where it is read from.
    pub(super) path: PathBuf,
    /// What positions call it.
    pub(super) name: Arc<str>,
    /// What the file was when it was found: every pass must read the same.
    seen: Option<input::Stamp>,
}

/// The rows of a [`Table`] behind its header.
pub(super) struct Records {
    table: Table,
    reader: csv::Reader<Scanner<File>>,
    /// The names of the columns, and where they stand.
    pub(super) header: StringRecord,
    header_start: Start,
    /// The row read last.
    pub(super) record: StringRecord,
    /// Where the row read last begins.
    pub(super) start: Start,
    ended: bool,
}

impl Table {
    /// A file by its path, called `name`.
    pub(super) fn new(path: PathBuf, name: Arc<str>) -> Self {
        let seen = input::stamp(&path);
        Self { path, name, seen }
    }

    /// Refuses a file that is another one, or has another content, than when it was found.
    pub(super) fn require_unchanged(&self) -> Result<(), Vec<Diagnostic>> {
        if self.seen == input::stamp(&self.path) {
            return Ok(());
        }
        let message =
            "the file was changed since it was planned; look at `nightreel plan` and start again";
        Err(vec![self.whole(message.to_owned())])
    }

    /// Opens the file and reads its header.
    pub(super) fn open(&self) -> Result<Records, Vec<Diagnostic>> {
        let mut file = input::open(&self.path).map_err(|error| vec![self.whole(error)])?;
        let skipped = self.byte_order_mark(&mut file)?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            .from_reader(Scanner::new(file, skipped));
        let mut records = Records {
            table: self.clone(),
            reader,
            header: StringRecord::new(),
            header_start: NOWHERE,
            record: StringRecord::new(),
            start: NOWHERE,
            ended: false,
        };
        records.read_header()?;
        Ok(records)
    }

    /// About how many rows the file has, from its size and its first rows.
    pub(super) fn row_hint(&self) -> Option<u64> {
        let file = File::open(&self.path).ok()?;
        let size = file.metadata().ok()?.len();
        let mut scanner = Scanner::new(file.take(BUFFER as u64), 0);
        let mut beginning = Vec::new();
        // An open quote at the end of the sample is no mistake of the file.
        let _ = scanner.read_to_end(&mut beginning);
        let seen = u64::try_from(beginning.len()).ok()?.max(1);
        let begun = u64::try_from(scanner.starts.len()).ok()?;
        let rows = u128::from(begun) * u128::from(size) / u128::from(seen);
        u64::try_from(rows).ok().map(|rows| rows.saturating_sub(1))
    }

    /// The mistake `message` about the file as a whole.
    fn whole(&self, message: impl Into<String>) -> Diagnostic {
        Position::new(&self.name, 0, 0).says(message)
    }

    /// Moves over a UTF-8 byte order mark and names UTF-16. Gives the number of bytes skipped.
    fn byte_order_mark(&self, file: &mut File) -> Result<u64, Vec<Diagnostic>> {
        let unreadable =
            |error: std::io::Error| vec![self.whole(format!("cannot be read: {error}"))];
        let mut beginning = Vec::new();
        file.take(4).read_to_end(&mut beginning).map_err(unreadable)?;
        if input::is_utf16(&beginning) {
            return Err(vec![self.whole(input::UTF16)]);
        }
        let skipped = if beginning.starts_with(input::BOM) { 3 } else { 0 };
        file.seek(SeekFrom::Start(skipped)).map_err(unreadable)?;
        Ok(skipped)
    }

    /// Where the byte `offset` of the content of cell number `cell` stands, for a row that begins
    /// at `start`. The row is read again: only mistakes ask for this.
    pub(super) fn locate(&self, start: Start, cell: usize, offset: usize) -> Position {
        let found = self.walk(start, cell, offset);
        let (line, column) = found.map_or((start.line, 0), |(at, _)| (at.line, at.column));
        Position::new(&self.name, line, column)
    }

    /// The place of a byte of a cell, and its number in the file. Offset 0 is the beginning of the
    /// cell with its quote.
    fn walk(&self, start: Start, cell: usize, offset: usize) -> Option<(Cursor, u64)> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(start.byte)).ok()?;
        let (mut state, mut cursor) = (State::Row, Cursor::at_line(start.line));
        let (mut cells, mut content) = (0, 0);
        for (number, byte) in (start.byte..).zip(BufReader::new(file).bytes()) {
            let byte = byte.ok()?;
            if cells == cell && offset == 0 {
                return Some((cursor, number));
            }
            match state.step(byte) {
                Step::Content if cells == cell && content == offset => {
                    return Some((cursor, number));
                }
                Step::Content if cells == cell => content += 1,
                Step::Comma => cells += 1,
                Step::End => return None,
                _ => {}
            }
            cursor.pass(byte);
        }
        None
    }
}

/// The beginning of a file, before anything was read.
const NOWHERE: Start = Start { line: 1, byte: 0 };

impl Records {
    /// Reads the next row that is not blank into [`Records::record`]. `false` at the end. After a
    /// mistake the row behind it can be read, unless the rest of the file is unreadable.
    pub(super) fn advance(&mut self) -> Result<bool, Vec<Diagnostic>> {
        while self.read()? {
            if self.record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if self.record.len() != self.header.len() {
                return Err(vec![self.ragged()]);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Where the header names column number `cell`.
    pub(super) fn column(&self, cell: usize) -> Position {
        self.table.locate(self.header_start, cell, 0)
    }

    fn read(&mut self) -> Result<bool, Vec<Diagnostic>> {
        if self.ended {
            return Ok(false);
        }
        let result = self.reader.read_record(&mut self.record);
        if let Some(start) = self.reader.get_mut().starts.pop_front() {
            self.start = start;
        }
        match result {
            Ok(more) => {
                self.ended = !more;
                Ok(more)
            }
            Err(error) => Err(vec![self.explain(&error)]),
        }
    }

    fn explain(&mut self, error: &csv::Error) -> Diagnostic {
        if let csv::ErrorKind::Utf8 { err, .. } = error.kind() {
            return self.not_utf8(err.field(), err.valid_up_to());
        }
        self.ended = true;
        match self.reader.get_ref().fault {
            Some(fault) => self.fault(fault),
            None => self.table.whole(format!("cannot be read: {error}")),
        }
    }

    fn fault(&self, fault: Fault) -> Diagnostic {
        let at = fault.at();
        Position::new(&self.table.name, at.line, at.column).says(fault.to_string())
    }

    fn not_utf8(&self, cell: usize, offset: usize) -> Diagnostic {
        let found = self.table.walk(self.start, cell, offset);
        let byte = found.map_or(self.start.byte, |(_, byte)| byte);
        self.table
            .locate(self.start, cell, offset)
            .says(format!("byte {byte} of the file is not UTF-8; {}", input::SAVE_AS_UTF8))
    }

    fn ragged(&self) -> Diagnostic {
        let (found, wanted) = (self.record.len(), self.header.len());
        let spans_lines = self.record.iter().any(|cell| cell.contains('\n'));
        let hint = if spans_lines {
            "a quote in it may be missing or one too many"
        } else if found > wanted {
            "put quotes around a text that holds a comma"
        } else {
            "write a comma for every column, also for an empty one"
        };
        Position::new(&self.table.name, self.start.line, 1).says(format!(
            "this row has {}, but the header names {}; {hint}",
            text::count(found as u64, "cell"),
            text::count(wanted as u64, "column"),
        ))
    }

    fn read_header(&mut self) -> Result<(), Vec<Diagnostic>> {
        if !self.read()? {
            return Err(vec![self.table.whole(
                "empty manifest: write a header such as `model,prompt`, then one row for each job",
            )]);
        }
        self.header = self.record.iter().map(str::trim).collect();
        self.header_start = self.start;
        if let (1, Some(separator)) =
            (self.header.len(), self.header[0].chars().find(|c| matches!(c, ';' | '\t')))
        {
            let name = if separator == ';' { "semicolons" } else { "tabs" };
            return Err(vec![
                self.column(0).says(format!(
                    "the columns are separated by {name}; save the file with commas"
                )),
            ]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        table: Table,
        _folder: tempfile::TempDir,
    }

    fn fixture(bytes: &[u8]) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::io::Write::write_all(&mut File::create(&path).unwrap(), bytes).unwrap();
        Fixture { table: Table::new(path, "x.csv".into()), _folder: folder }
    }

    fn told(bytes: &[u8]) -> Vec<String> {
        let fixture = fixture(bytes);
        let mut records = match fixture.table.open() {
            Ok(records) => records,
            Err(mistakes) => return mistakes.iter().map(ToString::to_string).collect(),
        };
        let mut told = Vec::new();
        loop {
            match records.advance() {
                Ok(true) => told.push(format!("row {}", records.start.line)),
                Ok(false) => return told,
                Err(mistakes) => told.extend(mistakes.iter().map(ToString::to_string)),
            }
        }
    }

    #[test]
    fn rows_know_their_lines_across_blank_lines_and_byte_order_marks() {
        let text = "\u{feff}a,b\r\n\r\n\"x\r\ny\",2\r\n,\r\n3,4";
        assert_eq!(told(text.as_bytes()), ["row 3", "row 6"]);
    }

    #[test]
    fn reading_goes_on_behind_a_mistake() {
        let told = told(b"a,b\n1\n\xe9,2\n1,2,3\n5,6\n");
        assert_eq!(
            told[0],
            "x.csv:2:1: this row has 1 cell, but the header names 2 columns; write a comma for every column, also for an empty one"
        );
        assert!(told[1].starts_with("x.csv:3:1: byte 6 of the file is not UTF-8"), "{told:?}");
        assert!(told[2].starts_with("x.csv:4:1: this row has 3 cells"));
        assert_eq!(told[3..], ["row 5"]);
    }

    #[test]
    fn other_formats_are_named() {
        assert!(told(b"a;b\n1;2\n")[0].contains("semicolons"));
        assert!(told(b"a\tb\n")[0].contains("tabs"));
        assert!(told(b"\xff\xfea\0,\0")[0].contains("UTF-16"));
        assert!(told(b"a\0,\0b\0")[0].contains("UTF-16"));
        assert!(told(b"\n\n")[0].contains("empty manifest"));
    }

    #[test]
    fn a_place_in_a_cell_is_found_through_quotes_and_line_breaks() {
        let fixture = fixture("h,i\n\"a\"\"é\",\"b\nc {{\"\n".as_bytes());
        let start = Start { line: 2, byte: 4 };
        let at = |cell, offset| {
            let position = fixture.table.locate(start, cell, offset);
            (position.line, position.column)
        };
        assert_eq!(at(0, 0), (2, 1));
        assert_eq!(at(0, 2), (2, 5));
        assert_eq!(at(1, 0), (2, 8));
        assert_eq!(at(1, 4), (3, 3));
        assert_eq!(at(7, 0), (2, 0));
    }

    #[test]
    fn the_number_of_rows_is_guessed_from_the_beginning() {
        let text = "a,b\n".to_owned() + &"12345678,2\n".repeat(100_000);
        let hint = fixture(text.as_bytes()).table.row_hint().unwrap();
        assert!((95_000..105_000).contains(&hint), "{hint}");
        assert_eq!(fixture(b"a\n1\n2\n").table.row_hint(), Some(2));
    }
}
