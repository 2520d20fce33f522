//! What of a URL, or of an unwanted answer, may be shown: never a query, for it may be a signature.

use url::Url;

use crate::domain::text;

/// How much of an unwanted answer is told, in bytes.
const BEGINNING_LIMIT: usize = 200;

/// The longest address that is told whole, in bytes.
const URL_LIMIT: usize = 300;

/// Scheme, host, port and path.
pub(super) fn url(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    // Both fail only where there is no host, and then there are no credentials either.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    text::cut(&text::visible(bare.as_str()), URL_LIMIT)
}

/// A text that may not even be a URL, cut at its query.
pub(super) fn raw_url(raw: &str) -> String {
    match Url::parse(raw) {
        Ok(parsed) => url(&parsed),
        Err(_) => {
            text::cut(&text::visible(raw.split(['?', '#']).next().unwrap_or_default()), URL_LIMIT)
        }
    }
}

/// The first characters of an answer, visible, and without the queries of URLs in it.
pub(super) fn beginning(head: &[u8]) -> String {
    let head = &head[..head.len().min(2 * BEGINNING_LIMIT)];
    let shown = text::visible(String::from_utf8_lossy(head).trim());
    text::cut(&without_queries(&shown), BEGINNING_LIMIT)
}

/// `text` in which every URL ends before its query.
fn without_queries(text: &str) -> String {
    let ends_url = |c: char| c.is_whitespace() || "\"'<>\\`".contains(c);
    let mut kept = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_url) {
        let cut = word.find("://").and_then(|start| Some(start + word[start..].find('?')?));
        kept.push_str(&word[..cut.unwrap_or(word.len())]);
        kept.extend(cut.and_then(|_| word.chars().next_back()).filter(|&c| ends_url(c)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_is_ever_shown() {
        let signed = "https://u:p@cdn.example/a.mp4?Signature=secret#frag";
        assert_eq!(raw_url(signed), "https://cdn.example/a.mp4");
        assert_eq!(raw_url("no url?secret"), "no url");
        assert_eq!(
            beginning(b"<a href=\"https://x/y?sig=secret\">here</a> why? http://z/?k"),
            "<a href=\"https://x/y\">here</a> why? http://z/"
        );
    }

    #[test]
    fn an_answer_is_shown_short_and_harmless() {
        assert_eq!(beginning(b"\n\x1b[2Jhi\0"), "\\u{1b}[2Jhi\\u{0}");
        assert!(beginning(&[b'x'; 4096]).len() <= BEGINNING_LIMIT);
    }
}
