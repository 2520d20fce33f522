//! The short words that name what went wrong. They stand in the ledger, in events and in JSON, so
//! they are stable; all of them are defined here.

/// HTTP 429: the account or the model is asked too often.
pub const RATE_LIMITED: &str = "rate_limited";
/// HTTP 503: not available for the moment.
pub const UNAVAILABLE: &str = "unavailable";
/// HTTP 500, 502, 52x: something broke behind the API.
pub const SERVER_ERROR: &str = "server_error";
/// No answer in time, here or at a gateway.
pub const TIMEOUT: &str = "timeout";
/// The connection ended in the middle of an exchange.
pub const RESET: &str = "reset";
/// No connection came about: DNS, refused, TLS, proxy. Nothing was sent.
pub const UNREACHABLE: &str = "unreachable";
/// An answer that is not what the API documents: HTML, broken JSON, no id.
pub const BAD_ANSWER: &str = "bad_answer";
/// A status code the API does not document.
pub const ODD_STATUS: &str = "odd_status";
/// A redirect. None is ever followed.
pub const REDIRECTED: &str = "redirected";
/// A code in the body of a 2xx answer that refuses without an agreed meaning.
pub const REFUSED: &str = "refused";
/// The API does not accept the request's content.
pub const INVALID_REQUEST: &str = "invalid_request";
/// The account may not do this.
pub const NOT_PERMITTED: &str = "not_permitted";
/// HTTP 403 without JSON: a gateway in front of the API refused (atlas-api.md, section 1).
pub const BLOCKED: &str = "blocked";
/// No such model, path or prediction.
pub const NOT_FOUND: &str = "not_found";
/// The body is larger than the API takes.
pub const TOO_LARGE: &str = "too_large";
/// Not offered in this region.
pub const REGION_BLOCKED: &str = "region_blocked";
/// The key is missing, unknown or expired, or the base URL's path is wrong.
pub const KEY_REFUSED: &str = "key_refused";
/// Not enough money or quota.
pub const BALANCE: &str = "balance";
/// The input was refused by moderation (error code 1039); never retried.
pub const MODERATION: &str = "moderation";
/// The generation ended `failed`.
pub const GENERATION_FAILED: &str = "generation_failed";
/// The generation ended `timeout` at the API.
pub const GENERATION_TIMEOUT: &str = "generation_timeout";
/// The generation ended `canceled` at the API.
pub const GENERATION_CANCELED: &str = "generation_canceled";
