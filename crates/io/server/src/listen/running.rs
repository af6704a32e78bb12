//! The listeners while the service runs: what is open, and what it takes to open something else.
//!
//! ```text
//!  a change ──► prepare: certificates, sockets that are not open yet ──► Pending ──► commit: new ones accept,
//!                  │                                                        │        others close, the rest stays
//!                  └── a failure: nothing has changed                       └ dropped: nothing has changed
//! ```
//!
//! A socket stays open as long as some listener wants it. A connection belongs to the listener that it came to: when that
//! is gone it finishes the request that it is at.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, error, info, warn};
use transport::{InterfaceAddress, tls};

use super::plan::{Key, Names, Plan, Wanted, allows, overlap};
use super::secure::{Secured, Store};
use super::{Listeners, is_absent_family};
use crate::RunError;
use crate::configuration::Storage;
use crate::gate::{ACCEPT_PAUSE, Connections, Gate, reached};
use crate::peer::Peer;
use crate::places::Places;
use crate::service::Core;
use crate::settings::{ListenAddress, Listener, Settings};

/// What is served for a listener.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) path: String,
    /// For https.
    pub(crate) tls: Option<Arc<tls::Server>>,
    /// Set when the listener is gone.
    closed: watch::Sender<bool>,
}

/// Which listener a connection is for.
#[derive(Debug, Default)]
struct Routes(Vec<(SocketAddr, Arc<Open>)>);

/// The listeners.
#[derive(Debug)]
pub(crate) struct Listening {
    core: Weak<Core>,
    places: Arc<Places>,
    connections: Arc<Connections>,
    storage: Option<Arc<dyn Storage>>,
    store: Store,
    names: Names,
    running: Mutex<Running>,
    routes: Mutex<Arc<Routes>>,
}

#[derive(Debug, Default)]
struct Running {
    sockets: BTreeMap<Key, Socket>,
    opens: BTreeMap<String, Arc<Open>>,
    secured: Vec<Secured>,
    /// What the listeners wanted when this was opened.
    planned: BTreeSet<Key>,
    /// Sockets that are being closed.
    ending: Vec<JoinHandle<()>>,
    is_stopping: bool,
}

/// A socket that is open.
#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// What is ready to be taken into use.
#[derive(Debug)]
pub(crate) struct Pending {
    listening: Arc<Listening>,
    plan: Plan,
    secured: BTreeMap<String, Secured>,
    opened: Vec<(Wanted, TcpListener)>,
    /// Sockets that had to be closed first.
    closed: Vec<Key>,
}

impl Routes {
    /// The listener of an address, and whether it is one of every address.
    fn find(&self, local: SocketAddr) -> Option<(&Arc<Open>, bool)> {
        let ip = local.ip().to_canonical();
        let of_port = || self.0.iter().filter(|(address, _)| address.port() == local.port());
        let single = of_port().find(|(address, _)| address.ip() == ip);
        let wide = |(address, _): &&(SocketAddr, Arc<Open>)| {
            address.ip().is_unspecified() && address.is_ipv4() == ip.is_ipv4()
        };
        let single = single.map(|(_, open)| (open, false));
        single.or_else(|| of_port().find(wide).map(|(_, open)| (open, true)))
    }
}

/// Whether a listener is for the addresses of an interface.
pub(super) fn has_mac(listener: &Listener) -> bool {
    listener.enabled && matches!(listener.address, ListenAddress::Mac(_))
}

/// Names a listener among those that are open.
fn id(one: &Wanted) -> String {
    one.key.chosen_for.clone().unwrap_or_else(|| one.listener.to_string())
}

impl Listening {
    /// Nothing is accepted yet.
    pub(crate) fn new(
        listeners: &Listeners,
        core: Weak<Core>,
        places: Arc<Places>,
        storage: Option<Arc<dyn Storage>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            core,
            places,
            connections: Arc::default(),
            storage,
            store: listeners.store.clone(),
            names: listeners.names.clone(),
            running: Mutex::default(),
            routes: Mutex::default(),
        })
    }

    /// Begins to accept on what was opened.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn start(self: &Arc<Self>, listeners: Listeners) -> Result<(), RunError> {
        let Listeners { plan, secured, sockets, .. } = listeners;
        let accepting = |(one, socket): (Wanted, std::net::TcpListener)| {
            let failed = |source| RunError::Listen {
                listener: Box::new(Listener::clone(&one.listener)),
                source,
            };
            TcpListener::from_std(socket).map_err(failed).map(|socket| (one, socket))
        };
        let opened = sockets.into_iter().map(accepting).collect::<Result<_, _>>()?;
        let by_id = |(one, secured): (Wanted, Secured)| (id(&one), secured);
        let secured = secured.into_iter().map(by_id).collect();
        let (listening, closed) = (Arc::clone(self), Vec::new());
        Pending { listening, plan, secured, opened, closed }.commit();
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connections of every listener, and of the private socket.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Where certificates are.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The addresses that are open, in the order of their listeners.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let routes = self.routes();
        let running = self.running();
        let is_open = |address: &SocketAddr| {
            running.sockets.values().any(|socket| socket.address == *address)
        };
        routes.0.iter().map(|(address, _)| *address).filter(is_open).collect()
    }

    /// The addresses of this machine.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) async fn interfaces(&self) -> io::Result<Vec<InterfaceAddress>> {
        match &self.storage {
            Some(storage) => storage.interfaces().await,
            None => transport::interfaces(),
        }
    }

    /// Whether an interface that is listened on by its hardware address has other addresses than when it was opened.
    ///
    /// # Errors
    ///
    /// The system's, or two listeners that would have the same address now.
    pub(super) async fn has_moved(&self, settings: &Settings) -> Result<bool, RunError> {
        let Some(listener) = settings.listeners.iter().find(|one| has_mac(one)) else {
            return Ok(false);
        };
        let interfaces = self.interfaces_for(listener).await?;
        let plan = Plan::new(settings, &self.names, &interfaces).map_err(RunError::from)?;
        let wanted = plan.wanted.iter().map(|one| &one.key).collect::<BTreeSet<_>>();
        Ok(!wanted.into_iter().eq(&self.running().planned))
    }

    async fn interfaces_for(&self, listener: &Listener) -> Result<Vec<InterfaceAddress>, RunError> {
        let found = self.interfaces().await;
        found.map_err(|source| RunError::Listen { listener: Box::new(listener.clone()), source })
    }

    async fn bind(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match &self.storage {
            Some(storage) => storage.bind(address).await?,
            None => transport::listen(address)?,
        };
        TcpListener::from_std(socket)
    }

    /// Opens what these settings want and is not open.
    ///
    /// # Errors
    ///
    /// [`RunError::Certificate`], [`RunError::Unbindable`] and [`RunError::Listen`]: nothing has changed.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        settings: &Settings,
    ) -> Result<Pending, RunError> {
        let interfaces = match settings.listeners.iter().find(|one| has_mac(one)) {
            Some(listener) => self.interfaces_for(listener).await?,
            None => Vec::new(),
        };
        let plan = Plan::new(settings, &self.names, &interfaces).map_err(RunError::from)?;
        let known = self.running().secured.clone();
        let mut secured = BTreeMap::new();
        for one in &plan.wanted {
            if let Entry::Vacant(missing) = secured.entry(id(one)) {
                missing.insert(self.store.secure(&one.listener, settings, &known)?);
            }
        }
        let listening = Arc::clone(self);
        let (opened, closed) = (Vec::new(), Vec::new());
        let mut pending = Pending { listening, plan, secured, opened, closed };
        pending.open().await?;
        Ok(pending)
    }

    /// Begins to accept on a socket.
    fn accept(self: &Arc<Self>, running: &mut Running, key: Key, socket: TcpListener) {
        let Ok(address) = socket.local_addr() else { return };
        let (stop, stopped) = watch::channel(running.is_stopping);
        let accepting = tokio::spawn(Arc::clone(self).serve(socket, stopped));
        running.sockets.insert(key, Socket { address, stop, accepting });
    }

    /// Accepts connections until the socket is to be closed.
    async fn serve(self: Arc<Self>, socket: TcpListener, mut stopped: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = reached(&mut stopped) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(core) = self.core.upgrade() else { return };
                    let Ok(local) = stream.local_addr() else { continue };
                    let routes = self.routes();
                    let Some((open, is_wide)) = routes.find(local) else { continue };
                    let settings = core.settings();
                    let is_wanted = if is_wide {
                        allows(&settings.service, local.ip())
                    } else {
                        settings.service.allow_remote_access
                            || local.ip().to_canonical().is_loopback()
                    };
                    if !is_wanted {
                        debug!(%peer, %local, "no listener listens on this address");
                        continue;
                    }
                    let place = self.places.take(peer.ip(), Instant::now());
                    let (path, tls) = (open.path.clone(), open.tls.clone());
                    let gate = Gate { core, stopped: open.closed.subscribe() };
                    let welcome = |gate: Gate, place| async move {
                        gate.welcome(stream, peer, path, tls.as_deref(), place).await;
                    };
                    gate.admit(&self.connections, Peer::Network(peer), place, welcome);
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Closes every socket, and lets connections finish what they are at.
    pub(crate) async fn stop(&self) {
        let ending = {
            let mut running = self.running();
            running.is_stopping = true;
            for open in running.opens.values() {
                open.closed.send_replace(true);
            }
            let sockets = std::mem::take(&mut running.sockets);
            let mut ending = std::mem::take(&mut running.ending);
            ending.extend(sockets.into_values().map(Socket::close));
            ending
        };
        finish(ending).await;
    }
}

impl Socket {
    fn close(self) -> JoinHandle<()> {
        self.stop.send_replace(true);
        self.accepting
    }
}

/// Waits until sockets are closed.
async fn finish(ending: Vec<JoinHandle<()>>) {
    for ending in ending {
        // One that panicked is closed, too.
        drop(ending.await);
    }
}

impl Pending {
    async fn open(&mut self) -> Result<(), RunError> {
        let listening = Arc::clone(&self.listening);
        let ending = std::mem::take(&mut listening.running().ending);
        finish(ending).await;
        let all: Vec<Wanted> = self.plan.sockets().cloned().collect();
        let keys: BTreeSet<&Key> = all.iter().map(|one| &one.key).collect();
        let (missing, in_the_way) = {
            let mut running = listening.running();
            let missing: Vec<Wanted> =
                all.iter().filter(|one| !running.sockets.contains_key(&one.key)).cloned().collect();
            let is_in_the_way = |key: &&Key| {
                !keys.contains(key) && missing.iter().any(|one| overlap(&one.key, key))
            };
            let in_the_way: Vec<Key> =
                running.sockets.keys().filter(is_in_the_way).cloned().collect();
            let close = |key: &Key| running.sockets.remove(key).map(Socket::close);
            let ending: Vec<_> = in_the_way.iter().filter_map(close).collect();
            (missing, (in_the_way, ending))
        };
        let (closed, ending) = in_the_way;
        self.closed = closed;
        finish(ending).await;
        for one in missing {
            self.open_one(one).await?;
        }
        Ok(())
    }

    async fn open_one(&mut self, one: Wanted) -> Result<(), RunError> {
        let mut address = one.key.address;
        if let Some(port) = self.chosen_port(&one) {
            address.set_port(port);
        }
        match self.listening.bind(address).await {
            Ok(socket) => self.opened.push((one, socket)),
            Err(error) if is_absent_family(&error) && address.ip().is_unspecified() => {}
            Err(source) => {
                let listener = Box::new(Listener::clone(&one.listener));
                return Err(RunError::Listen { listener, source });
            }
        }
        Ok(())
    }

    /// The port that the system chose for another address of the same listener.
    fn chosen_port(&self, one: &Wanted) -> Option<u16> {
        let chosen_for = one.key.chosen_for.as_ref()?;
        let is_same = |key: &Key| key.chosen_for.as_ref() == Some(chosen_for);
        let new = self.opened.iter().find(|(other, _)| is_same(&other.key));
        let new = new.and_then(|(_, socket)| socket.local_addr().ok());
        let running = self.listening.running();
        let old = running.sockets.iter().find(|(key, _)| is_same(key));
        new.or_else(|| old.map(|(_, socket)| socket.address)).map(|address| address.port())
    }

    /// Takes it into use.
    pub(crate) fn commit(mut self) {
        let listening = Arc::clone(&self.listening);
        let mut running = listening.running();
        self.closed.clear();
        let kept: BTreeSet<Key> = self.plan.sockets().map(|one| one.key.clone()).collect();
        let gone: Vec<Key> =
            running.sockets.keys().filter(|key| !kept.contains(key)).cloned().collect();
        for socket in gone.iter().filter_map(|key| running.sockets.remove(key)).collect::<Vec<_>>()
        {
            info!(address = %socket.address, "No longer listening");
            running.ending.push(socket.close());
        }
        // A connection that comes at once waits until it is said what is served there.
        let mut routes = listening.routes.lock().unwrap_or_else(PoisonError::into_inner);
        for (one, socket) in std::mem::take(&mut self.opened) {
            listening.accept(&mut running, one.key, socket);
        }
        *routes = Arc::new(self.route(&mut running));
        drop(routes);
        running.secured = self.secured.values().cloned().collect();
        running.planned = self.plan.wanted.iter().map(|one| one.key.clone()).collect();
    }

    /// What is served where from now on.
    fn route(&self, running: &mut Running) -> Routes {
        let (mut opens, mut routes) = (BTreeMap::<String, Arc<Open>>::new(), Vec::new());
        for one in &self.plan.wanted {
            let id = id(one);
            let before = running.opens.get(&id);
            let open = opens.entry(id.clone()).or_insert_with(|| {
                let closed = before.map_or_else(watch::Sender::default, |open| open.closed.clone());
                let tls = self.secured.get(&id).and_then(|secured| secured.tls.clone());
                Arc::new(Open { path: one.listener.path(), tls, closed })
            });
            let address = match running.sockets.get(&one.key) {
                Some(socket) => socket.address,
                // It comes by the socket of every address, or its version of IP is not there.
                None => one.key.address,
            };
            if before.is_none() && running.sockets.contains_key(&one.key) {
                let (scheme, path) = (one.listener.transport.scheme(), one.listener.path());
                info!(url = %format!("{scheme}://{address}{path}"), "Listening");
            }
            routes.push((address, Arc::clone(open)));
        }
        for (_, gone) in running.opens.iter().filter(|(id, _)| !opens.contains_key(*id)) {
            gone.closed.send_replace(true);
        }
        running.opens = opens;
        Routes(routes)
    }
}

impl Drop for Pending {
    /// Opens again what had to be closed.
    fn drop(&mut self) {
        let closed = std::mem::take(&mut self.closed);
        if closed.is_empty() {
            return;
        }
        let listening = Arc::clone(&self.listening);
        // What was opened in their place is closed first.
        self.opened.clear();
        drop(tokio::spawn(async move {
            for key in closed {
                match listening.bind(key.address).await {
                    Ok(socket) => listening.accept(&mut listening.running(), key, socket),
                    Err(error) => {
                        error!(address = %key.address, %error, "cannot listen there again");
                    }
                }
            }
        }));
    }
}
