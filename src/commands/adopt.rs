//! `resolve --adopt`: what the API says of the prediction an operator names, before it is taken for a
//! job's own. An attempt keeps its prediction for ever, so a slip of the pen must not get in.

use crate::atlas::{Api, HistoryQuery, PAGE_SIZE_LIMIT, PollAnswer};
use crate::domain::{PredictionId, Request, clock, text};
use crate::ledger::{Ledger, UnknownAttempt};
use crate::runner::SKEW;

/// What the API's word means for an adoption.
pub(super) enum Checked {
    /// The prediction was asked for what the job asks for.
    Fits,
    /// It exists, but what it was asked for is not to be seen.
    Unseen(String),
    /// It is not this job's.
    Refused(String),
}

/// Asks about a prediction that is to be adopted. Nothing here costs anything.
pub(super) async fn check(
    ledger: &Ledger,
    api: &Api,
    unknown: &UnknownAttempt,
    id: &PredictionId,
) -> anyhow::Result<Checked> {
    if unknown.origin != api.origin() {
        let (sent, now) = (unknown.origin.as_str(), api.origin());
        return Ok(Checked::Refused(format!(
            "it was submitted to {sent}, and {} would be asked; give its --base-url",
            now.as_str()
        )));
    }
    if ledger.held(&unknown.origin, id).await?.is_some() {
        return Ok(Checked::Refused("another job has this prediction already".to_owned()));
    }
    if let Some(why) = missing(api.poll(id).await.answer) {
        return Ok(Checked::Refused(why));
    }
    Ok(compare(api, unknown, id).await)
}

/// Why a prediction cannot be said to exist.
fn missing(answer: PollAnswer) -> Option<String> {
    match answer {
        PollAnswer::Running { .. } | PollAnswer::Completed { .. } | PollAnswer::Failed { .. } => {
            None
        }
        PollAnswer::NotFound { message } => Some(format!(
            "the API does not know it ({message}); look the id up again, or settle the job with \
             --charged or --absent"
        )),
        PollAnswer::KeyRefused { message } => Some(format!("the key is not accepted: {message}")),
        PollAnswer::Throttled { message, .. } | PollAnswer::Trouble { message, .. } => {
            Some(format!("the API cannot be asked ({message}); try again, or add --unchecked"))
        }
        PollAnswer::OtherPrediction { got } => {
            Some(format!("the API answered for {got} instead; nobody can say what it is"))
        }
    }
}

/// Compares what the history shows of it with what the job sent.
async fn compare(api: &Api, unknown: &UnknownAttempt, id: &PredictionId) -> Checked {
    let session = Some(id.as_str().to_owned());
    let query = HistoryQuery { page: 1, size: PAGE_SIZE_LIMIT, model: None, session };
    let page = match api.history(&query).await {
        Ok(page) => page,
        Err(error) => return Checked::Unseen(error.to_string()),
    };
    let Some(item) = page.items.into_iter().find(|item| item.id == *id) else {
        return Checked::Unseen("the history does not show it".to_owned());
    };
    let skewed = |at| clock::between(at, unknown.intent_at) > SKEW;
    if let Some(at) = item.created_at.filter(|at| *at < unknown.intent_at && skewed(*at)) {
        let (made, sent) = (clock::local(at), clock::local(unknown.intent_at));
        return Checked::Refused(format!(
            "it was made at {made}, before the job was submitted at {sent}; if that is right \
             nevertheless, add --unchecked"
        ));
    }
    let Some(request) = item.request else {
        return Checked::Unseen("the history does not show its request".to_owned());
    };
    if [request.sent_digest(), request.digest()].contains(&unknown.body_sha256) {
        return Checked::Fits;
    }
    Checked::Refused(format!(
        "the history shows it with another request ({}); if it is this job's nevertheless, add \
         --unchecked",
        words(&request)
    ))
}

/// What a request asks for, in a line.
fn words(request: &Request) -> String {
    let model = text::visible(&request.model);
    match request.prompt() {
        Some(prompt) => format!("{model}: {}", text::cut(&text::visible(prompt), 60)),
        None => model,
    }
}
