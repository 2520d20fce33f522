//! `nightreel simulate` as a process of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use nightreel::simulator::Figures;

use crate::book::Book;
use crate::process::Running;
use crate::story::Story;

/// A simulator that outlives the runs of its story.
pub(crate) struct Api {
    _process: Running,
    url: String,
    book: PathBuf,
}

impl Api {
    /// Starts one with a scenario.
    pub(crate) fn start(story: &Story, scenario: &str) -> Self {
        Self::with(story, scenario, &[])
    }

    pub(crate) fn with(story: &Story, scenario: &str, flags: &[&str]) -> Self {
        story.file("api.toml", scenario);
        let mut process = story
            .nightreel(["simulate", "--scenario", "api.toml", "--book", "book.jsonl"])
            .with(flags)
            .start();
        let out = process.out_path();
        let said = || std::fs::read_to_string(&out).unwrap();
        assert!(process.until(|| said().ends_with('\n')) && !process.has_ended(), "no simulator");
        Self { url: said().trim().to_owned(), book: story.path("book.jsonl"), _process: process }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn book(&self) -> Book {
        Book::read(&self.book)
    }

    pub(crate) fn figures(&self) -> Figures {
        serde_json::from_slice(&self.get("/__figures")).unwrap()
    }

    /// The body of what stands at a path.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        answer.split_off(head + 4)
    }
}
