//! The metrics' own listener: plain HTTP on a loopback address, for whoever is on this machine.
//!
//! There is no login, so nothing is told that belongs to a user; and whoever connects may take
//! little: a few connections at a time, a short head, one answer, a few seconds.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use spawner::network::Spawner;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::Metrics;
use super::page::Sources;
use super::process::Process;
use crate::RunError;
use crate::settings::MetricsAddress;

/// Connections at a time; further ones are closed at once.
const PLACES: usize = 8;
/// How long a connection may take, from its beginning to its end.
const TIME: Duration = Duration::from_secs(10);
/// The longest head of a request, which is also the least that the HTTP library can be told.
const MAX_HEAD: usize = 8 * 1024;
/// Headers of one request.
const MAX_HEADERS: usize = 32;
/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The one path.
const PATH: &str = "/metrics";
/// The format and its version.
const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A listener that is open, and the files that its answers need.
#[derive(Debug)]
pub(crate) struct Page {
    address: MetricsAddress,
    socket: std::net::TcpListener,
    process: Option<Process>,
}

impl Page {
    /// Opens everything; nothing is opened later.
    ///
    /// # Errors
    ///
    /// [`RunError::Metrics`].
    pub(crate) fn open(address: MetricsAddress) -> Result<Self, RunError> {
        let failed = |source| RunError::Metrics { address, source };
        let socket = transport::listen(address.get()).map_err(failed)?;
        let process = Process::open()
            .inspect_err(|error| warn!(%error, "no metrics of the process itself: no /proc"))
            .ok();
        let url = format!("http://{}/metrics", socket.local_addr().map_err(failed)?);
        info!(%url, "Metrics");
        Ok(Self { address, socket, process })
    }

    /// Answers until the service stops.
    pub(crate) async fn serve(
        self,
        metrics: Arc<Metrics>,
        spawner: Option<Spawner>,
        lost_lines: Arc<AtomicU64>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let Self { address, socket, process } = self;
        let socket = match TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => return warn!(%error, %address, "metrics cannot be served"),
        };
        let sources = Arc::new(Sources { metrics, spawner, lost_lines, process });
        let places = Arc::new(Semaphore::new(PLACES));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let sources = Arc::clone(&sources);
                    connections.spawn(async move {
                        answer_one(stream, &sources).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "a connection for metrics could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn answer_one(stream: TcpStream, sources: &Sources) {
    let service = service_fn(|request| {
        let answer = answer(&request, sources);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIME)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(TIME, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "connection for metrics ended"),
        Err(_) => debug!("connection for metrics was too slow"),
    }
}

fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    if request.uri().path() != PATH {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() == Method::GET || request.method() == Method::HEAD {
        *answer.body_mut() = Full::new(Bytes::from(sources.page()));
        answer.headers_mut().insert(CONTENT_TYPE, FORMAT);
    } else {
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    answer
}
