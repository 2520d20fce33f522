//! The page around the data: structure, style and script, and what the browser may do with them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::Digest;

/// How every page begins: by this an older one is known again before it is replaced.
pub const MARK: &str = "<!doctype html>\n<!-- nightreel report -->\n";

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("page/dom.js"),
    include_str!("page/charts.js"),
    include_str!("page/filter.js"),
    include_str!("page/gallery.js"),
    include_str!("page/detail.js"),
    include_str!("page/app.js"),
);

/// Where the data goes in the structure.
const DATA: &str = "{{data}}";

/// What stands before the data.
pub(super) fn begin(out: &mut dyn Write) -> io::Result<()> {
    let (before, _) = HTML.split_once(DATA).unwrap_or((HTML, ""));
    out.write_all(MARK.as_bytes())?;
    out.write_all(filled(before).as_bytes())
}

/// What stands behind it.
pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    let (_, after) = HTML.split_once(DATA).unwrap_or((HTML, ""));
    out.write_all(filled(after).as_bytes())
}

fn filled(part: &str) -> String {
    part.replace("{{policy}}", &policy()).replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
}

/// Nothing but this script and this style, known by their hashes, and media beside the page. There
/// is no network, no `eval`, and no way to make HTML of a text.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Digest::of(text.as_bytes()).0));
    [
        "default-src 'none'".to_owned(),
        format!("script-src {}", hash(SCRIPT)),
        format!("style-src {}", hash(STYLE)),
        "img-src 'self' file:".to_owned(),
        "media-src 'self' file:".to_owned(),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "require-trusted-types-for 'script'".to_owned(),
        "trusted-types 'none'".to_owned(),
    ]
    .join("; ")
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
            assert!(!SCRIPT.replace("http://www.w3.org/2000/svg", "").contains(word), "{word}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
    }

    #[test]
    fn the_page_is_whole_around_its_data() {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        begin(&mut before).unwrap();
        end(&mut after).unwrap();
        let before = String::from_utf8(before).unwrap();
        let after = String::from_utf8(after).unwrap();
        assert!(before.starts_with(MARK) && before.ends_with("application/json\">"), "{before}");
        assert!(after.starts_with("</script>") && after.trim_end().ends_with("</html>"));
        assert!(!before.contains("{{") && !after.contains("{{policy"));
    }
}
