//! Opening the listeners of the settings.
//!
//! All of it happens before the service runs: certificates are read, names are looked up and sockets
//! are bound by one thread without a runtime, so that the process can give up the right to do any of
//! it before it hears from strangers.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use session::client::endpoint::Transport;
use spawner::network::Inherited;
use tracing::{info, warn};
use transport::tls::{self, ClientCertificates, Facts, Identity, InnerServer, ServerOptions};

use crate::RunError;
use crate::certificates::{Certificates, CertificatesError, Thumbprint};
use crate::metrics::listener::Page;
use crate::settings::listener::EVERY_ADDRESS;
use crate::settings::{CbtHardeningLevel, ListenAddress, Listener, Settings};

/// Every socket that the settings ask for, open, the certificates for https, and what the metrics need.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<(Listener, TcpListener, Open)>,
    page: Option<Page>,
    /// The TLS inside logins by CredSSP, where they are offered.
    inner: Option<InnerServer>,
}

/// Sockets of the runtime, and what is served on each.
type Accepting = Vec<(tokio::net::TcpListener, Open)>;

/// What is served on an open socket.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) path: String,
    /// The URL with the port that the system gave.
    pub(crate) url: String,
    /// For https.
    pub(crate) tls: Option<Arc<tls::Server>>,
}

impl Listeners {
    /// Opens the listeners of the settings. `folder` is the service user's, in which the certificates
    /// are; `certificate` is the one of https listeners that name none; `privileged` opens ports
    /// below 1024. Waits for names to be looked up: not for the tasks of a runtime.
    ///
    /// # Errors
    ///
    /// [`RunError::Certificate`], [`RunError::Unbindable`] and [`RunError::CredSsp`], before anything listens, [`RunError::Listen`],
    /// [`RunError::NoListener`] and [`RunError::Metrics`].
    pub fn open(
        settings: &Settings,
        folder: Option<&Path>,
        certificate: Option<&Thumbprint>,
        mut privileged: Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        let secured = secure(settings, folder, certificate)?;
        let inner =
            inner(settings, folder).map_err(|source| RunError::CredSsp(Box::new(source)))?;
        let mut all = Vec::new();
        for (listener, tls) in settings.listeners.iter().zip(&secured) {
            let opened = open(listener, tls.as_ref(), privileged.as_deref_mut());
            let failed = |source| RunError::Listen { listener: listener.clone(), source };
            let opened = opened.map_err(failed)?;
            all.extend(opened.into_iter().map(|(socket, open)| (listener.clone(), socket, open)));
        }
        if all.is_empty() {
            return Err(RunError::NoListener);
        }
        let page = settings.metrics.listen.map(Page::open).transpose()?;
        Ok(Self { sockets: all, page, inner })
    }

    /// The TLS inside logins by CredSSP, where they are offered.
    pub(crate) fn inner(&self) -> Option<InnerServer> {
        self.inner.clone()
    }

    /// The same as sockets of the runtime.
    pub(crate) fn accepting(self) -> Result<(Accepting, Option<Page>), RunError> {
        let accepting = |(listener, socket, open)| {
            let failed = |source| RunError::Listen { listener, source };
            Ok((tokio::net::TcpListener::from_std(socket).map_err(failed)?, open))
        };
        let sockets = self.sockets.into_iter().map(accepting).collect::<Result<_, _>>()?;
        Ok((sockets, self.page))
    }
}

/// The TLS of each listener, `None` for those on plain HTTP. Before anything is opened: what is
/// wrong with a certificate should not be found by the first client.
fn secure(
    settings: &Settings,
    folder: Option<&Path>,
    certificate: Option<&Thumbprint>,
) -> Result<Vec<Option<Arc<tls::Server>>>, RunError> {
    let secure = |listener: &Listener| {
        if listener.transport == Transport::Http {
            return Ok(None);
        }
        let failed =
            |source| RunError::Certificate { listener: listener.clone(), source: Box::new(source) };
        let nothing =
            || CertificatesError::Nothing(folder.unwrap_or_else(|| Path::new("")).to_owned());
        let found = folder.map(Certificates::open).transpose().map_err(failed)?.flatten();
        let found = found.ok_or_else(nothing).map_err(failed)?;
        let wanted = listener.certificate.as_ref().or(certificate);
        let identity = found.choose(wanted).map_err(failed)?;
        tell_certificate(listener, &identity);
        let content = |source| failed(CertificatesError::Unusable { source });
        let clients = clients(settings, listener);
        let identity = Arc::new(identity);
        let options = ServerOptions { identity, clients, disable_tls13: listener.disable_tls13 };
        let tls = tls::Server::new(&options).map_err(content)?;
        let is_strict = settings.service.auth.cbt_hardening_level == CbtHardeningLevel::Strict;
        if is_strict && tls.channel_binding().is_none() {
            return Err(RunError::Unbindable { listener: listener.clone() });
        }
        Ok(Some(Arc::new(tls)))
    };
    let takes = |one: &Listener| one.transport == Transport::Https && one.certificate.is_none();
    if let Some(certificate) = certificate
        && !settings.listeners.iter().any(takes)
    {
        warn!(%certificate, "no listener takes the certificate: none is https, or each names its own");
    }
    settings.listeners.iter().map(secure).collect()
}

/// The TLS inside logins by CredSSP, with the certificate that the settings name, or one of its own.
fn inner(
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

/// When clients of an https listener are asked for their certificates.
fn clients(settings: &Settings, listener: &Listener) -> ClientCertificates {
    match (settings.service.auth.certificate, listener.client_cert_negotiation) {
        (true, true) => ClientCertificates::First,
        (true, false) => ClientCertificates::Late,
        (false, asked) => {
            if asked {
                warn!(%listener, "ClientCertNegotiation asks nobody while Certificate of Service.Auth is false");
            }
            ClientCertificates::Never
        }
    }
}

fn tell_certificate(listener: &Listener, identity: &Identity) {
    let Ok(facts) = identity.facts() else { return };
    let Facts { thumbprint, names, not_after, .. } = &facts;
    info!(%listener, %thumbprint, ?names, %not_after, "Certificate");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if i64::try_from(since.as_secs()).is_ok_and(|now| now > not_after.unix()) {
        warn!(%listener, %thumbprint, %not_after, "the certificate has expired: clients will refuse it");
    }
}

/// Opens every socket of a listener.
fn open(
    listener: &Listener,
    tls: Option<&Arc<tls::Server>>,
    mut privileged: Option<&mut Inherited>,
) -> io::Result<Vec<(TcpListener, Open)>> {
    let mut opened: Vec<(TcpListener, Open)> = Vec::new();
    for ip in addresses(listener)? {
        // With port 0 every address of the listener gets the port that the first one got.
        let port = match opened.first() {
            Some((first, _)) => first.local_addr()?.port(),
            None => listener.port,
        };
        match bind(SocketAddr::new(ip, port), privileged.as_deref_mut()) {
            Ok(socket) => {
                let address = socket.local_addr()?;
                let url = format!("{}://{address}{}", listener.transport.scheme(), listener.path());
                opened.push((socket, Open { path: listener.path(), url, tls: tls.cloned() }));
            }
            Err(error) if is_absent_family(&error) && !opened.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

fn addresses(listener: &Listener) -> io::Result<Vec<IpAddr>> {
    Ok(match &listener.address {
        ListenAddress::Any => EVERY_ADDRESS.to_vec(),
        ListenAddress::Ip(ip) => vec![*ip],
        ListenAddress::Name(name) => {
            let mut found: Vec<IpAddr> = Vec::new();
            for address in (name.as_str(), listener.port).to_socket_addrs()? {
                if !found.contains(&address.ip()) {
                    found.push(address.ip());
                }
            }
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            found
        }
    })
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
