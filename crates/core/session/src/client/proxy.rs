//! Proxies: which one a client takes for a service, and what it thinks of the proxy's answer to `CONNECT`.
//!
//! All connections through a proxy are tunnels, those by http too: a login belongs to one connection from end to end,
//! and a proxy that forwards single requests shares its connections among many.
//!
//! Nothing here looks into the environment: [`Proxies::from_variables`] is handed what is there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use auth::Secret;

use super::endpoint::{Endpoint, EndpointError, Transport};

/// The longest list of exceptions, in entries.
const MAX_EXCEPTIONS: usize = 1024;

/// Where a proxy is: `http://HOST[:PORT]`, or without the scheme. Without a port it is 80 as in every URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text names no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyAddressError {
    /// Not the address of anything.
    #[error("the proxy `{address}`: {error}")]
    Address {
        /// What was given, without name and password.
        address: String,
        /// What is wrong with it.
        error: EndpointError,
    },
    /// Another kind of proxy than there is here.
    #[error("the proxy `{0}`: only proxies by http are known here, write http://HOST:PORT")]
    Scheme(String),
    /// More than host and port.
    #[error("the proxy `{0}` has a path; write http://HOST:PORT")]
    Path(String),
}

impl FromStr for ProxyAddress {
    type Err = ProxyAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |error| {
            let address = text.rsplit('@').next().unwrap_or_default().to_owned();
            ProxyAddressError::Address { address, error }
        };
        let text = text.trim();
        if let Some((scheme, _)) = text.split_once("://")
            && !scheme.eq_ignore_ascii_case("http")
        {
            return Err(ProxyAddressError::Scheme(format!("{scheme}://…")));
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        if url.contains('@') {
            return Err(wrong(EndpointError::UserInfo));
        }
        let found = Endpoint::parse(&url, false).map_err(wrong)?;
        let (_, rest) = url.split_once("://").unwrap_or_default();
        if rest.contains('?') || rest.split_once('/').is_some_and(|(_, path)| !path.is_empty()) {
            return Err(ProxyAddressError::Path(text.to_owned()));
        }
        Ok(Self { host: found.host, port: found.port })
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The proxies of a client; by default there are none, as `ProxyAccessType` None says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct Proxies {
    /// For services by http.
    pub http: Option<ProxyAddress>,
    /// For services by https.
    pub https: Option<ProxyAddress>,
    /// Which services are asked without one.
    pub except: Exceptions,
}

/// Name and password in the URL of a proxy, as variables have them.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the two things that a URL can say")]
pub struct UserInfo {
    /// The user's name.
    pub user: String,
    /// The password, empty where the URL has none.
    pub password: Secret,
}

impl Proxies {
    /// One proxy for everything.
    #[must_use]
    pub fn all(address: ProxyAddress) -> Self {
        Self { http: Some(address.clone()), https: Some(address), except: Exceptions::default() }
    }

    /// What the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, with the name and password that
    /// stand in one of them. The names are asked for in lower case, then in upper case, but for `HTTP_PROXY`, which
    /// anybody can set in a CGI program.
    ///
    /// # Errors
    ///
    /// [`ProxyAddressError`] for a proxy that is none, [`InvalidException`] as text for a wrong exception.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Self, Option<UserInfo>), String> {
        let mut user = None;
        let said = |names: &[&str]| {
            names.iter().find_map(|name| variable(name)).filter(|value| !value.trim().is_empty())
        };
        let mut address = |names: &[&str]| {
            let Some(value) = said(names) else { return Ok(None) };
            let (address, found) = without_user(&value);
            user = user.take().or(found);
            address.parse().map(Some).map_err(|error: ProxyAddressError| error.to_string())
        };
        let http = address(&["http_proxy", "all_proxy", "ALL_PROXY"])?;
        let https = address(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
        let except = said(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let except = except.parse().map_err(|error: InvalidException| error.to_string())?;
        Ok((Self { http, https, except }, user))
    }

    /// The proxy for a service, if it has one.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<&ProxyAddress> {
        let address = match endpoint.transport {
            Transport::Http => self.http.as_ref(),
            Transport::Https => self.https.as_ref(),
        };
        address.filter(|_| !self.except.has(&endpoint.host, endpoint.port))
    }
}

/// Takes name and password out of a URL, with their `%40` and the like resolved.
fn without_user(url: &str) -> (String, Option<UserInfo>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let Some((info, host)) = rest.rsplit_once('@') else { return (url.to_owned(), None) };
    let (user, password) = info.split_once(':').unwrap_or((info, ""));
    let info = UserInfo { user: unescaped(user), password: Secret::new(unescaped(password)) };
    (format!("{scheme}://{host}"), Some(info))
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = || {
            let mut ahead = rest.clone();
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(ahead.next())?, digit(ahead.next())?);
            Some((u8::try_from(high * 16 + low).ok()?, ahead))
        };
        match Some(byte).filter(|&byte| byte == b'%').and_then(|_| digits()) {
            Some((decoded, ahead)) => {
                bytes.push(decoded);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The services that are asked without a proxy, the list of `no_proxy`: parted by commas or blanks, each entry a name
/// (itself and all below it, with or without a dot or `*.` in front), an address, a network (`10.0.0.0/8`,
/// `fd00::/8`), `<local>` (names without a dot) or `*`; but for networks also with a port behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions(Vec<Exception>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    host: Pattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    Local,
    /// In lower case, without the dot in front.
    Name(String),
    Network(IpAddr, u8),
}

/// An entry of such a list that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no exception from a proxy: write a name, `.example.com`, an address, a network like 10.0.0.0/8, `<local>` or `*`"
)]
pub struct InvalidException(pub String);

impl FromStr for Exceptions {
    type Err = InvalidException;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let entries = list.split([',', ';', ' ', '\t']).filter(|entry| !entry.is_empty());
        entries.take(MAX_EXCEPTIONS).map(Exception::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Exceptions {
    /// Whether a service is asked without a proxy.
    #[must_use]
    pub fn has(&self, host: &str, port: u16) -> bool {
        let host = host.split('%').next().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        self.0
            .iter()
            .any(|entry| entry.port.is_none_or(|known| known == port) && entry.host.matches(host))
    }
}

impl Exception {
    fn parse(entry: &str) -> Result<Self, InvalidException> {
        let wrong = || InvalidException(entry.to_owned());
        let only = |host| Ok(Self { host, port: None });
        if let Some((network, bits)) = entry.split_once('/') {
            let network: IpAddr = bare(network).parse().map_err(|_| wrong())?;
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            return if bits <= most { only(Pattern::Network(network, bits)) } else { Err(wrong()) };
        }
        if let Ok(address) = bare(entry).split('%').next().unwrap_or_default().parse() {
            return only(whole(address));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (entry, None),
        };
        let host = match host {
            "*" => Pattern::Any,
            "<local>" => Pattern::Local,
            host => match bare(host).parse() {
                Ok(address) => whole(address),
                Err(_) => Pattern::name(host).ok_or_else(wrong)?,
            },
        };
        Ok(Self { host, port })
    }
}

/// An address without its brackets.
fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

const fn whole(address: IpAddr) -> Pattern {
    Pattern::Network(address, if address.is_ipv4() { 32 } else { 128 })
}

impl Pattern {
    fn name(text: &str) -> Option<Self> {
        let name = text.strip_prefix('*').unwrap_or(text);
        let name = name.strip_prefix('.').unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!name.is_empty() && name.chars().all(legal)).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Local => !host.contains(['.', ':']),
            Self::Name(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|front| front.is_empty() || front.ends_with('.')),
            Self::Network(network, bits) => {
                host.parse().is_ok_and(|address| is_in(address, *network, *bits))
            }
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let shift = |width: u32| width.saturating_sub(bits.into());
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = u32::from(address) ^ u32::from(network);
            differing.checked_shr(shift(32)).unwrap_or_default() == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = u128::from(address) ^ u128::from(network);
            differing.checked_shr(shift(128)).unwrap_or_default() == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_or_hosts_with_a_port() {
        for (text, expected) in [
            ("http://proxy.example:3128", "proxy.example:3128"),
            ("HTTP://proxy.example/", "proxy.example:80"),
            ("proxy:8080", "proxy:8080"),
            ("http://[fd00::1]:3128", "[fd00::1]:3128"),
        ] {
            assert_eq!(text.parse::<ProxyAddress>().unwrap().to_string(), expected, "{text}");
        }
        for (text, part) in [
            ("https://proxy", "only proxies by http"),
            ("socks5://proxy", "only proxies by http"),
            ("http://u:geheim@proxy:1", "`proxy:1`: the endpoint holds an `@`"),
            ("proxy:0", "`0` is no port"),
            ("http://proxy/path", "has a path"),
            ("", "names no host"),
        ] {
            let error = text.parse::<ProxyAddress>().unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("geheim"), "{text}: {error}");
        }
    }

    #[test]
    fn exceptions_are_names_suffixes_ports_addresses_and_networks() {
        let list = "web, .Example.com;*.test.org intern:5986,10.0.0.0/8,192.168.1.7,fd00::/8,[::1]:5985,[2001:db8::1]";
        let list: Exceptions = list.parse().unwrap();
        for (host, port) in [
            ("web", 1),
            ("a.web", 1),
            ("example.COM", 1),
            ("a.b.example.com.", 1),
            ("x.test.org", 1),
            ("intern", 5986),
            ("10.200.0.1", 1),
            ("::ffff:10.0.0.1", 1),
            ("192.168.1.7", 1),
            ("fd12::1%eth0", 1),
            ("::1", 5985),
            ("0:0:0:0:0:0:0:1", 5985),
            ("2001:db8::1", 1),
        ] {
            assert!(list.has(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("myweb", 1),
            ("notexample.com", 1),
            ("intern", 5985),
            ("11.0.0.1", 1),
            ("192.168.1.70", 1),
            ("fe80::1", 1),
            ("::1", 5986),
            ("2001:db8::2", 1),
        ] {
            assert!(!list.has(host, port), "{host}:{port}");
        }
        assert!("*".parse::<Exceptions>().unwrap().has("anything", 1));
        let local: Exceptions = "<local>".parse().unwrap();
        assert!(local.has("server", 1) && !local.has("a.b", 1) && !local.has("::1", 1));
        assert!("0.0.0.0/0".parse::<Exceptions>().unwrap().has("1.2.3.4", 1));
    }

    #[test]
    fn wrong_exceptions_are_named() {
        for entry in ["10.0.0.0/33", "::/129", "a/8", "a:b", "a*b", ".", "10.0.0.0/x"] {
            let error = format!("ok,{entry}").parse::<Exceptions>().unwrap_err();
            assert_eq!(error, InvalidException(entry.to_owned()));
        }
    }

    #[test]
    fn services_have_the_proxy_of_their_transport() {
        let variables = |name: &str| {
            let value = match name {
                "http_proxy" => "one:1",
                "HTTPS_PROXY" => "http://us%40er:p%3Ass%@two:2",
                "no_proxy" => "direct",
                "HTTP_PROXY" => "never",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let (proxies, user) = Proxies::from_variables(variables).unwrap();
        let proxy = |text: &str| proxies.of(&text.parse().unwrap()).map(ToString::to_string);
        assert_eq!(proxy("http://a:5985").as_deref(), Some("one:1"));
        assert_eq!(proxy("https://a:5986").as_deref(), Some("two:2"));
        assert_eq!(proxy("https://direct"), None);
        let user = user.unwrap();
        assert_eq!((user.user.as_str(), user.password.expose()), ("us@er", "p:ss%"));
        assert_eq!(Proxies::from_variables(|_| None).unwrap().0, Proxies::default());
        assert!(Proxies::from_variables(|_| Some("socks5://x".to_owned())).is_err());
    }
}
