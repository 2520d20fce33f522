//! The page around the data: structure, style and script, and what the browser may do with them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::Digest;

/// How every page begins: by this an older one is known again before it is replaced.
pub const MARK: &str = "<!doctype html>\n<!-- nightreel report -->\n";

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
macro_rules! script {
    ($last:literal) => {
        concat!(
            "\"use strict\";\n",
            include_str!("page/dom.js"),
            include_str!("page/charts.js"),
            include_str!("page/filter.js"),
            include_str!("page/gallery.js"),
            include_str!("page/detail.js"),
            include_str!("page/app.js"),
            include_str!($last),
        )
    };
}

const SCRIPT: &str = script!("page/still.js");
const LIVE: &str = script!("page/live.js");

/// Where the data goes in the structure.
const DATA: &str = "{{data}}";

/// Who shows the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file, opened by itself.
    Report,
    /// The dashboard.
    Live,
}

impl Kind {
    const fn script(self) -> &'static str {
        match self {
            Self::Report => SCRIPT,
            Self::Live => LIVE,
        }
    }
}

/// What stands before the data.
pub(super) fn begin(out: &mut dyn Write, kind: Kind) -> io::Result<()> {
    let (before, _) = HTML.split_once(DATA).unwrap_or((HTML, ""));
    out.write_all(MARK.as_bytes())?;
    out.write_all(filled(before, kind).as_bytes())
}

/// What stands behind it.
pub(super) fn end(out: &mut dyn Write, kind: Kind) -> io::Result<()> {
    let (_, after) = HTML.split_once(DATA).unwrap_or((HTML, ""));
    out.write_all(filled(after, kind).as_bytes())
}

fn filled(part: &str, kind: Kind) -> String {
    part.replace("{{policy}}", &policy(kind))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", kind.script())
}

/// What the dashboard says of its page in a header as well.
#[must_use]
pub fn live_policy() -> String {
    policy(Kind::Live)
}

/// Nothing but this script and this style, known by their hashes, and media beside the page. There
/// is no network, but for the dashboard's own, no `eval`, and no way to make HTML of a text.
fn policy(kind: Kind) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Digest::of(text.as_bytes()).0));
    let media = if kind == Kind::Live { "'self'" } else { "'self' file:" };
    let mut policy = vec![
        "default-src 'none'".to_owned(),
        format!("script-src {}", hash(kind.script())),
        format!("style-src {}", hash(STYLE)),
        format!("img-src {media}"),
        format!("media-src {media}"),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "require-trusted-types-for 'script'".to_owned(),
        "trusted-types 'none'".to_owned(),
    ];
    if kind == Kind::Live {
        policy.push("connect-src 'self'".to_owned());
    }
    policy.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_makes_no_html_of_texts_and_asks_no_network() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "setAttribute(\"on",
            "http:",
            "https:",
            "import(",
            "</script",
            "<!--",
        ] {
            for script in [SCRIPT, LIVE] {
                let script = script.replace("http://www.w3.org/2000/svg", "");
                assert!(!script.contains(word), "{word}");
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
    }

    #[test]
    fn the_page_is_whole_around_its_data() {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        begin(&mut before, Kind::Report).unwrap();
        end(&mut after, Kind::Report).unwrap();
        let before = String::from_utf8(before).unwrap();
        let after = String::from_utf8(after).unwrap();
        assert!(before.starts_with(MARK) && before.ends_with("application/json\">"), "{before}");
        assert!(after.starts_with("</script>") && after.trim_end().ends_with("</html>"));
        assert!(!before.contains("{{") && !after.contains("{{policy"));
    }
}
