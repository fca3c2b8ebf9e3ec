//! Serves HTTP/1.1 with limits: connections, headers, slow clients.
//!
//! At the limit of connections, the oldest one that has no request in flight gives way to a new one. A request is in
//! flight from when its body has arrived. So idle and slow connections push out each other, and a genuine callback,
//! which sends its request at once, is answered.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use crate::shutdown::Shutdown;

/// The most connections of a port, if the limit on open files allows. A slow one takes up to 120 KiB.
const MAX_CONNECTIONS: usize = 4096;

/// The request line and all headers together, in bytes. Longer ones are answered 431.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// How long a client may take for a request's head, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests in flight may take at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Binds a port.
pub(crate) async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({key}): stop the other program or use another port"))
}

/// Raises the limit on open files as far as allowed, and returns how many connections it allows.
pub(crate) fn connection_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let raised = Rlimit { current: limit.maximum.or(Some(65_536)), maximum: limit.maximum };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(65_536);
    usize::try_from(files / 2).unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)
}

/// One open connection.
struct Connection {
    /// Whether a request has arrived as a whole and is not answered yet.
    is_in_flight: AtomicBool,
    evict: Notify,
}

/// The place that an open connection takes, as the metrics count it.
struct Slot {
    _permit: OwnedSemaphorePermit,
    open: metrics::Gauge,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, port: &'static str) -> Self {
        let open = metrics::gauge!("postback_connections", "port" => port);
        open.increment(1.0);
        Self { _permit: permit, open }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.decrement(1.0);
    }
}

/// The body of a request, which is in flight once its end has arrived.
struct Arriving {
    body: Incoming,
    connection: Arc<Connection>,
}

impl Arriving {
    fn new(body: Incoming, connection: &Arc<Connection>) -> Self {
        let arriving = Self { body, connection: Arc::clone(connection) };
        arriving.note_end();
        arriving
    }

    fn note_end(&self) {
        if self.body.is_end_stream() {
            self.connection.is_in_flight.store(true, Ordering::SeqCst);
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.note_end();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// All open connections, the oldest first.
#[derive(Default)]
struct Connections(Mutex<VecDeque<Weak<Connection>>>);

impl Connections {
    fn add(&self, limit: usize) -> Arc<Connection> {
        let connection = Arc::new(Connection { is_in_flight: AtomicBool::new(false), evict: Notify::new() });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limit.saturating_mul(2) {
            all.retain(|known| known.strong_count() > 0);
        }
        all.push_back(Arc::downgrade(&connection));
        connection
    }

    /// Closes the oldest connection without a request.
    fn evict_oldest(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |known: &Weak<Connection>| {
            known.upgrade().is_none_or(|connection| !connection.is_in_flight.load(Ordering::SeqCst))
        };
        while let Some(at) = all.iter().position(is_idle) {
            if let Some(connection) = all.remove(at).and_then(|known| known.upgrade()) {
                connection.evict.notify_one();
                return;
            }
        }
    }
}

/// Serves until `shutdown` is requested, and then until the requests in flight are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limit: usize,
    port: &'static str,
    mut shutdown: Shutdown,
) {
    let permits = Arc::new(Semaphore::new(limit));
    let connections = Arc::new(Connections::default());
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, or the client is gone already.
                tracing::warn!(target: "postback::server", %error, port, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if permits.available_permits() == 0 {
            connections.evict_oldest();
        }
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit,
            () = shutdown.requested() => break,
        };
        let Ok(permit) = permit else { break };
        let connection = connections.add(limit);
        spawn(stream, peer, router.clone(), connection, Slot::new(permit, port), &graceful);
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
}

fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    connection: Arc<Connection>,
    slot: Slot,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request: hyper::Request<Incoming>| {
            let (router, connection) = (router.clone(), Arc::clone(&connection));
            async move {
                let mut request = request.map(|body| Body::new(Arriving::new(body, &connection)));
                request.extensions_mut().insert(ConnectInfo(peer));
                let response = router.oneshot(request).await;
                connection.is_in_flight.store(false, Ordering::SeqCst);
                response.map_err(|never: Infallible| never)
            }
        })
    };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let serving = graceful.watch(serving);
    tokio::spawn(async move {
        tokio::select! {
            // An error is the client's: it broke off, was too slow, or does not speak HTTP.
            _ = serving => {}
            () = connection.evict.notified() => {}
        }
        drop(slot);
    });
}
