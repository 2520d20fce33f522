//! Words of a command as a shell takes them, to be pasted.

use std::fmt::Write as _;

use crate::domain::text;

/// A command of these words, each of which reaches the program as it is.
pub(super) fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// `word` quoted where a shell would take it for something else. What cannot be seen, or would not
/// survive a terminal, is written as `$'\xNN'`, which bash, zsh and ksh know.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains(text::is_hidden) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if text::is_hidden(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a String cannot fail. Octal has an end: three digits.
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const WORDS: [&str; 12] = [
        "demo/cat-7",
        "",
        "two words",
        "it's",
        "$(touch x) `y` $HOME",
        "=zsh",
        "a;b|c&d>e",
        "*?[x]{a,b}~",
        "new\nline\ttab",
        "\u{202e}bidi\u{1b}[2J\u{7f}1",
        "\u{2028}é日",
        "back\\slash'\u{200b}",
    ];

    #[test]
    fn a_shell_gives_back_every_word() {
        let line = line(WORDS);
        assert!(!line.contains(text::is_hidden), "{line}");
        let script = format!("printf '%s\\0' {line}");
        let said = Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.split_terminator('\0').collect::<Vec<_>>(), WORDS);
    }
}
