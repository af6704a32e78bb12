//! Where a service is: a URL or a bare name, as `winrs -r:` and the other tools take it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The longest host name that DNS allows, and room for an IPv6 zone.
const MAX_HOST: usize = 320;
/// The path of the service, the setting `URLPrefix` of Windows.
const URL_PREFIX: &str = "/wsman";

/// HTTP or HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "WinRM has these two transports and no other")]
pub enum Transport {
    /// Plain TCP; messages are sealed by the login.
    Http,
    /// TLS.
    Https,
}

impl Transport {
    /// The scheme of the URL.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// WinRM's own port, used for a bare name.
    #[must_use]
    pub const fn winrm_port(self) -> u16 {
        match self {
            Self::Http => 5985,
            Self::Https => 5986,
        }
    }

    /// The port of the URL scheme, used for a URL without a port.
    #[must_use]
    pub const fn url_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// HTTP or HTTPS.
    pub transport: Transport,
    /// Host name or address, without brackets; an IPv6 address may carry a zone (`fe80::1%eth0`).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path with query, as sent in the request line.
    pub path: String,
}

/// What a text that names an endpoint leaves out: `winrm/config/client` has it as `DefaultPorts` and `URLPrefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the two settings of Windows")]
pub struct Defaults {
    /// The port of HTTP for a bare name.
    pub http: u16,
    /// The port of HTTPS for a bare name.
    pub https: u16,
    /// The path, with or without a slash in front.
    pub url_prefix: String,
}

impl Default for Defaults {
    fn default() -> Self {
        let (http, https) = (Transport::Http.winrm_port(), Transport::Https.winrm_port());
        Self { http, https, url_prefix: URL_PREFIX.to_owned() }
    }
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The host is missing.
    #[error("the endpoint names no host")]
    NoHost,
    /// The host has a character that neither a name nor an address has, or is too long.
    #[error("`{0}` is neither a host name nor an address")]
    Host(String),
    /// An IPv6 address without its closing bracket, or with something behind it.
    #[error("an IPv6 address is written in brackets: http://[::1]:5985")]
    Brackets,
    /// The port is no number from 1 to 65535.
    #[error("`{0}` is no port")]
    Port(String),
    /// The transport is neither http nor https.
    #[error("`{0}` is no transport: use http or https")]
    Transport(String),
    /// A user in the URL would end up in logs.
    #[error("the endpoint holds an `@`: give user and password by their own options")]
    UserInfo,
}

impl Endpoint {
    /// Reads `[http|https://]host[:port][/path]`.
    ///
    /// A URL without a port means 80 or 443; a bare name means 5985, or 5986 with `use_ssl`.
    /// With `use_ssl` a URL `http://…` becomes HTTPS, as the switch of `winrs` asks.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says which part is wrong.
    pub fn parse(text: &str, use_ssl: bool) -> Result<Self, EndpointError> {
        Self::parse_with(text, use_ssl, &Defaults::default())
    }

    /// The same with what the user's settings have for what is left out.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_with(
        text: &str,
        use_ssl: bool,
        defaults: &Defaults,
    ) -> Result<Self, EndpointError> {
        let (transport, rest, is_url) = match text.split_once("://") {
            Some((scheme, rest)) => (transport(scheme)?, rest, true),
            None => (Transport::Http, text, false),
        };
        let transport = if use_ssl { Transport::Https } else { transport };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let port = match port {
            Some(port) => port,
            None if is_url && !use_ssl => transport.url_port(),
            None if transport == Transport::Http => defaults.http,
            None => defaults.https,
        };
        let prefix = format!("/{}", defaults.url_prefix.trim_start_matches('/'));
        let path = match path {
            "" | "/" => prefix,
            path if path.starts_with('/') => path.to_owned(),
            query => format!("{prefix}{query}"),
        };
        if path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err(EndpointError::Host(text.to_owned()));
        }
        Ok(Self { transport, host: host.to_owned(), port, path })
    }

    /// The host as an address, when it is one; the zone of an IPv6 address is left out.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let host = self.host.split('%').next().unwrap_or_default();
        host.parse().ok()
    }

    /// True for `localhost` and the loopback addresses.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.address().is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// Host and port as the HTTP header `Host` and URLs have them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.host.split('%').next().unwrap_or_default();
        if host.parse::<Ipv6Addr>().is_ok() {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.transport.scheme(), self.authority(), self.path)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, false)
    }
}

fn transport(scheme: &str) -> Result<Transport, EndpointError> {
    [Transport::Http, Transport::Https]
        .into_iter()
        .find(|known| known.scheme().eq_ignore_ascii_case(scheme))
        .ok_or_else(|| EndpointError::Transport(scheme.to_owned()))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointError> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or(EndpointError::Brackets)?,
        // More than one colon without brackets is a bare IPv6 address, which has no port.
        None if authority.matches(':').count() > 1 => (authority, ""),
        None => match authority.find(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        },
    };
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        None => Err(EndpointError::Brackets),
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .map(|port| (host, Some(port)))
            .ok_or_else(|| EndpointError::Port(digits.to_owned())),
    }
}

fn check_host(host: &str) -> Result<(), EndpointError> {
    if host.is_empty() {
        return Err(EndpointError::NoHost);
    }
    let wrong = || EndpointError::Host(host.to_owned());
    if host.len() > MAX_HOST {
        return Err(wrong());
    }
    if host.contains(':') {
        let address = host.split('%').next().unwrap_or_default();
        let zone_is_sound =
            host.bytes().skip(address.len()).all(|byte| byte == b'%' || byte.is_ascii_graphic());
        return match address.parse::<Ipv6Addr>() {
            Ok(_) if zone_is_sound => Ok(()),
            _ => Err(wrong()),
        };
    }
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.chars().all(legal) { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Endpoint::parse(text, false).unwrap().to_string()
    }

    #[test]
    fn url_without_port_means_80_or_443_and_bare_name_5985() {
        assert_eq!(shown("https://contoso.com"), "https://contoso.com:443/wsman");
        assert_eq!(shown("http://127.0.0.1"), "http://127.0.0.1:80/wsman");
        assert_eq!(shown("myserver"), "http://myserver:5985/wsman");
        let ssl = Endpoint::parse("contoso.com", true).unwrap();
        assert_eq!(ssl.to_string(), "https://contoso.com:5986/wsman");
    }

    #[test]
    fn what_is_left_out_may_be_another_than_windows_has() {
        let defaults = Defaults { http: 80, https: 443, url_prefix: "manage".to_owned() };
        let shown = |text: &str, use_ssl| {
            Endpoint::parse_with(text, use_ssl, &defaults).unwrap().to_string()
        };
        assert_eq!(shown("h", false), "http://h:80/manage");
        assert_eq!(shown("h", true), "https://h:443/manage");
        assert_eq!(shown("http://h:5985/wsman", false), "http://h:5985/wsman");
        assert_eq!(shown("h?PSVersion=5", false), "http://h:80/manage?PSVersion=5");
    }

    #[test]
    fn ipv6_literals_of_the_winrs_reference_are_read() {
        assert_eq!(
            shown("https://[::FFFF:129.144.52.38]"),
            "https://[::FFFF:129.144.52.38]:443/wsman"
        );
        let other = Endpoint::parse("http://[1080:0:0:0:8:800:200C:417A]:80", false).unwrap();
        assert_eq!((other.host.as_str(), other.port), ("1080:0:0:0:8:800:200C:417A", 80));
        assert_eq!(Endpoint::parse("::1", false).unwrap().authority(), "[::1]:5985");
        assert_eq!(
            Endpoint::parse("http://[fe80::1%eth0]:5985", false).unwrap().authority(),
            "[fe80::1]:5985"
        );
    }

    #[test]
    fn path_and_query_are_kept() {
        assert_eq!(shown("http://h:1/powershell?x=1"), "http://h:1/powershell?x=1");
        assert_eq!(shown("http://h:1?PSVersion=5.1"), "http://h:1/wsman?PSVersion=5.1");
    }

    #[test]
    fn wrong_endpoints_name_the_wrong_part() {
        let wrong = |text| Endpoint::parse(text, false).unwrap_err();
        assert_eq!(wrong("ftp://h"), EndpointError::Transport("ftp".into()));
        assert_eq!(wrong("http://"), EndpointError::NoHost);
        assert_eq!(wrong("h:0"), EndpointError::Port("0".into()));
        assert_eq!(wrong("h:99999"), EndpointError::Port("99999".into()));
        assert_eq!(wrong("http://[::1"), EndpointError::Brackets);
        assert_eq!(wrong("http://a:b@h"), EndpointError::UserInfo);
        assert_eq!(wrong("h\r\nX"), EndpointError::Host("h\r\nX".into()));
        assert_eq!(wrong("http://h/a b"), EndpointError::Host("http://h/a b".into()));
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for text in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(Endpoint::parse(text, false).unwrap().is_loopback(), "{text}");
        }
        for text in ["localhost.example", "128.0.0.1", "[::2]"] {
            assert!(!Endpoint::parse(text, false).unwrap().is_loopback(), "{text}");
        }
    }
}
