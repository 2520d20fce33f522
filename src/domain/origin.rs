//! Which API a result came from. Predictions of one origin mean nothing at another.

use url::Url;

/// `https://api.atlascloud.ai`, or `loopback` for any API on this machine: loopback ports change
/// with every start, and what runs there is a simulator or a gateway of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// The origin of a base URL.
    #[must_use]
    pub fn of(base: &Url) -> Self {
        if is_loopback(base) {
            return Self("loopback".to_owned());
        }
        Self(base.origin().ascii_serialization())
    }

    /// The origin as the ledger wrote it.
    #[must_use]
    pub fn from_ledger(text: String) -> Self {
        Self(text)
    }

    /// The text the ledger keeps.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether results from here are a simulator's (or a gateway's on this machine).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0 == "loopback"
    }
}

/// Whether a URL names this very machine by a loopback address or `localhost`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => {
            name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loopback_port_is_one_origin() {
        let origin = |text: &str| Origin::of(&Url::parse(text).unwrap());
        assert_eq!(origin("http://127.0.0.1:4000"), origin("http://localhost:9"));
        assert_eq!(origin("http://[::1]:1").as_str(), "loopback");
        assert_eq!(origin("https://api.atlascloud.ai/x").as_str(), "https://api.atlascloud.ai");
        assert!(!origin("https://localhost.example").is_loopback());
    }
}
