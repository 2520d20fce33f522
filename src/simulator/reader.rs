//! Reads a scenario's TOML with a place for every mistake, and names unknown keys.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::{Diagnostic, Micros, Position, clock, text};

/// The text being read, and the mistakes found so far.
pub(super) struct Source<'t> {
    file: Arc<str>,
    text: &'t str,
    mistakes: RefCell<Vec<Diagnostic>>,
}

/// One table of it. Every key asked for counts as known.
pub(super) struct Section<'s, 't> {
    source: &'s Source<'t>,
    table: &'s DeTable<'t>,
    at: Range<usize>,
    known: RefCell<Vec<&'static str>>,
}

/// What a value is read as; the error says what was expected.
pub(super) type Parse<T> = fn(&DeValue<'_>) -> Result<T, String>;

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str, file: &str) -> Self {
        Self { file: file.into(), text, mistakes: RefCell::default() }
    }

    /// Notes a mistake at a byte range.
    pub(super) fn says(&self, at: &Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let place = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let position = Position::new(&self.file, place(line), place(column));
        self.mistakes.borrow_mut().push(position.says(message));
    }

    /// The root table of what `parse_recoverable` gave.
    pub(super) fn root<'s>(&'s self, table: &'s Spanned<DeTable<'t>>) -> Section<'s, 't> {
        Section {
            source: self,
            table: table.get_ref(),
            at: table.span(),
            known: RefCell::default(),
        }
    }

    /// All mistakes, in the order of the text.
    pub(super) fn mistakes(self) -> Vec<Diagnostic> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort();
        mistakes.dedup();
        mistakes
    }
}

impl<'s, 't> Section<'s, 't> {
    /// The value of `key`; `None` where it is missing or wrong (which is then noted).
    pub(super) fn read<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        let value = self.value(key)?;
        match parse(value.get_ref()) {
            Ok(found) => Some(found),
            Err(expected) => {
                self.source.says(&value.span(), format!("`{key}`: {expected}"));
                None
            }
        }
    }

    /// As [`Section::read`]; a missing key is a mistake of the section.
    pub(super) fn need<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        if self.value(key).is_none() {
            self.says(format!("`{key}` is missing"));
        }
        self.read(key, parse)
    }

    /// The table under `key`.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'s, 't>> {
        let value = self.value(key)?;
        let section = self.open(value);
        if section.is_none() {
            self.source.says(&value.span(), format!("`{key}` must be a table: write [{key}]"));
        }
        section
    }

    /// The tables under `key`, written `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'s, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let tables = value.get_ref().as_array().map(|list| {
            let open = |item| self.open(item);
            list.iter().filter_map(open).collect::<Vec<_>>()
        });
        tables.unwrap_or_else(|| {
            let message = format!("`{key}` must be a list of tables: write [[{key}]]");
            self.source.says(&value.span(), message);
            Vec::new()
        })
    }

    /// Every key with its value: for tables whose keys are names.
    pub(super) fn pairs<T>(&self, parse: Parse<T>) -> Vec<(String, T)> {
        let read = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            match parse(value.get_ref()) {
                Ok(found) => Some((name.to_string(), found)),
                Err(expected) => {
                    self.source.says(&value.span(), format!("`{name}`: {expected}"));
                    None
                }
            }
        };
        self.table.iter().filter_map(read).collect()
    }

    /// Notes a mistake of this table.
    pub(super) fn says(&self, message: impl Into<String>) {
        self.source.says(&self.at, message);
    }

    /// Notes a mistake at the value of `key`.
    pub(super) fn says_at(&self, key: &'static str, message: impl Into<String>) {
        let at = self.value(key).map_or(self.at.clone(), Spanned::span);
        self.source.says(&at, message);
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Notes every key nobody asked for, with the nearest right one.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let hint = match text::nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.source.says(&key.span(), format!("unknown key `{name}`; {hint}"));
        }
    }

    fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key)
    }

    fn open(&self, value: &'s Spanned<DeValue<'t>>) -> Option<Section<'s, 't>> {
        Some(Section {
            source: self.source,
            table: value.get_ref().as_table()?,
            at: value.span(),
            known: RefCell::default(),
        })
    }
}

fn found(value: &DeValue<'_>, expected: &str) -> String {
    format!("expected {expected}, found a {}", value.type_str())
}

/// A text.
pub(super) fn string(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| found(value, "a text"))?;
    Ok(text.to_owned())
}

/// A whole number from 0.
pub(super) fn whole(value: &DeValue<'_>) -> Result<u64, String> {
    let number = value.as_integer().ok_or_else(|| found(value, "a number"))?;
    u64::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| format!("expected a whole number from 0, found {}", number.as_str()))
}

/// A number from 0, with or without a fraction.
pub(super) fn number(value: &DeValue<'_>) -> Result<f64, String> {
    let written = match value {
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        other => return Err(found(other, "a number")),
    };
    let number: Result<f64, _> = written.parse();
    number
        .ok()
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| format!("expected a number from 0, found {written}"))
}

/// A share from 0 to 1.
pub(super) fn share(value: &DeValue<'_>) -> Result<f64, String> {
    let share = number(value)?;
    if share <= 1.0 {
        return Ok(share);
    }
    Err(format!("expected a probability from 0 to 1, found {share}"))
}

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| found(value, "true or false"))
}

/// A length of time; besides the contract's units also days, `14d`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    let written = string(value).map_err(|_| found(value, "a duration in quotes like \"30s\""))?;
    let days = written.trim().strip_suffix('d').map(str::parse::<u64>);
    match days {
        Some(Ok(days)) => Ok(Duration::from_hours(days.saturating_mul(24))),
        _ => clock::parse_duration(&written),
    }
}

/// An amount, as a text or as a number written exactly.
pub(super) fn money(value: &DeValue<'_>) -> Result<Micros, String> {
    let written = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        other => return Err(found(other, "an amount like \"0.10\"")),
    };
    Micros::parse(written).map_err(|error| error.to_string())
}

/// One ordinal or a list of them, counted from 1.
pub(super) fn ordinals(value: &DeValue<'_>) -> Result<Vec<u64>, String> {
    let list = match value.as_array() {
        Some(list) => list.iter().map(|item| whole(item.get_ref())).collect(),
        None => whole(value).map(|one| vec![one]),
    }?;
    let list: Vec<u64> = list;
    if list.is_empty() || list.contains(&0) {
        return Err("expected ordinals counted from 1".to_owned());
    }
    Ok(list)
}

/// A text or a number, as JSON.
pub(super) fn scalar(value: &DeValue<'_>) -> Result<serde_json::Value, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Into::into)
            .map_err(|_| format!("{} is too large", number.as_str())),
        other => Err(found(other, "a text or a whole number")),
    }
}
