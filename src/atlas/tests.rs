//! The settings' rules, and what the tables of this room's tests share.

use std::fmt::Write as _;
use std::path::Path;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::answer::Answer;
use super::*;
use crate::domain::PredictionId;

/// The id that the fixtures' polls are asked for.
pub(super) const ASKED: &str = "6fca0bd30a";

/// The answers of `tests/fixtures/api` whose file name begins with `prefix`, by name.
pub(super) fn fixtures(prefix: &str) -> Vec<(String, Answer)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/api");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix(prefix) {
            let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
            let body = fixture["body"].to_string().into_bytes();
            found.push((name.to_owned(), Answer::new(status, &HeaderMap::new(), Ok(body))));
        }
    }
    found.sort_by(|one, two| one.0.cmp(&two.0));
    assert!(!found.is_empty(), "no fixtures {prefix}*");
    found
}

/// One line for each range of statuses of equal meaning: with an empty body, with the API's error
/// of that very code, and with a web page.
pub(super) fn status_table(meaning: impl Fn(&Answer) -> String) -> String {
    let line = |status: u16| {
        let error = format!(r#"{{"code":{status},"msg":"no","data":null}}"#);
        ["", &error, "<html><body>Error</body></html>"]
            .map(|body| meaning(&Answer::new(status, &HeaderMap::new(), Ok(body.into()))))
            .join(" | ")
    };
    let mut table = "status: empty | json | html\n".to_owned();
    let mut first = 100;
    for status in 100..=599 {
        if status == 599 || line(status + 1) != line(status) {
            writeln!(table, "{first}..={status}: {}", line(status)).unwrap();
            first = status + 1;
        }
    }
    table
}

fn api(base: &str, key: Option<&str>) -> Result<Api, Error> {
    rustls::crypto::ring::default_provider().install_default().ok();
    Api::new(ApiSettings {
        base_url: base.parse().unwrap(),
        key: key.map(SecretString::from),
        proxy: None,
        submit_timeout: Duration::from_mins(2),
        read_timeout: Duration::from_secs(30),
    })
}

#[test]
fn the_key_is_only_ever_sent_to_a_safe_place() {
    for fine in [
        "https://api.atlascloud.ai",
        "http://127.0.0.1:4000",
        "http://[::1]:4000/gateway/",
        "http://localhost:1",
    ] {
        assert!(api(fine, None).is_ok(), "{fine}");
    }
    let refused = [
        "http://api.atlascloud.ai",
        "https://me:secret@api.atlascloud.ai",
        "https://api.atlascloud.ai?key=secret",
        "https://api.atlascloud.ai/#secret",
        "https://api.atlascloud.ai/api/v1",
        "ftp://127.0.0.1",
        "data:,secret",
    ]
    .map(|base| api(base, None).unwrap_err().to_string().replace("secret", "LEAK"));
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn neither_the_key_nor_the_proxys_password_is_shown() {
    let settings = ApiSettings {
        base_url: "https://api.atlascloud.ai".parse().unwrap(),
        key: Some("apikey-canary".into()),
        proxy: Some("http://user:canary@proxy.example:3128".parse().unwrap()),
        submit_timeout: Duration::from_mins(2),
        read_timeout: Duration::from_secs(30),
    };
    assert!(!format!("{settings:?}").contains("canary"));
    let api = api("https://api.atlascloud.ai", Some("apikey-canary")).unwrap();
    let request = api.submit_request(wire::path::GENERATE_VIDEO);
    assert!(!format!("{api:?} {request:?}").contains("canary"));
    assert!(api.has_key());
    for wrong in ["", "apikey-canary\n", "apikey canary", "caf\u{e9}"] {
        let error = super::tests::api("https://api.atlascloud.ai", Some(wrong)).unwrap_err();
        assert!(matches!(error, Error::Key), "{wrong:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn an_id_enters_a_url_as_one_segment() {
    let api = api("http://localhost:1/gateway/", None).unwrap();
    let id = PredictionId::parse("a?b#c%2f..;d").unwrap();
    let request = api.prediction_url(&id);
    assert_eq!(
        request.as_str(),
        "http://localhost:1/gateway/api/v1/model/prediction/a%3Fb%23c%252f..;d"
    );
}
