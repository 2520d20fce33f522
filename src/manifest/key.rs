//! Keys: what finds a job again across runs.
//!
//! A row without an `id` is called after its content, so moving or inserting rows reruns nothing.
//! Memory is one map entry of a few words for each job, not the keys themselves.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash as _, Hasher as _};

use super::field::quoted;
use crate::domain::Digest;

/// The most bytes an `id` may have.
const LIMIT: usize = 120;

/// The keys given so far in one pass over a manifest.
#[derive(Default)]
pub(super) struct Keys(HashMap<u64, Seen>);

/// A job seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its line.
    pub(super) line: u32,
    /// Whether that line is in the CSV file, not in the TOML file.
    pub(super) in_table: bool,
    /// How many jobs had this content.
    count: u32,
}

impl Seen {
    /// A job on `line`.
    pub(super) fn on(line: u64, in_table: bool) -> Self {
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), in_table, count: 1 }
    }
}

impl Keys {
    /// Takes `id` for a job; the error is the job that has it already.
    pub(super) fn take(&mut self, id: &str, job: Seen) -> Result<(), Seen> {
        match self.0.entry(hash(id)) {
            Entry::Occupied(seen) => Err(*seen.get()),
            Entry::Vacant(free) => {
                free.insert(job);
                Ok(())
            }
        }
    }

    /// The key of a job without an `id`: of its content, and from the second job of that content
    /// on of its number among them.
    pub(super) fn of(&mut self, content: Digest, job: Seen) -> String {
        let name = content.short();
        match self.0.entry(hash(&name)) {
            Entry::Vacant(free) => {
                free.insert(job);
                name
            }
            Entry::Occupied(mut seen) => {
                let seen = seen.get_mut();
                seen.count += 1;
                format!("{name}-{}", seen.count)
            }
        }
    }
}

/// Whether `id` may be a key: it becomes part of file names and is typed into a shell.
pub(super) fn check(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("this `id` is empty".to_owned());
    }
    if id.len() > LIMIT {
        return Err(format!(
            "the id {} has {} bytes; at most {LIMIT} are allowed",
            quoted(id),
            id.len()
        ));
    }
    let wrong = id.chars().find(|c| !c.is_alphanumeric() && !"-_.".contains(*c));
    if let Some(wrong) = wrong {
        return Err(format!(
            "the id {} contains {}; allowed are letters, digits, `-`, `_` and `.`",
            quoted(id),
            if wrong == ' ' { "a blank".to_owned() } else { quoted(&wrong.to_string()) }
        ));
    }
    if id.starts_with('.') {
        return Err(format!("the id {} begins with a dot", quoted(id)));
    }
    Ok(())
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_are_numbered_from_the_second_on() {
        let mut keys = Keys::default();
        let content = Digest::of(b"cat");
        let given = [1, 2, 3].map(|line| keys.of(content, Seen::on(line, true)));
        let name = content.short();
        assert_eq!(given, [name.clone(), format!("{name}-2"), format!("{name}-3")]);
    }

    #[test]
    fn an_id_is_taken_once() {
        let mut keys = Keys::default();
        assert_eq!(keys.take("a", Seen::on(7, true)), Ok(()));
        assert_eq!(keys.take("b", Seen::on(8, true)), Ok(()));
        assert_eq!(keys.take("a", Seen::on(9, true)).unwrap_err().line, 7);
    }

    #[test]
    fn ids_are_safe_in_file_names_and_shells() {
        for fine in ["a", "shot-01_b.v2", "été", "日本"] {
            assert_eq!(check(fine), Ok(()));
        }
        for wrong in ["", "a b", "a/b", "..", "a\n", "a\u{202e}b", &"x".repeat(121)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
