//! Reads cost nothing, so they are repeated a few times before they fail. Submits never are.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::RequestBuilder;

use super::answer::{Answer, Body, Fault, exchange};
use super::class;
use super::classify::{Meaning, Verdict};
use super::error::Error;
use super::wire::Envelope;

/// The waits between the tries: two, so three tries in all, with full jitter.
pub(super) fn delays() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(300))
        .with_factor(3.0)
        .with_max_times(2)
        .build()
        .map(|longest| longest.mul_f64(fastrand::f64()))
}

/// Asks until there is an answer that another try would not change.
/// `what` names the question in errors.
pub(super) async fn read(
    what: &'static str,
    limit: usize,
    request: impl Fn() -> RequestBuilder,
) -> Result<Envelope, Error> {
    let mut delays = delays();
    loop {
        let result = exchange(request(), limit).await;
        let delay = if is_worth_another(&result) { delays.next() } else { None };
        match delay {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return settle(what, result),
        }
    }
}

/// Whether the next try may find the API in a better state.
fn is_worth_another(result: &Result<Answer, Fault>) -> bool {
    match result {
        Ok(answer) => {
            let verdict = Verdict::on(answer);
            verdict.meaning == Meaning::Unclear || verdict.class == class::UNAVAILABLE
        }
        Err(_) => true,
    }
}

fn settle(what: &'static str, result: Result<Answer, Fault>) -> Result<Envelope, Error> {
    let answer = result.map_err(|fault| Error::Unanswered {
        what,
        class: fault.class,
        message: fault.message,
    })?;
    let verdict = Verdict::on(&answer);
    match (verdict.meaning, answer.body) {
        (Meaning::Fine, Body::Json(envelope)) => Ok(envelope),
        (Meaning::Unclear, Body::Cut(fault)) => {
            Err(Error::Unanswered { what, class: fault.class, message: verdict.message })
        }
        (Meaning::Fine, _) => Err(Error::BadAnswer { what, message: verdict.message }),
        _ => Err(Error::Refused {
            what,
            class: verdict.class,
            status: answer.status,
            message: verdict.message,
            retry_after: answer.retry_after,
        }),
    }
}
