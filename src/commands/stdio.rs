//! Standard output and standard error, and what it means that one of them takes nothing.

use std::io::{self, Write};

/// Standard output, whose reader may have seen enough: that is no error, and is told apart from
/// every other broken pipe. Whatever else keeps it from being written is an error that names it.
struct Stdout;

/// Standard error. What it does not take is lost, and stops nothing: a night's work must not end
/// because the disk of its log is full.
struct Stderr;

/// Standard output for commands that need nothing else.
pub(super) fn stdout() -> Box<dyn Write + Send> {
    Box::new(Stdout)
}

/// Standard error.
pub(super) fn stderr() -> Box<dyn Write + Send> {
    Box::new(Stderr)
}

/// The reader of standard output has gone.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
struct Closed;

/// Standard output takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(super) struct Full(#[source] pub(super) io::Error);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(marked)
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::BrokenPipe => io::Error::new(kind, Closed),
        kind => io::Error::new(kind, Full(error)),
    }
}

/// Whether an error only says that nobody reads standard output any more.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Closed>)
    })
}
