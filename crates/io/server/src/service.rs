//! The whole service: listeners, connections, and the way down.
//!
//! ```text
//!  open listeners ──► accept ──► connections …      stop requested
//!                                                        │
//!            accept no more ◄────────────────────────────┘
//!                 │ ──► shells end, what waits is answered ──► connections finish ──► return
//!                                    (each within a bound)
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, getrlimit};
use session::client::endpoint::Transport;
use spawner::network::Spawner;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use transport::tls::{self, InnerServer, PeerCertificates};

use crate::BoxFuture;
use crate::accounts::{AccountSource, MachineNames, Verifier};
use crate::certificates::CertificatesError;
use crate::clients::Judge;
use crate::connection::Connection;
use crate::gatekeeper::Gatekeeper;
use crate::kerberos::{self, KeyHolder};
use crate::listen::{Listeners, Open};
use crate::metrics::{Counted, Gauge, Metrics, Outcome, Quota, count};
use crate::offer::{Channel, Offer};
use crate::pace::Pace;
use crate::patience::Patient;
use crate::places::{Place, Places};
use crate::plugin::{SessionPlugin, ShellPlugin};
use crate::principals;
use crate::settings::{Listener, MetricsAddress, Settings};
use crate::shells::{Limits, Shells};
use wsman::enumeration::{self, server::Enumerations};

/// A head of a request may have so many bytes: a token of 64 KiB in base64, and room beside it.
const MAX_HEAD: usize = 128 * 1024;
/// Headers of one request.
const MAX_HEADERS: usize = 64;
/// How long a TLS handshake may take; never longer than a request's head.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long the shells' processes may take to end when the service stops.
const STOP_SHELLS: Duration = Duration::from_secs(10);
/// How long connections may take to write their last answers.
const STOP_CONNECTIONS: Duration = Duration::from_secs(5);
/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Descriptors beside those of connections, shells and commands: listeners, logs, the system's own.
const OTHER_DESCRIPTORS: u64 = 64;

/// What is called once all listeners accept.
pub type Ready = Box<dyn FnOnce(&[SocketAddr]) + Send>;

/// What the service is made of.
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// Where the service is reached: open already, so that nothing has to be opened any more.
    pub listeners: Listeners,
    /// Where the accounts come from.
    pub accounts: Arc<dyn AccountSource>,
    /// What this machine calls itself.
    pub names: MachineNames,
    /// The kinds of shells on offer, one for each resource URI.
    pub plugins: Vec<Arc<dyn ShellPlugin>>,
    /// The kinds of shells with a protocol of their own; the first that serves a resource has it.
    pub sessions: Vec<Arc<dyn SessionPlugin>>,
    /// The way to the owner of the keytab; without it there are no Kerberos logins.
    pub kerberos: Option<kerberos::Opened>,
    /// Counts the log lines that could not be written, for the metrics.
    pub lost_log_lines: Arc<AtomicU64>,
    /// The privileged process: hears when the listeners accept, and says when to stop.
    pub spawner: Option<Spawner>,
    /// Becomes ready when the service is to stop.
    pub stop: BoxFuture<'static, ()>,
    /// Is called once all listeners accept, with their addresses.
    pub ready: Ready,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("settings", &self.settings)
            .field("listeners", &self.listeners)
            .field("names", &self.names)
            .field("plugins", &self.plugins)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// A service with these settings, listeners and accounts, without plug-ins, that never stops by
    /// itself.
    #[must_use]
    pub fn new(settings: Settings, listeners: Listeners, accounts: Arc<dyn AccountSource>) -> Self {
        Self {
            settings,
            listeners,
            accounts,
            names: MachineNames::of_this_machine(),
            plugins: Vec::new(),
            sessions: Vec::new(),
            kerberos: None,
            lost_log_lines: Arc::default(),
            spawner: None,
            stop: Box::pin(std::future::pending()),
            ready: Box::new(|_| {}),
        }
    }
}

/// Why the service did not start or did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A listener cannot be opened.
    #[error("cannot listen on {listener}")]
    Listen {
        /// Which one.
        listener: Listener,
        /// What the system said.
        source: io::Error,
    },
    /// The listener for metrics cannot be opened.
    #[error("cannot listen on {address} for metrics")]
    Metrics {
        /// Where.
        address: MetricsAddress,
        /// What the system said.
        source: io::Error,
    },
    /// An https listener has no certificate.
    #[error("no certificate for {listener}")]
    Certificate {
        /// Which one.
        listener: Listener,
        /// What is missing or wrong.
        source: Box<CertificatesError>,
    },
    /// Every login shall be bound to its TLS connection, and the listener's certificate allows none that.
    #[error(
        "CbtHardeningLevel is Strict, and the certificate of {listener} has a signature that no channel binding is defined for \
         (RFC 5929 4.1): take one that is signed with RSA or ECDSA"
    )]
    Unbindable {
        /// Which one.
        listener: Listener,
    },
    /// Logins by CredSSP have no certificate.
    #[error("no certificate for CredSSP")]
    CredSsp(#[source] Box<CertificatesError>),
    /// There is no listener.
    #[error("no listener is configured")]
    NoListener,
    /// The Kerberos process cannot be reached.
    #[error("cannot reach the Kerberos process")]
    Kerberos(#[source] io::Error),
    /// Two plug-ins want the same resource URI.
    #[error("two plug-ins serve {0}")]
    PluginTwice(String),
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) verifier: Verifier,
    pub(crate) judge: Judge,
    pub(crate) principals: principals::Judge,
    /// Judges Kerberos tokens and buys tickets, where there is one.
    pub(crate) key_holder: Option<KeyHolder>,
    pub(crate) gatekeeper: Gatekeeper,
    /// The TLS inside logins by CredSSP, where they are offered.
    pub(crate) inner: Option<InnerServer>,
    pub(crate) shells: Arc<Shells>,
    pub(crate) metrics: Arc<Metrics>,
    /// The kernel's version, which an Identify after a login tells.
    pub(crate) os_version: String,
    plugins: Vec<Arc<dyn ShellPlugin>>,
    sessions: Vec<Arc<dyn SessionPlugin>>,
    enumerations: Mutex<Enumerations>,
    tokens: AtomicU64,
}

impl Core {
    /// The plug-in of a resource URI.
    pub(crate) fn plugin(&self, uri: &str) -> Option<&dyn ShellPlugin> {
        let serves =
            |plugin: &&Arc<dyn ShellPlugin>| plugin.resource_uri().eq_ignore_ascii_case(uri);
        self.plugins.iter().find(serves).map(AsRef::as_ref)
    }

    /// The plug-in of a resource URI whose shells have a protocol of their own.
    pub(crate) fn session_plugin(&self, uri: &str) -> Option<&dyn SessionPlugin> {
        self.sessions.iter().find(|plugin| plugin.serves(uri)).map(AsRef::as_ref)
    }

    /// Whether Kerberos tokens can be judged.
    pub(crate) fn has_keys(&self) -> bool {
        self.key_holder.as_ref().is_some_and(KeyHolder::has_keys)
    }

    /// The enumerations that are under way.
    pub(crate) fn enumerations(&self) -> MutexGuard<'_, Enumerations> {
        self.enumerations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other request has.
    pub(crate) fn next_token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }
}

/// Runs the service until [`Config::stop`] is ready or the privileged process is gone; then it
/// stops accepting, ends all shells and their processes, answers what waits, and returns.
///
/// # Errors
///
/// [`RunError`] when it cannot start.
pub async fn run(config: Config) -> Result<(), RunError> {
    let Config { settings, listeners, accounts, names, plugins, sessions, .. } = config;
    let Config { kerberos, lost_log_lines, spawner, stop, ready, .. } = config;
    for (index, plugin) in plugins.iter().enumerate() {
        let uri = plugin.resource_uri();
        if plugins
            .iter()
            .skip(index + 1)
            .any(|other| other.resource_uri().eq_ignore_ascii_case(uri))
        {
            return Err(RunError::PluginTwice(uri.to_owned()));
        }
    }
    let key_holder = kerberos.map(KeyHolder::new).transpose().map_err(RunError::Kerberos)?;
    let inner = listeners.inner();
    warn_of(&settings, key_holder.as_ref().is_some_and(KeyHolder::has_keys), inner.as_ref());
    let (open, page) = listeners.accepting()?;
    let limits = Limits {
        per_user: u64::from(settings.winrs.max_shells_per_user),
        users: u64::from(settings.winrs.max_concurrent_users),
        operations: u64::from(settings.service.max_concurrent_operations_per_user),
        descriptors: descriptors(&settings),
    };
    let metrics = Arc::<Metrics>::default();
    let shells = Shells::new(limits, Arc::clone(&metrics));
    let core = Arc::new(Core {
        judge: Judge::new(Arc::clone(&accounts)),
        principals: principals::Judge::new(Arc::clone(&accounts)),
        key_holder,
        verifier: Verifier::new(accounts, names),
        gatekeeper: Gatekeeper::new(settings.service.failed_logins.rules()),
        inner,
        shells: Arc::clone(&shells),
        metrics,
        os_version: os_version(),
        plugins,
        sessions,
        enumerations: Mutex::new(Enumerations::new(enumeration::server::Settings::default())),
        tokens: AtomicU64::new(0),
        settings,
    });
    let (stopping, stopped) = watch::channel(false);
    let gate = Gate { places: Places::new(places(&core.settings)), core, stopped };
    let addresses: Vec<_> =
        open.iter().filter_map(|(socket, _)| socket.local_addr().ok()).collect();
    let mut tasks = JoinSet::new();
    if let Some(page) = page {
        let (metrics, spawner) = (Arc::clone(&gate.core.metrics), spawner.clone());
        tasks.spawn(page.serve(metrics, spawner, lost_log_lines, gate.stopped.clone()));
    }
    for (socket, open) in open {
        info!(url = %open.url, "Listening");
        tasks.spawn(gate.clone().accept(socket, open));
    }
    ready(&addresses);
    announce(spawner.as_ref()).await;
    wait_for_end(stop, spawner.as_ref()).await;
    info!("Stopping");
    stopping.send_replace(true);
    shells.stop(STOP_SHELLS).await;
    drop(gate);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if timeout(STOP_CONNECTIONS, finished).await.is_err() {
        warn!("connections that did not end in time are cut");
    }
    info!("Stopped");
    Ok(())
}

/// Tells the administrator what the settings come to together.
fn warn_of(settings: &Settings, has_keys: bool, inner: Option<&InnerServer>) {
    let service = &settings.service;
    if service.allow_unencrypted {
        warn!("AllowUnencrypted is true: messages and passwords may travel in the clear");
    }
    for listener in &settings.listeners {
        let channel = match listener.transport {
            Transport::Http => Channel::Plain,
            Transport::Https => Channel::Tls(None),
        };
        if channel == Channel::Plain && service.auth.basic && !service.allow_unencrypted {
            warn!(%listener, "Basic is not offered over plain HTTP while AllowUnencrypted is false");
        }
        if Offer::new(service, channel, has_keys).with_inner(inner.cloned()).is_empty() {
            warn!(%listener, "no login is offered: nobody can log in");
        }
    }
}

async fn announce(spawner: Option<&Spawner>) {
    if let Some(spawner) = spawner
        && let Err(error) = spawner.ready().await
    {
        warn!(%error, "the privileged process cannot be told that the service is ready");
    }
}

async fn wait_for_end(stop: BoxFuture<'static, ()>, spawner: Option<&Spawner>) {
    let requested = async {
        match spawner {
            Some(spawner) => spawner.stop_requested().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop => {}
        () = requested => {}
    }
}

fn places(settings: &Settings) -> usize {
    usize::try_from(settings.service.max_connections).unwrap_or(usize::MAX)
}

/// Descriptors for shells and commands: what connections, listeners and files leave.
fn descriptors(settings: &Settings) -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let others = u64::from(settings.service.max_connections) + OTHER_DESCRIPTORS;
    limit.saturating_sub(others).max(limit / 4)
}

/// The numbers of the kernel's version: `6.18.0` of `6.18.0-1-amd64`.
fn os_version() -> String {
    let names = rustix::system::uname();
    let text = names.release().to_string_lossy();
    let numbers: String =
        text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(32).collect();
    if numbers.is_empty() { "0.0.0".to_owned() } else { numbers }
}

/// Waits until the flag is set, or nobody can set it any more.
async fn reached(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|set| *set).await);
}

/// Lets connections in, as many as there are places.
#[derive(Clone)]
struct Gate {
    core: Arc<Core>,
    places: Arc<Places>,
    stopped: watch::Receiver<bool>,
}

impl Gate {
    async fn accept(mut self, socket: TcpListener, open: Open) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                // Ended ones are taken out, so that the set does not grow.
                Some(_) = connections.join_next() => continue,
                () = reached(&mut self.stopped) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Without a place the connection is closed at once.
                    let metrics = &self.core.metrics;
                    let Some(place) = self.places.take(peer.ip(), Instant::now()) else {
                        metrics.connections.add(Outcome::Refused, 1);
                        metrics.quotas.add(Quota::Connections, 1);
                        debug!(%peer, "MaxConnections reached");
                        continue;
                    };
                    metrics.connections.add(Outcome::Accepted, 1);
                    let present = metrics.enter(Gauge::Connections);
                    let (gate, place) = (self.clone(), Arc::new(place));
                    let (path, tls) = (open.path.clone(), open.tls.clone());
                    connections.spawn(async move {
                        let metrics = Arc::clone(&gate.core.metrics);
                        tokio::select! {
                            () = gate.welcome(stream, peer, path, tls.as_deref(), &place) => {}
                            () = place.given_up() => {
                                metrics.quotas.add(Quota::Connections, 1);
                                debug!(%peer, "MaxConnections reached: gives way to another connection");
                            }
                        }
                        drop(present);
                    });
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        while connections.join_next().await.is_some() {}
    }

    /// Makes the handshake where there is one, then serves. The handshake is work for somebody
    /// unknown: it has the place of a connection and a time of its own.
    async fn welcome(
        mut self,
        stream: TcpStream,
        peer: SocketAddr,
        path: String,
        tls: Option<&tls::Server>,
        place: &Arc<Place>,
    ) {
        if let Err(error) = transport::prepare(&stream) {
            debug!(%peer, %error, "connection broken before its first request");
            return;
        }
        let Some(tls) = tls else {
            return self.serve(stream, peer, path, Channel::Plain, None, place).await;
        };
        let limit = HANDSHAKE.min(self.core.settings.packet_retrieval_time());
        let secured = tokio::select! {
            secured = tls.accept(stream, limit) => secured,
            () = reached(&mut self.stopped) => return,
        };
        match secured {
            Ok(tls::Accepted { stream, peer: client, .. }) => {
                let channel = Channel::Tls(tls.channel_binding());
                self.serve(stream, peer, path, channel, Some(client), place).await;
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
        peer: SocketAddr,
        path: String,
        channel: Channel,
        client: Option<PeerCertificates>,
        place: &Arc<Place>,
    ) {
        let time = self.core.settings.packet_retrieval_time();
        let (place, pace) = (Arc::clone(place), Arc::new(Pace::default()));
        let stream = Counted::new(stream, Arc::clone(&self.core.metrics));
        let stream = Patient::new(stream, time, Arc::clone(&pace));
        let connection = Connection::new(self.core, peer, path, channel, place, pace);
        let connection = Arc::new(connection.with_certificates(client));
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
