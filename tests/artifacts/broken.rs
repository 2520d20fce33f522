//! Servers that cut, lie, stall or send something else.

use std::time::Duration;

use nightreel::artifacts::{FetchError, FetchSettings};

use crate::media::mp4;
use crate::server::{Make, Reply, Server, Then};
use crate::{fetch, files, local, open};

/// What becomes of this answer, and the files it leaves.
async fn outcome(settings: FetchSettings, reply: Make) -> (FetchError, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), settings);
    let server = Server::start(move |_, _| reply()).await;
    let error = fetch(&artifacts, &server.url()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    (error, files(folder.path()))
}

const NO_FILES: &[String] = &[];

#[tokio::test]
async fn a_short_body_is_an_error_and_leaves_nothing_that_could_not_be_resumed() {
    let (error, left) =
        outcome(local(), || Reply::raw("200 OK", &["Content-Length: 9000"], &mp4(8000, 1)[..100]))
            .await;
    assert!(matches!(error, FetchError::Transient { .. }), "{error}");
    assert_eq!(left, NO_FILES);
}

#[tokio::test]
async fn a_body_that_is_longer_than_it_says_is_refused() {
    let (error, left) =
        outcome(local(), || Reply::raw("200 OK", &["Content-Length: 500"], &mp4(8000, 1))).await;
    assert!(error.to_string().contains("cut short"), "{error}");
    assert_eq!(left, NO_FILES);
    let (error, left) = outcome(local(), || {
        Reply::raw("200 OK", &["Content-Length: 500", "Content-Length: 600"], &mp4(600, 1))
    })
    .await;
    assert!(matches!(error, FetchError::Transient { .. }), "{error}");
    assert_eq!(left, NO_FILES);
}

#[tokio::test]
async fn a_page_or_a_message_is_never_stored_as_a_video() {
    let cases: [(Make, &str); 5] = [
        (|| Reply::whole(b"<!DOCTYPE html><p>Sign\x1b[2J in at https://x/?a=b"), "text/html"),
        (|| Reply::whole(b"{\"code\":404}"), "application/json"),
        (|| Reply::whole(b"Not yet."), "text/plain"),
        (|| Reply::whole(b"\0\x01\x02\x03"), "unknown format"),
        (|| Reply::whole(b""), "empty"),
    ];
    for (reply, found) in cases {
        let (error, left) = outcome(local(), reply).await;
        assert!(matches!(error, FetchError::NotMedia { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(found) && message.contains("expected a video"), "{message}");
        assert!(!message.contains('\x1b') && !message.contains("a=b"), "{message}");
        let kept: &[&str] = if found == "empty" { &[] } else { &["demo/attempt-7-1.suspect"] };
        assert_eq!(left, kept, "what came is kept for people to look at");
    }
}

#[tokio::test]
async fn a_dead_link_is_gone_and_a_sick_server_is_not() {
    let gone: [Make; 4] = [
        || Reply::raw("401 Unauthorized", &["Content-Length: 0"], b""),
        || Reply::raw("403 Forbidden", &["Content-Length: 0"], b""),
        || Reply::raw("404 Not Found", &["Content-Length: 0"], b""),
        || Reply::raw("410 Gone", &["Content-Length: 0"], b""),
    ];
    for (reply, expected) in gone.into_iter().zip([401, 403, 404, 410]) {
        let (error, left) = outcome(local(), reply).await;
        assert!(matches!(error, FetchError::Gone { status, .. } if status == expected), "{error}");
        assert_eq!(left, NO_FILES);
    }
    let sick: [(Make, Option<u64>); 6] = [
        (|| Reply::raw("503 Busy", &["Retry-After: 7", "Content-Length: 0"], b""), Some(7)),
        (|| Reply::raw("429 Slow", &["Retry-After: 99999", "Content-Length: 0"], b""), Some(900)),
        (|| Reply::raw("502 Bad", &["Retry-After: soon", "Content-Length: 0"], b""), None),
        (|| Reply::raw("500 Bad", &["Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"], b""), None),
        (|| Reply::raw("204 No Content", &[], b""), None),
        (
            || Reply::raw("503 Busy", &["Retry-After: Fri, 01 Jan 2100 00:00:00 GMT"], b""),
            Some(900),
        ),
    ];
    for (reply, expected) in sick {
        let (error, _) = outcome(local(), reply).await;
        let FetchError::Transient { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn no_more_is_stored_than_the_limit_allows() {
    let small = || FetchSettings { max_bytes: 1000, ..local() };
    let (error, left) = outcome(small(), || Reply::whole(&mp4(2000, 1))).await;
    assert!(matches!(error, FetchError::TooLarge { limit: 1000, .. }), "{error}");
    assert_eq!(left, NO_FILES);
    let endless = || Reply::raw("200 OK", &[], &mp4(900, 1)).then(Then::Trickle);
    let (error, left) = outcome(small(), endless).await;
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert_eq!(left, NO_FILES);
}

#[tokio::test]
async fn a_trickle_a_stall_and_an_endless_download_are_ended() {
    let window = Duration::from_millis(200);
    let demanding = || FetchSettings { min_speed: (1000, window), ..local() };
    let stuck: [Make; 2] = [
        || Reply::raw("200 OK", &["Content-Length: 99999"], b"").then(Then::Trickle),
        || Reply::raw("200 OK", &["Content-Length: 99999"], b"abc").then(Then::Hang),
    ];
    for reply in stuck {
        let (error, _) = outcome(demanding(), reply).await;
        assert!(error.to_string().contains("too slow"), "{error}");
    }
    let (error, _) = outcome(demanding(), || Reply(Vec::new(), Then::Hang)).await;
    assert!(error.to_string().contains("did not begin"), "{error}");
    let impatient = FetchSettings { total_timeout: window, ..local() };
    let endless = || Reply::raw("200 OK", &[], b"").then(Then::Trickle);
    let (error, _) = outcome(impatient, endless).await;
    assert!(error.to_string().contains("longest time"), "{error}");
}
