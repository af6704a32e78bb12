//! `TrustedHosts`: which hosts a client believes although the login does not prove who they are.
//!
//! NTLM over plain HTTP authenticates the user but not the service. Windows's client refuses it
//! unless the host is listed, and so do we; loopback needs no entry. [MS-WSMV] 2.2.4.9.
//!
//! Addresses are compared as such, whatever their spelling. One with a zone (`fe80::1%eth0`) is meant on that link only,
//! one without on every link.

use std::fmt;
use std::net::IpAddr;

use super::endpoint::{Endpoint, Transport};

/// The setting `winrm/config/client` `TrustedHosts`: a comma-separated list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedHosts {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*`
    Any,
    /// `<local>`: names without a dot.
    Local,
    /// `*.example.com`, `web*`, or a whole name, in lower case.
    Name(String),
    /// An address, with its zone in lower case.
    Address(IpAddr, Option<String>),
}

/// An entry of `TrustedHosts` that Windows refuses with code 2150858911.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host name or pattern of TrustedHosts: use `*`, `<local>`, a name, an address without brackets, or one `*` at the start or the end of a name"
)]
pub struct InvalidPattern(pub String);

impl TrustedHosts {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] names the first wrong entry.
    pub fn parse(list: &str) -> Result<Self, InvalidPattern> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self { patterns: entries.map(Pattern::parse).collect::<Result<_, _>>()? })
    }

    /// True when `host` (a name, or an address without brackets) is listed.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.patterns.iter().any(|pattern| pattern.matches(&host))
    }

    /// True when a login that does not authenticate the service may be used with `endpoint`.
    #[must_use]
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        endpoint.transport == Transport::Https
            || endpoint.is_loopback()
            || self.contains(&endpoint.host)
    }
}

impl fmt::Display for TrustedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.patterns.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match pattern {
                Pattern::Any => f.write_str("*"),
                Pattern::Local => f.write_str("<local>"),
                Pattern::Name(name) => f.write_str(name),
                Pattern::Address(address, None) => address.fmt(f),
                Pattern::Address(address, Some(zone)) => write!(f, "{address}%{zone}"),
            }?;
        }
        Ok(())
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, InvalidPattern> {
        let wrong = || InvalidPattern(entry.to_owned());
        match entry {
            "*" => return Ok(Self::Any),
            _ if entry.eq_ignore_ascii_case("<local>") => return Ok(Self::Local),
            _ => {}
        }
        if let Some((address, zone)) = address(&entry.to_ascii_lowercase()) {
            return Ok(Self::Address(address, zone));
        }
        let name = entry.strip_prefix('*').or_else(|| entry.strip_suffix('*')).unwrap_or(entry);
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
        if name.is_empty() || !name.chars().all(legal) {
            return Err(wrong());
        }
        Ok(Self::Name(entry.to_ascii_lowercase()))
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Local => !host.contains(['.', ':']),
            Self::Name(name) => match (name.strip_prefix('*'), name.strip_suffix('*')) {
                (Some(end), _) => host.ends_with(end),
                (None, Some(start)) => host.starts_with(start),
                (None, None) => host == name,
            },
            Self::Address(known, zone) => address(host).is_some_and(|(found, on)| {
                found == *known && zone.as_ref().is_none_or(|zone| on.as_ref() == Some(zone))
            }),
        }
    }
}

/// An address and its zone.
fn address(text: &str) -> Option<(IpAddr, Option<String>)> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.to_owned())),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    Some((address, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_match_as_on_windows() {
        let list = TrustedHosts::parse("web*, *.Example.com,10.0.0.7, <local>,fe80::1").unwrap();
        for host in ["WEB01.other", "a.example.com", "10.0.0.7", "server", "fe80::1"] {
            assert!(list.contains(host), "{host}");
        }
        for host in ["example.com", "10.0.0.70", "a.b", "fe80::2"] {
            assert!(!list.contains(host), "{host}");
        }
        assert!(TrustedHosts::parse("*").unwrap().contains("anything.at.all"));
        assert!(!TrustedHosts::default().contains("server"));
    }

    #[test]
    fn addresses_match_in_any_spelling_and_zones_narrow_them() {
        let list = TrustedHosts::parse("2001:DB8::1, fe80::1%ETH0, fe80::2, 10.0.0.7").unwrap();
        for host in
            ["2001:db8:0:0:0:0:0:1", "fe80::1%eth0", "fe80:0::2", "fe80::2%eth1", "10.0.0.7"]
        {
            assert!(list.contains(host), "{host}");
        }
        for host in ["2001:db8::2", "fe80::1", "fe80::1%eth1", "fe80::10", "10.0.0.70"] {
            assert!(!list.contains(host), "{host}");
        }
        let local = TrustedHosts::parse("<Local>").unwrap();
        assert!(local.contains("server") && !local.contains("a.b") && !local.contains("fe80::1"));
    }

    #[test]
    fn wrong_entries_are_named() {
        for entry in ["a*b", "**", "[::1]", "a b", "<here>"] {
            assert_eq!(
                TrustedHosts::parse(&format!("ok,{entry}")),
                Err(InvalidPattern(entry.into())),
                "{entry}"
            );
        }
    }

    #[test]
    fn loopback_and_https_need_no_entry() {
        let none = TrustedHosts::default();
        let allows = |text| none.allows(&Endpoint::parse(text, false).unwrap());
        assert!(allows("http://127.0.0.1:5985") && allows("localhost") && allows("https://h"));
        assert!(!allows("http://h:5985"));
    }
}
