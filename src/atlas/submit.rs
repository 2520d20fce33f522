//! The paid POST. It is sent exactly once, and whatever happens becomes a [`Submitted`].

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::Api;
use super::answer::{ANSWER_LIMIT, Answer, Body, exchange};
use super::classify::{Meaning, Verdict};
use super::wire::path;
use crate::domain::Endpoint;
use crate::domain::PredictionId;

/// What became of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its meaning for the attempt.
    pub outcome: SubmitOutcome,
    /// The HTTP status, where an answer began.
    pub http_status: Option<u16>,
    /// The API's name of this exchange: visible characters, at most 200 bytes.
    pub request_id: Option<String>,
}

/// What one submission means for its attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// The API gave an id: paid.
    Accepted {
        /// The new prediction.
        id: PredictionId,
    },
    /// No connection came about; not a byte of the request left.
    NotSent {
        /// The chain of causes.
        message: String,
    },
    /// The API refused it and charges nothing.
    Rejected {
        /// What to do about it.
        next: Rejection,
        /// One of [`super::class`].
        class: &'static str,
        /// What the API said, safe to show.
        message: String,
        /// The wait the API asks for, at most 15 minutes.
        retry_after: Option<Duration>,
    },
    /// It may have been accepted and charged, or not.
    Unknown {
        /// One of [`super::class`].
        class: &'static str,
        /// What was seen instead of an answer.
        message: String,
    },
}

/// What a refusal asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 429, 503: the same again later; no counted try.
    Wait,
    /// A code in the body without an agreed meaning: worth another counted try.
    Retry,
    /// The request itself is not accepted: the job fails.
    JobFails,
    /// 401: stop submitting, fail no job.
    StopKey,
    /// 402: stop submitting, fail no job.
    StopBalance,
    /// A redirect: the base URL is not the API's. Stop submitting, fail no job.
    StopMisdirected,
}

impl Api {
    /// POSTs a body to an endpoint, once. Never fails: a fault is an outcome too.
    pub async fn submit(&self, endpoint: Endpoint, body: String) -> Submitted {
        let request = self
            .submit_request(path::submit(endpoint))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body);
        match exchange(request, ANSWER_LIMIT).await {
            Ok(answer) => Submitted {
                outcome: outcome(&answer),
                http_status: Some(answer.status),
                request_id: answer.request_id,
            },
            Err(fault) => {
                let message = fault.message;
                let outcome = if fault.maybe_sent {
                    let class = fault.class;
                    SubmitOutcome::Unknown { class, message }
                } else {
                    SubmitOutcome::NotSent { message }
                };
                Submitted { outcome, http_status: None, request_id: None }
            }
        }
    }
}

/// What an answer means for the attempt.
pub(super) fn outcome(answer: &Answer) -> SubmitOutcome {
    // An id is proof of a prediction, whatever stands around it.
    let may_hold_id = matches!(answer.status, 200..=299 | 500..=599);
    if let (true, Some(body)) = (may_hold_id, answer.envelope())
        && let Some(id) = body.prediction_id()
    {
        return SubmitOutcome::Accepted { id };
    }
    let verdict = Verdict::on(answer);
    let next = match verdict.meaning {
        Meaning::Fine => return without_id(answer, verdict),
        Meaning::Unclear => {
            return SubmitOutcome::Unknown { class: verdict.class, message: verdict.message };
        }
        Meaning::Wait => Rejection::Wait,
        Meaning::Refused => Rejection::Retry,
        Meaning::JobFails => Rejection::JobFails,
        Meaning::StopKey => Rejection::StopKey,
        Meaning::StopBalance => Rejection::StopBalance,
        Meaning::Misdirected => Rejection::StopMisdirected,
    };
    SubmitOutcome::Rejected {
        next,
        class: verdict.class,
        message: verdict.message,
        retry_after: answer.retry_after,
    }
}

/// Success without an id that could be polled.
fn without_id(answer: &Answer, verdict: Verdict) -> SubmitOutcome {
    let message = match answer.body {
        Body::Json(_) => format!("HTTP {} without a usable prediction id", answer.status),
        _ => verdict.message,
    };
    SubmitOutcome::Unknown { class: verdict.class, message }
}
