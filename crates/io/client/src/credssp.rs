//! What a user can say about logins by CredSSP: which hosts may be given the password. The table `[CredSSP]` of
//! `client.toml` has it.

use auth::credssp::{NEWEST_VERSION, OLDEST_VERSION, SAFE_VERSION};
use serde::Deserialize;
use session::client::endpoint::Endpoint;
use session::client::trusted_hosts::TrustedHosts;
use transport::tls::Level;

/// How to log in by CredSSP.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct CredSspOptions {
    /// The hosts that may be given the password; none by default.
    pub allow_fresh_credentials: DelegationList,
    /// Which TLS is spoken inside the login; hosts of 2008 know nothing better than [`Level::Legacy`].
    pub level: Level,
    /// The oldest version of CredSSP that is spoken, 2 to 6. Hosts of Windows without the updates of 2018 speak older ones
    /// than 5, the default: somebody in between may run commands in the user's name (CVE-2018-0886).
    pub minimum_version: u32,
}

impl Default for CredSspOptions {
    fn default() -> Self {
        let (allow_fresh_credentials, level) = (DelegationList::default(), Level::default());
        Self { allow_fresh_credentials, level, minimum_version: SAFE_VERSION }
    }
}

/// `AllowFreshCredentials`, the policy of Windows's client: the services that may be given name and password.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DelegationList(Vec<TrustedHosts>);

impl DelegationList {
    /// Reads entries as Windows writes them: `wsman/server01.example.com`, `wsman/*.example.com`, `wsman/*`.
    ///
    /// # Errors
    /// Names the first entry that is none.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, String> {
        entries.iter().map(|entry| host_pattern(entry.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// The entries, as `wsman/HOST`.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.0.iter().map(|hosts| format!("wsman/{hosts}")).collect()
    }

    /// Whether the service may be given name and password. This computer's own services are no exception.
    #[must_use]
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        self.0.iter().any(|pattern| pattern.contains(&endpoint.host))
    }
}

fn host_pattern(entry: &str) -> Result<TrustedHosts, String> {
    let wrong = || {
        format!(
            "`{entry}` in AllowFreshCredentials is no service: write wsman/HOST, wsman/*.DOMAIN or wsman/*"
        )
    };
    let (class, host) = entry.split_once('/').ok_or_else(wrong)?;
    // Windows's list has entries of other programs too, such as TERMSRV/HOST: they are none of this client's.
    if !class.eq_ignore_ascii_case("wsman") || host.is_empty() || host.contains([',', '<', '/']) {
        return Err(wrong());
    }
    TrustedHosts::parse(host).map_err(|_| wrong())
}

/// `[CredSSP]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(crate) struct Table {
    allow_fresh_credentials: Vec<String>,
    /// `modern`, `compat` or `legacy`.
    level: Option<String>,
    /// 2 to 6.
    minimum_version: Option<u32>,
}

impl Table {
    pub(crate) fn options(&self) -> Result<CredSspOptions, String> {
        let minimum_version = self.minimum_version.unwrap_or(SAFE_VERSION);
        if !(OLDEST_VERSION..=NEWEST_VERSION).contains(&minimum_version) {
            return Err(format!(
                "MinimumVersion of CredSSP is {minimum_version}, which is not within {OLDEST_VERSION} to {NEWEST_VERSION}"
            ));
        }
        let level = self.level.as_deref().map(str::parse::<Level>).transpose();
        Ok(CredSspOptions {
            allow_fresh_credentials: DelegationList::parse(&self.allow_fresh_credentials)?,
            level: level.map(Option::unwrap_or_default).map_err(|error| error.to_string())?,
            minimum_version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_are_listed_may_be_given_the_password() {
        let endpoint = |text: &str| Endpoint::parse(text, false).unwrap();
        let list = DelegationList::parse(&["WSMAN/*.Example.com", "wsman/db1"]).unwrap();
        for host in ["a.example.com", "https://B.EXAMPLE.COM", "db1"] {
            assert!(list.allows(&endpoint(host)), "{host}");
        }
        for host in ["example.com", "db2", "localhost", "127.0.0.1", "a.example.com.evil"] {
            assert!(!list.allows(&endpoint(host)), "{host}");
        }
        assert!(DelegationList::parse(&["wsman/*"]).unwrap().allows(&endpoint("localhost")));
        assert!(!DelegationList::default().allows(&endpoint("localhost")));
    }

    #[test]
    fn entries_of_another_form_are_named() {
        for entry in
            ["*", "wsman", "wsman/", "TERMSRV/*", "wsman/a*b", "wsman/a,b", "wsman/<local>"]
        {
            let error = DelegationList::parse(&["wsman/ok", entry]).unwrap_err();
            assert!(error.contains(&format!("`{entry}`")), "{error}");
        }
    }

    #[test]
    fn table_names_hosts_and_level() {
        let text = "AllowFreshCredentials = ['wsman/h']\nLevel = 'Legacy'";
        let options = toml::from_str::<Table>(text).unwrap().options().unwrap();
        assert!(options.allow_fresh_credentials.allows(&"h".parse().unwrap()));
        assert_eq!((options.level, options.minimum_version), (Level::Legacy, 5));
        let table: Table = toml::from_str("MinimumVersion = 2").unwrap();
        assert_eq!(table.options().unwrap().minimum_version, 2);
        let error = toml::from_str::<Table>("MinimumVersion = 7").unwrap().options().unwrap_err();
        assert!(error.contains("not within 2 to 6"), "{error}");
        let error = toml::from_str::<Table>("Level = 'old'").unwrap().options().unwrap_err();
        assert!(error.contains("modern, compat or legacy"), "{error}");
    }
}
