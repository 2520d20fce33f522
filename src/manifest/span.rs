//! From bytes of a TOML text to lines and columns.

use std::ops::Range;
use std::sync::Arc;

use crate::domain::Position;

/// The text of a TOML manifest, with the beginnings of its lines.
#[derive(Debug)]
pub(super) struct Text {
    name: Arc<str>,
    source: String,
    lines: Vec<usize>,
}

impl Text {
    /// The text of the file `name`.
    pub(super) fn new(name: &Arc<str>, source: String) -> Self {
        let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        Self { name: Arc::clone(name), lines: std::iter::once(0).chain(breaks).collect(), source }
    }

    /// The whole text.
    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// Line and column of the byte `at`.
    pub(super) fn position(&self, at: usize) -> Position {
        let at = self.source.floor_char_boundary(at);
        let line = self.lines.partition_point(|&start| start <= at);
        let start = self.lines[line - 1];
        let column = self.source[start..at].chars().count() + 1;
        Position::new(&self.name, to_u64(line), to_u64(column))
    }

    /// Where the byte `offset` of the string written at `span` stands; the beginning of the value
    /// for offset 0, and where escapes make that uncertain.
    pub(super) fn inside(&self, span: &Range<usize>, offset: usize) -> Position {
        let raw = &self.source[span.clone()];
        let start = content_start(raw).filter(|_| offset > 0);
        let exact = start.filter(|&start| {
            let before = raw.get(start..start + offset);
            before.is_some_and(|before| raw.starts_with('\'') || !before.contains('\\'))
        });
        self.position(span.start + exact.map_or(0, |start| start + offset))
    }
}

/// How far behind the beginning of a written string its content begins.
fn content_start(raw: &str) -> Option<usize> {
    for fence in ["\"\"\"", "'''"] {
        if let Some(rest) = raw.strip_prefix(fence).filter(|_| raw.len() >= 6) {
            // A line break right after the fence is not content.
            let skipped = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
            return Some(3 + rest.len() - skipped.unwrap_or(rest).len());
        }
    }
    raw.starts_with(['"', '\'']).then_some(1)
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text::new(&"x.toml".into(), text.to_owned())
    }

    fn at(position: &Position) -> (u64, u64) {
        (position.line, position.column)
    }

    #[test]
    fn columns_count_characters() {
        let text = text("a\né = 1\n");
        assert_eq!(at(&text.position(0)), (1, 1));
        assert_eq!(at(&text.position(5)), (2, 3));
        assert_eq!(at(&text.position(999)), (3, 1));
    }

    #[test]
    fn a_place_inside_a_string_is_found_where_no_escape_hides_it() {
        let source = text("p = \"ab {{ x }}\"");
        assert_eq!(at(&source.inside(&(4..16), 6)), (1, 12));
        let source = text("p = '''\nab\n{{ x }}'''");
        assert_eq!(at(&source.inside(&(4..21), 6)), (3, 4));
        let source = text("p = \"\\n {{ x }}\"");
        assert_eq!(at(&source.inside(&(4..16), 5)), (1, 5));
        let source = text("p = [1]");
        assert_eq!(at(&source.inside(&(4..7), 2)), (1, 5));
    }
}
