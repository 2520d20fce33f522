//! `[notify]` in `nightreel.toml`: who is told how a run goes, and of what. A manifest has no say in it:
//! it would name commands to run.

use std::fmt;

use clap::ValueEnum;
use url::Url;

use super::file::{self, Said, parse_url};
use crate::domain::text;

/// What is worth a word to somebody who is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Moment {
    /// The run has ended.
    End,
    /// Submitting has stopped before its time; what is paid is still collected.
    Stop,
    /// The first job that failed, or whose outcome nobody knows, or the network is gone.
    Trouble,
}

impl Moment {
    /// The word used in the settings, in JSON and in the environment of a command.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Stop => "stop",
            Self::Trouble => "trouble",
        }
    }
}

/// How a webhook wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// An object with every figure.
    Json,
    /// Slack's incoming webhooks (docs.slack.dev, "Sending messages using incoming webhooks").
    Slack,
    /// Discord's webhooks (discord.com/developers/docs, "Execute Webhook").
    Discord,
    /// A topic of ntfy (docs.ntfy.sh/publish).
    Ntfy,
}

/// An address that may hold a secret: only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to POST to.
    pub url: Url,
    /// In which shape.
    pub shape: Shape,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.shape, self.host())
    }
}

impl Webhook {
    /// Its host, for messages.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// A webhook.
    pub webhook: Option<Webhook>,
    /// A program with its arguments; empty is none.
    pub command: Vec<String>,
    /// What they are told of.
    pub on: Vec<Moment>,
}

impl Notify {
    /// Reads the table; every mistake in it is told.
    pub(super) fn from_table(table: &toml::Table) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut take = |result: Result<(), String>| mistakes.extend(result.err());
        let (mut url, mut shape) = (None, None);
        let mut read =
            Self { webhook: None, command: Vec::new(), on: Moment::value_variants().to_vec() };
        for (key, value) in table {
            take(match key.as_str() {
                "webhook" => word(key, value).and_then(|it| {
                    url = Some(parse_url(it).map_err(|error| format!("`webhook`: {error}"))?);
                    Ok(())
                }),
                "shape" => one_of(key, value).map(|it| shape = Some(it)),
                "command" => command(value).map(|it| read.command = it),
                "on" => moments(value).map(|it| read.on = it),
                other => Err(unknown(other)),
            });
        }
        if url.is_none() && shape.is_some() {
            take(Err("`shape` is that of a `webhook`, and there is none".to_owned()));
        }
        if table.is_empty() || (url.is_none() && read.command.is_empty() && mistakes.is_empty()) {
            mistakes.push("[notify] needs a `webhook` or a `command`".to_owned());
        }
        read.webhook = url.map(|url| {
            let shape = shape.unwrap_or_else(|| shape_of(&url));
            Webhook { url, shape }
        });
        if mistakes.is_empty() { Ok(read) } else { Err(mistakes) }
    }
}

/// What an address itself says about its shape.
fn shape_of(url: &Url) -> Shape {
    let host = url.host_str().unwrap_or_default();
    let is_below = |name: &str| host == name || host.ends_with(&format!(".{name}"));
    match host {
        "hooks.slack.com" => Shape::Slack,
        _ if is_below("discord.com") || is_below("discordapp.com") => Shape::Discord,
        _ if is_below("ntfy.sh") => Shape::Ntfy,
        _ => Shape::Json,
    }
}

fn word<'a>(key: &str, value: &'a toml::Value) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("`{key}`: expected a text, found {}", value.type_str()))
}

fn one_of<T: ValueEnum>(key: &str, value: &toml::Value) -> Result<T, String> {
    let said = Said::Text(word(key, value)?.to_owned());
    file::one_of(&said).map_err(|error| format!("`{key}`: {error}"))
}

fn command(value: &toml::Value) -> Result<Vec<String>, String> {
    let wrong = || {
        "`command`: expected a program and its arguments, [\"notify-send\", \"nightreel\"]"
            .to_owned()
    };
    let words: Option<Vec<String>> = value
        .as_array()
        .and_then(|all| all.iter().map(|it| it.as_str().map(str::to_owned)).collect());
    words.filter(|words| words.first().is_some_and(|program| !program.is_empty())).ok_or_else(wrong)
}

fn moments(value: &toml::Value) -> Result<Vec<Moment>, String> {
    match value {
        toml::Value::Array(all) if !all.is_empty() => {
            all.iter().map(|it| one_of("on", it)).collect()
        }
        one => Ok(vec![one_of("on", one)?]),
    }
}

fn unknown(key: &str) -> String {
    let known = ["webhook", "shape", "command", "on"];
    let near = text::nearest(key, known).map_or_else(
        || format!("known are {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("unknown setting `{}` in [notify]; {near}", text::visible(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Notify, Vec<String>> {
        Notify::from_table(&toml::from_str(text).unwrap())
    }

    #[test]
    fn the_shape_follows_the_address_and_the_address_is_not_shown() {
        for (url, shape) in [
            ("https://hooks.slack.com/services/T0/B0/secret", Shape::Slack),
            ("https://discord.com/api/webhooks/1/secret", Shape::Discord),
            ("https://ntfy.sh/secret", Shape::Ntfy),
            ("https://ntfy.sh.example/secret", Shape::Json),
        ] {
            let notify = read(&format!("webhook = \"{url}\"")).unwrap();
            assert_eq!(notify.webhook.as_ref().unwrap().shape, shape);
            assert!(!format!("{notify:?}").contains("secret"));
        }
        let ours = read("webhook = \"https://ntfy.example/t\"\nshape = \"ntfy\"").unwrap();
        assert_eq!(ours.webhook.unwrap().shape, Shape::Ntfy);
    }

    #[test]
    fn every_mistake_is_told() {
        for (text, said) in [
            ("", "needs a `webhook` or a `command`"),
            ("shape = \"slack\"", "there is none"),
            ("webhook = \"ftp://x\"", "not an http or https URL"),
            ("comand = [\"x\"]", "did you mean `command`?"),
            ("command = []", "expected a program"),
            ("command = \"rm -rf\"", "expected a program"),
            ("command = [\"x\"]\non = [\"morning\"]", "`end` or `stop` or `trouble`"),
        ] {
            let mistakes = read(text).unwrap_err().join("\n");
            assert!(mistakes.contains(said), "{text}: {mistakes}");
        }
        assert_eq!(read("command = [\"x\"]\non = \"end\"").unwrap().on, [Moment::End]);
    }
}
