//! One look at a prediction, in all variants of atlas-api.md 1.2. The caller schedules the looks.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Api;
use super::answer::{ANSWER_LIMIT, Answer, brief, exchange};
use super::class;
use super::classify::{Meaning, Verdict};
use super::wire::{Envelope, Prediction, path, said};
use crate::domain::Micros;
use crate::domain::PredictionId;
use crate::domain::text;

mod outputs;

/// How much of a status word is kept, in bytes.
const STATUS_LIMIT: usize = 64;

/// What one poll brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Its meaning for the job.
    pub answer: PollAnswer,
    /// The HTTP status, where an answer began.
    pub http_status: Option<u16>,
    /// The API's name of this exchange: visible characters, at most 200 bytes.
    pub request_id: Option<String>,
}

/// What the API says about a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollAnswer {
    /// Not at its end.
    Running {
        /// The API's word, made visible.
        status: String,
        /// Whether it is a word we know; an unknown one counts as running.
        known: bool,
    },
    /// It succeeded.
    Completed {
        /// The raw elements, each once, at most 64: see [`crate::domain::Output::parse`].
        outputs: Vec<String>,
        /// What was charged, where the API says so.
        price: Option<Micros>,
        /// Whether an output was held back, or may have been, for its content.
        nsfw: bool,
        /// Whether there were more outputs than are taken.
        too_many: bool,
    },
    /// It ended without success; the API gives the money back.
    Failed {
        /// The API's word, made visible.
        status: String,
        /// One of [`super::class`].
        class: &'static str,
        /// The reason, safe to show.
        message: String,
        /// Whether the input was refused for its content: never to be tried again.
        moderation: bool,
        /// What the API says it charged.
        price: Option<Micros>,
    },
    /// 404 or 400: not known (yet, or any longer).
    NotFound {
        /// What the API said.
        message: String,
    },
    /// 401.
    KeyRefused {
        /// What the API said.
        message: String,
    },
    /// 429.
    Throttled {
        /// The wait the API asks for, at most 15 minutes.
        retry_after: Option<Duration>,
        /// What the API said.
        message: String,
    },
    /// Nothing was learnt; polling again is free.
    Trouble {
        /// One of [`super::class`].
        class: &'static str,
        /// What was seen.
        message: String,
    },
    /// The answer is about another prediction: the API broke its contract.
    OtherPrediction {
        /// The id it gave, made visible.
        got: String,
    },
}

impl Api {
    /// Asks once for a prediction. Its URL is always built from the id, never taken from the API.
    pub async fn poll(&self, id: &PredictionId) -> Polled {
        let request = self.read_request(self.prediction_url(id));
        match exchange(request, ANSWER_LIMIT).await {
            Ok(answer) => Polled {
                answer: understand(&answer, id),
                http_status: Some(answer.status),
                request_id: answer.request_id,
            },
            Err(fault) => Polled {
                answer: PollAnswer::Trouble { class: fault.class, message: fault.message },
                http_status: None,
                request_id: None,
            },
        }
    }

    pub(super) fn prediction_url(&self, id: &PredictionId) -> url::Url {
        let mut url = self.url(path::PREDICTION);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id.as_str());
        }
        url
    }
}

/// What an answer says about the prediction `asked` for.
pub(super) fn understand(answer: &Answer, asked: &PredictionId) -> PollAnswer {
    answer
        .envelope()
        .and_then(|body| from_prediction(answer, body, asked))
        .unwrap_or_else(|| from_verdict(answer))
}

/// How far a status word goes (atlas-api.md 1.2).
enum Stage {
    Running { known: bool },
    Success,
    Failure(&'static str),
}

impl Stage {
    fn of(word: &str) -> Self {
        match word.to_lowercase().as_str() {
            "processing" | "created" | "starting" | "queued" | "pending" | "running"
            | "in_queue" => Self::Running { known: true },
            "completed" | "succeeded" | "success" | "complete" | "done" => Self::Success,
            "failed" | "error" => Self::Failure(class::GENERATION_FAILED),
            "timeout" => Self::Failure(class::GENERATION_TIMEOUT),
            "canceled" | "cancelled" => Self::Failure(class::GENERATION_CANCELED),
            _ => Self::Running { known: false },
        }
    }
}

/// `None` where the answer holds no prediction whose word can be believed.
fn from_prediction(answer: &Answer, body: &Envelope, asked: &PredictionId) -> Option<PollAnswer> {
    let prediction = body.prediction()?;
    let fields = prediction.fields;
    // An error without an envelope may have an id and a status of its own.
    if !prediction.enveloped && !answer.is_2xx() {
        return None;
    }
    let id = text_field(fields, "id");
    if let Some(other) = id.filter(|id| *id != asked.as_str()) {
        return Some(PollAnswer::OtherPrediction { got: brief(other, 200) });
    }
    let word = text_field(fields, "status")?;
    let status = brief(word, STATUS_LIMIT);
    Some(match Stage::of(word) {
        Stage::Running { known } => PollAnswer::Running { status, known },
        Stage::Success => completed(fields),
        Stage::Failure(class) => {
            let sure = prediction.enveloped && (answer.is_2xx() || !is_vague(word));
            if id.is_none() && !sure {
                return None;
            }
            failed(body, prediction, status, class)
        }
    })
}

/// Whether a word may be a gateway's own: believed only where there is no doubt otherwise, because
/// a failure gives the money back and lets the job be paid again.
fn is_vague(word: &str) -> bool {
    word.eq_ignore_ascii_case("error")
}

fn completed(fields: &Map<String, Value>) -> PollAnswer {
    let (outputs, too_many) = outputs::of(fields);
    let nsfw = match fields.get("has_nsfw_contents") {
        Some(Value::Array(flags)) => flags.contains(&Value::Bool(true)),
        flag => flag == Some(&Value::Bool(true)),
    };
    PollAnswer::Completed {
        outputs,
        price: fields.get("price").and_then(Micros::from_json),
        nsfw,
        too_many,
    }
}

fn failed(
    body: &Envelope,
    prediction: Prediction<'_>,
    status: String,
    class: &'static str,
) -> PollAnswer {
    let moderation = body.is_moderated();
    PollAnswer::Failed {
        message: failure_message(body, prediction, &status),
        class: if moderation { class::MODERATION } else { class },
        moderation,
        price: prediction.fields.get("price").and_then(Micros::from_json),
        status,
    }
}

/// The prediction's own error, and the answer's message where it says something else: sometimes
/// that is the clearer text (atlas-api.md 1.2).
fn failure_message(body: &Envelope, prediction: Prediction<'_>, status: &str) -> String {
    let inner =
        ["error", "message", "msg"].iter().find_map(|key| said(prediction.fields.get(*key)?));
    let outer = body.message().filter(|_| prediction.enveloped);
    let words = match (inner, outer) {
        (Some(inner), Some(outer)) if !inner.contains(&outer) && !outer.contains(&inner) => {
            format!("{inner} ({outer})")
        }
        (Some(inner), Some(outer)) if outer.len() > inner.len() => outer,
        (Some(inner), _) => inner,
        (None, Some(outer)) => outer,
        (None, None) => format!("the generation ended `{status}` without a reason"),
    };
    text::from_api(&words)
}

fn from_verdict(answer: &Answer) -> PollAnswer {
    let Verdict { meaning, class, message } = Verdict::on(answer);
    match (meaning, class) {
        (Meaning::JobFails, class::NOT_FOUND | class::INVALID_REQUEST) => {
            PollAnswer::NotFound { message }
        }
        (Meaning::StopKey, _) => PollAnswer::KeyRefused { message },
        (Meaning::Wait, class::RATE_LIMITED) => {
            PollAnswer::Throttled { retry_after: answer.retry_after, message }
        }
        (Meaning::Fine, _) if answer.envelope().is_some() => PollAnswer::Trouble {
            class,
            message: format!("no status that could be believed: {message}"),
        },
        _ => PollAnswer::Trouble { class, message },
    }
}

fn text_field<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let text = fields.get(key)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
