//! A simulator with a client beside it.

use std::path::Path;
use std::time::Duration;

use nightreel::simulator::{Options, Scenario, Simulator};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Generations that end at once.
pub(crate) const AT_ONCE: &str = "[latency]\nkind = \"fixed\"\nlength = \"0s\"\n";
/// Generations that do not end within a test.
pub(crate) const FOR_LONG: &str = "[latency]\nkind = \"fixed\"\nlength = \"1h\"\n";

/// Whether JSON is what a fault makes of it.
pub(crate) type Holds = fn(&Value) -> bool;

pub(crate) struct Sim {
    pub(crate) simulator: Simulator,
    http: reqwest::Client,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 where the connection broke.
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The prediction's id, where it stands in the usual place.
    pub(crate) fn id(&self) -> String {
        self.json()["data"]["id"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn options(scenario: &str, book: Option<&Path>) -> Options {
    Options {
        address: "127.0.0.1:0".parse().unwrap(),
        scenario: Scenario::parse(scenario, "test.toml")
            .unwrap_or_else(|wrong| panic!("{wrong:?}")),
        book: book.map(Path::to_owned),
        key: None,
    }
}

impl Sim {
    pub(crate) async fn start(scenario: &str) -> Self {
        Self::with(options(scenario, None)).await
    }

    /// With one fault, and generations that end at once.
    pub(crate) async fn faulty(on: &str, fault: &str) -> Self {
        Self::start(&format!("{AT_ONCE}\n[[fault]]\non = \"{on}\"\n{fault}")).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let simulator = Simulator::start(options).await.unwrap();
        Self { simulator, http }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.base_url().as_str().trim_end_matches('/'))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.get_as(path, "apikey-test")
    }

    pub(crate) fn get_as(&self, path: &str, key: &str) -> RequestBuilder {
        let whole = path.starts_with("http");
        let url = if whole { path.to_owned() } else { self.url(path) };
        self.http.get(url).bearer_auth(key)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path)).bearer_auth("apikey-test")
    }

    pub(crate) async fn read(&self, path: &str) -> Answer {
        answer(self.get(path).send().await).await
    }

    pub(crate) async fn submit(&self, prompt: &str) -> Answer {
        self.send("Video", &json!({ "model": "minimax/hailuo-02/t2v-standard", "prompt": prompt }))
            .await
    }

    pub(crate) async fn send(&self, kind: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/model/generate{kind}");
        answer(self.post(&path).json(body).send().await).await
    }

    pub(crate) async fn poll(&self, id: &str) -> Answer {
        self.read(&format!("/api/v1/model/prediction/{id}")).await
    }

    /// The first output's link of a new prediction that ended at once.
    pub(crate) async fn link(&self, prompt: &str) -> String {
        let id = self.submit(prompt).await.id();
        let polled = self.poll(&id).await.json();
        polled["data"]["outputs"][0].as_str().unwrap().to_owned()
    }

    pub(crate) async fn upload(&self, name: &str, content: &[u8]) -> Answer {
        let part = reqwest::multipart::Part::bytes(content.to_vec()).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        answer(self.post("/api/v1/model/uploadMedia").multipart(form).send().await).await
    }

    /// The raw bytes of an answer, up to the end of the connection.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let address = self.simulator.base_url().socket_addrs(|| None).unwrap()[0];
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer k\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A reset after some bytes still leaves those bytes.
        stream.read_to_end(&mut bytes).await.ok();
        bytes
    }
}

pub(crate) async fn answer(sent: reqwest::Result<Response>) -> Answer {
    let broken = |status| Answer { status, text: String::new() };
    match sent {
        Ok(response) => {
            let status = response.status().as_u16();
            match response.text().await {
                Ok(text) => Answer { status, text },
                Err(_) => broken(0),
            }
        }
        Err(_) => broken(0),
    }
}
