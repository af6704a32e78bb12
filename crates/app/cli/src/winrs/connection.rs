//! Where a program connects to and who logs in there, as a command line says it; `winrs` and `winrm` share it.

use std::path::PathBuf;

use auth::Secret;
use clap::ValueEnum;

use super::certificate::{CertificateSwitches, TrustSwitches};
use super::kerberos::KerberosSwitches;
use super::network::NetworkSwitches;

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// The password itself, readable by whoever sees the messages.
    Basic,
    /// Hashes of the password; the messages stay readable by whoever sees them.
    Digest,
    /// NTLM without negotiation.
    Ntlm,
    /// SPNEGO: both sides agree on a mechanism.
    Negotiate,
    /// Kerberos without negotiation.
    Kerberos,
    /// The host gets the password.
    #[value(name = "credssp")]
    CredSsp,
    /// The certificate that TLS shows.
    Certificate,
}

/// Where the password comes from, when the command line says so.
#[derive(Debug)]
pub(crate) enum PasswordSource {
    /// It is on the command line.
    Given(Secret),
    /// It is the first line of this file.
    File(PathBuf),
    /// From the environment, else asked for.
    Unsaid,
}

/// Where to, and as whom.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) endpoint: String,
    pub(crate) user: Option<String>,
    pub(crate) password: PasswordSource,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) use_ssl: bool,
    pub(crate) unencrypted: bool,
    pub(crate) trust: TrustSwitches,
    pub(crate) certificate: CertificateSwitches,
    pub(crate) network: NetworkSwitches,
    pub(crate) kerberos: KerberosSwitches,
    /// Whether the host may act in the user's name.
    pub(crate) delegate: bool,
}
