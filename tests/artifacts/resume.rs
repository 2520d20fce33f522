//! Downloads that break off and are gone on with, and answers that must never be joined.

use std::time::Duration;

use nightreel::artifacts::{FetchError, Fetched};
use nightreel::domain::Digest;

use crate::media::mp4;
use crate::server::{Reply, Server, Then};
use crate::{fetch, files, local, open};

const LENGTH: usize = 400_000;

/// The answer to a request that wants to begin at a place.
type Second = Box<dyn Fn(usize) -> Reply + Send + Sync>;

/// The first half of the video, with this entity tag, and then a broken connection.
fn half(tag: &str, then: Then) -> Reply {
    let video = mp4(LENGTH, 1);
    let length = format!("Content-Length: {}", video.len());
    let tag = format!("ETag: {tag}");
    Reply::raw("200 OK", &[&length, &tag], &video[..video.len() / 2]).then(then)
}

/// Where a request wants to begin.
fn range(request: &str) -> Option<usize> {
    let line = request.lines().find_map(|line| line.strip_prefix("range: bytes="))?;
    line.trim_end_matches('-').parse().ok()
}

/// A 206 from `at` on, with another total or tag where a test wants to lie.
fn rest(video: &[u8], at: usize, total: usize, tag: &str) -> Reply {
    let span = format!("Content-Range: bytes {at}-{}/{total}", video.len() - 1);
    let length = format!("Content-Length: {}", video.len() - at);
    let tag = format!("ETag: {tag}");
    Reply::raw("206 Partial Content", &[&span, &length, &tag], &video[at..])
}

/// Breaks off after `half`, then asks again from a new process's point of view. Gives what came of
/// it and whether each request asked for a range.
async fn twice(
    first: impl Fn() -> Reply + Send + Sync + 'static,
    second: impl Fn(usize) -> Reply + Send + Sync + 'static,
    third: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Result<Fetched, FetchError>, Vec<bool>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(move |number, request| match (number, range(request)) {
        (0, _) => first(),
        (1, Some(at)) => second(at),
        _ => third(),
    })
    .await;
    let error = fetch(&open(folder.path(), local()), &server.url()).await.unwrap_err();
    assert!(matches!(error, FetchError::Transient { .. }), "{error}");
    let again = fetch(&open(folder.path(), local()), &server.url()).await;
    if again.is_ok() {
        assert_eq!(files(folder.path()), ["demo/.nightreel-7-1.part"]);
    }
    let ranges = server.requests().iter().map(|request| range(request).is_some()).collect();
    (again, ranges)
}

fn whole() -> Reply {
    Reply::whole(&mp4(LENGTH, 1))
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_stopped_even_in_another_process() {
    let video = mp4(LENGTH, 1);
    for then in [Then::Close, Then::Reset] {
        let (length, body) = (video.len(), video.clone());
        let second = move |at| rest(&body, at, length, "\"v1\"");
        let (fetched, ranges) = twice(move || half("\"v1\"", then), second, whole).await;
        let fetched = fetched.unwrap();
        assert_eq!((fetched.bytes, fetched.sha256), (length as u64, Digest::of(&video)));
        // A reset may throw away all that was not read yet, and then there is nothing to go on from.
        if matches!(then, Then::Close) {
            assert_eq!(ranges, [false, true]);
        }
    }
}

#[tokio::test]
async fn only_the_same_content_is_joined() {
    let other = mp4(LENGTH, 2);
    let length = other.len();
    let body = |seconds: fn(&[u8], usize, usize) -> Reply| -> Second {
        let other = other.clone();
        Box::new(move |at| seconds(&other, at, length))
    };
    let seconds: [Second; 5] = [
        // The entity tag has changed.
        body(|video, at, length| rest(video, at, length, "\"v2\"")),
        // A weak tag promises nothing.
        body(|video, at, length| rest(video, at, length, "W/\"v1\"")),
        // Another place than was asked for.
        body(|video, at, length| rest(video, at + 1, length, "\"v1\"")),
        // Another length of the whole.
        body(|video, at, length| rest(video, at, length + 1, "\"v1\"")),
        body(|_, _, _| Reply::raw("416 Range Not Satisfiable", &["Content-Length: 0"], b"")),
    ];
    for second in seconds {
        let (fetched, ranges) = twice(|| half("\"v1\"", Then::Close), second, whole).await;
        assert_eq!(fetched.unwrap().sha256, Digest::of(&mp4(LENGTH, 1)));
        assert_eq!(ranges, [false, true, false]);
    }
}

#[tokio::test]
async fn an_answer_with_the_whole_content_begins_anew() {
    let second = |_| Reply::whole(&mp4(LENGTH, 2));
    let (fetched, ranges) = twice(|| half("\"v1\"", Then::Close), second, whole).await;
    assert_eq!(fetched.unwrap().sha256, Digest::of(&mp4(LENGTH, 2)));
    assert_eq!(ranges, [false, true]);
}

#[tokio::test]
async fn without_a_strong_tag_nothing_is_kept() {
    for tag in ["W/\"v1\"", "v1", "\"\""] {
        let first = move || half(tag, Then::Close);
        let (fetched, ranges) = twice(first, |_| whole(), whole).await;
        assert_eq!(fetched.unwrap().sha256, Digest::of(&mp4(LENGTH, 1)));
        assert_eq!(ranges, [false, false], "{tag}");
    }
}

#[tokio::test]
async fn what_was_kept_of_another_address_or_was_tampered_with_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|number, _| match number % 2 {
        0 => half("\"v1\"", Then::Close),
        _ => whole(),
    })
    .await;
    let artifacts = open(folder.path(), local());
    let break_off = async || fetch(&artifacts, &server.url()).await.unwrap_err();

    break_off().await;
    assert_eq!(files(folder.path()), ["demo/.nightreel-7-1.part", "demo/.nightreel-7-1.part.meta"]);
    let elsewhere = server.url().replace("a.mp4", "b.mp4");
    fetch(&artifacts, &elsewhere).await.unwrap();

    break_off().await;
    let part = folder.path().join("demo/.nightreel-7-1.part");
    std::fs::File::options().write(true).open(part).unwrap().set_len(10).unwrap();
    fetch(&artifacts, &server.url()).await.unwrap();
    let asked_for_a_range = server.requests().iter().any(|request| range(request).is_some());
    assert!(!asked_for_a_range);
}

/// Waits until `is_so`, at most ten seconds.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test]
async fn a_download_that_the_run_gives_up_is_kept_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let video = mp4(LENGTH, 1);
    let (length, body) = (video.len(), video.clone());
    let server = Server::start(move |_, request| match range(request) {
        None => half("\"v1\"", Then::Hang),
        Some(at) => rest(&body, at, length, "\"v1\""),
    })
    .await;
    let part = folder.path().join("demo/.nightreel-7-1.part");
    let given_up = tokio::spawn({
        let (artifacts, url) = (open(folder.path(), local()), server.url());
        async move { fetch(&artifacts, &url).await }
    });
    until(|| part.metadata().is_ok_and(|part| part.len() > 100_000)).await;
    given_up.abort();
    let control = part.with_extension("part.meta");
    until(|| control.metadata().is_ok_and(|control| control.len() > 0)).await;
    let fetched = fetch(&open(folder.path(), local()), &server.url()).await.unwrap();
    assert_eq!(fetched.sha256, Digest::of(&video));
    assert!(range(&server.requests()[1]).is_some_and(|at| at > 100_000));
}
