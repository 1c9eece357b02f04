//! Takes connections and serves HTTP on them, behind TLS where it is fynq's own. What `axum::serve` does, and two things besides: a
//! connection that asks for nothing, or takes for ever over a request's head, is closed; and one
//! address has only so many.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::{Listener, ListenerExt};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app::App;
use crate::caller::{ByTls, Proxies};
use crate::shutdown::{Phase, Shutdown};
use crate::tls::Identity;

use super::handshakes::Handshakes;

/// Serves until the server has stopped, then until every request has its answer.
pub(super) async fn serve(listener: TcpListener, tls: Option<Identity>, router: Router, app: App) {
    let proxies = Proxies::new(&app.settings.trusted_proxies);
    let tls = tls.map(|identity| Handshakes::new(identity, app.settings.header_timeout));
    let mut listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
    });
    let connections = TaskTracker::new();
    let mut shutdown = app.shutdown.clone();
    loop {
        let (stream, peer) = tokio::select! {
            // Waits by itself when there are no descriptors left.
            accepted = Listener::accept(&mut listener) => accepted,
            () = shutdown.reached(Phase::Stopped) => break,
        };
        let place = match proxies.trust(peer.ip()) {
            // A proxy's connections are its clients'.
            true => None,
            false => match app.auth.limits().connection(peer.ip()) {
                Some(place) => Some(place),
                // Closed without a word: an answer would cost what the limit is there to save.
                None => continue,
            },
        };
        let connection = Connection {
            peer,
            tls: tls.is_some(),
            router: router.clone(),
            patience: app.settings.header_timeout,
            shutdown: app.shutdown.clone(),
        };
        match tls.clone() {
            None => connections.spawn(async move {
                connection.serve(stream).await;
                drop(place);
            }),
            Some(tls) => connections.spawn(async move {
                if let Some(stream) = tls.shake(stream, connection.shutdown.clone()).await {
                    connection.serve(stream).await;
                }
                drop(place);
            }),
        };
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

struct Connection {
    peer: SocketAddr,
    tls: bool,
    router: Router,
    patience: Duration,
    shutdown: Shutdown,
}

impl Connection {
    /// Ends with the connection, or when it has become a socket: then it is the socket's task's.
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Connection { peer, tls, router, patience, mut shutdown } = self;
        let asked = Arc::new(AtomicBool::new(false));
        let service = hyper::service::service_fn({
            let asked = Arc::clone(&asked);
            move |request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                if tls {
                    request.extensions_mut().insert(ByTls);
                }
                router.clone().oneshot(request)
            }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        // Also how long an HTTP/1 connection may lie idle between two requests.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
        builder.http2().timer(TokioTimer::new()).enable_connect_protocol();
        let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        // hyper's timer begins with HTTP/1's first byte: this one is for those who never send it.
        let mut first = pin!(tokio::time::sleep(patience));
        let (mut waiting, mut stopping) = (true, false);
        loop {
            tokio::select! {
                served = serving.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection ended in the middle");
                    }
                    return;
                }
                () = &mut first, if waiting => {
                    waiting = false;
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = shutdown.reached(Phase::Stopped), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
