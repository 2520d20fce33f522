//! What can go wrong in this room, beside the outcomes of submit and poll.

use std::path::PathBuf;
use std::time::Duration;

use super::class;

/// Settings that cannot be used, or a read that brought nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The base URL is not one the key may be sent to.
    #[error("the base URL {url} cannot be used: {reason}")]
    BaseUrl {
        /// Without user and query.
        url: String,
        /// What is wrong and what to write instead.
        reason: &'static str,
    },
    /// The key is empty or holds characters that no header may carry.
    #[error("the API key is empty or holds blanks or control characters; copy it again")]
    Key,
    /// reqwest refused to build a client or take the proxy.
    #[error("no HTTP client can be built: {0}")]
    Client(String),
    /// No answer came, or not all of it.
    #[error("{what} failed, no whole answer came: {message}")]
    Unanswered {
        /// What was asked.
        what: &'static str,
        /// One of [`class`].
        class: &'static str,
        /// Where, and the chain of causes.
        message: String,
    },
    /// The API refused, or could not.
    #[error("{what} failed: {message} (HTTP {status})")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// One of [`class`].
        class: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the API said, safe to show.
        message: String,
        /// The wait it asks for, at most 15 minutes.
        retry_after: Option<Duration>,
    },
    /// The API answered something else than was asked.
    #[error("{what}: the API's answer cannot be used: {message}")]
    BadAnswer {
        /// What was asked.
        what: &'static str,
        /// What is missing or wrong.
        message: String,
    },
}

impl Error {
    /// The word for it, one of [`class`]; `None` where the settings are wrong.
    #[must_use]
    pub const fn class(&self) -> Option<&'static str> {
        match self {
            Self::BaseUrl { .. } | Self::Key | Self::Client(_) => None,
            Self::Unanswered { class, .. } | Self::Refused { class, .. } => Some(class),
            Self::BadAnswer { .. } => Some(class::BAD_ANSWER),
        }
    }

    /// Whether the API has no such thing to ask for. A wrong path answers 401, not 404
    /// (atlas-api.md, section 0).
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403 | 404 | 405 | 410 | 501, .. })
    }

    /// Whether the API does not accept the key.
    #[must_use]
    pub fn is_key_refused(&self) -> bool {
        self.class() == Some(class::KEY_REFUSED)
    }

    /// The wait the API asks for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why a file was not uploaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The file is not what the manifest's hash says any more.
    #[error("{}: changed since the manifest was read ({what}); run again to read it anew", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The API does not take this file: the job fails.
    #[error("upload refused: {message}")]
    Refused {
        /// One of [`class`].
        class: &'static str,
        /// What the API said, safe to show.
        message: String,
    },
    /// The key is not accepted: stop submitting.
    #[error("upload: the API refused the key: {message}")]
    StopKey {
        /// What the API said, safe to show.
        message: String,
    },
    /// Worth another try later.
    #[error("upload: {message}")]
    Transient {
        /// One of [`class`].
        class: &'static str,
        /// What was seen.
        message: String,
        /// The wait the API asks for, at most 15 minutes.
        retry_after: Option<Duration>,
    },
}
