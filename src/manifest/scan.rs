//! Bytes of a CSV file on their way to the csv crate: where each row begins, what was left open,
//! and how much one cell may hold. Memory stays bounded whatever the file is.
//!
//! The csv crate accepts a quote that is never closed and buffers a cell of any size; both end a
//! night's batch badly, so they are found here, byte by byte, before it sees them.

use std::collections::VecDeque;
use std::io::{self, Read};

/// The most bytes one cell may have.
pub(super) const CELL_LIMIT: usize = 16 << 20;
/// The most bytes one row may have.
const ROW_LIMIT: usize = 64 << 20;

/// Where the parser stands between two bytes. It follows the csv crate's automaton: a quote means
/// something only at the beginning of a cell, and CR, LF and CRLF all end a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Before the first byte of a row.
    Row,
    /// Before the first byte of a later cell.
    Cell,
    /// In a cell without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: the end of the cell, or the first of two.
    Quote,
}

/// What one byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A line break where no row has begun.
    Blank,
    /// A quote that belongs to the form, not to the content.
    Quote,
    /// A byte of the cell's content.
    Content,
    /// The comma after a cell.
    Comma,
    /// The line break after a row.
    End,
}

impl State {
    /// Moves over `byte`.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        let (next, step) = match (*self, byte) {
            (Self::Row, b'\r' | b'\n') => (Self::Row, Step::Blank),
            (Self::Row | Self::Cell, b'"') => (Self::Quoted, Step::Quote),
            (Self::Quoted, b'"') => (Self::Quote, Step::Quote),
            (Self::Quoted, _) | (Self::Quote, b'"') => (Self::Quoted, Step::Content),
            (_, b',') => (Self::Cell, Step::Comma),
            (_, b'\r' | b'\n') => (Self::Row, Step::End),
            _ => (Self::Bare, Step::Content),
        };
        *self = next;
        step
    }
}

/// Line and column of the byte that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Counted from 1.
    pub(super) line: u64,
    /// In characters, counted from 1.
    pub(super) column: u64,
    after_cr: bool,
}

impl Cursor {
    /// The beginning of `line`.
    pub(super) fn at_line(line: u64) -> Self {
        Self { line, column: 1, after_cr: false }
    }

    /// Moves over `byte`. CR, LF and CRLF each are one line break.
    pub(super) fn pass(&mut self, byte: u8) {
        match byte {
            b'\n' if self.after_cr => self.after_cr = false,
            b'\n' | b'\r' => {
                self.line += 1;
                self.column = 1;
                self.after_cr = byte == b'\r';
            }
            _ => {
                // Continuation bytes of UTF-8 belong to the character before them.
                self.column += u64::from(byte & 0xC0 != 0x80);
                self.after_cr = false;
            }
        }
    }
}

/// Where a row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Its line, counted from 1.
    pub(super) line: u64,
    /// Its first byte in the file.
    pub(super) byte: u64,
}

/// Why nothing after this place can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// A quote opened here is still open at the end of the file.
    #[error(
        "the quote that opens this cell is never closed; close it, or double it (`\"\"`) if it is part of the text"
    )]
    Unclosed {
        /// Where the quote is.
        at: Cursor,
    },
    /// A cell that begins here is too long.
    #[error("this cell is longer than 16 MiB; is its closing quote missing?")]
    LongCell {
        /// Where the cell begins.
        at: Cursor,
    },
    /// A row is too long.
    #[error("the row of this cell is longer than 64 MiB; is this a CSV file?")]
    LongRow {
        /// Where its last readable cell begins.
        at: Cursor,
    },
}

impl Fault {
    /// Where it is.
    pub(super) fn at(&self) -> Cursor {
        match *self {
            Self::Unclosed { at } | Self::LongCell { at } | Self::LongRow { at } => at,
        }
    }
}

/// A reader that watches what passes through it.
pub(super) struct Scanner<R> {
    inner: R,
    state: State,
    cursor: Cursor,
    byte: u64,
    cell: Cursor,
    cell_bytes: usize,
    row_bytes: usize,
    /// Rows that have begun and were not asked for yet: at most one buffer's worth.
    pub(super) starts: VecDeque<Start>,
    /// Set together with the I/O error that ends the stream.
    pub(super) fault: Option<Fault>,
}

impl<R: Read> Scanner<R> {
    /// Watches `inner`, whose first byte is byte number `byte` of the file.
    pub(super) fn new(inner: R, byte: u64) -> Self {
        let cursor = Cursor::at_line(1);
        Self {
            inner,
            state: State::Row,
            cursor,
            byte,
            cell: cursor,
            cell_bytes: 0,
            row_bytes: 0,
            starts: VecDeque::new(),
            fault: None,
        }
    }

    fn watch(&mut self, byte: u8) {
        let before = self.state;
        let step = self.state.step(byte);
        if before == State::Row && step != Step::Blank {
            self.starts.push_back(Start { line: self.cursor.line, byte: self.byte });
            self.row_bytes = 0;
        }
        if matches!(before, State::Row | State::Cell) {
            self.cell = self.cursor;
            self.cell_bytes = 0;
        }
        self.cell_bytes += 1;
        self.row_bytes += 1;
        self.byte += 1;
        self.cursor.pass(byte);
    }

    fn limits(&mut self) -> io::Result<()> {
        if self.cell_bytes > CELL_LIMIT {
            return self.fail(Fault::LongCell { at: self.cell });
        }
        if self.row_bytes > ROW_LIMIT {
            return self.fail(Fault::LongRow { at: self.cell });
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault) -> io::Result<()> {
        self.fault = Some(fault);
        Err(io::Error::other(fault))
    }
}

impl<R: Read> Read for Scanner<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.state == State::Quoted {
            self.fail(Fault::Unclosed { at: self.cell })?;
        }
        for &byte in &buffer[..read] {
            self.watch(byte);
            self.limits()?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> (Vec<u64>, Option<Fault>) {
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        let _ = io::copy(&mut scanner, &mut io::sink());
        let lines = scanner.starts.iter().map(|start| start.line).collect();
        (lines, scanner.fault)
    }

    #[test]
    fn rows_begin_after_blank_lines_and_quoted_newlines() {
        assert_eq!(scanned("a\r\n\r\n\"b\r\nc\"\nd\re").0, [1, 3, 5, 6]);
        assert_eq!(scanned("").0, [0_u64; 0]);
    }

    #[test]
    fn an_open_quote_is_found_at_the_end_with_its_place() {
        let (_, fault) = scanned("a,b\né,\"x\ny\nz");
        let at = fault.unwrap().at();
        assert_eq!((at.line, at.column), (2, 3));
        for fine in ["a,\"b\"", "a\"b", "\"a\"\"b\"", "\"a\"b\"c"] {
            assert_eq!(scanned(fine).1, None, "{fine}");
        }
    }

    #[test]
    fn endless_cells_and_rows_are_refused_before_they_fill_the_memory() {
        let mut endless = Scanner::new(io::repeat(b'x'), 0);
        assert!(io::copy(&mut endless, &mut io::sink()).is_err());
        assert!(matches!(endless.fault, Some(Fault::LongCell { .. })));
        let mut commas = Scanner::new(io::repeat(b','), 0);
        assert!(io::copy(&mut commas, &mut io::sink()).is_err());
        assert!(matches!(commas.fault, Some(Fault::LongRow { .. })));
    }

    proptest::proptest! {
        #[test]
        fn it_sees_as_many_rows_as_the_csv_crate(text in "[ab,\"\r\n]{0,40}") {
            let (lines, fault) = scanned(&text);
            let rows = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes())
                .byte_records()
                .flatten()
                .count();
            // Of an open quote at the end the csv crate makes a row, silently.
            proptest::prop_assert_eq!(rows, lines.len(), "{:?} {:?}", text, fault);
        }
    }
}
