//! Downloads that go wrong on the wire.

use axum::body::Bytes;
use axum::http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, TRANSFER_ENCODING,
};
use axum::http::{HeaderValue, StatusCode};

use crate::domain::clock;

use super::bend::REQUEST_ID;
use super::fault::{FileFault, Rule};
use super::media::{Media, Segments};
use super::prediction::Prediction;
use super::reply::{Call, Reply};
use super::routes::{Answer, stream};
use super::script::{End, Script, head};
use super::world::World;

/// Into how many parts a slow download is cut.
const SLOW_PARTS: u32 = 20;
/// Where `redirect_private` leads: the address of cloud machines' credentials.
const PRIVATE: &str = "http://169.254.169.254/latest/meta-data/";
/// The bytes of one chunk of an endless body.
const BLOCK: usize = 65_536;

/// A redirect to the same file, after which there are `hops - 1` more.
pub(super) fn hop(
    world: &World,
    (prediction, index, expires): (&Prediction, u64, i64),
    hops: u64,
) -> Reply {
    let link = world.link_until(prediction, index, clock::from_millis(expires));
    let link = format!("{link}&hops={}", hops.saturating_sub(1));
    world.redirect(StatusCode::FOUND, Some(&link))
}

/// Gives a file another validator, where the fault is about that.
pub(super) fn change_etag(media: &mut Media, fault: FileFault) {
    match fault {
        FileFault::ChangedEtag => media.etag = format!("\"{}\"", uuid::Uuid::now_v7().simple()),
        FileFault::WeakEtag => media.etag = format!("W/{}", media.etag),
        FileFault::NoEtag => media.etag.clear(),
        _ => {}
    }
}

/// The answer of a download under a fault.
pub(super) async fn answer(
    world: &World,
    call: &Call,
    rule: &Rule,
    (fault, mut answer): (FileFault, Answer),
) -> Reply {
    let wait = rule.with.wait;
    if let Ok(id) = HeaderValue::from_str(&call.request_id) {
        answer.headers.insert(REQUEST_ID, id);
    }
    if !matches!(fault, FileFault::Slow | FileFault::Stall) {
        tokio::time::sleep(wait).await;
    }
    match fault {
        FileFault::WrongType => {
            let other = rule.with.content_type.as_deref().unwrap_or("text/plain");
            answer.set(CONTENT_TYPE, other);
        }
        FileFault::WrongRange => shift(&mut answer),
        FileFault::RedirectPrivate => return world.redirect(StatusCode::FOUND, Some(PRIVATE)),
        FileFault::RedirectTo => {
            return world.redirect(StatusCode::FOUND, rule.with.url.as_deref());
        }
        FileFault::RedirectLoop => {
            let again = format!("{}/__loop", world.base);
            return world.redirect(StatusCode::FOUND, Some(&again));
        }
        FileFault::Oversize => return endless(answer, rule.with.bytes),
        _ => {
            if let Some(script) = script(fault, rule, &mut answer) {
                return script.reply();
            }
        }
    }
    stream(answer)
}

/// The script of a fault that breaks HTTP.
fn script(fault: FileFault, rule: &Rule, answer: &mut Answer) -> Option<Script> {
    let content = answer.content.clone();
    let half = content.slice(0..content.len() / 2);
    let second = content.slice(content.len() / 2..content.len());
    let close = Script::just(End::Close);
    let wait = rule.with.wait;
    Some(match fault {
        FileFault::Truncated => begin(close, answer).send_all(half.pieces()),
        FileFault::Reset => begin(Script::just(End::Reset), answer).send_all(half.pieces()),
        FileFault::Longer => {
            begin(close, answer).send_all(content.pieces()).send("bytes that were not announced")
        }
        FileFault::TwoLengths => {
            let other = HeaderValue::from(content.len() / 2);
            answer.headers.append(CONTENT_LENGTH, other);
            begin(close, answer).send_all(content.pieces())
        }
        FileFault::NoLength => unannounced(close, answer).send_all(content.pieces()),
        FileFault::NoLengthCut => unannounced(close, answer).send_all(half.pieces()),
        FileFault::Slow => (0..SLOW_PARTS).fold(begin(close, answer), |script, part| {
            let piece = twentieth(&content, part);
            script.send_all(piece.pieces()).wait(wait / SLOW_PARTS)
        }),
        FileFault::Stall => {
            begin(close, answer).send_all(half.pieces()).wait(wait).send_all(second.pieces())
        }
        _ => return None,
    })
}

fn twentieth(content: &Segments, part: u32) -> Segments {
    let place = |part: u32| content.len() * u64::from(part) / u64::from(SLOW_PARTS);
    content.slice(place(part)..place(part + 1))
}

fn begin(script: Script, answer: &Answer) -> Script {
    let mut headers = answer.headers.clone();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    script.send(head(answer.status, &headers))
}

/// The head of an answer that ends where the connection does.
fn unannounced(script: Script, answer: &mut Answer) -> Script {
    answer.headers.remove(CONTENT_LENGTH);
    answer.headers.remove(ACCEPT_RANGES);
    begin(script, answer)
}

/// Says that the part begins one byte later than it does.
fn shift(answer: &mut Answer) {
    let length = answer.content.len();
    answer.status = StatusCode::PARTIAL_CONTENT;
    answer.set(CONTENT_RANGE, &format!("bytes 1-{length}/{}", length + 1));
}

/// A chunked body that never ends, or only after `bytes`.
fn endless(mut answer: Answer, bytes: Option<u64>) -> Reply {
    answer.headers.remove(CONTENT_LENGTH);
    answer.headers.remove(ETAG);
    let encoding = HeaderValue::from_static("chunked");
    answer.headers.insert(TRANSFER_ENCODING, encoding);
    let mut chunk = format!("{BLOCK:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + BLOCK, 0);
    chunk.extend(b"\r\n");
    let chunk = Bytes::from(chunk);
    let script = begin(Script::just(End::Close), &answer);
    let script = match bytes {
        None => script.repeat(chunk),
        Some(bytes) => {
            let count = usize::try_from(bytes / u64::try_from(BLOCK).unwrap_or(1)).unwrap_or(0);
            script.send_all(vec![chunk; count]).send("0\r\n\r\n")
        }
    };
    script.reply()
}
