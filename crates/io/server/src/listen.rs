//! The listeners: opening those of the settings, and changing them while the service runs.
//!
//! ```text
//!  settings ──► plan ──► open: one thread, no runtime yet ──► sandbox closes ──► running ◄── changes
//! ```
//!
//! At the start certificates are read, names are looked up and sockets are bound by one thread without a runtime, so that
//! the process can give up the right to do most of it before it hears from strangers. What it takes later is asked from
//! the process that keeps the configuration.

mod certificate;
mod fault;
mod methods;
mod moving;
mod plan;
mod resource;
mod running;
mod secure;

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use tracing::warn;
use transport::tls::InnerServer;

use crate::BoxFuture;
use crate::RunError;
use crate::certificates::{Certificates, CertificatesError, Thumbprint};
use crate::configuration::{Current, Follower, Prepared};
use crate::live::Inner;
use crate::metrics::listener::Page;
use crate::settings::{ListenAddress, Listener, Settings};
use plan::{Clash, Names, Plan, Wanted};
use secure::{Secured, Store};
use spawner::network::Inherited;
use wsman::fault::Fault;

pub(crate) use methods::ServiceMethods;
pub(crate) use moving::follow;
pub(crate) use resource::ListenerResource;
pub(crate) use running::Listening;

/// Every socket that the settings ask for, open, the certificates for https, and what the metrics need.
#[derive(Debug)]
pub struct Listeners {
    plan: Plan,
    /// The TLS of each listener, by one of its addresses.
    secured: Vec<(Wanted, Secured)>,
    sockets: Vec<(Wanted, TcpListener)>,
    store: Store,
    names: Names,
    page: Option<Page>,
    /// The TLS inside logins by CredSSP, where they are offered.
    inner: Option<InnerServer>,
}

impl From<Clash> for RunError {
    fn from(Clash(listener): Clash) -> Self {
        Self::Listen { listener: Box::new(listener), source: io::ErrorKind::AddrInUse.into() }
    }
}

impl Listeners {
    /// Opens the listeners of the settings. `folder` is the service user's, in which the certificates
    /// are; `certificate` is the one of https listeners that name none; `privileged` opens ports
    /// below 1024. Waits for names to be looked up: not for the tasks of a runtime.
    ///
    /// # Errors
    ///
    /// [`RunError::Certificate`], [`RunError::Unbindable`] and [`RunError::CredSsp`], before anything listens, [`RunError::Listen`]
    /// and [`RunError::Metrics`].
    pub fn open(
        settings: &Settings,
        folder: Option<&Path>,
        certificate: Option<&Thumbprint>,
        mut privileged: Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        // Whoever opens listeners may open nothing later.
        transport::envelopes::prepare();
        let store = Store { folder: folder.map(Path::to_owned), default: certificate.cloned() };
        let listeners = plan::listeners(settings);
        store.warn_of_default(&listeners);
        let mut known = Vec::new();
        for listener in &listeners {
            known.push(store.secure(listener, settings, &known)?);
        }
        let inner =
            inner(settings, folder).map_err(|source| RunError::CredSsp(Box::new(source)))?;
        let names = names(&listeners)?;
        let interfaces = transport::interfaces().unwrap_or_default();
        let plan = Plan::new(settings, &names, &interfaces)?;
        let secured = plan.wanted.iter().map(|one| {
            store.secure(&one.listener, settings, &known).map(|secured| (one.clone(), secured))
        });
        let secured = secured.collect::<Result<_, _>>()?;
        let mut sockets: Vec<(Wanted, TcpListener)> = Vec::new();
        for one in plan.sockets() {
            let failed = |source| RunError::Listen {
                listener: Box::new(Listener::clone(&one.listener)),
                source,
            };
            let mut address = one.key.address;
            // With port 0 every address of the listener gets the port that the first one got.
            let is_same = |(other, _): &&(Wanted, TcpListener)| {
                one.key.chosen_for.is_some() && other.key.chosen_for == one.key.chosen_for
            };
            if let Some((_, first)) = sockets.iter().find(is_same) {
                address.set_port(first.local_addr().map_err(failed)?.port());
            }
            match bind(address, privileged.as_deref_mut()) {
                Ok(socket) => sockets.push((one.clone(), socket)),
                Err(error) if is_absent_family(&error) && address.ip().is_unspecified() => {}
                Err(source) => return Err(failed(source)),
            }
        }
        let page = settings.metrics.listen.map(Page::open).transpose()?;
        Ok(Self { plan, secured, sockets, store, names, page, inner })
    }

    /// The same, and what of the listeners behind the first `fixed` ones cannot be opened is left out, with a word in the log. They
    /// were made by the wire: an address may be gone since then and a port another's, and who shall put that right must find the
    /// service running.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`].
    pub fn open_what_can_be(
        settings: &Settings,
        fixed: usize,
        folder: Option<&Path>,
        certificate: Option<&Thumbprint>,
        mut privileged: Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        let mut settings = settings.clone();
        loop {
            let opened = Self::open(&settings, folder, certificate, privileged.as_deref_mut());
            let Err(error) = opened else { return opened };
            let is_it = |one: &&mut Listener| one.enabled && error.listener() == Some(&**one);
            let Some(broken) = settings.listeners.iter_mut().skip(fixed).find(is_it) else {
                return Err(error);
            };
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            warn!(%error, cause, "A listener is left out until it is changed or deleted");
            broken.enabled = false;
        }
    }

    /// Whether nothing is listened on.
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The TLS inside logins by CredSSP, where they are offered.
    pub(crate) fn inner(&self) -> Arc<Inner> {
        Inner::new(self.inner.clone(), self.store.folder.clone())
    }

    /// Where metrics are told.
    pub(crate) const fn take_page(&mut self) -> Option<Page> {
        self.page.take()
    }
}

/// The addresses of the names in listeners.
fn names(listeners: &[Arc<Listener>]) -> Result<Names, RunError> {
    let mut names = Names::new();
    for listener in listeners {
        let ListenAddress::Name(name) = &listener.address else { continue };
        let failed =
            |source| RunError::Listen { listener: Box::new(Listener::clone(listener)), source };
        let mut found: Vec<IpAddr> = Vec::new();
        for address in (name.as_str(), listener.port).to_socket_addrs().map_err(failed)? {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        if found.is_empty() {
            let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(failed(nothing));
        }
        names.insert(name.clone(), found);
    }
    Ok(names)
}

/// The TLS inside logins by CredSSP, with the certificate that the settings name, or one of its own.
pub(crate) fn inner(
    settings: &Settings,
    folder: Option<&Path>,
) -> Result<Option<InnerServer>, CertificatesError> {
    let service = &settings.service;
    let unusable = |source| CertificatesError::Unusable { source };
    match (&service.certificate_thumbprint, service.auth.cred_ssp) {
        (Some(wanted), true) => {
            let found = folder.map(Certificates::open).transpose()?.flatten();
            let found = found.ok_or_else(|| CertificatesError::Unknown(wanted.clone()))?;
            InnerServer::new(&found.read(wanted)?).map(Some).map_err(unusable)
        }
        (None, true) => InnerServer::self_signed().map(Some).map_err(unusable),
        (wanted, false) => {
            if wanted.is_some() {
                warn!(
                    "CertificateThumbprint of Service shows nobody a certificate while CredSSP of Service.Auth is false"
                );
            }
            Ok(None)
        }
    }
}

/// Ports below 1024 are the privileged process's to give.
fn bind(address: SocketAddr, privileged: Option<&mut Inherited>) -> io::Result<TcpListener> {
    let refused = match transport::listen(address) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        result => return result,
    };
    let Some(privileged) = privileged else { return Err(refused) };
    let socket = privileged.bind(address).map_err(io::Error::other)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A machine without IPv6 still listens on every address that it has.
fn is_absent_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// What of the settings listeners obey.
fn is_same(now: &Settings, next: &Settings) -> bool {
    let of = |settings: &Settings| {
        let service = &settings.service;
        (
            settings.listeners.clone(),
            service.ipv4_filter.clone(),
            service.ipv6_filter.clone(),
            service.enable_compatibility_http_listener,
            service.enable_compatibility_https_listener,
            service.auth.certificate,
            service.auth.cbt_hardening_level,
        )
    };
    of(now) == of(next)
}

/// Opens what other settings want before they come into force.
#[derive(Debug)]
pub(crate) struct Opener(pub(crate) Arc<Listening>);

impl Follower for Opener {
    fn prepare<'a>(
        &'a self,
        now: &'a Current,
        next: &'a Current,
    ) -> BoxFuture<'a, Result<Prepared, Box<Fault>>> {
        Box::pin(async move {
            // The same settings once more are those of an interface that has other addresses.
            if !std::ptr::eq(now, next) && is_same(&now.settings, &next.settings) {
                return Ok::<Prepared, _>(Box::new(|| {}));
            }
            let pending = self.0.prepare(&next.settings).await;
            let pending = pending.map_err(|error| fault::of(&error))?;
            Ok::<Prepared, _>(Box::new(move || pending.commit()))
        })
    }
}
