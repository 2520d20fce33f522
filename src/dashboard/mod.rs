//! The dashboard: the report's page, served on loopback and kept up to date from the ledger, with what
//! an operator may do to a run while it goes on.
//!
//! It answers nobody but a browser on this machine that was given the token: see `guard.rs`.

mod acts;
mod changes;
mod files;
mod guard;
mod pages;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ledger::{self, Ledger};
use crate::report::Folders;
use guard::Guard;

/// Pages that are kept up to date at a time.
const WATCHERS: usize = 32;

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or not for us.
    #[error("cannot listen on {address}: {source}; choose another --port")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no randomness for a token.
    #[error("the system gives no random bytes for the dashboard's token")]
    NoToken,
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// What a dashboard shows.
pub struct Options {
    /// A reader of the ledger.
    pub ledger: Ledger,
    /// Where the ledger is, for what changes it.
    pub ledger_path: PathBuf,
    /// The state folder, for who owns the ledger.
    pub state_dir: PathBuf,
    /// The output folder.
    pub output_dir: PathBuf,
    /// What the page's commands must name.
    pub folders: Folders,
    /// How the folder and the sidecars of a batch are named.
    pub names: Names,
    /// The port on loopback; 0 takes any free one.
    pub port: u16,
}

/// How paths below the output folder are named; the rules are the artifacts'.
#[derive(Clone, Copy)]
pub struct Names {
    /// The folder of a batch.
    pub folder: fn(&str) -> Option<String>,
    /// The sidecar of an artifact.
    pub sidecar: fn(&str) -> Option<String>,
    /// What two paths share of which only one may be an artifact's; `None` for what is no path below
    /// the folder.
    pub folded: fn(&str) -> Option<String>,
}

/// What every request needs.
struct Desk {
    options: Options,
    guard: Guard,
    watchers: Arc<Semaphore>,
    stop: CancellationToken,
}

/// A dashboard being served, until it is stopped or dropped.
pub struct Dashboard {
    url: String,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Dashboard {
    /// Starts serving.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let guard = Guard::new(port).ok_or(Error::NoToken)?;
        let url = guard.url();
        let stop = CancellationToken::new();
        let watchers = Arc::new(Semaphore::new(WATCHERS));
        let desk = Arc::new(Desk { options, guard, watchers, stop: stop.clone() });
        let ended = stop.clone();
        let served = tokio::spawn(async move {
            let served = axum::serve(listener, routes(desk));
            served.with_graceful_shutdown(ended.cancelled_owned()).await.ok();
        });
        Ok(Self { url, stop, served })
    }

    /// Where it is, with the token that lets a browser in.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it.
    pub async fn stop(self) {
        self.stop.cancel();
        let patience = std::time::Duration::from_secs(2);
        let abort = self.served.abort_handle();
        if tokio::time::timeout(patience, self.served).await.is_err() {
            abort.abort();
        }
    }
}

fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(pages::newest))
        .route("/outputs/{*path}", get(pages::below))
        .route("/-/changes", get(changes::stream))
        .route("/-/act", post(acts::act))
        .layer(from_fn_with_state(Arc::clone(&desk), guard::check))
        .with_state(desk)
}
