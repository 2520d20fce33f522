//! The one table from an answer to its meaning: by the body first and the HTTP status second
//! (contract, section 5; reliability.md 3.3). Pure; a snapshot lists it for every HTTP status.

use super::answer::{Answer, Body};
use super::class;
use super::wire::Envelope;

/// What an answer means, whatever was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It was done; the content says more.
    Fine,
    /// Refused for now.
    Wait,
    /// Refused by a code without an agreed meaning.
    Refused,
    /// Refused for what was asked: no repetition helps.
    JobFails,
    /// The key is not accepted.
    StopKey,
    /// There is no money.
    StopBalance,
    /// Not taken up here: a redirect that is not followed.
    Misdirected,
    /// It may have been done or not.
    Unclear,
}

/// An answer's meaning with its word and its words.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// What it means.
    pub(super) meaning: Meaning,
    /// One of [`class`].
    pub(super) class: &'static str,
    /// What it says, for people.
    pub(super) message: String,
}

impl Verdict {
    /// The verdict on an answer.
    pub(super) fn on(answer: &Answer) -> Self {
        if let (Body::Cut(fault), false) = (&answer.body, is_4xx(answer.status)) {
            return Self {
                meaning: Meaning::Unclear,
                class: fault.class,
                message: answer.message(),
            };
        }
        let (meaning, class) = by_body(answer).unwrap_or_else(|| by_status(answer));
        Self { meaning, class, message: answer.message() }
    }
}

/// What the body alone decides.
fn by_body(answer: &Answer) -> Option<(Meaning, &'static str)> {
    let body = answer.envelope()?;
    if body.is_moderated() {
        return Some((Meaning::JobFails, class::MODERATION));
    }
    if answer.is_2xx() {
        return refusal_in_success(body);
    }
    let code = u16::try_from(body.code()?).ok()?;
    let speaks = answer.status >= 400 && (400..=451).contains(&code);
    speaks.then(|| meaning_of(code))
}

/// A 2xx answer whose `code` is not one of success is a rejection (atlas-api.md 1.1).
fn refusal_in_success(body: &Envelope) -> Option<(Meaning, &'static str)> {
    let code = body.code()?;
    // Zero is the other common way of saying that nothing is wrong.
    if code == 0 || (200..=299).contains(&code) {
        return None;
    }
    let (meaning, class) =
        u16::try_from(code).map_or((Meaning::Refused, class::REFUSED), meaning_of);
    Some(match meaning {
        Meaning::Fine | Meaning::Unclear | Meaning::Misdirected => {
            (Meaning::Refused, class::REFUSED)
        }
        agreed => (agreed, class),
    })
}

fn by_status(answer: &Answer) -> (Meaning, &'static str) {
    match (answer.status, &answer.body) {
        (403, Body::Other(_)) => (Meaning::JobFails, class::BLOCKED),
        (status, _) => meaning_of(status),
    }
}

/// The table itself.
const fn meaning_of(code: u16) -> (Meaning, &'static str) {
    match code {
        200..=299 => (Meaning::Fine, class::BAD_ANSWER),
        303 => (Meaning::Unclear, class::REDIRECTED),
        300..=399 => (Meaning::Misdirected, class::REDIRECTED),
        400 | 405 | 415 | 422 => (Meaning::JobFails, class::INVALID_REQUEST),
        401 => (Meaning::StopKey, class::KEY_REFUSED),
        402 => (Meaning::StopBalance, class::BALANCE),
        403 => (Meaning::JobFails, class::NOT_PERMITTED),
        404 => (Meaning::JobFails, class::NOT_FOUND),
        413 => (Meaning::JobFails, class::TOO_LARGE),
        451 => (Meaning::JobFails, class::REGION_BLOCKED),
        429 => (Meaning::Wait, class::RATE_LIMITED),
        503 => (Meaning::Wait, class::UNAVAILABLE),
        408 | 504 | 522 | 524 => (Meaning::Unclear, class::TIMEOUT),
        500 | 502 | 520..=529 => (Meaning::Unclear, class::SERVER_ERROR),
        _ => (Meaning::Unclear, class::ODD_STATUS),
    }
}

const fn is_4xx(status: u16) -> bool {
    status >= 400 && status <= 499
}

#[cfg(test)]
mod tests;
