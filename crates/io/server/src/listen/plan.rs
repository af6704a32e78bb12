//! What the settings ask for: which addresses are listened on, for which listener.
//!
//! ```text
//!  listeners ──► addresses ──► wanted: (address, listener) … ──► sockets: those that no wider one covers
//!     `*`          0.0.0.0, [::]                                       │
//!     IP:, MAC:    one, those of an interface                          └─ a connection is the listener's whose address is
//!                                                                         the one that it came to, before one of `*`
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use session::client::endpoint::Transport;
use transport::InterfaceAddress;

use crate::settings::listener::EVERY_ADDRESS;
use crate::settings::{IpFilter, ListenAddress, Listener, Service, Settings};

/// The addresses of names: they are looked up once, before the service may no longer ask.
pub(super) type Names = BTreeMap<String, Vec<IpAddr>>;

/// Names a socket. With port 0 the system chooses a port, so that the listener is told as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) address: SocketAddr,
    pub(super) chosen_for: Option<String>,
}

/// One address of a listener.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) listener: Arc<Listener>,
}

/// Everything that is wanted, the sockets of one listener side by side.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
}

/// Two listeners that cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} and another listener want the same address and port")]
pub(crate) struct Clash(pub(crate) Listener);

/// The listeners of the settings: those that are enabled, and the two on the ports of older versions.
pub(super) fn listeners(settings: &Settings) -> Vec<Arc<Listener>> {
    let own = settings.listeners.iter().filter(|listener| listener.enabled).cloned();
    own.chain(compatibility(&settings.service)).map(Arc::new).collect()
}

/// The listeners on the ports that version 1.1 of Windows's service had.
pub(crate) fn compatibility(service: &Service) -> impl Iterator<Item = Listener> {
    [
        (service.enable_compatibility_http_listener, Transport::Http),
        (service.enable_compatibility_https_listener, Transport::Https),
    ]
    .into_iter()
    .filter(|(is_enabled, _)| *is_enabled)
    .map(|(_, transport)| Listener {
        transport,
        port: transport.url_port(),
        ..Listener::default()
    })
}

/// Whether a listener on every address listens on this one.
pub(crate) fn allows(service: &Service, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let filter = if address.is_ipv4() { &service.ipv4_filter } else { &service.ipv6_filter };
    filter.allows(address) && (service.allow_remote_access || address.is_loopback())
}

impl Plan {
    /// What these settings want.
    ///
    /// # Errors
    ///
    /// Two listeners of the same address and port.
    pub(super) fn new(
        settings: &Settings,
        names: &Names,
        interfaces: &[InterfaceAddress],
    ) -> Result<Self, Clash> {
        let mut wanted = Vec::new();
        let (mut known, mut chosen) = (BTreeSet::new(), BTreeMap::<String, u32>::new());
        for listener in listeners(settings) {
            let chosen_for = (listener.port == 0).then(|| {
                let text = listener.to_string();
                let count = chosen.entry(text.clone()).or_default();
                *count += 1;
                format!("{text} {count}")
            });
            for ip in addresses(&listener, &settings.service, names, interfaces) {
                let address = SocketAddr::new(ip, listener.port);
                let key = Key { address, chosen_for: chosen_for.clone() };
                if !known.insert(key.clone()) {
                    return Err(Clash(Listener::clone(&listener)));
                }
                wanted.push(Wanted { key, listener: Arc::clone(&listener) });
            }
        }
        Ok(Self { wanted })
    }

    /// The sockets that it takes: a connection to one address comes by the socket of every address as well.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Wanted> {
        self.wanted.iter().filter(|one| {
            !self.wanted.iter().any(|other| covers(&other.key, &one.key) && other.key != one.key)
        })
    }
}

/// Whether two sockets cannot be open at a time: one is about every address, and the other about one of them.
pub(super) fn overlap(one: &Key, other: &Key) -> bool {
    one != other && (covers(one, other) || covers(other, one))
}

/// Whether connections to `one` come by the socket of `wide`.
fn covers(wide: &Key, one: &Key) -> bool {
    wide.chosen_for.is_none()
        && one.chosen_for.is_none()
        && wide.address.ip().is_unspecified()
        && wide.address.is_ipv4() == one.address.is_ipv4()
        && wide.address.port() == one.address.port()
}

fn addresses(
    listener: &Listener,
    service: &Service,
    names: &Names,
    interfaces: &[InterfaceAddress],
) -> Vec<IpAddr> {
    let is_open = |ip: &IpAddr| {
        let filter = if ip.is_ipv4() { &service.ipv4_filter } else { &service.ipv6_filter };
        *filter != IpFilter::None
    };
    match &listener.address {
        ListenAddress::Any => EVERY_ADDRESS.into_iter().filter(is_open).collect(),
        ListenAddress::Ip(ip) => vec![*ip],
        ListenAddress::Name(name) => names.get(name).cloned().unwrap_or_default(),
        ListenAddress::Mac(mac) => {
            // Addresses of one link alone need a scope, which nobody types.
            let is_of_link =
                |ip: &IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let own = interfaces.iter().filter(|one| one.mac == Some(*mac));
            own.map(|one| one.address).filter(|ip| !is_of_link(ip)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn sockets(text: &str) -> String {
        let interfaces = [InterfaceAddress {
            interface: "eth0".to_owned(),
            address: "10.0.0.1".parse().unwrap(),
            mac: Some([1, 2, 3, 4, 5, 6]),
        }];
        let names = Names::from([("host".to_owned(), vec!["10.0.0.2".parse().unwrap()])]);
        let plan = Plan::new(&settings(text), &names, &interfaces).unwrap();
        let all: Vec<_> = plan.sockets().map(|one| one.key.address.to_string()).collect();
        all.join(" ")
    }

    #[test]
    fn addresses_come_of_every_form_and_filters_close_versions_of_ip() {
        assert_eq!(sockets(""), "0.0.0.0:5985 [::]:5985");
        assert_eq!(sockets("[Service]\nIPv6Filter = ''"), "0.0.0.0:5985");
        assert_eq!(sockets("[[Listener]]\nAddress = 'MAC:01-02-03-04-05-06'"), "10.0.0.1:5985");
        assert_eq!(sockets("[[Listener]]\nAddress = 'MAC:01-02-03-04-05-07'"), "");
        assert_eq!(sockets("[[Listener]]\nAddress = 'host'"), "10.0.0.2:5985");
        assert_eq!(sockets("[[Listener]]\nEnabled = false"), "");
        let compatible = "Listener = []\n[Service]\nEnableCompatibilityHttpListener = true";
        assert_eq!(sockets(compatible), "0.0.0.0:80 [::]:80");
    }

    #[test]
    fn socket_of_every_address_serves_single_ones_too() {
        let both = "[[Listener]]\nAddress = 'IP:10.0.0.1'\n[[Listener]]\nAddress = '*'";
        assert_eq!(sockets(both), "0.0.0.0:5985 [::]:5985");
        let other = "[[Listener]]\nAddress = 'IP:10.0.0.1'\nPort = 1\n[[Listener]]\nAddress = '*'";
        assert_eq!(sockets(other), "10.0.0.1:1 0.0.0.0:5985 [::]:5985");
    }

    #[test]
    fn same_port_twice_is_a_clash_unless_the_system_chooses_it() {
        let twice = |port: u16| {
            let text = format!("[[Listener]]\nPort = {port}\n[[Listener]]\nPort = {port}");
            Plan::new(&settings(&text), &Names::new(), &[]).map(|plan| plan.sockets().count())
        };
        assert!(twice(5985).is_err());
        assert_eq!(twice(0), Ok(4));
    }

    #[test]
    fn only_loopback_is_listened_on_without_remote_access() {
        let of = |text: &str, ip: &str| allows(&settings(text).service, ip.parse().unwrap());
        assert!(of("", "10.0.0.1") && of("", "::1"));
        let closed = "[Service]\nAllowRemoteAccess = false";
        assert!(!of(closed, "10.0.0.1") && of(closed, "127.0.0.1") && of(closed, "::1"));
        let some = "[Service]\nIPv4Filter = '10.0.0.1-10.0.0.9'";
        assert!(of(some, "10.0.0.5") && !of(some, "10.0.0.10") && of(some, "2001:db8::1"));
        assert!(of(some, "::ffff:10.0.0.5"));
    }
}
