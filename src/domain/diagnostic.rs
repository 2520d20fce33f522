//! A mistake in an input, with the place where it stands.

use std::fmt;
use std::sync::Arc;

/// A place in a file a user wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// The file as the user named it; `-` for standard input.
    pub file: Arc<str>,
    /// Line, counted from 1; 0 where the whole file is meant.
    pub line: u64,
    /// Column in characters, counted from 1; 0 where the whole line is meant.
    pub column: u64,
}

/// One mistake: where it stands, and what was found and expected in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Diagnostic {
    /// Where.
    #[serde(flatten)]
    pub position: Position,
    /// What was found, what was expected, and what to do.
    pub message: String,
}

impl Position {
    /// A place in `file`.
    #[must_use]
    pub fn new(file: &Arc<str>, line: u64, column: u64) -> Self {
        Self { file: Arc::clone(file), line, column }
    }

    /// The mistake `message` at this place.
    #[must_use]
    pub fn says(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { position: self.clone(), message: message.into() }
    }
}

/// `jobs/demo.toml:14:3`, without the parts that are 0.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.line > 0 && self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_editors_read_it() {
        let file: Arc<str> = "jobs/demo.toml".into();
        assert_eq!(Position::new(&file, 14, 3).to_string(), "jobs/demo.toml:14:3");
        assert_eq!(Position::new(&file, 14, 0).to_string(), "jobs/demo.toml:14");
        let said = Position::new(&file, 0, 0).says("is empty");
        assert_eq!(said.to_string(), "jobs/demo.toml: is empty");
    }
}
