//! The TLS of https listeners: which certificate, and whether it fits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use session::client::endpoint::Transport;
use tracing::{info, warn};
use transport::tls::{self, ClientCertificates, Facts, Identity, ServerOptions};

use crate::RunError;
use crate::certificates::{Certificates, CertificatesError, Thumbprint};
use crate::settings::{CbtHardeningLevel, Listener, Settings};

/// Where certificates are, and the one of listeners that name none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    /// The service user's folder.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) default: Option<Thumbprint>,
}

/// The TLS of a listener and what it was made from: as long as that is the same, so is the TLS.
#[derive(Debug, Clone)]
pub(super) struct Secured {
    from: From,
    pub(super) tls: Option<Arc<tls::Server>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct From {
    listener: Listener,
    clients: ClientCertificates,
    is_strict: bool,
}

impl Store {
    /// The certificates; none where there is no folder.
    fn open(&self) -> Result<Option<Certificates>, CertificatesError> {
        self.folder.as_deref().map(Certificates::open).transpose().map(Option::flatten)
    }

    /// The certificate with that thumbprint.
    pub(crate) fn read(&self, thumbprint: &Thumbprint) -> Result<Identity, CertificatesError> {
        let found = self.open()?;
        found.ok_or_else(|| CertificatesError::Unknown(thumbprint.clone()))?.read(thumbprint)
    }

    /// Every certificate that can be read.
    pub(crate) fn all(&self) -> Result<Vec<(Thumbprint, Identity)>, CertificatesError> {
        let Some(found) = self.open()? else { return Ok(Vec::new()) };
        let read =
            |thumbprint: Thumbprint| Some((thumbprint.clone(), found.read(&thumbprint).ok()?));
        Ok(found.list()?.into_iter().filter_map(read).collect())
    }

    /// The TLS of a listener, `None` for one on plain HTTP. Before anything is opened: what is wrong with a certificate
    /// should not be found by the first client. What is `known` is made anew only where it would
    /// be another one.
    ///
    /// # Errors
    ///
    /// [`RunError::Certificate`] and [`RunError::Unbindable`].
    pub(super) fn secure(
        &self,
        listener: &Listener,
        settings: &Settings,
        known: &[Secured],
    ) -> Result<Secured, RunError> {
        let clients = clients(settings, listener);
        let is_strict = settings.service.auth.cbt_hardening_level == CbtHardeningLevel::Strict;
        let from = From { listener: listener.clone(), clients, is_strict };
        if let Some(known) = known.iter().find(|known| known.from == from) {
            return Ok(known.clone());
        }
        if listener.transport == Transport::Http {
            return Ok(Secured { from, tls: None });
        }
        let failed = |source| RunError::Certificate {
            listener: Box::new(listener.clone()),
            source: Box::new(source),
        };
        let nothing = || {
            CertificatesError::Nothing(
                self.folder.as_deref().unwrap_or_else(|| Path::new("")).to_owned(),
            )
        };
        let found = self.open().map_err(failed)?.ok_or_else(nothing).map_err(failed)?;
        let wanted = listener.certificate.as_ref().or(self.default.as_ref());
        let identity = found.choose(wanted).map_err(failed)?;
        tell_certificate(listener, &identity);
        let content = |source| failed(CertificatesError::Unusable { source });
        let identity = Arc::new(identity);
        let options = ServerOptions { identity, clients, disable_tls13: listener.disable_tls13 };
        let tls = tls::Server::new(&options).map_err(content)?;
        if is_strict && tls.channel_binding().is_none() {
            return Err(RunError::Unbindable { listener: Box::new(listener.clone()) });
        }
        Ok(Secured { from, tls: Some(Arc::new(tls)) })
    }

    /// Says where the default certificate is nobody's.
    pub(super) fn warn_of_default(&self, listeners: &[Arc<Listener>]) {
        let takes =
            |one: &Arc<Listener>| one.transport == Transport::Https && one.certificate.is_none();
        if let Some(certificate) = &self.default
            && !listeners.iter().any(takes)
        {
            warn!(%certificate, "no listener takes the certificate: none is https, or each names its own");
        }
    }
}

/// When clients of an https listener are asked for their certificates.
fn clients(settings: &Settings, listener: &Listener) -> ClientCertificates {
    match (settings.service.auth.certificate, listener.client_cert_negotiation) {
        _ if listener.transport == Transport::Http => ClientCertificates::Never,
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
    if is_past(&facts) {
        warn!(%listener, %thumbprint, %not_after, "the certificate has expired: clients will refuse it");
    }
}

/// Whether a certificate has expired.
pub(crate) fn is_past(facts: &Facts) -> bool {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).is_ok_and(|now| now > facts.not_after.unix())
}
