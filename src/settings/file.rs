//! Settings from TOML: `nightreel.toml`, and the `[run]` table of a manifest. Every mistake is told
//! with its place, and an unknown key with the nearest right one.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use url::Url;

use super::{Notify, Partial};
use crate::domain::{Diagnostic, Micros, Position, Windows, clock, text};

/// A commented file with every setting at its default; what `nightreel.toml` may hold.
pub const DEFAULT_CONFIG: &str = include_str!("default-config.toml");

/// The name looked for in the working folder.
const NAME: &str = "nightreel.toml";

/// Reads the file named, or `nightreel.toml` where there is one.
pub fn load(named: Option<&Path>) -> Result<Partial, Vec<Diagnostic>> {
    let path = named.unwrap_or(Path::new(NAME));
    let file: Arc<str> = path.display().to_string().into();
    let whole = |message: String| vec![Position::new(&file, 0, 0).says(message)];
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Partial::default());
        }
        Err(error) => return Err(whole(format!("cannot be read: {error}"))),
    };
    parse(&file, &text)
}

/// Reads the text of a settings file.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Partial, Vec<Diagnostic>> {
    let at = |span: Range<usize>| place(file, text, span);
    let table = toml::de::DeTable::parse(text)
        .map_err(|error| vec![at(error.span().unwrap_or(0..0)).says(error.message().to_owned())])?;
    let entries: Vec<(String, toml::Value, Position)> = table
        .get_ref()
        .iter()
        .map(|(key, value)| {
            let span = key.span().start..value.span().end;
            (key.get_ref().to_string(), plain(text, value), at(span))
        })
        .collect();
    let settings = entries.iter().filter(|(key, _, _)| key != "notify");
    let others = settings.map(|(key, value, place)| (key.as_str(), value, place.clone()));
    let mut mistakes = Vec::new();
    let mut partial = from_table(others).unwrap_or_else(|wrong| {
        mistakes = wrong;
        Partial::default()
    });
    if let Some((_, _, place)) = entries.iter().find(|(key, _, _)| key == "notify") {
        match notify_of(text) {
            Ok(notify) => partial.notify = Some(notify),
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|message| place.says(message))),
        }
    }
    mistakes.sort();
    if mistakes.is_empty() { Ok(partial) } else { Err(mistakes) }
}

/// The table `[notify]` of a file. It stands in several places of it, so it is read from the whole.
fn notify_of(text: &str) -> Result<Notify, Vec<String>> {
    let whole: toml::Table = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    match whole.get("notify") {
        Some(toml::Value::Table(table)) => Notify::from_table(table),
        _ => Err(vec!["`notify` is a table: write [notify]".to_owned()]),
    }
}

/// The value on its own: its text stands in the file between its span's ends.
fn plain(text: &str, value: &toml::Spanned<toml::de::DeValue<'_>>) -> toml::Value {
    let written = text.get(value.span()).unwrap_or_default();
    let alone = toml::from_str::<toml::Table>(&format!("value = {written}"));
    alone
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(written.to_owned()))
}

/// Line and column of a byte range.
fn place(file: &Arc<str>, text: &str, span: Range<usize>) -> Position {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position::new(file, line as u64, column as u64)
}

/// Settings from entries with their places: a file's, or a manifest's `[run]` table.
pub fn from_table<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a toml::Value, Position)>,
) -> Result<Partial, Vec<Diagnostic>> {
    let mut partial = Partial::default();
    let mut mistakes = Vec::new();
    for (key, value, place) in entries {
        if key == "notify" {
            mistakes
                .push(place.says("[notify] belongs into nightreel.toml: it names commands to run"));
            continue;
        }
        if let Err(message) = set(&mut partial, key, &Said::Toml(value.clone())) {
            mistakes.push(place.says(message));
        }
    }
    mistakes.sort();
    if mistakes.is_empty() { Ok(partial) } else { Err(mistakes) }
}

/// A value as somebody wrote it.
pub(super) enum Said {
    /// In TOML, with a type.
    Toml(toml::Value),
    /// As plain text.
    Text(String),
}

impl Said {
    /// The value as text: numbers and words without quotes.
    fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => Ok(text.clone()),
            Self::Toml(toml::Value::Integer(number)) => Ok(number.to_string()),
            Self::Toml(toml::Value::Float(number)) => Ok(number.to_string()),
            Self::Toml(other) => Err(format!("expected one value, found {}", other.type_str())),
        }
    }

    fn flag(&self) -> Result<bool, String> {
        match self {
            Self::Toml(toml::Value::Boolean(on)) => Ok(*on),
            Self::Text(text) if text == "true" => Ok(true),
            Self::Text(text) if text == "false" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }
}

/// Every key a file may hold, in the order of the contract's table.
pub const KEYS: [&str; 34] = [
    "state_dir",
    "output_dir",
    "base_url",
    "api_key_file",
    "proxy",
    "concurrency",
    "downloads",
    "rpm",
    "budget",
    "max_attempts",
    "retry_base",
    "retry_cap",
    "poll_min",
    "poll_max",
    "job_timeout",
    "submit_timeout",
    "absence_wait",
    "on_unknown",
    "max_double",
    "until",
    "for",
    "at",
    "windows",
    "keep_awake",
    "no_ramp",
    "changed",
    "skip_invalid",
    "allow_network_ledger",
    "allow_unpriced",
    "no_schema",
    "progress",
    "events",
    "format",
    "yes",
];

/// Sets one setting by its name.
pub(super) fn set(partial: &mut Partial, key: &str, said: &Said) -> Result<(), String> {
    match key {
        "state_dir" => partial.state_dir = Some(path(said)?),
        "output_dir" => partial.output_dir = Some(path(said)?),
        "base_url" => partial.base_url = Some(parse_url(&said.text()?)?),
        "api_key_file" => partial.api_key_file = Some(path(said)?),
        "proxy" => partial.proxy = Some(parse_url(&said.text()?)?),
        "concurrency" => partial.concurrency = Some(parse_count(&said.text()?)?),
        "downloads" => partial.downloads = Some(parse_count(&said.text()?)?),
        "rpm" => partial.rpm = Some(parse_rate(&said.text()?)?),
        "budget" => partial.budget = Some(parse_money(&said.text()?)?),
        "max_attempts" => partial.max_attempts = Some(parse_count(&said.text()?)?),
        "max_double" => partial.max_double = Some(parse_money(&said.text()?)?),
        "until" => partial.until = Some(said.text()?.parse()?),
        "at" => partial.at = Some(said.text()?.parse()?),
        "windows" => partial.windows = Some(windows(said)?),
        "keep_awake" => partial.keep_awake = Some(said.flag()?),
        "events" => partial.events = Some(path(said)?),
        "on_unknown" => partial.on_unknown = Some(one_of(said)?),
        "changed" => partial.changed = Some(one_of(said)?),
        "progress" => partial.progress = Some(one_of(said)?),
        "format" => partial.format = Some(one_of(said)?),
        "no_ramp" => partial.no_ramp = Some(said.flag()?),
        "allow_network_ledger" => partial.allow_network_ledger = Some(said.flag()?),
        "skip_invalid" => partial.skip_invalid = Some(said.flag()?),
        "allow_unpriced" => partial.allow_unpriced = Some(said.flag()?),
        "no_schema" => partial.no_schema = Some(said.flag()?),
        "yes" => partial.yes = Some(said.flag()?),
        _ => return set_duration(partial, key, said),
    }
    Ok(())
}

fn set_duration(partial: &mut Partial, key: &str, said: &Said) -> Result<(), String> {
    let slot = match key {
        "retry_base" => &mut partial.retry_base,
        "retry_cap" => &mut partial.retry_cap,
        "poll_min" => &mut partial.poll_min,
        "poll_max" => &mut partial.poll_max,
        "job_timeout" => &mut partial.job_timeout,
        "submit_timeout" => &mut partial.submit_timeout,
        "absence_wait" => &mut partial.absence_wait,
        "for" => &mut partial.run_for,
        _ => return Err(unknown(key)),
    };
    *slot = Some(clock::parse_duration(&said.text()?)?);
    Ok(())
}

fn unknown(key: &str) -> String {
    let shown = text::visible(key);
    match text::nearest(key, KEYS) {
        Some(near) => format!("unknown setting `{shown}`; did you mean `{near}`?"),
        None => format!("unknown setting `{shown}`; known are {}", KEYS.join(", ")),
    }
}

/// One time of the week, or a list of them.
fn windows(said: &Said) -> Result<Windows, String> {
    let Said::Toml(toml::Value::Array(all)) = said else {
        return Windows::parse(said.text()?.split(';'));
    };
    let texts: Option<Vec<&str>> = all.iter().map(toml::Value::as_str).collect();
    Windows::parse(texts.ok_or_else(|| "expected a list of texts".to_owned())?)
}

fn path(said: &Said) -> Result<PathBuf, String> {
    let text = said.text()?;
    if text.is_empty() { Err("expected a path, found nothing".to_owned()) } else { Ok(text.into()) }
}

/// Reads a URL with a host.
pub fn parse_url(said: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("this is not an http or https URL: {why}");
    let url = Url::parse(said.trim()).map_err(|error| wrong(&error.to_string()))?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if web { Ok(url) } else { Err(wrong("it has another scheme or no host")) }
}

/// Reads a whole number from 1 to 10,000.
pub fn parse_count(said: &str) -> Result<NonZeroU32, String> {
    let wrong =
        || format!("expected a whole number from 1 to 10000, found `{}`", text::visible(said));
    let number: NonZeroU32 = said.trim().parse().map_err(|_| wrong())?;
    if number.get() <= 10_000 { Ok(number) } else { Err(wrong()) }
}

/// Reads a number of submissions a minute, from 1 to a million.
pub fn parse_rate(said: &str) -> Result<NonZeroU32, String> {
    let wrong =
        || format!("expected a whole number from 1 to 1000000, found `{}`", text::visible(said));
    let number: NonZeroU32 = said.trim().parse().map_err(|_| wrong())?;
    if number.get() <= 1_000_000 { Ok(number) } else { Err(wrong()) }
}

/// Reads an amount of dollars.
pub fn parse_money(said: &str) -> Result<Micros, String> {
    Micros::typed(said).map_err(|error| error.to_string())
}

pub(super) fn one_of<T: ValueEnum>(said: &Said) -> Result<T, String> {
    let word = said.text()?;
    T::from_str(&word, false).map_err(|_| {
        let known: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        format!("expected {}, found `{}`", known.join(" or "), text::visible(&word))
    })
}
