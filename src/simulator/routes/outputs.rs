//! Output files: ranges, validators, and what can be wrong with them (RFC 9110 sections 13 and 14).

use std::convert::Infallible;
use std::ops::Range;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::{Shared, view};
use crate::simulator::bend::PAGE;
use crate::simulator::broken;
use crate::simulator::fault::{Effect, FileFault, Gate};
use crate::simulator::links;
use crate::simulator::media::{Media, Segments};
use crate::simulator::pick::Subject;
use crate::simulator::reply::{Call, Reply, typed};

/// What a storage host says about a file it does not have.
const GONE: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code></Error>\n";

/// The query of a link.
#[derive(Deserialize)]
pub(super) struct Link {
    expires: Option<i64>,
    signature: Option<String>,
    /// How many redirects are still to come.
    hops: Option<u64>,
}

/// A file and the part of it that is asked for.
pub(in crate::simulator) struct Answer {
    pub(in crate::simulator) status: StatusCode,
    pub(in crate::simulator) headers: HeaderMap,
    pub(in crate::simulator) content: Segments,
}

/// `GET` of an output.
pub(super) async fn output(
    State(world): Shared,
    Extension(call): Extension<Call>,
    Path((id, file)): Path<(String, String)>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Reply {
    let signed = link.expires.zip(link.signature.as_deref());
    let Some((expires, _)) = signed.filter(|(end, with)| links::is_signed(&id, &file, *end, with))
    else {
        return typed(StatusCode::FORBIDDEN, "application/xml", "<Error/>\n");
    };
    let index = file.split_once('.').and_then(|(index, _)| index.parse().ok());
    let found = world.any_prediction(&id).zip(index);
    let Some((prediction, index)) = found.filter(|_| expires > world.clock.now().as_millisecond())
    else {
        return typed(StatusCode::NOT_FOUND, "application/xml", GONE);
    };
    if let Some(hops) = link.hops.filter(|hops| *hops > 0) {
        return broken::hop(&world, (&prediction, index, expires), hops);
    }
    let mut rule = None;
    // A request that comes out of redirects meets no fault again: it would never arrive.
    if link.hops.is_none() && world.faults.concern(Gate::Download) {
        let job = format!("{}/{file}", prediction.charge.body_sha256);
        let texts = [&*prediction.charge.body];
        rule = world.faults.pick(Gate::Download, &Subject { job: &job, texts: &texts }).1;
    }
    let rule = rule.as_deref();
    let fault = match rule.map(|rule| rule.effect) {
        Some(Effect::File(fault)) => Some(fault),
        _ => None,
    };
    let mut media = view::media(&world, &prediction, index);
    if let (Some(rule), Some(fault)) = (rule, fault) {
        return match fault {
            FileFault::Expired => typed(StatusCode::NOT_FOUND, "application/xml", GONE),
            FileFault::WrongMagic => typed(StatusCode::OK, media.content_type, PAGE),
            FileFault::Redirect => {
                broken::hop(&world, (&prediction, index, expires), rule.with.hops)
            }
            _ => {
                broken::change_etag(&mut media, fault);
                let answer = select(media, &headers, fault);
                broken::answer(&world, &call, rule, (fault, answer)).await
            }
        };
    }
    let normal = async { stream(select(media, &headers, FileFault::Longer)) };
    world.under(rule, &call, normal).await
}

/// The part of a file that the headers ask for. `fault` may make the server ignore them.
fn select(media: Media, headers: &HeaderMap, fault: FileFault) -> Answer {
    let length = media.content.len();
    let wanted = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let ignored = fault == FileFault::RangeIgnored || !still_valid(headers, &media.etag);
    let wanted = wanted.filter(|_| !ignored);
    let range = wanted.map_or(Part::Whole, |text| parse_range(text, length));
    let mut answer =
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), content: media.content };
    answer.set(CONTENT_TYPE, media.content_type);
    answer.set(ACCEPT_RANGES, "bytes");
    if !media.etag.is_empty() {
        answer.set(ETAG, &media.etag);
    }
    match range {
        Part::Whole => {}
        Part::Outside => {
            answer.status = StatusCode::RANGE_NOT_SATISFIABLE;
            answer.set(CONTENT_RANGE, &format!("bytes */{length}"));
            answer.content = answer.content.slice(0..0);
        }
        Part::Range(part) => {
            answer.status = StatusCode::PARTIAL_CONTENT;
            let (first, last) = (part.start, part.end - 1);
            answer.set(CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
            answer.content = answer.content.slice(part);
        }
    }
    let length = answer.content.len().to_string();
    answer.set(CONTENT_LENGTH, &length);
    answer
}

/// Sends an answer in good order.
pub(in crate::simulator) fn stream(answer: Answer) -> Reply {
    let pieces = answer.content.pieces().into_iter().map(Ok::<_, Infallible>);
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let mut reply = Reply::new(body);
    *reply.status_mut() = answer.status;
    *reply.headers_mut() = answer.headers;
    reply
}

impl Answer {
    /// Sets a header; a value that no header can have is left out.
    pub(in crate::simulator) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}

/// Whether a range may be served: without `If-Range`, or where it is this very file.
fn still_valid(headers: &HeaderMap, etag: &str) -> bool {
    let strong = etag.starts_with('"');
    let condition = headers.get(IF_RANGE).map(HeaderValue::as_bytes);
    condition.is_none_or(|condition| strong && condition == etag.as_bytes())
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq)]
enum Part {
    /// No single range of bytes: the whole file is sent.
    Whole,
    /// Nothing of the file.
    Outside,
    Range(Range<u64>),
}

fn parse_range(text: &str, length: u64) -> Part {
    let bounds = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
    let Some((first, last)) = bounds else {
        return Part::Whole;
    };
    let range = match (first.trim().parse(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::Outside } else { Part::Range(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let of_ten = |text| parse_range(text, 10);
        assert_eq!(of_ten("bytes=0-3"), Part::Range(0..4));
        assert_eq!(of_ten("bytes=4-"), Part::Range(4..10));
        assert_eq!(of_ten("bytes=-3"), Part::Range(7..10));
        assert_eq!(of_ten("bytes=5-99"), Part::Range(5..10));
        assert_eq!(of_ten("bytes=10-"), Part::Outside);
        assert_eq!(of_ten("bytes=-0"), Part::Outside);
        assert_eq!(of_ten("bytes=5-2"), Part::Whole);
        assert_eq!(of_ten("lines=1-2"), Part::Whole);
        assert_eq!(of_ten("bytes=0-1,4-5"), Part::Whole);
    }
}
