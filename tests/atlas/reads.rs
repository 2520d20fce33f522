//! Reads: one look for a poll, a few tries for the rest, and credentials only where they belong.

use std::path::Path;

use nightreel::atlas::{Error, HistoryQuery, PollAnswer, UploadError, class};
use nightreel::domain::{Digest, MediaFile, MediaKey, Micros, PredictionId};

use super::api;
use super::server::{Act, RawServer, answer};

fn fixture(name: &str) -> Act {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/api").join(name);
    let fixture: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    answer("200 OK", "", &fixture["body"].to_string())
}

fn broken() -> Act {
    answer("502 Bad Gateway", "", "<html>bad gateway</html>")
}

fn id() -> PredictionId {
    PredictionId::parse("6fca0bd30a").unwrap()
}

fn query() -> HistoryQuery {
    HistoryQuery { page: 2, size: 500, model: Some("minimax/hailuo-02/fast".into()), session: None }
}

#[tokio::test]
async fn a_poll_is_one_look_at_an_address_of_our_own_making() {
    let server = RawServer::start(vec![fixture("poll-created.json")]).await;
    let polled = api(&server.base).poll(&id()).await;
    let created = PollAnswer::Running { status: "created".into(), known: true };
    assert_eq!(polled.answer, created);
    let head = &server.requests()[0];
    assert!(head.starts_with("GET /api/v1/model/prediction/6fca0bd30a HTTP/1.1\r\n"), "{head}");

    let server = RawServer::start(vec![broken()]).await;
    let polled = api(&server.base).poll(&id()).await;
    let PollAnswer::Trouble { class, .. } = polled.answer else {
        panic!("{polled:?}");
    };
    assert_eq!(class, class::SERVER_ERROR);
    assert_eq!(server.connections().await, 1);
}

#[tokio::test]
async fn a_polls_redirect_is_not_followed() {
    let elsewhere = RawServer::start(vec![Act::Hang]).await;
    let target = format!("Location: {}/steal\r\n", elsewhere.base);
    let server = RawServer::start(vec![answer("302 Found", &target, "")]).await;
    let polled = api(&server.base).poll(&id()).await;
    let PollAnswer::Trouble { class, .. } = polled.answer else {
        panic!("{polled:?}");
    };
    assert_eq!(class, class::REDIRECTED);
    assert_eq!(elsewhere.connections().await, 0);
}

#[tokio::test]
async fn a_read_is_tried_again_until_the_api_is_well() {
    let acts = vec![Act::CloseUnread, broken(), fixture("history.json")];
    let server = RawServer::start(acts).await;
    let page = api(&server.base).history(&query()).await.unwrap();
    assert_eq!(page.total, Some(123));
    assert_eq!(server.connections().await, 3);
    let request = server.requests().pop().unwrap();
    let wanted = "GET /api/v1/model/history?no=2&size=50&model=minimax%2Fhailuo-02%2Ffast HTTP";
    assert!(request.starts_with(wanted), "{request}");
}

#[tokio::test]
async fn a_read_gives_up_after_three_tries_and_says_why() {
    let server = RawServer::start(vec![broken()]).await;
    let error = api(&server.base).history(&query()).await.unwrap_err();
    assert_eq!(error.class(), Some(class::SERVER_ERROR));
    assert!(error.to_string().contains("502"), "{error}");
    assert_eq!(server.connections().await, 3);

    let refused = answer("401 Unauthorized", "", r#"{"code":401,"msg":"unauthorized"}"#);
    let server = RawServer::start(vec![refused]).await;
    let error = api(&server.base).balance().await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(server.connections().await, 1);
}

#[tokio::test]
async fn money_and_models_are_read() {
    let server = RawServer::start(vec![fixture("balance.json")]).await;
    assert_eq!(api(&server.base).balance().await.unwrap(), Micros(12_345_678));

    let server = RawServer::start(vec![fixture("quote.json")]).await;
    let quote = api(&server.base).quote(r#"{"model":"m"}"#).await.unwrap();
    assert_eq!(quote, Micros(100_000));
    assert!(server.requests()[0].ends_with(r#"{"model":"m"}"#));

    let server = RawServer::start(vec![fixture("models.json")]).await;
    assert_eq!(api(&server.base).models().await.unwrap().len(), 3);
    assert!(!server.requests()[0].contains("canary"), "the catalogue needs no key");
}

#[tokio::test]
async fn an_upload_carries_the_files_true_type_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Cat of mine.png");
    std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), b"one cat").unwrap();
    let sha256 = Digest::of(b"one cat");
    let mut file = MediaFile { key: MediaKey { sha256, extension: "png".into() }, path, bytes: 7 };
    let server = RawServer::start(vec![broken(), fixture("upload-vendor.json")]).await;
    let url = api(&server.base).upload(&file).await.unwrap();
    assert_eq!(url, "https://static.atlascloud.ai/u/1.png");
    assert_eq!(server.connections().await, 2);
    let request = server.requests().pop().unwrap();
    let name = format!(r#"name="file"; filename="{}.png""#, sha256.short());
    assert!(request.starts_with("POST /api/v1/model/uploadMedia "), "{request}");
    for part in [&name, "Content-Type: image/png", "\r\n\r\none cat\r\n--"] {
        assert!(request.contains(part), "{part}: {request}");
    }

    file.bytes = 8;
    let error = api(&server.base).upload(&file).await.unwrap_err();
    assert!(matches!(error, UploadError::Changed { .. }), "{error}");
    assert_eq!(server.connections().await, 3, "nothing was sent beside our own look");
}
