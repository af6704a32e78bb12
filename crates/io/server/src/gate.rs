//! The gate: lets connections in, as many as there are places, makes the TLS handshake where there is one, and serves.
//!
//! ```text
//!  accept ──► a place? ──► TLS ──► connection, request by request ──► gone, or asked to finish
//!               └── no: closed at once
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};
use transport::tls;

use crate::connection::Connection;
use crate::local::Doorkeeper;
use crate::metrics::{Counted, Gauge, Outcome, Quota, count};
use crate::offer::Channel;
use crate::pace::Pace;
use crate::patience::Patient;
use crate::peer::Peer;
use crate::places::Place;
use crate::service::Core;

/// A head of a request may have so many bytes: a token of 64 KiB in base64, and room beside it.
const MAX_HEAD: usize = 128 * 1024;
/// Headers of one request.
const MAX_HEADERS: usize = 64;
/// How long a TLS handshake may take; never longer than a request's head.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long accepting pauses when the system has no descriptor left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Waits until the flag is set, or nobody can set it any more.
pub(crate) async fn reached(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|set| *set).await);
}

/// The connections that are there.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<JoinSet<()>>);

impl Connections {
    fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ended ones are taken out, so that the set does not grow.
        while all.try_join_next().is_some() {}
        all.spawn(connection);
    }

    /// Waits until each has ended; dropped before that, it cuts those that are left.
    pub(crate) async fn finish(&self) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while all.join_next().await.is_some() {}
    }
}

/// Lets a connection in, and asks it to finish.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) core: Arc<Core>,
    /// Set when no further request is to be begun.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Gate {
    /// Accepts what comes by the private socket.
    pub(crate) async fn accept_local(
        mut self,
        socket: UnixListener,
        doorkeeper: Doorkeeper,
        connections: Arc<Connections>,
    ) {
        let doorkeeper = Arc::new(doorkeeper);
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = reached(&mut self.stopped) => return,
            };
            match accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?, stream))) {
                Ok((who, stream)) => {
                    let uid = who.uid();
                    let peer = Peer::Local { uid, pid: who.pid() };
                    let place = doorkeeper.place(uid, Instant::now());
                    let doorkeeper = Arc::clone(&doorkeeper);
                    let welcome = |gate: Self, place| async move {
                        let Core { verifier, members, .. } = &*gate.core;
                        let account = doorkeeper.account(uid, verifier, members).await;
                        let account = account.map_err(|stranger| stranger.to_string());
                        let (core, time) = (Arc::clone(&gate.core), gate.time());
                        let connection = |pace| Connection::local(core, peer, account, place, pace);
                        gate.serve(stream, peer, time, connection).await;
                    };
                    self.admit(&connections, peer, place, welcome);
                }
                Err(error) => {
                    warn!(%error, "a connection by the private socket could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Begins with a connection that has a place; without one it is closed at once.
    pub(crate) fn admit<F: Future<Output = ()> + Send + 'static>(
        &self,
        connections: &Connections,
        peer: Peer,
        place: Option<Place>,
        welcome: impl FnOnce(Self, Arc<Place>) -> F,
    ) {
        let metrics = &self.core.metrics;
        let Some(place) = place else {
            metrics.connections.add(Outcome::Refused, 1);
            metrics.quotas.add(Quota::Connections, 1);
            debug!(%peer, "MaxConnections reached");
            return;
        };
        metrics.connections.add(Outcome::Accepted, 1);
        let present = metrics.enter(Gauge::Connections);
        let place = Arc::new(place);
        let welcomed = welcome(self.clone(), Arc::clone(&place));
        let metrics = Arc::clone(metrics);
        connections.spawn(async move {
            tokio::select! {
                () = welcomed => {}
                () = place.given_up() => {
                    metrics.quotas.add(Quota::Connections, 1);
                    debug!(%peer, "MaxConnections reached: gives way to another connection");
                }
            }
            drop(present);
        });
    }

    /// How long a client may let the service wait in the middle of a request.
    fn time(&self) -> Duration {
        self.core.settings().packet_retrieval_time()
    }

    /// Makes the handshake where there is one, then serves. The handshake is work for somebody
    /// unknown: it has the place of a connection and a time of its own.
    pub(crate) async fn welcome(
        mut self,
        stream: TcpStream,
        peer: SocketAddr,
        path: String,
        tls: Option<&tls::Server>,
        place: Arc<Place>,
    ) {
        let (core, time) = (Arc::clone(&self.core), self.time());
        let who = Peer::Network(peer);
        if let Err(error) = transport::prepare(&stream) {
            debug!(%peer, %error, "connection broken before its first request");
            return;
        }
        let Some(tls) = tls else {
            let connection = |pace| Connection::new(core, who, path, Channel::Plain, place, pace);
            return self.serve(stream, who, time, connection).await;
        };
        let limit = HANDSHAKE.min(time);
        let secured = tokio::select! {
            secured = tls.accept(stream, limit) => secured,
            () = reached(&mut self.stopped) => return,
        };
        match secured {
            Ok(tls::Accepted { stream, peer: client, .. }) => {
                let channel = Channel::Tls(tls.channel_binding());
                let connection = |pace| {
                    let connection = Connection::new(core, who, path, channel, place, pace);
                    connection.with_certificates(Some(client))
                };
                self.serve(stream, who, time, connection).await;
            }
            Err(error) => {
                count(&self.core.metrics.failed_handshakes);
                debug!(%peer, %error, "no TLS");
            }
        }
    }

    async fn serve(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: Peer,
        time: Duration,
        connection: impl FnOnce(Arc<Pace>) -> Connection,
    ) {
        let pace = Arc::new(Pace::default());
        let stream = Counted::new(stream, Arc::clone(&self.core.metrics));
        let stream = Patient::new(stream, time, Arc::clone(&pace));
        let connection = Arc::new(connection(pace));
        let service = service_fn(move |request| {
            let connection = Arc::clone(&connection);
            async move { Ok::<_, std::convert::Infallible>(connection.handle(request).await) }
        });
        let served = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(served);
        let result = tokio::select! {
            result = served.as_mut() => result,
            () = reached(&mut self.stopped) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = result {
            debug!(%peer, %error, "connection ended");
        }
    }
}
