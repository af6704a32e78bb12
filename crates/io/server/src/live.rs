//! What is made of the settings beside what asks for them each time: bounds, and the TLS inside logins by CredSSP. Both are
//! made anew with each change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;
use transport::tls::InnerServer;
use wsman::fault::{ErrorCode, Fault};

use crate::BoxFuture;
use crate::certificates::CertificatesError;
use crate::configuration::{Current, Follower, Prepared};
use crate::listen;
use crate::places::Places;
use crate::service::{bounds, places};
use crate::settings::Settings;
use crate::shells::Shells;

/// The TLS inside logins by CredSSP, where they are offered.
#[derive(Debug)]
pub(crate) struct Inner {
    current: Mutex<Option<InnerServer>>,
    /// The service's folder, in which the certificates are.
    folder: Option<PathBuf>,
}

impl Inner {
    pub(crate) fn new(current: Option<InnerServer>, folder: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { current: Mutex::new(current), folder })
    }

    /// What logins have now.
    pub(crate) fn get(&self) -> Option<InnerServer> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, inner: Option<InnerServer>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = inner;
    }
}

/// Sets everything anew.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) places: Arc<Places>,
    pub(crate) shells: Arc<Shells>,
    pub(crate) inner: Arc<Inner>,
}

impl Live {
    async fn prepare_inner(
        &self,
        now: &Settings,
        next: &Arc<Settings>,
    ) -> Result<Prepared, Box<Fault>> {
        let steers = |settings: &Settings| {
            let service = &settings.service;
            (service.auth.cred_ssp, service.certificate_thumbprint.clone())
        };
        if steers(now) == steers(next) {
            return Ok(Box::new(|| {}));
        }
        let (folder, settings) = (self.inner.folder.clone(), Arc::clone(next));
        let made = spawn_blocking(move || listen::inner(&settings, folder.as_deref())).await;
        let made = made.map_err(|_| unusable("it cannot be read"))?;
        let made = made.map_err(|error| match error {
            CertificatesError::Unknown(_) => unusable("the service has no certificate with it"),
            CertificatesError::Io { .. }
            | CertificatesError::Content { .. }
            | CertificatesError::Unusable { .. }
            | _ => unusable("the certificate cannot be used"),
        })?;
        let slot = Arc::clone(&self.inner);
        Ok(Box::new(move || slot.set(made)))
    }
}

impl Follower for Live {
    fn prepare<'a>(
        &'a self,
        now: &'a Current,
        next: &'a Current,
    ) -> BoxFuture<'a, Result<Prepared, Box<Fault>>> {
        Box::pin(async {
            let inner = self.prepare_inner(&now.settings, &next.settings).await?;
            let (room, shells) = (Arc::clone(&self.places), Arc::clone(&self.shells));
            let settings = Arc::clone(&next.settings);
            let take: Prepared = Box::new(move || {
                inner();
                room.set_most(places(&settings));
                shells.set_limits(bounds(&settings));
            });
            Ok(take)
        })
    }
}

fn unusable(why: &str) -> Box<Fault> {
    let text = format!("The value of Service/CertificateThumbprint cannot be used: {why}. ");
    Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
}
