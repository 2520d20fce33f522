//! The line between the program and the simulator, which may break.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a line that hangs up waits for more of an answer.
const ANSWERED: Duration = Duration::from_millis(8);

/// A TCP proxy to a simulator.
pub(crate) struct Line {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Connections are closed as soon as they are made, and those there are break.
    down: AtomicBool,
    /// Connections are closed after each answer, without a word.
    hangs_up: AtomicBool,
    /// Connections made while it was down.
    refused: AtomicUsize,
    over: AtomicBool,
}

impl Line {
    /// A line to the API at `url`, at a free port or at that one.
    pub(crate) fn to(url: &str, port: u16) -> Self {
        let upstream = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&upstream)) else {
                    continue;
                };
                if shared.down.load(Ordering::SeqCst) {
                    shared.refused.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                carry(&client, &server, &shared);
                carry(&server, &client, &shared);
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn hang_up_after_answers(&self) {
        self.state.hangs_up.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// How many connections were made while it was down.
    pub(crate) fn refused(&self) -> usize {
        self.state.refused.load(Ordering::SeqCst)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

/// Copies one direction, in a thread of its own, until one side ends or the line breaks.
fn carry(from: &TcpStream, to: &TcpStream, state: &Arc<State>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let state = Arc::clone(state);
    from.set_read_timeout(Some(ANSWERED)).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        let mut said = false;
        let broken = || state.down.load(Ordering::SeqCst) || state.over.load(Ordering::SeqCst);
        while !broken() {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    said = true;
                    if to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if said && state.hangs_up.load(Ordering::SeqCst) {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    });
}
