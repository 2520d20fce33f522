//! A server that says exactly what it is told, byte by byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What comes after the bytes of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// The connection is closed in good order.
    Close,
    /// The connection is reset.
    Reset,
    /// One more byte every few milliseconds, for ever.
    Trickle,
    /// Nothing, for ever.
    Hang,
}

/// An answer: its bytes, and what comes after them.
pub(crate) struct Reply(pub(crate) Vec<u8>, pub(crate) Then);

impl Reply {
    /// An answer with these header lines and this body, and nothing added to them.
    pub(crate) fn raw(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let start = format!("HTTP/1.1 {status}");
        let lines = [&[start.as_str(), "Connection: close"], headers, &["", ""]].concat();
        Self([lines.join("\r\n").as_bytes(), body].concat(), Then::Close)
    }

    /// A whole answer with its length.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self::raw("200 OK", &[&format!("Content-Length: {}", body.len())], body)
    }

    /// The answer with something else behind its bytes.
    pub(crate) fn then(self, then: Then) -> Self {
        Self(self.0, then)
    }
}

/// Makes an answer.
pub(crate) type Make = fn() -> Reply;

type Answers = dyn Fn(usize, &str) -> Reply + Send + Sync;

/// The server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the n-th request, counted from 0, with `answers(n, request)`.
    pub(crate) async fn start(
        answers: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_on("127.0.0.1:0", answers).await
    }

    pub(crate) async fn start_on(
        address: &str,
        answers: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        tokio::spawn({
            let requests = Arc::clone(&requests);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&requests)));
                }
            }
        });
        Self { address, requests }
    }

    /// The address of a file here, with a signature that nobody may tell.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/out/a.mp4?Signature=canary", self.address)
    }

    /// What was asked so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let Reply(bytes, then) = answers(number, &request);
    // A client that has seen enough hangs up.
    let _ = stream.write_all(&bytes).await;
    match then {
        Then::Close => _ = stream.shutdown().await,
        Then::Reset => stream.set_zero_linger().unwrap(),
        Then::Trickle => {
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Then::Hang => std::future::pending().await,
    }
}
