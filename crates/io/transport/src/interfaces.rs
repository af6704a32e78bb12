//! The addresses of this machine.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// More are not told.
const MOST: usize = 1024;

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what listeners are chosen by")]
pub struct InterfaceAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The hardware address of the interface, if it has one.
    pub mac: Option<[u8; 6]>,
}

/// The addresses that this machine has now, of the interfaces that are up; 1,024 at most.
///
/// # Errors
///
/// The system's.
pub fn interfaces() -> io::Result<Vec<InterfaceAddress>> {
    let (mut found, mut hardware) = (Vec::new(), BTreeMap::new());
    for one in getifaddrs()? {
        let is_up = one.flags.contains(InterfaceFlags::IFF_UP);
        let Some(storage) = one.address.filter(|_| is_up) else { continue };
        if let Some(link) = storage.as_link_addr() {
            if let Some(mac) = link.addr().filter(|mac| *mac != [0; 6]) {
                hardware.insert(one.interface_name, mac);
            }
        } else if let Some(address) = ip(&storage)
            && found.len() < MOST
        {
            found.push((one.interface_name, address));
        }
    }
    let known = |(interface, address): (String, IpAddr)| {
        let mac = hardware.get(&interface).copied();
        InterfaceAddress { interface, address, mac }
    };
    Ok(found.into_iter().map(known).collect())
}

fn ip(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_among_them_and_has_no_hardware_address() {
        let all = interfaces().unwrap();
        let loopback = all.iter().find(|one| one.address == Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(loopback.mac, None);
    }
}
