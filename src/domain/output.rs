//! What the API hands over as a result: usually a URL, sometimes the content itself.

use base64::Engine as _;

/// One element of a prediction's `outputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To be downloaded, if its address is allowed.
    Url(String),
    /// Content carried in the answer: a `data:` URI or bare base64, decoded.
    Inline(Vec<u8>),
    /// Plain text: transcripts, lyrics.
    Text(String),
}

impl Output {
    /// Tells the kinds apart by their beginning. Anything that looks like a URL of whatever scheme
    /// is a `Url`, so that `file:` and others are refused where addresses are checked.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let trimmed = raw.trim();
        if let Some(bytes) = data_uri(trimmed) {
            return Self::Inline(bytes);
        }
        if looks_like_url(trimmed) {
            return Self::Url(trimmed.to_owned());
        }
        match bare_base64(trimmed) {
            Some(bytes) => Self::Inline(bytes),
            None => Self::Text(raw.to_owned()),
        }
    }
}

/// `scheme:` without blanks before it, and no blanks or line breaks in the whole.
fn looks_like_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_is_sane = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    scheme_is_sane && !rest.is_empty() && !text.contains(char::is_whitespace)
}

/// The bytes of a `data:` URI (RFC 2397), base64 or percent-encoded.
fn data_uri(text: &str) -> Option<Vec<u8>> {
    let prefix = text.get(..5)?;
    if !prefix.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (head, body) = text[5..].split_once(',')?;
    if head.to_ascii_lowercase().ends_with(";base64") {
        return decode(body);
    }
    Some(percent_decode(body))
}

fn percent_decode(body: &str) -> Vec<u8> {
    let bytes = body.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = body.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Long text of base64 letters only: what `enable_base64_output` gives. Words of a transcript have
/// blanks, and a single short word is text.
fn bare_base64(text: &str) -> Option<Vec<u8>> {
    let long = text.len() >= 64 && !text.contains(' ');
    long.then(|| decode(text)).flatten()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    engine.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_beginning() {
        assert!(matches!(Output::parse("https://cdn.example/a.mp4?sig=1"), Output::Url(_)));
        assert!(matches!(Output::parse("file:///etc/passwd"), Output::Url(_)));
        assert!(matches!(Output::parse("Note: she said hello."), Output::Text(_)));
        assert_eq!(Output::parse("data:text/plain;base64,aGk="), Output::Inline(b"hi".into()));
        assert_eq!(Output::parse("DATA:,a%20b"), Output::Inline(b"a b".into()));
        assert!(matches!(Output::parse(&"QUJD".repeat(20)), Output::Inline(_)));
        assert!(matches!(Output::parse("hello"), Output::Text(_)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = Output::parse(&text);
            let _ = Output::parse(&format!("data:{text}"));
        }
    }
}
