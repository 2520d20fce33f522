//! An API that says what a test wants said: documents by path, and nothing else.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Listens until the process ends; answers one request a connection.
pub(crate) struct Documents {
    address: SocketAddr,
    bodies: Arc<Mutex<BTreeMap<String, String>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Documents {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(BTreeMap::new()));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (answers, seen) = (Arc::clone(&bodies), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has gone away wants no answer.
                let _ = answer(&stream.unwrap(), &answers, &seen);
            }
        });
        Self { address, bodies, heads }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says this at a path from now on.
    pub(crate) fn say(&self, path: &str, body: impl Into<String>) {
        self.bodies.lock().unwrap().insert(path.to_owned(), body.into());
    }

    /// Offers models, each with its schema document at a path of its own where one is given.
    pub(crate) fn offer(&self, models: &[(&str, &str, Option<String>)]) {
        let entries: Vec<Value> = models
            .iter()
            .map(|(id, kind, document)| {
                let path = format!("/schemas/{}.json", id.replace('/', "-"));
                let mut entry = json!({ "model": id, "type": kind });
                if let Some(document) = document {
                    self.say(&path, document);
                    entry["schema"] = format!("{}{path}", self.url()).into();
                }
                entry
            })
            .collect();
        self.say("/api/v1/models", json!({ "code": "200", "data": entries }).to_string());
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    bodies: &Mutex<BTreeMap<String, String>>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines();
    let head: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head.join("\n"));
    let body = bodies.lock().unwrap().get(&path).cloned();
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", r#"{"code":404,"msg":"not found"}"#.to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
