//! Looking at the way to a ticket step by step: the library, `krb5.conf`, the KDCs and their clocks, the ticket for the
//! host. A password goes where it goes at a login by Kerberos, and nowhere else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use auth::{Initiator as _, Step};
use tokio::task::spawn_blocking;

pub use transport::kerberos::configuration::{
    Configuration, ConfigurationError, HostRealm, Kdc, KdcTransport, parent_realm,
};
pub use transport::kerberos::{Entry, KdcAnswer, KerberosError, KerberosErrorKind, ask_kdc};

use crate::Config;
use crate::tickets::{Holder, NoKerberos, Ready};

/// A ticket for the host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// Whose: `user@REALM`.
    pub principal: String,
    /// When the user's tickets expire, if the library says so.
    pub expires: Option<SystemTime>,
    /// The service's name that the KDC knew.
    pub service: String,
    /// The number of the encryption type of the ticket, and the version of the service's key.
    pub encryption: Option<(i32, Option<u32>)>,
}

impl Found {
    /// A ticket of a user for a service, with the number of its encryption type and the version of the service's key.
    #[must_use]
    pub const fn new(
        principal: String,
        service: String,
        encryption: Option<(i32, Option<u32>)>,
    ) -> Self {
        Self { principal, expires: None, service, encryption }
    }
}

/// What came of asking for a ticket.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "whoever explains it must explain each")]
pub enum Asked {
    /// This login takes no ticket, and why.
    NotAsked(String),
    /// It is there.
    Found(Found),
    /// There is none, and why.
    Failed(KerberosError),
}

/// Where the library looks for its configuration.
#[must_use]
pub fn paths() -> Vec<PathBuf> {
    transport::kerberos::configuration::paths(std::env::var_os("KRB5_CONFIG"))
}

/// Loads the system's Kerberos library.
///
/// # Errors
///
/// [`KerberosErrorKind::NoLibrary`] names the package that has it.
pub async fn library() -> Result<(), KerberosError> {
    blocking(transport::kerberos::load).await
}

/// The addresses of a KDC.
///
/// # Errors
///
/// The system's; `NotFound` for a name without addresses, `TimedOut` after `limit`.
pub async fn addresses(kdc: &Kdc, limit: Duration) -> std::io::Result<Vec<SocketAddr>> {
    super::within(limit, transport::names::forward(&kdc.host, kdc.port)).await
}

/// The keys of a keytab.
///
/// # Errors
///
/// [`KerberosErrorKind::Keytab`] where it cannot be read.
pub async fn keys(keytab: &Path) -> Result<Vec<Entry>, KerberosError> {
    let keytab = keytab.to_owned();
    blocking(move || transport::kerberos::Keytab::look(&keytab)).await
}

/// Gets a ticket for the host as a login would, and throws it away.
pub async fn ticket(config: &Config) -> Asked {
    let holder = Holder::new(config);
    match holder.ready(config, None).await {
        Ok(ready) => Asked::Found(found(ready, holder.expires().await)),
        Err(NoKerberos::Ticket(error)) => Asked::Failed(error),
        Err(why) => Asked::NotAsked(why.to_string()),
    }
}

fn found(ready: Ready, expires: Option<SystemTime>) -> Found {
    let Ready { mut initiator, ticket } = ready;
    let encryption = match initiator.step(None) {
        Ok(Step::Send(token) | Step::Last(token)) => transport::kerberos::encryption_of(&token),
        Ok(_) | Err(_) => None,
    };
    Found { principal: ticket.principal, expires, service: ticket.service, encryption }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KerberosError> + Send + 'static,
) -> Result<T, KerberosError> {
    let broken = |_| KerberosError::new(KerberosErrorKind::Other, "it was interrupted");
    spawn_blocking(work).await.map_err(broken)?
}
