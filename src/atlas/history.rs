//! The key's past tasks (atlas-api.md 1.3): how a lost submission is found again.

use serde_json::Value;

use super::Api;
use super::answer::{ANSWER_LIMIT, brief};
use super::error::Error;
use super::reads::read;
use super::wire::{Envelope, integer, path};
use crate::domain::clock;
use crate::domain::{PredictionId, Request, Timestamp};

/// The largest page the API gives.
pub const PAGE_SIZE_LIMIT: u32 = 50;

const WHAT: &str = "task history";

/// Which part of the history is wanted, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Page, counted from 1.
    pub page: u32,
    /// Tasks on a page; held within 1 and [`PAGE_SIZE_LIMIT`].
    pub size: u32,
    /// Only tasks of this model.
    pub model: Option<String>,
    /// Only this task.
    pub session: Option<String>,
}

/// One page of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// The tasks, newest first.
    pub items: Vec<HistoryItem>,
    /// Tasks without an id that can be used: where there are any, absence is not proved.
    pub unreadable: usize,
    /// All tasks the query matches, where the API says so.
    pub total: Option<u64>,
    /// The page size the API used, which may be smaller than the one asked for.
    pub page_size: Option<u64>,
}

/// One past task.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryItem {
    /// Its prediction.
    pub id: PredictionId,
    /// When the API took it, to the second.
    pub created_at: Option<Timestamp>,
    /// Its model.
    pub model: String,
    /// What was asked, in canonical form; `None` where it is missing or no JSON object.
    pub request: Option<Request>,
    /// The API's status word, made visible.
    pub status: String,
}

impl Api {
    /// Reads one page of the history.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, Error> {
        let mut url = self.url(path::HISTORY);
        let size = query.size.clamp(1, PAGE_SIZE_LIMIT);
        url.query_pairs_mut()
            .append_pair("no", &query.page.max(1).to_string())
            .append_pair("size", &size.to_string())
            .extend_pairs(query.model.as_ref().map(|model| ("model", model)))
            .extend_pairs(query.session.as_ref().map(|id| ("sessionID", id)));
        let answer = read(WHAT, ANSWER_LIMIT, || self.read_request(url.clone())).await?;
        page(&answer)
    }
}

fn page(answer: &Envelope) -> Result<HistoryPage, Error> {
    let bad = |message: &str| Error::BadAnswer { what: WHAT, message: message.to_owned() };
    let data = answer.data().ok_or_else(|| bad("it has no `data`"))?;
    let raw = match data.get("items") {
        Some(Value::Array(items)) => items.as_slice(),
        // An empty list of the API's makers' language.
        Some(Value::Null) => &[],
        // Without a list nothing is known, least of all that a task is absent.
        _ => return Err(bad("it has no list of `items`")),
    };
    let items: Vec<_> = raw.iter().filter_map(item).collect();
    let number = |key: &str| u64::try_from(integer(data.get(key)?)?).ok();
    Ok(HistoryPage {
        unreadable: raw.len() - items.len(),
        items,
        total: number("total"),
        page_size: number("pageSize"),
    })
}

fn item(value: &Value) -> Option<HistoryItem> {
    let field = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key));
    let id = field(&["ID", "id", "session_id", "sessionID"])?.as_str()?;
    let text =
        |key: &str, limit| brief(value.get(key).and_then(Value::as_str).unwrap_or(""), limit);
    Some(HistoryItem {
        id: PredictionId::parse(id)?,
        created_at: field(&["createdAt", "created_at"]).and_then(moment),
        model: text("model", 200),
        request: field(&["requestBody", "request_body"]).and_then(request),
        status: text("status", 64),
    })
}

/// Unix seconds, or an ISO date as in predictions.
fn moment(value: &Value) -> Option<Timestamp> {
    match integer(value) {
        Some(seconds) => Some(clock::from_millis(seconds.checked_mul(1000)?)),
        None => value.as_str()?.parse().ok(),
    }
}

/// The request as the text that was sent, or as the object it describes.
fn request(value: &Value) -> Option<Request> {
    match value {
        Value::String(text) => Request::from_canonical(text),
        Value::Object(_) => Request::from_canonical(&value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<HistoryPage, Error> {
        page(&Envelope::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn the_documented_page_is_read() {
        let fixture = include_str!("../../tests/fixtures/api/history.json");
        let body: Value = serde_json::from_str(fixture).unwrap();
        let page = read(&body["body"].to_string()).unwrap();
        assert_eq!((page.total, page.page_size), (Some(123), Some(10)));
        assert_eq!((page.items.len(), page.unreadable), (3, 1));
        let first = &page.items[0];
        assert_eq!(first.created_at, Some(clock::from_millis(1_763_870_000_000)));
        let request = first.request.as_ref().unwrap();
        assert_eq!(
            request.canonical(),
            r#"{"image":"https://u/1.png","model":"minimax/hailuo-02/fast","prompt":"a cat"}"#
        );
        assert_eq!(page.items[1].request.as_ref(), Some(request));
        assert_eq!(page.items[2].request, None);
    }

    #[test]
    fn a_page_without_a_list_proves_nothing() {
        assert!(read(r#"{"code":200,"data":{}}"#).is_err());
        assert!(read(r#"{"code":200,"data":null}"#).is_err());
        let empty = read(r#"{"code":200,"data":{"items":null,"total":0}}"#).unwrap();
        assert!(empty.items.is_empty());
    }

    #[test]
    fn moments_are_seconds_or_dates() {
        let expected = Some(clock::from_millis(1_763_870_000_000));
        for moment_text in ["1763870000", "\"1763870000\"", "\"2025-11-23T03:53:20Z\""] {
            let value: Value = serde_json::from_str(moment_text).unwrap();
            assert_eq!(moment(&value), expected, "{moment_text}");
        }
        assert_eq!(moment(&Value::from(i64::MAX)), None);
    }
}
