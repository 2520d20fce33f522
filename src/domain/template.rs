//! The template language of prompts, parameters and file names, set up in one place so that what
//! a manifest checks is what later names the files.

use std::ops::Range;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

use super::text;

/// The file name template of jobs that give none (contract, section 4).
pub const DEFAULT_OUTPUT: &str =
    r#"{{ batch }}/{{ key }}{{ "-" ~ index if outputs > 1 }}.{{ ext }}"#;

/// What an output template may name beside the row's variables and the request's parameters.
/// The program's own names win over both.
pub const OUTPUT_VARIABLES: [&str; 16] = [
    "batch",
    "date",
    "ext",
    "id",
    "index",
    "key",
    "model",
    "model_slug",
    "outputs",
    "params",
    "prompt",
    "prompt_slug",
    "row",
    "var",
    "variant",
    "vars",
];

/// How much work one rendering may make: enough for a prompt of megabytes, too little for an
/// endless loop to be felt.
const FUEL: u64 = 50_000;

/// Said with every mistake in a template, since braces may have been meant as braces.
const RAW_HINT: &str = " (`{% raw %}` around a text writes its braces literally)";

/// The most bytes a [`slug`] has.
const SLUG_LIMIT: usize = 60;

/// Why a template could not be rendered, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// Line of the template, counted from 1; 1 where it is not known.
    pub line: usize,
    /// Bytes of the template's text that are meant, where known.
    pub range: Option<Range<usize>>,
}

/// The language: an unknown variable is an error, work is bounded, nothing is escaped,
/// no template can load another, and there is a filter `slug`.
#[must_use]
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("slug", |text: String| slug(&text));
    if let Ok(syntax) =
        minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build()
    {
        environment.set_syntax(syntax);
    }
    environment
}

/// Whether `text` has anything for the template language to do.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// `template` with `vars` put in, by an environment of its own. Who renders often keeps an
/// [`environment`] and uses [`render_in`].
pub fn render(template: &str, vars: &Map<String, Value>) -> Result<String, TemplateError> {
    render_in(&environment(), template, vars)
}

/// `template` with `vars` put in.
pub fn render_in(
    environment: &Environment<'_>,
    template: &str,
    vars: &Map<String, Value>,
) -> Result<String, TemplateError> {
    if !is_template(template) {
        return Ok(template.to_owned());
    }
    environment
        .render_named_str("template", template, minijinja::Value::from(Serde(vars)))
        .map_err(|error| explain(&error, template, vars))
}

/// Lower-case words of letters and digits joined by `-`, at most 60 bytes: for file names.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().flat_map(char::to_lowercase));
        if slug.len() > SLUG_LIMIT {
            break;
        }
    }
    slug.truncate(slug.floor_char_boundary(SLUG_LIMIT));
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// What went wrong, in words a writer of manifests can act on.
#[must_use]
pub fn explain(
    error: &minijinja::Error,
    template: &str,
    vars: &Map<String, Value>,
) -> TemplateError {
    let range = error.range().filter(|range| !range.is_empty());
    let named = range.clone().and_then(|range| template.get(range));
    let message = match error.kind() {
        ErrorKind::UndefinedError => unknown_variable(named.unwrap_or_default().trim(), vars),
        ErrorKind::OutOfFuel => "the template does too much work; is there a loop in it?".into(),
        kind => format!(
            "{} in a template{RAW_HINT}",
            text::visible(error.detail().unwrap_or(&kind.to_string()))
        ),
    };
    TemplateError { message, line: error.line().unwrap_or(1), range }
}

fn unknown_variable(named: &str, vars: &Map<String, Value>) -> String {
    let found = match named {
        "" => "a variable that does not exist".to_owned(),
        named => format!("unknown variable `{}`", text::visible(named)),
    };
    format!("{found}{}{RAW_HINT}", known_variables(named, vars))
}

fn known_variables(named: &str, vars: &Map<String, Value>) -> String {
    let known = names(named, vars);
    if let Some(near) = text::nearest(named, known.iter().map(String::as_str)) {
        return format!(", did you mean `{near}`?");
    }
    if known.is_empty() {
        return ", there are no variables here".to_owned();
    }
    format!(", there are {}", text::cut(&known.join(", "), 200))
}

/// The names that could stand in the place of `named`: the fields of a table where it is
/// `table.field`, else the variables.
fn names(named: &str, vars: &Map<String, Value>) -> Vec<String> {
    let fields = named.rsplit_once('.').and_then(|(table, _)| {
        let fields = vars.get(table)?.as_object()?;
        Some(fields.keys().map(move |field| format!("{table}.{field}")))
    });
    match fields {
        Some(fields) => fields.collect(),
        None => vars.keys().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_default_output_numbers_several_outputs_only() {
        let one = vars(r#"{"batch":"b","key":"k","ext":"mp4","index":1,"outputs":1}"#);
        assert_eq!(render(DEFAULT_OUTPUT, &one), Ok("b/k.mp4".to_owned()));
        let two = vars(r#"{"batch":"b","key":"k","ext":"mp4","index":2,"outputs":2}"#);
        assert_eq!(render(DEFAULT_OUTPUT, &two), Ok("b/k-2.mp4".to_owned()));
    }

    #[test]
    fn text_is_kept_to_the_letter() {
        let vars = vars(r#"{"a":"<b> & \"c\""}"#);
        assert_eq!(render("{{ a }} {x}\n", &vars), Ok("<b> & \"c\" {x}\n".to_owned()));
        assert_eq!(render("{% raw %}{{ a }}{% endraw %}", &vars), Ok("{{ a }}".to_owned()));
        assert_eq!(render("no braces", &vars), Ok("no braces".to_owned()));
    }

    #[test]
    fn an_unknown_variable_is_named_with_its_place_and_the_nearest() {
        let vars = vars(r#"{"subject":"x","style":{"name":"noir"}}"#);
        let error = render("a\n{{ subjct }}", &vars).unwrap_err();
        assert_eq!((error.line, error.range), (2, Some(5..11)));
        assert_eq!(
            error.message,
            "unknown variable `subjct`, did you mean `subject`? (`{% raw %}` around a text writes its braces literally)"
        );
        let error = render("{{ style.nam }}", &vars).unwrap_err();
        assert!(error.message.contains("did you mean `style.name`"), "{error}");
        let error = render("{{ zebra }}", &vars).unwrap_err();
        assert!(error.message.contains("there are style, subject"), "{error}");
    }

    #[test]
    fn endless_work_and_broken_syntax_are_errors() {
        let none = Map::new();
        let error = render(
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            &none,
        );
        assert!(error.unwrap_err().message.contains("too much work"));
        let error = render("{{ a", &none).unwrap_err();
        assert!(error.message.contains("in a template"), "{error}");
        let error = render("{% include 'x' %}", &none).unwrap_err();
        assert!(error.message.contains("in a template"), "{error}");
    }

    #[test]
    fn slugs_are_short_and_safe_in_file_names() {
        let slugs = ["A Cat, on Fire!", "../Été/naïve", "", "---", "日本 語"].map(slug);
        assert_eq!(slugs, ["a-cat-on-fire", "été-naïve", "", "", "日本-語"]);
        assert!(slug(&"é".repeat(99)).len() <= SLUG_LIMIT);
        assert_eq!(render("{{ p | slug }}", &vars(r#"{"p":"A b"}"#)), Ok("a-b".into()));
    }
}
