//! The API of `atlas-api.md`, faked faithfully over real HTTP on loopback. It ships in the binary:
//! `nightreel simulate`, `--simulate`, and every test use this one.
//!
//! A [`Scenario`] says how the server behaves: latencies, limits, money, and faults (the table of
//! all kinds stands in `fault`). Everything random follows from its seed. The [`book`] of charges
//! is what tests ask about money; [`Figures`] tell what was seen.
//!
//! Beside the API's own paths there are `/__book` (all entries), `/__figures`, `/__sink` (where
//! redirects of faults lead), `/schemas/…`, `/uploads/…` and `/outputs/…`.
//!
//! What it does not do: webhooks, the LLM endpoints, usage and cost reports.

pub mod book;

mod bend;
mod broken;
mod catalog;
mod clock;
mod fault;
mod figures;
mod latency;
mod links;
mod media;
mod pick;
mod prediction;
mod reader;
mod reply;
mod routes;
mod scenario;
mod script;
mod server;
mod uploads;
mod world;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use figures::Figures;
pub use scenario::Scenario;

use self::book::Book;
use self::catalog::Catalog;
use self::server::Front;
use self::world::World;

/// How to start a simulator.
pub struct Options {
    /// Where to listen: a loopback address; port 0 takes any free one.
    pub address: SocketAddr,
    /// How it behaves.
    pub scenario: Scenario,
    /// Where the book of charges is kept. A book that exists is taken up: its predictions, uploads
    /// and history are there again. Without one it lives in memory.
    pub book: Option<PathBuf>,
    /// The only key that is let in; `None` lets any key in.
    pub key: Option<String>,
}

/// What keeps a simulator from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is open to others.
    #[error("the simulator listens on loopback only, not on {0}; use for example 127.0.0.1:0")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("the simulator cannot listen on {address}: {source}; choose another port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The book cannot be used.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// The embedded catalogue is wrong.
    #[error("the simulator's catalogue is broken: {0}; this is a bug of nightreel")]
    Catalog(#[from] toml::de::Error),
    /// The address cannot be written as a URL.
    #[error("the simulator's address cannot be written as a URL: {0}")]
    Url(#[from] url::ParseError),
}

/// A running simulator. Dropping it stops it.
pub struct Simulator {
    base: Url,
    world: Arc<World>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let address = options.address;
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        let listening = |source| Error::Listen { address, source };
        let book = Book::open(options.book.as_deref())?;
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let base = Url::parse(&format!("http://{address}"))?;
        let mut world =
            World::new(options.scenario, Catalog::embedded()?, book, format!("http://{address}"));
        world.key = options.key;
        let world = Arc::new(world);
        let stop = CancellationToken::new();
        let front = Arc::new(Front {
            router: routes::router(Arc::clone(&world)),
            world: Arc::clone(&world),
        });
        let server = tokio::spawn(server::serve(listener, front, stop.clone()));
        Ok(Self { base, world, stop, server: Some(server) })
    }

    /// Where it listens, for example `http://127.0.0.1:40123/`.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.base
    }

    /// What it has seen so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.world.figures()
    }

    /// Stops listening, lets all connections go, and comes back when the book is free again.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            server.await.ok();
        }
        self.world.tasks.close();
        self.world.tasks.wait().await;
        self.world.settle();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
