//! A server that plays one scripted act for each connection, and remembers what it saw.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to one connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Closed before a byte is read.
    CloseUnread,
    /// The request is read whole; then these bytes are sent and the connection is closed.
    Say(String),
    /// The request is read whole; then nothing, until the client goes away.
    Hang,
}

/// Listens until it is dropped.
pub(crate) struct RawServer {
    /// Where it listens.
    pub(crate) base: String,
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    peers: watch::Receiver<Vec<u16>>,
    task: tokio::task::JoinHandle<()>,
}

impl RawServer {
    /// The first connection gets the first act; the last act goes on for ever.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (told, peers) = watch::channel(Vec::new());
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, peer) = listener.accept().await.unwrap();
                told.send_modify(|peers| peers.push(peer.port()));
                let act = acts.get(number).or(acts.last()).unwrap().clone();
                tokio::spawn(play(stream, act, Arc::clone(&seen)));
            }
        });
        Self { base: format!("http://{address}"), address, requests, peers, task }
    }

    /// How many connections were made until now. Connections are accepted in order, so once our
    /// own is seen, every earlier one is.
    pub(crate) async fn connections(&self) -> usize {
        let own = TcpStream::connect(self.address).await.unwrap();
        let port = own.local_addr().unwrap().port();
        let mut peers = self.peers.clone();
        let peers = peers.wait_for(|peers| peers.contains(&port)).await.unwrap();
        peers.iter().position(|peer| *peer == port).unwrap()
    }

    /// The requests read so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    ))
}

async fn play(mut stream: TcpStream, act: Act, seen: Arc<Mutex<Vec<String>>>) {
    if matches!(act, Act::CloseUnread) {
        return;
    }
    let Some(request) = request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    match act {
        Act::Say(bytes) => {
            stream.write_all(bytes.as_bytes()).await.ok();
        }
        Act::Hang => {
            let _ = stream.read(&mut [0; 1]).await;
        }
        Act::CloseUnread => {}
    }
}

/// Reads one request to its end by Content-Length or the last chunk; `None` where it breaks off.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.ok()?;
        if length == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let wanted = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        if body.len() >= wanted {
            return Some(text);
        }
    }
}
