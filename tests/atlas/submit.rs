//! The paid POST leaves once, whatever happens to it, and its fault is told for what it is.

use std::time::Duration;

use nightreel::atlas::{Api, Rejection, SubmitOutcome, Submitted, class};
use nightreel::domain::Endpoint;
use tokio::net::TcpListener;

use super::server::{Act, RawServer, answer};
use super::{CANARY, api, settings};

const BODY: &str = r#"{"model":"m","prompt":"a cat"}"#;

async fn submit(api: &Api) -> Submitted {
    let submitted = api.submit(Endpoint::Video, BODY.to_owned()).await;
    assert!(!format!("{submitted:?}").contains("canary"), "{submitted:?}");
    submitted
}

#[tokio::test]
async fn an_accepted_job_was_asked_for_in_the_documented_form() {
    let body = r#"{"code":200,"data":{"id":"6fca0bd30a"}}"#;
    let plain = "Content-Type: text/plain\r\nX-Request-ID: req-7\r\n";
    let server = RawServer::start(vec![answer("200 OK", plain, body)]).await;
    let submitted = submit(&api(&server.base)).await;
    let SubmitOutcome::Accepted { id } = submitted.outcome else {
        panic!("{submitted:?}");
    };
    assert_eq!(id.as_str(), "6fca0bd30a");
    assert_eq!(submitted.http_status, Some(200));
    assert_eq!(submitted.request_id.as_deref(), Some("req-7"));

    let [request] = &server.requests()[..] else {
        panic!("one request: {:?}", server.requests());
    };
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert_eq!(sent, BODY);
    assert!(head.starts_with("post /api/v1/model/generatevideo http/1.1\r\n"));
    assert!(head.contains(&format!("authorization: bearer {CANARY}")));
    assert!(head.contains("content-type: application/json"));
    assert!(head.contains(concat!("user-agent: nightreel/", env!("CARGO_PKG_VERSION"))));
    for absent in ["referer", "accept-encoding", "cookie"] {
        assert!(!head.contains(absent), "{head}");
    }
}

#[tokio::test]
async fn a_fault_after_connecting_is_unknown_and_nothing_is_sent_again() {
    let half_body =
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\":200,\"data\":{\"id\":\"6fca";
    let acts = [
        Act::CloseUnread,
        Act::Say(String::new()),
        Act::Say("HTTP/1.1 20".into()),
        Act::Say("HTTP/1.1 200 OK\r\nContent-Le".into()),
        Act::Say(half_body.into()),
        Act::Say("SSH-2.0-OpenSSH_9.2\r\n".into()),
    ];
    for act in acts {
        let server = RawServer::start(vec![act]).await;
        let submitted = submit(&api(&server.base)).await;
        let SubmitOutcome::Unknown { class, message } = &submitted.outcome else {
            panic!("{submitted:?}");
        };
        assert_eq!(*class, class::RESET, "{message}");
        assert_eq!(server.connections().await, 1, "{message}");
        assert!(server.requests().len() <= 1);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_timeout_and_unknown() {
    let server = RawServer::start(vec![Act::Hang]).await;
    let mut settings = settings(&server.base);
    settings.submit_timeout = Duration::from_millis(200);
    let submitted = submit(&Api::new(settings).unwrap()).await;
    let SubmitOutcome::Unknown { class, .. } = submitted.outcome else {
        panic!("{submitted:?}");
    };
    assert_eq!(class, class::TIMEOUT);
    assert_eq!(server.connections().await, 1);
}

#[tokio::test]
async fn an_endless_answer_is_unknown_in_bounded_memory() {
    let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "x".repeat(5 << 20));
    let server = RawServer::start(vec![answer("200 OK", "", &long)]).await;
    let submitted = submit(&api(&server.base)).await;
    let SubmitOutcome::Unknown { class, message } = submitted.outcome else {
        panic!("an answer of 5 MiB is not read");
    };
    assert_eq!(class, class::BAD_ANSWER);
    assert!(message.contains("longer than"), "{message}");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = RawServer::start(vec![Act::Hang]).await;
    for (status, unknown) in [(301, false), (302, false), (303, true), (307, false), (308, false)] {
        let target = format!("Location: {}/steal\r\n", elsewhere.base);
        let redirect = answer(&format!("{status} Elsewhere"), &target, "");
        let server = RawServer::start(vec![redirect]).await;
        let submitted = submit(&api(&server.base)).await;
        match submitted.outcome {
            SubmitOutcome::Unknown { class, .. } => assert!(unknown && class == class::REDIRECTED),
            SubmitOutcome::Rejected { next, .. } => {
                assert!(!unknown && next == Rejection::StopMisdirected);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.connections().await, 1);
    }
    assert_eq!(elsewhere.connections().await, 0);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_loses_and_doubles_nothing() {
    let body = r#"{"data":{"id":"6fca0bd30a"}}"#;
    let length = body.len();
    let kept = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let server = RawServer::start(vec![Act::Say(kept)]).await;
    let api = api(&server.base);
    for posts in 1..=5 {
        let outcome = submit(&api).await.outcome;
        // The close may be noticed before the POST leaves or only after it.
        let sound =
            matches!(outcome, SubmitOutcome::Accepted { .. } | SubmitOutcome::Unknown { .. });
        assert!(sound, "{outcome:?}");
        assert!(server.requests().len() <= posts);
    }
}

#[tokio::test]
async fn a_rejection_carries_the_wait() {
    let wait = "Retry-After: 3\r\nRetry-After: 7\r\n";
    let body = r#"{"code":429,"msg":"too many requests","request_id":"req-8"}"#;
    let server = RawServer::start(vec![answer("429 Too Many Requests", wait, body)]).await;
    let submitted = submit(&api(&server.base)).await;
    assert_eq!(submitted.request_id.as_deref(), Some("req-8"));
    let expected = SubmitOutcome::Rejected {
        next: Rejection::Wait,
        class: class::RATE_LIMITED,
        message: "too many requests".into(),
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(submitted.outcome, expected);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let submitted = submit(&api(&closed)).await;
    let SubmitOutcome::NotSent { message } = submitted.outcome else {
        panic!("{submitted:?}");
    };
    assert!(message.contains("refused"), "{message}");

    // TLS that does not come about: the server hears a handshake and answers nonsense.
    let server = RawServer::start(vec![Act::CloseUnread]).await;
    let tls = server.base.replace("http://", "https://");
    let submitted = submit(&api(&tls)).await;
    assert!(matches!(submitted.outcome, SubmitOutcome::NotSent { .. }), "{submitted:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_sees_neither_the_key_nor_the_job() {
    let refusal = answer("403 Forbidden", "", "");
    let proxy = RawServer::start(vec![refusal]).await;
    let mut settings = settings("https://api.atlascloud.example");
    settings.proxy = Some(proxy.base.parse().unwrap());
    let submitted = submit(&Api::new(settings).unwrap()).await;
    assert!(matches!(submitted.outcome, SubmitOutcome::NotSent { .. }), "{submitted:?}");
    let [request] = &proxy.requests()[..] else {
        panic!("one request: {:?}", proxy.requests());
    };
    assert!(request.starts_with("CONNECT api.atlascloud.example:443"));
    assert!(!request.contains("canary") && !request.contains("cat"));
}
