//! Accepts HTTP connections, plain or over TLS, HTTP/1.1 or HTTP/2, and gives their requests to a router.
//!
//! A client that is slow with its handshake or its head, or that takes nothing of an answer, is cut off. Knows no route.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::patient::Patient;
use super::remainder::{discard, lend};
use crate::admission::{Admission, AdmissionConfig, Place};
use crate::door::{self, Pace};
use crate::tls::Tls;

/// The head of a request must be there within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A client that takes nothing of an answer for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at one time on a connection of HTTP/2.
const STREAMS_MAX: u32 = 128;
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How often a silent connection of HTTP/2 is asked whether it still is there, and how long it may take to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Where a request comes from, as an extension of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A listening socket.
pub struct HttpListener {
    socket: TcpListener,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Serving {
    router: Router,
    tls: Option<Tls>,
    stop: watch::Receiver<bool>,
}

impl HttpListener {
    /// Listens; nothing is accepted yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> std::io::Result<Self> {
        Ok(HttpListener {
            socket: door::listen(address)?,
            tls,
        })
    }

    /// Where it listens; says which port 0 became.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` turns true, then finishes the requests at hand.
    pub async fn run(self, router: Router, mut stop: watch::Receiver<bool>) {
        let admission = Admission::new(AdmissionConfig::default());
        let mut pace = Pace::new(self.tls.is_some());
        let open = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let serving = Serving {
            router,
            tls: self.tls,
            stop: stop.clone(),
        };
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stopping| *stopping) => break,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match (admission.enter(from.ip()), Arc::clone(&open).try_acquire_owned()) {
                (Ok(place), Ok(permit)) => {
                    let serving = serving.clone();
                    actor::spawn("http connection", async move {
                        serve(stream, from, place, serving).await;
                        drop(permit);
                    });
                }
                (Err(denied), _) => {
                    metrics::counter!("transport_connections_denied_total", "transport" => "http", "reason" => denied.as_str())
                        .increment(1);
                }
                (Ok(_), Err(_)) => {}
            }
            pace.step().await;
        }
        // All are back when the last connection has ended.
        let _ = open.acquire_many(u32::MAX >> 3).await;
    }
}

/// Whoever has shaken hands is no stranger any more: who it is is said with each request.
async fn serve(stream: TcpStream, from: SocketAddr, mut place: Place, serving: Serving) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = &serving.tls else {
        place.known();
        return requests(stream, from, serving).await;
    };
    match tls.accept(stream).await {
        Ok(secured) => {
            place.known();
            requests(secured.stream, from, serving).await;
        }
        Err(error) => {
            tracing::debug!(address = %from.ip(), %error, "a handshake failed");
            metrics::counter!("tls_handshakes_failed_total", "transport" => "http", "reason" => error.as_str()).increment(1);
        }
    }
}

/// Serves the requests of a connection.
async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, from: SocketAddr, serving: Serving) {
    let Serving { router, mut stop, .. } = serving;
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(from.ip()));
        let router = router.clone();
        async move { Ok::<Response<Body>, Infallible>(answer(router, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    let io = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let stopped = async { stop.wait_for(|stopping| *stopping).await.map(drop) };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(address = %from.ip(), %error, "an HTTP connection broke");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (lent, remainder) = lend(body, head.headers.contains_key(header::EXPECT));
    let answer = match router.oneshot(Request::from_parts(head, Body::new(lent))).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if let Some(rest) = remainder.taken_back() {
        // Beside the answer: a client reads it when it has sent, or while it sends.
        actor::spawn("http remainder", discard(rest));
    }
    answer
}
