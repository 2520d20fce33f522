//! The accept loop. It serves the routes with hyper, and takes the connection away from hyper where
//! an answer is to be broken.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::domain::Digest;

use super::bend::REQUEST_ID;
use super::reply::{Call, Reply};
use super::script::Script;
use super::world::World;

/// Paths that anybody may read (atlas-api.md 1.5), and the simulator's own.
const OPEN: [&str; 8] = [
    "/api/v1/models",
    "/schemas/",
    "/outputs/",
    "/uploads/",
    "/__book",
    "/__figures",
    "/__sink",
    "/__loop",
];

/// How late the book may tell of an end that nobody asked about.
const SETTLE_EVERY: Duration = Duration::from_millis(100);
/// How long to wait when the process has no file descriptors left.
const WITHOUT_DESCRIPTORS: Duration = Duration::from_millis(10);

/// What every connection needs.
pub(super) struct Front {
    pub(super) world: Arc<World>,
    pub(super) router: Router,
}

/// Serves until `stop`, then lets all connections go.
pub(super) async fn serve(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut settling = tokio::time::interval(SETTLE_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, Arc::clone(&front))); }
                Err(_) => tokio::time::sleep(WITHOUT_DESCRIPTORS).await,
            },
            _ = settling.tick() => front.world.settle(),
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, front: Arc<Front>) {
    stream.set_nodelay(true).ok();
    let (broken, mut scripts) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        let broken = broken.clone();
        async move {
            let mut reply = front.answer(request).await;
            if let Some(script) = reply.extensions_mut().remove::<Script>() {
                broken.send(script).await.ok();
                // hyper must not answer: the connection is taken from it now.
                return std::future::pending().await;
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let mut http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let script: Option<Script> = tokio::select! {
        _ = &mut http => None,
        script = scripts.recv() => script,
    };
    if let Some(script) = script {
        script.play(http.into_parts().io.into_inner()).await;
    }
}

impl Front {
    /// Authentication before routing (atlas-api.md section 2), and an id for every answer.
    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Reply {
        let mut request = request.map(Body::new);
        let path = request.uri().path();
        self.world.count(endpoint(path));
        let key = bearer(&request).filter(|key| self.world.lets_in(key));
        let call = Call {
            request_id: uuid::Uuid::now_v7().to_string(),
            key_hash: key.map_or(String::new(), |key| Digest::of(key.as_bytes()).short()),
            billing: path.starts_with("/public/"),
        };
        let open = OPEN.iter().any(|open| path.starts_with(open));
        let mut reply = if key.is_none() && !open {
            call.unauthorized()
        } else {
            request.extensions_mut().insert(call.clone());
            match self.router.clone().oneshot(request).await {
                Ok(reply) => reply,
                Err(never) => match never {},
            }
        };
        if let Ok(id) = HeaderValue::from_str(&call.request_id) {
            reply.headers_mut().insert(REQUEST_ID, id);
        }
        reply
    }
}

impl World {
    fn lets_in(&self, key: &str) -> bool {
        self.key.as_ref().is_none_or(|right| right == key)
    }
}

fn bearer(request: &Request<Body>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let key = header.strip_prefix("Bearer ")?.trim();
    (!key.is_empty()).then_some(key)
}

/// The name an endpoint is counted under.
fn endpoint(path: &str) -> &str {
    let rest = path.trim_start_matches("/api/v1/model/").trim_start_matches("/api/v1/");
    let rest = rest.trim_start_matches("/public/v1/").trim_start_matches('/');
    rest.split('/').next().unwrap_or(rest)
}
