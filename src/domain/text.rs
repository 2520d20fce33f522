//! The one place where untrusted text is made harmless for terminals and logs, and cut to a bound.

use std::fmt::Write as _;

/// How much of an API's error text is kept, in bytes (reliability.md S6).
pub const ERROR_TEXT_LIMIT: usize = 4096;

/// `text` with every control, bidi and invisible formatting character made visible as `\u{…}`,
/// so that it cannot move the cursor, reorder a line or hide anything.
/// Line breaks and tabs become `\n`, `\r`, `\t` in letters.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a character changes how its neighbours are shown, or shows nothing itself.
/// U+200D (zero-width joiner) stays: emoji need it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` cut to at most `limit` bytes at a character's end, with `…` where something was cut.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub('…'.len_utf8()))
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

/// What the API said, safe to keep and to show: visible and at most [`ERROR_TEXT_LIMIT`] bytes.
#[must_use]
pub fn from_api(text: &str) -> String {
    cut(&visible(&cut(text, ERROR_TEXT_LIMIT)), ERROR_TEXT_LIMIT)
}

/// The name among `known` that `wrong` was most likely meant to be.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|&(distance, name)| distance <= (name.chars().count() / 3).max(2))
        .min()
        .map(|(_, name)| name)
}

/// An error with everything beneath it, each thing said once.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

/// `1 job`, `12 jobs`: a number with its noun.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A size in bytes for people: `812 B`, `4.1 kB`, `2.0 GB`.
#[must_use]
pub fn bytes(size: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut tenths = size / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < units.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_untrusted_moves_the_cursor_or_turns_the_line_round() {
        assert_eq!(visible("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(visible("👩‍🚀 é 日本"), "👩‍🚀 é 日本");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(cut("ééééé", 6), "é…");
        assert_eq!(cut("short", 6), "short");
        assert!(from_api(&"\x1b".repeat(9000)).len() <= ERROR_TEXT_LIMIT);
    }

    #[test]
    fn the_nearest_name_is_offered_only_if_it_is_near() {
        assert_eq!(nearest("promt", ["prompt", "output"]), Some("prompt"));
        assert_eq!(nearest("zebra", ["prompt", "output"]), None);
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(count(1, "job"), "1 job");
        assert_eq!(count(0, "job"), "0 jobs");
        let shown = [812, 4_120, 2_000_000_000].map(bytes);
        assert_eq!(shown, ["812 B", "4.1 kB", "2.0 GB"]);
    }
}
