//! The vendor's client as a process: spoken to in JSON-RPC lines, all under a deadline.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::Api;
use crate::install;
use crate::said::{Request, Said};
use crate::story::Story;

/// The version of the Model Context Protocol that is spoken.
const PROTOCOL: &str = "2025-06-18";
/// The key of both sides: tasks are shown to their own key only (`Run::at` gives nightreel the same).
const KEY: &str = "apikey-of-the-tests";
/// No answer may take longer; the client's own limit for a request is 30 s.
const DEADLINE: Duration = Duration::from_secs(40);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What would lead the client elsewhere.
const LEADS_ASTRAY: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NODE_OPTIONS",
    "NODE_USE_ENV_PROXY",
];

/// The client at a simulator; it is killed when dropped.
pub(crate) struct Client {
    process: Child,
    stdin: ChildStdin,
    answers: Receiver<Value>,
    asked: u64,
    requests: PathBuf,
    err: PathBuf,
}

impl Client {
    /// Starts it and shakes hands.
    pub(crate) fn start(story: &Story, api: &Api) -> Self {
        let (requests, err) = (story.file("requests.jsonl", ""), story.path("client.err"));
        let mut command = Command::new("node");
        for name in LEADS_ASTRAY {
            command.env_remove(name);
        }
        let mut process = command
            .arg("--import")
            .args([&install::here("redirect.mjs"), &*install::CLIENT])
            .env("SIMULATOR", api.url())
            .env("REQUESTS", &requests)
            .env("ATLASCLOUD_API_KEY", KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .expect("the suite needs node");
        let stdin = process.stdin.take().unwrap();
        let (tell, answers) = mpsc::channel();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // It ends with the client's output.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                tell.send(serde_json::from_str(&line).unwrap_or(Value::String(line))).ok();
            }
        });
        let mut client = Self { process, stdin, answers, asked: 0, requests, err };
        client.shake_hands();
        client
    }

    fn shake_hands(&mut self) {
        let me = json!({ "name": "nightreel-conformance", "version": "1" });
        let hello = json!({ "protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": me });
        let answer = self.ask("initialize", &hello);
        let server = json!({ "name": "atlascloud-mcp", "version": "1.7.0" });
        assert_eq!(answer["serverInfo"], server, "{answer}");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let began = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(began.elapsed());
            let answer = self.answers.recv_timeout(left).unwrap_or_else(|error| {
                let said = fs::read_to_string(&self.err).unwrap_or_default();
                panic!("{method}: {error}; the client said:\n{said}")
            });
            if answer["id"] == id {
                return answer["result"].clone();
            }
        }
    }

    /// Calls a tool.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Said {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let text = answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Said { text: text.to_owned(), is_error: answer["isError"] == true }
    }

    /// Submits, and gives the prediction's id.
    pub(crate) fn submit(&mut self, tool: &str, model: &str, params: &Value) -> String {
        let said = self.call(tool, &json!({ "model": model, "params": params }));
        said.tells(&["submitted successfully", model]);
        said.id()
    }

    /// Asks for a prediction until it has ended, and gives all that was said on the way.
    pub(crate) fn follow(&mut self, id: &str) -> Vec<Said> {
        let began = Instant::now();
        let mut all: Vec<Said> = Vec::new();
        loop {
            let said = self.call("atlas_get_prediction", &json!({ "prediction_id": id }));
            assert!(!said.is_error, "{said:?}");
            let goes_on = said.text.contains("still in progress");
            all.push(said);
            if !goes_on {
                return all;
            }
            assert!(began.elapsed() < DEADLINE, "no end of {id}: {all:?}");
            std::thread::sleep(LOOK);
        }
    }

    /// The last of [`Client::follow`].
    pub(crate) fn end_of(&mut self, id: &str) -> Said {
        self.follow(id).pop().unwrap()
    }

    /// Everything it sent so far, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let text = fs::read_to_string(&self.requests).unwrap();
        text.lines().map(Request::read).collect()
    }

    /// The submissions among them.
    pub(crate) fn submissions(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.line.starts_with("POST /api/v1/model/generate"));
        requests
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
