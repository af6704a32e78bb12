//! `[Service.CredSSP]`: what logins by CredSSP must come up to. Windows has a policy for this (Encryption Oracle
//! Remediation); the name is this service's own.
//!
//! ```toml
//! [Service.CredSSP]
//! MinimumVersion = 5
//! ```

use auth::credssp::SAFE_VERSION;
use serde::de::{Deserialize, Deserializer, Error};
use transport::tls::Thumbprint;

use super::range;

/// Reads the thumbprint of a certificate; none where the text is empty, as Windows writes it.
pub(super) fn thumbprint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Thumbprint>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

/// Where `Service.Auth.CredSSP` is true.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CredSsp {
    /// The oldest version that is spoken; 2 to 6, default 5. Clients of Windows without the updates of 2018 speak older
    /// ones: somebody between them and the service may run commands in their name (CVE-2018-0886).
    #[serde(rename = "MinimumVersion", deserialize_with = "range::within::<_, 2, 6>")]
    pub minimum_version: u32,
}

impl Default for CredSsp {
    fn default() -> Self {
        Self { minimum_version: SAFE_VERSION }
    }
}
