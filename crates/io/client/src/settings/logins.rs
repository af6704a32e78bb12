//! The settings of Windows's client that say which logins may be used, and where a service is that is named by its host
//! alone.

use serde::Deserialize;
use session::client::endpoint::Defaults;

/// `[Auth]`: which logins the user allows at all. All but CredSSP are allowed by default; that is, where `[CredSSP]` names
/// hosts that may have the password.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
#[expect(
    clippy::exhaustive_structs,
    clippy::struct_excessive_bools,
    reason = "the six settings of Windows, each of them yes or no"
)]
pub struct Logins {
    /// Name and password as they are.
    pub basic: bool,
    /// Hashes of them.
    pub digest: bool,
    /// Kerberos by itself.
    pub kerberos: bool,
    /// Negotiation, and NTLM by itself.
    pub negotiate: bool,
    /// The certificate that TLS shows.
    pub certificate: bool,
    /// `None` follows the list of hosts.
    #[serde(rename = "CredSSP")]
    pub credssp: Option<bool>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            basic: true,
            digest: true,
            kerberos: true,
            negotiate: true,
            certificate: true,
            credssp: None,
        }
    }
}

/// `[DefaultPorts]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields, default)]
pub(super) struct DefaultPorts {
    http: Option<u16>,
    https: Option<u16>,
}

impl DefaultPorts {
    /// # Errors
    ///
    /// A port that is none, or a prefix that is no path.
    pub(super) fn with(self, url_prefix: Option<String>) -> Result<Defaults, String> {
        let known = Defaults::default();
        let (http, https) = (self.http.unwrap_or(known.http), self.https.unwrap_or(known.https));
        if http == 0 || https == 0 {
            return Err("[DefaultPorts] has the port 0".to_owned());
        }
        let url_prefix = url_prefix.unwrap_or(known.url_prefix);
        let is_path = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#');
        if !url_prefix.chars().all(is_path) || url_prefix.trim_matches('/').is_empty() {
            return Err(format!("URLPrefix is `{url_prefix}`; it must be the path of a URL"));
        }
        Ok(Defaults { http, https, url_prefix })
    }
}
