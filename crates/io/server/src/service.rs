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
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use session::client::endpoint::Transport;
use spawner::network::Spawner;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};
use transport::tls::InnerServer;

use crate::BoxFuture;
use crate::accounts::{AccountSource, MachineNames, Members, Verifier};
use crate::certificates::CertificatesError;
use crate::clients::Judge;
use crate::configuration::{
    ConfigResource, Configuration, Layers, MappingResource, PluginResource, Storage,
};
use crate::dispatch::{Provider, Robust};
use crate::gate::Gate;
use crate::gatekeeper::Gatekeeper;
use crate::kerberos::{self, KeyHolder};
use crate::listen::{self, ListenerResource, Listeners, Listening, Opener, ServiceMethods};
use crate::live::{Inner, Live};
use crate::local::{Doorkeeper, LocalSocket};
use crate::metrics::Metrics;
use crate::offer::{Channel, Offer};
use crate::places::Places;
use crate::plugin::{SessionPlugin, ShellPlugin};
use crate::principals;
use crate::resource::ResourceProvider;
use crate::settings::{Listener, MetricsAddress, Settings};
use crate::shells::{Limits, Shells};
use wsman::enumeration::{self, server::Enumerations};

/// How long the shells' processes may take to end when the service stops.
const STOP_SHELLS: Duration = Duration::from_secs(10);
/// How long connections may take to write their last answers.
const STOP_CONNECTIONS: Duration = Duration::from_secs(5);

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
    /// The groups that accounts may belong to by their local users, in the order in which the source of the accounts knows
    /// them: [`AccountSource::members`].
    pub groups: Vec<String>,
    /// What this machine calls itself.
    pub names: MachineNames,
    /// The kinds of shells on offer, one for each resource URI.
    pub plugins: Vec<Arc<dyn ShellPlugin>>,
    /// The kinds of shells with a protocol of their own; the first that serves a resource has it.
    pub sessions: Vec<Arc<dyn SessionPlugin>>,
    /// Resources beside those of the service itself, which come first.
    pub providers: Vec<Arc<dyn ResourceProvider>>,
    /// What the settings come from, where that is files; without it changes are made to `settings`.
    pub layers: Option<Layers>,
    /// The way to the owner of the keytab; without it there are no Kerberos logins.
    pub kerberos: Option<kerberos::Opened>,
    /// The private socket, by which programs of this machine reach the service; without it they use a listener.
    pub local: Option<LocalSocket>,
    /// Keeps changes of the configuration, and opens listeners while the service runs; without it changes are kept in
    /// memory only, and listeners opened by this process itself.
    pub storage: Option<Arc<dyn Storage>>,
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
            groups: Vec::new(),
            names: MachineNames::of_this_machine(),
            plugins: Vec::new(),
            sessions: Vec::new(),
            providers: Vec::new(),
            layers: None,
            kerberos: None,
            local: None,
            storage: None,
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
        listener: Box<Listener>,
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
        listener: Box<Listener>,
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
        listener: Box<Listener>,
    },
    /// Logins by CredSSP have no certificate.
    #[error("no certificate for CredSSP")]
    CredSsp(#[source] Box<CertificatesError>),
    /// There is no listener.
    #[error("no listener is configured")]
    NoListener,
    /// The private socket cannot be served.
    #[error("cannot serve the private socket")]
    Local(#[source] io::Error),
    /// The Kerberos process cannot be reached.
    #[error("cannot reach the Kerberos process")]
    Kerberos(#[source] io::Error),
    /// Two plug-ins want the same resource URI.
    #[error("two plug-ins serve {0}")]
    PluginTwice(String),
}

impl RunError {
    /// The listener that cannot be opened.
    pub(crate) fn listener(&self) -> Option<&Listener> {
        match self {
            Self::Listen { listener, .. }
            | Self::Certificate { listener, .. }
            | Self::Unbindable { listener } => Some(listener),
            Self::Metrics { .. }
            | Self::CredSsp(_)
            | Self::NoListener
            | Self::Local(_)
            | Self::Kerberos(_)
            | Self::PluginTwice(_) => None,
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) verifier: Verifier,
    /// Says who belongs to a group by its local user.
    pub(crate) members: Members,
    pub(crate) judge: Judge,
    pub(crate) principals: principals::Judge,
    /// Judges Kerberos tokens and buys tickets, where there is one.
    pub(crate) key_holder: Option<KeyHolder>,
    pub(crate) gatekeeper: Gatekeeper,
    /// The TLS inside logins by CredSSP, where they are offered.
    pub(crate) inner: Arc<Inner>,
    pub(crate) shells: Arc<Shells>,
    pub(crate) metrics: Arc<Metrics>,
    /// The kernel's version, which an Identify after a login tells.
    pub(crate) os_version: String,
    plugins: Vec<Arc<dyn ShellPlugin>>,
    sessions: Vec<Arc<dyn SessionPlugin>>,
    /// The owners of resources; the first that serves a resource has it.
    pub(crate) providers: Vec<Provider>,
    pub(crate) listening: Arc<Listening>,
    enumerations: Mutex<Enumerations>,
    /// The operations on resources that name themselves.
    pub(crate) robust: Robust,
    tokens: AtomicU64,
}

impl Core {
    /// The settings as they are now. Whoever decides several things for one request asks once.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.configuration.settings()
    }

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
    let Config { settings, mut listeners, accounts, names, plugins, sessions, .. } = config;
    let Config { kerberos, local, storage, lost_log_lines, spawner, stop, ready, .. } = config;
    let Config { providers, layers, groups, .. } = config;
    check_plugins(&plugins)?;
    let key_holder = kerberos.map(KeyHolder::new).transpose().map_err(RunError::Kerberos)?;
    let inner = listeners.inner();
    warn_of(&settings, key_holder.as_ref().is_some_and(KeyHolder::has_keys), inner.get().as_ref());
    if listeners.is_empty() && local.is_none() {
        return Err(RunError::NoListener);
    }
    let page = listeners.take_page();
    let local = local.map(|local| local_socket(local, &accounts)).transpose()?;
    let metrics = Arc::<Metrics>::default();
    let shells = Shells::new(bounds(&settings), Arc::clone(&metrics));
    let layers = layers.unwrap_or_else(|| Layers::of(settings.clone()));
    let configuration = Configuration::new(layers, settings, storage);
    let settings = configuration.settings();
    let places = Places::new(places(&settings));
    let storage = configuration.storage().cloned();
    let core = Arc::new_cyclic(|core| {
        let room = Arc::clone(&places);
        let listening = Listening::new(&listeners, core.clone(), room, storage);
        Core {
            providers: resources(&configuration, &listening, &accounts, &names, providers),
            judge: Judge::new(Arc::clone(&accounts)),
            principals: principals::Judge::new(Arc::clone(&accounts)),
            key_holder,
            members: Members::new(Arc::clone(&accounts), groups),
            verifier: Verifier::new(accounts, names),
            gatekeeper: Gatekeeper::new(settings.service.failed_logins.rules()),
            inner,
            shells: Arc::clone(&shells),
            metrics,
            os_version: os_version(),
            plugins,
            sessions,
            listening,
            enumerations: Mutex::new(Enumerations::new(enumeration::server::Settings::default())),
            robust: Robust::default(),
            tokens: AtomicU64::new(0),
            configuration,
        }
    });
    tell_storage(&core.configuration);
    let (stopping, stopped) = watch::channel(false);
    follow(&core, places);
    let listening = Arc::clone(&core.listening);
    let mut tasks = JoinSet::new();
    if let Some(page) = page {
        let (metrics, spawner) = (Arc::clone(&core.metrics), spawner.clone());
        tasks.spawn(page.serve(metrics, spawner, lost_log_lines, stopped.clone()));
    }
    tasks.spawn(listen::follow(&core, stopped.clone()));
    listening.start(listeners)?;
    let connections = Arc::clone(listening.connections());
    if let Some((socket, doorkeeper)) = local {
        let gate = Gate { core, stopped };
        tasks.spawn(gate.accept_local(socket, doorkeeper, Arc::clone(&connections)));
    }
    ready(&listening.addresses());
    announce(spawner.as_ref()).await;
    wait_for_end(stop, spawner.as_ref()).await;
    info!("Stopping");
    stopping.send_replace(true);
    listening.stop().await;
    shells.stop(STOP_SHELLS).await;
    let finished = async {
        while tasks.join_next().await.is_some() {}
        connections.finish().await;
    };
    if timeout(STOP_CONNECTIONS, finished).await.is_err() {
        warn!("connections that did not end in time are cut");
    }
    info!("Stopped");
    Ok(())
}

/// Whoever acts on changes of the configuration is asked before they come into force.
fn follow(core: &Core, places: Arc<Places>) {
    let (shells, inner) = (Arc::clone(&core.shells), Arc::clone(&core.inner));
    core.configuration.follow(vec![
        Arc::new(Live { places, shells, inner }),
        Arc::new(Opener(Arc::clone(&core.listening))),
    ]);
}

fn tell_storage(configuration: &Configuration) {
    if configuration.storage().is_none() {
        debug!("Changes of the configuration last as long as this process: nothing keeps them");
    }
}

/// Each kind of shell is one plug-in's.
fn check_plugins(plugins: &[Arc<dyn ShellPlugin>]) -> Result<(), RunError> {
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
    Ok(())
}

/// The owners of the service's resources, the service itself first.
fn resources(
    configuration: &Arc<Configuration>,
    listening: &Arc<Listening>,
    accounts: &Arc<dyn AccountSource>,
    names: &MachineNames,
    others: Vec<Arc<dyn ResourceProvider>>,
) -> Vec<Provider> {
    let both = || (Arc::clone(configuration), Arc::clone(listening));
    let (tree, rest) = both();
    let methods = ServiceMethods::new(Arc::clone(&tree), rest);
    let (listeners, rest) = both();
    let mappings = MappingResource::new(configuration, accounts, names);
    let own: [Arc<dyn ResourceProvider>; 4] = [
        Arc::new(ConfigResource::new(tree, Some(Arc::new(methods)))),
        Arc::new(ListenerResource::new(listeners, rest)),
        Arc::new(PluginResource::new(Arc::clone(configuration))),
        Arc::new(mappings),
    ];
    own.into_iter().chain(others).map(Provider::new).collect()
}

/// The private socket as one of the runtime, and who judges its connections.
fn local_socket(
    local: LocalSocket,
    accounts: &Arc<dyn AccountSource>,
) -> Result<(UnixListener, Doorkeeper), RunError> {
    let LocalSocket { socket, administrator } = local;
    let socket = UnixListener::from_std(socket).map_err(RunError::Local)?;
    Ok((socket, Doorkeeper::new(administrator, Arc::clone(accounts))))
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

/// How many connections there may be.
pub(crate) fn places(settings: &Settings) -> usize {
    usize::try_from(settings.service.max_connections).unwrap_or(usize::MAX)
}

/// How many shells and commands there may be.
pub(crate) fn bounds(settings: &Settings) -> Limits {
    Limits {
        per_user: u64::from(settings.winrs.max_shells_per_user),
        users: u64::from(settings.winrs.max_concurrent_users),
        operations: u64::from(settings.service.max_concurrent_operations_per_user),
        descriptors: descriptors(settings),
    }
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
