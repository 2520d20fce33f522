//! Answers that HTTP libraries would not write: cut, reset, stalled, longer than announced.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a closing connection waits for its client to close too.
const LINGER: Duration = Duration::from_secs(2);
/// How long bytes sent before a reset are given to arrive: a reset overtakes them.
const BEFORE_RESET: Duration = Duration::from_millis(50);

/// What to put on the wire in place of an answer, and how to end the connection after it.
#[derive(Clone, Debug)]
pub(super) struct Script {
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Bytes),
    Wait(Duration),
    /// The same bytes for ever.
    Repeat(Bytes),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// In good order: the client reads the end of the stream.
    Close,
    /// By a TCP reset.
    Reset,
}

impl Script {
    /// Nothing but an end.
    pub(super) fn just(end: End) -> Self {
        Self { steps: Vec::new(), end }
    }

    pub(super) fn send(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    pub(super) fn send_all(mut self, pieces: Vec<Bytes>) -> Self {
        self.steps.extend(pieces.into_iter().map(Step::Send));
        self
    }

    pub(super) fn wait(mut self, length: Duration) -> Self {
        self.steps.push(Step::Wait(length));
        self
    }

    pub(super) fn repeat(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Repeat(bytes.into()));
        self
    }

    /// The script as an answer: the server finds it there and plays it instead.
    pub(super) fn reply(self) -> Response<Body> {
        let mut reply = Response::new(Body::empty());
        reply.extensions_mut().insert(self);
        reply
    }

    /// Plays it to the end, or until the client goes away.
    pub(super) async fn play(self, mut stream: TcpStream) {
        let silent = self.steps.is_empty();
        for step in self.steps {
            if step.play(&mut stream).await.is_err() {
                return;
            }
        }
        match self.end {
            End::Reset => {
                if !silent {
                    tokio::time::sleep(BEFORE_RESET).await;
                }
                stream.set_zero_linger().ok();
            }
            End::Close => close(stream).await,
        }
    }
}

impl Step {
    async fn play(self, stream: &mut TcpStream) -> std::io::Result<()> {
        match self {
            Self::Send(bytes) => stream.write_all(&bytes).await,
            Self::Wait(length) => {
                tokio::time::sleep(length).await;
                Ok(())
            }
            Self::Repeat(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
        }
    }
}

/// Ends the stream and reads what still comes: closing with unread bytes would send a reset.
async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 4096];
    let drain = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    tokio::time::timeout(LINGER, drain).await.ok();
}

/// The head of an answer as it goes over the wire, with the empty line after it.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        head.extend(name.as_str().as_bytes());
        head.extend(b": ");
        head.extend(value.as_bytes());
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    head
}
