//! Where the service listens: transport, address, port and path, and with which certificate.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;
use session::client::endpoint::Transport;

use crate::certificates::{InvalidThumbprint, Thumbprint};

/// Windows's path.
pub const PREFIX: &str = "wsman";
/// The longest path that a listener takes.
const MAX_PREFIX: usize = 256;

/// One listener. As text it is a URL: `http://127.0.0.1:5985/wsman`, `https://*:5986/wsman`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Listener {
    /// What it listens on.
    pub address: ListenAddress,
    /// The TCP port; with 0 the system chooses one.
    pub port: u16,
    /// The path without slashes at its ends: `wsman`.
    pub prefix: String,
    /// HTTP or HTTPS.
    pub transport: Transport,
    /// Whether it listens.
    pub enabled: bool,
    /// The name that the certificate of an HTTPS listener is for; nothing where any will do.
    pub hostname: String,
    /// The certificate of an HTTPS listener; `None` for the only one that the service has.
    pub certificate: Option<Thumbprint>,
    /// Whether clients of an HTTPS listener are asked for their certificate in the first handshake; false asks those only
    /// that want to log in by it, later. It counts where the setting `Certificate` of `Service.Auth` is true.
    pub client_cert_negotiation: bool,
    /// Whether an HTTPS listener speaks TLS 1.2 alone: some clients cannot be asked for a certificate later in TLS 1.3.
    pub disable_tls13: bool,
}

/// What a listener listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever opens listeners must know each kind")]
pub enum ListenAddress {
    /// Every IPv4 and every IPv6 address of this machine.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A name: every address that it resolves to.
    Name(String),
    /// Every address of the interface with this hardware address.
    Mac([u8; 6]),
}

/// What is wrong with a listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// No URL at all, or another scheme.
    #[error("`{0}` is not of the form http[s]://ADDRESS[:PORT][/PATH]")]
    NotHttp(String),
    /// Not a thumbprint.
    #[error(transparent)]
    Certificate(#[from] InvalidThumbprint),
    /// A certificate where none can be shown.
    #[error("CertificateThumbprint belongs to a listener with Transport = \"HTTPS\"")]
    CertificateOverHttp,
    /// Client certificates where none can be shown.
    #[error("ClientCertNegotiation belongs to a listener with Transport = \"HTTPS\"")]
    NegotiationOverHttp,
    /// A version of TLS where there is none.
    #[error("DisableTLS13 belongs to a listener with Transport = \"HTTPS\"")]
    VersionOverHttp,
    /// Neither an address, a name, nor `*`.
    #[error("`{0}` is neither an address, a host name nor `*`")]
    Address(String),
    /// Not the name of a host.
    #[error("`{0}` is no host name")]
    Hostname(String),
    /// Not a port.
    #[error("`{0}` is not a port within 0 to 65535")]
    Port(String),
    /// Not a path.
    #[error("`{0}` is not a path of letters, digits and -._~/ with at most 256 characters")]
    Prefix(String),
}

/// A listener in the configuration file, with the names of `winrm/config/Listener`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "Address", default)]
    address: Option<String>,
    #[serde(rename = "Transport", default)]
    transport: Option<String>,
    #[serde(rename = "Port", default)]
    port: Option<i64>,
    #[serde(rename = "Hostname", default)]
    hostname: String,
    #[serde(rename = "Enabled", default = "enabled")]
    enabled: bool,
    #[serde(rename = "URLPrefix", default)]
    prefix: Option<String>,
    #[serde(rename = "CertificateThumbprint", default)]
    certificate: Option<String>,
    #[serde(rename = "ClientCertNegotiation", default)]
    client_cert_negotiation: bool,
    #[serde(rename = "DisableTLS13", default)]
    disable_tls13: bool,
}

const fn enabled() -> bool {
    true
}

impl TryFrom<Table> for Listener {
    type Error = ListenerError;

    fn try_from(table: Table) -> Result<Self, ListenerError> {
        let transport = match table.transport.as_deref() {
            None => Transport::Http,
            Some(word) => transport(word).ok_or_else(|| ListenerError::NotHttp(word.to_owned()))?,
        };
        // As `winrm get` shows it, an HTTP listener has an empty one.
        let certificate = table.certificate.filter(|text| !text.is_empty());
        let certificate = certificate.map(|text| text.parse()).transpose()?;
        if certificate.is_some() && transport == Transport::Http {
            return Err(ListenerError::CertificateOverHttp);
        }
        if table.client_cert_negotiation && transport == Transport::Http {
            return Err(ListenerError::NegotiationOverHttp);
        }
        if table.disable_tls13 && transport == Transport::Http {
            return Err(ListenerError::VersionOverHttp);
        }
        let default = Self::default();
        let address = match table.address {
            Some(text) => {
                ListenAddress::of_resource(&text).or_else(|_| ListenAddress::parse(&text))?
            }
            None => default.address,
        };
        let port = match table.port {
            Some(number) => {
                number.try_into().map_err(|_| ListenerError::Port(number.to_string()))?
            }
            None => transport.winrm_port(),
        };
        let prefix = match table.prefix {
            Some(text) => parse_prefix(&text)?,
            None => default.prefix,
        };
        let Table { enabled, client_cert_negotiation, disable_tls13, .. } = table;
        let mut listener = Self {
            address,
            port,
            prefix,
            transport,
            enabled,
            hostname: default.hostname,
            certificate,
            client_cert_negotiation,
            disable_tls13,
        };
        listener.set_hostname(&table.hostname)?;
        Ok(listener)
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            address: ListenAddress::Any,
            port: Transport::Http.winrm_port(),
            prefix: PREFIX.to_owned(),
            transport: Transport::Http,
            enabled: true,
            hostname: String::new(),
            certificate: None,
            client_cert_negotiation: false,
            disable_tls13: false,
        }
    }
}

impl Listener {
    /// The same as a table of a configuration file.
    #[must_use]
    pub fn to_toml(&self) -> toml::Table {
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("Address", self.address.to_string().into());
        put("Transport", self.transport.scheme().to_ascii_uppercase().into());
        put("Port", i64::from(self.port).into());
        put("URLPrefix", self.prefix.clone().into());
        if !self.hostname.is_empty() {
            put("Hostname", self.hostname.clone().into());
        }
        if !self.enabled {
            put("Enabled", false.into());
        }
        if let Some(certificate) = &self.certificate {
            put("CertificateThumbprint", certificate.to_string().into());
        }
        if self.client_cert_negotiation {
            put("ClientCertNegotiation", true.into());
        }
        if self.disable_tls13 {
            put("DisableTLS13", true.into());
        }
        table
    }

    /// The path of a request that this listener serves: `/wsman`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.prefix)
    }

    /// Gives it another path.
    ///
    /// # Errors
    ///
    /// [`ListenerError::Prefix`].
    pub(crate) fn set_prefix(&mut self, text: &str) -> Result<(), ListenerError> {
        self.prefix = parse_prefix(text)?;
        Ok(())
    }

    /// Says which name its certificate is for; nothing where any will do.
    ///
    /// # Errors
    ///
    /// [`ListenerError::Hostname`].
    pub(crate) fn set_hostname(&mut self, text: &str) -> Result<(), ListenerError> {
        if !text.is_empty() && !is_name(text) && text.parse::<IpAddr>().is_err() {
            return Err(ListenerError::Hostname(text.to_owned()));
        }
        text.clone_into(&mut self.hostname);
        Ok(())
    }
}

impl ListenAddress {
    /// Reads the form that the resource has, in any case: `*`, `IP:10.0.0.1`, `MAC:01-23-45-67-89-ab`.
    ///
    /// # Errors
    ///
    /// [`ListenerError::Address`].
    pub(crate) fn of_resource(text: &str) -> Result<Self, ListenerError> {
        let wrong = || ListenerError::Address(text.to_owned());
        if text == "*" {
            return Ok(Self::Any);
        }
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        if kind.eq_ignore_ascii_case("IP") {
            let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let ip = bare.unwrap_or(rest).parse().map_err(|_| wrong())?;
            return Ok(Self::Ip(ip));
        }
        let mac = if kind.eq_ignore_ascii_case("MAC") { mac(rest) } else { None };
        mac.map(Self::Mac).ok_or_else(wrong)
    }

    /// That form; a name, which the resource has none for, as it is.
    pub(crate) fn to_resource(&self) -> String {
        match self {
            Self::Ip(ip) => format!("IP:{ip}"),
            Self::Any | Self::Name(_) | Self::Mac(_) => self.to_string(),
        }
    }

    fn parse(text: &str) -> Result<Self, ListenerError> {
        let wrong = || ListenerError::Address(text.to_owned());
        if text == "*" {
            return Ok(Self::Any);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(bare) = bare {
            return bare.parse::<Ipv6Addr>().map(|ip| Self::Ip(ip.into())).map_err(|_| wrong());
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip));
        }
        // A name of digits and dots only is a mistyped address, which a resolver might still take.
        let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if is_name(text) && has_letter {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(wrong())
        }
    }
}

impl FromStr for Listener {
    type Err = ListenerError;

    /// Reads `http[s]://ADDRESS[:PORT][/PATH]`. Without a port it is 80 or 443, without a path
    /// `/wsman`.
    fn from_str(url: &str) -> Result<Self, ListenerError> {
        let not_http = || ListenerError::NotHttp(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(not_http)?;
        let transport = transport(scheme).ok_or_else(not_http)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| ListenerError::Port(digits.to_owned()))?
            }
            Some(text) => return Err(ListenerError::Port(text.to_owned())),
            None => transport.url_port(),
        };
        // Without brackets the last group of an IPv6 address would pass for a port.
        if host.contains(':') && !host.starts_with('[') {
            return Err(ListenerError::Address(authority.to_owned()));
        }
        let prefix = match path.trim_matches('/') {
            "" => PREFIX.to_owned(),
            text => parse_prefix(text)?,
        };
        let address = ListenAddress::parse(host)?;
        Ok(Self { address, port, prefix, transport, ..Self::default() })
    }
}

/// Six numbers in hexadecimal digits.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut parts = text.split(['-', ':']);
    let mut mac = [0; 6];
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn transport(word: &str) -> Option<Transport> {
    let is_it = |transport: &Transport| transport.scheme().eq_ignore_ascii_case(word);
    [Transport::Http, Transport::Https].into_iter().find(is_it)
}

fn parse_prefix(text: &str) -> Result<String, ListenerError> {
    let bare = text.trim_matches('/');
    let is_path = !bare.is_empty()
        && bare.len() <= MAX_PREFIX
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte));
    if is_path { Ok(bare.to_owned()) } else { Err(ListenerError::Prefix(text.to_owned())) }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.transport.scheme();
        write!(f, "{scheme}://{}:{}/{}", self.address, self.port, self.prefix)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
            Self::Mac([a, b, c, d, e, g]) => {
                write!(f, "MAC:{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{g:02x}")
            }
        }
    }
}

/// The addresses that [`ListenAddress::Any`] stands for.
pub(crate) const EVERY_ADDRESS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<String, ListenerError> {
        url.parse::<Listener>().map(|listener| listener.to_string())
    }

    #[test]
    fn urls_are_read_with_their_defaults() {
        for (url, full) in [
            ("http://127.0.0.1:15985", "http://127.0.0.1:15985/wsman"),
            ("HTTP://[::1]:0/", "http://[::1]:0/wsman"),
            ("http://[::]", "http://[::]:80/wsman"),
            ("http://*:5985/some/path/", "http://*:5985/some/path"),
            ("http://LocalHost:1/wsman", "http://localhost:1/wsman"),
            ("https://*:5986", "https://*:5986/wsman"),
            ("HTTPS://[::1]", "https://[::1]:443/wsman"),
        ] {
            assert_eq!(read(url).as_deref(), Ok(full));
        }
    }

    #[test]
    fn malformed_urls_are_refused_by_part() {
        use ListenerError::{
            Address, Certificate, CertificateOverHttp, Hostname, NegotiationOverHttp, NotHttp,
            Port, Prefix, VersionOverHttp,
        };
        let culprit = |url: &str| match read(url).unwrap_err() {
            NotHttp(_) => "scheme",
            Address(_) => "address",
            Hostname(_) => "hostname",
            Port(_) => "port",
            Prefix(_) => "prefix",
            Certificate(_) | CertificateOverHttp | NegotiationOverHttp | VersionOverHttp => {
                "certificate"
            }
        };
        for (url, part) in [
            ("127.0.0.1:5985", "scheme"),
            ("ftp://h", "scheme"),
            ("http://h:65536", "port"),
            ("http://h:+1", "port"),
            ("http://h:", "port"),
            ("http://::1", "address"),
            ("http://::1:5985", "address"),
            ("http://[::1", "address"),
            ("http://1.2.3.4.5:1", "address"),
            ("http://a b:1", "address"),
            ("http://:1", "address"),
            ("http://h:1/a?b", "prefix"),
        ] {
            assert_eq!(culprit(url), part, "{url}");
        }
    }
}
