//! The words of a manifest: which names mean something to nightreel, and which are parameters.

use std::ops::Range;

use serde_json::Value;

use super::media;
use crate::domain::{template, text};

/// Names of job fields that are not parameters, apart from `vars`. (`prompt` is a parameter, and
/// stands here so that a misspelt one is noticed.)
pub(super) const RESERVED: [&str; 7] =
    ["id", "model", "prompt", "output", "count", "priority", "price"];

/// Parameters that are always text, whatever they look like.
const TEXTS: [&str; 4] = ["prompt", "negative_prompt", "text", "lyrics"];

/// What a field of a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The job's key.
    Id,
    /// The model.
    Model,
    /// The file name template.
    Output,
    /// How many variants.
    Count,
    /// Higher goes first.
    Priority,
    /// A price stated by the manifest.
    Price,
    /// A variable for templates.
    Var(String),
    /// A parameter sent to the API.
    Param(Param),
}

/// A parameter sent at the top level of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Param {
    /// Its name.
    pub(super) name: String,
    /// What its text may be.
    pub(super) kind: Kind,
}

/// How the text of a parameter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, always.
    Text,
    /// A file, a URL or a data URI, if it looks like one or the name leaves no doubt.
    Media(media::Name),
    /// A number, a boolean or text.
    Plain,
}

/// A field as the manifest gives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// What it is for.
    pub(super) slot: &'a Slot,
    /// What it holds.
    pub(super) raw: Raw<'a>,
    /// Where it stands.
    pub(super) at: At,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
    /// A CSV cell: no type yet.
    Cell(&'a str),
    /// A TOML value.
    Typed(&'a Value),
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// The row as a whole.
    Row,
    /// A cell of the row, counted from 0.
    Cell(usize),
    /// From this byte of the TOML text to that.
    Span(usize, usize),
}

/// A field of a TOML job or of its defaults.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    /// What it is for.
    pub(super) slot: Slot,
    /// What it holds.
    pub(super) value: Value,
    /// Where its name stands in the TOML text.
    pub(super) key: usize,
    /// Where its value stands in the TOML text.
    pub(super) span: Range<usize>,
}

/// A mistake in a row, before anybody asked for its line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The field.
    pub(super) at: At,
    /// The byte of its content that is meant.
    pub(super) offset: usize,
    /// What is wrong.
    pub(super) message: String,
}

impl At {
    /// The mistake `message` at this place.
    pub(super) fn says(self, message: impl Into<String>) -> Mistake {
        Mistake { at: self, offset: 0, message: message.into() }
    }
}

impl Owned {
    /// The field as rows see it.
    pub(super) fn field(&self) -> Field<'_> {
        Field {
            slot: &self.slot,
            raw: Raw::Typed(&self.value),
            at: At::Span(self.span.start, self.span.end),
        }
    }
}

impl Slot {
    /// The slot of a job field other than `vars`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "id" => Self::Id,
            "model" => Self::Model,
            "output" => Self::Output,
            "count" => Self::Count,
            "priority" => Self::Priority,
            "price" => Self::Price,
            _ => Self::Param(Param::named(name)),
        }
    }

    /// The slot of a CSV column: a job field, or `var.NAME`.
    pub(super) fn of_column(name: &str) -> Result<Self, String> {
        if let Some(variable) = name.strip_prefix("var.") {
            check_variable(variable)?;
            return Ok(Self::Var(variable.to_owned()));
        }
        let meant = name.to_ascii_lowercase();
        if matches!(meant.as_str(), "var" | "vars")
            || ["var.", "vars."].iter().any(|p| meant.starts_with(p))
        {
            return Err(format!(
                "unknown column {}; write a variable for templates as `var.NAME`",
                quoted(name)
            ));
        }
        Ok(Self::named(name))
    }

    /// The reserved name that the name of this parameter was most likely meant to be.
    /// `given` tells which names the manifest gives elsewhere: their like is no mistake.
    pub(super) fn misspelt(&self, given: impl Fn(&str) -> bool) -> Option<&'static str> {
        let Self::Param(param) = self else {
            return None;
        };
        let name = param.name.to_lowercase();
        RESERVED
            .into_iter()
            .filter(|right| *right != param.name && !given(right))
            // One slip in `model`, two in `priority`, none in `id`, which is near everything.
            .filter(|right| strsim::damerau_levenshtein(&name, right) <= right.len() / 3)
            .min_by_key(|right| strsim::damerau_levenshtein(&name, right))
    }

    /// What the manifest calls it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Id => "id",
            Self::Model => "model",
            Self::Output => "output",
            Self::Count => "count",
            Self::Priority => "priority",
            Self::Price => "price",
            Self::Var(name) => name,
            Self::Param(param) => &param.name,
        }
    }
}

impl Param {
    /// The parameter of that name.
    pub(super) fn named(name: &str) -> Self {
        let kind = match media::Name::of(name) {
            _ if TEXTS.contains(&name) => Kind::Text,
            Some(media) => Kind::Media(media),
            None => Kind::Plain,
        };
        Self { name: name.to_owned(), kind }
    }
}

/// Whether `name` may be a variable of templates.
pub(super) fn check_variable(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !begins || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "{} cannot be the name of a variable; use letters, digits and `_`",
            quoted(name)
        ));
    }
    // A matrix over models or prompts is natural, and agrees with what the output is given.
    let own = template::OUTPUT_VARIABLES.contains(&name) && !matches!(name, "model" | "prompt");
    if own {
        return Err(format!("the variable `{name}` is nightreel's own; choose another name"));
    }
    Ok(())
}

/// A name or value from the manifest as it stands in a message.
pub(super) fn quoted(found: &str) -> String {
    format!("`{}`", text::cut(&text::visible(found), 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misspelt(name: &str, given: &[&str]) -> Option<&'static str> {
        Slot::named(name).misspelt(|right| given.contains(&right))
    }

    #[test]
    fn a_near_name_is_a_mistake_only_where_the_right_one_is_absent() {
        assert_eq!(misspelt("promt", &[]), Some("prompt"));
        assert_eq!(misspelt("promt", &["prompt"]), None);
        assert_eq!(misspelt("modle", &[]), Some("model"));
        assert_eq!(misspelt("outptu", &[]), Some("output"));
        assert_eq!(misspelt("prioritiy", &[]), Some("priority"));
        assert_eq!(misspelt("ID", &[]), Some("id"));
        assert_eq!(misspelt("Prompt", &[]), Some("prompt"));
    }

    #[test]
    fn parameters_of_real_models_are_no_slips() {
        let given = ["model"];
        for name in
            ["mode", "n", "seed", "duration", "size", "input", "amount", "fps", "style", "voice_id"]
        {
            assert_eq!(misspelt(name, &given), None, "{name}");
        }
    }

    #[test]
    fn variables_are_words_that_are_free() {
        assert_eq!(Slot::of_column("var.hero"), Ok(Slot::Var("hero".into())));
        for wrong in ["var.", "var.a.b", "var.1", "var.row", "vars.x", "Var.x", "var"] {
            assert!(Slot::of_column(wrong).is_err(), "{wrong}");
        }
        assert!(check_variable("model").is_ok());
    }
}
