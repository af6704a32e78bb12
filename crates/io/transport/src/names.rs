//! What the system's resolver knows of names and addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::lookup_host;
use tokio::task::spawn_blocking;

/// The addresses of `host`, a name or an address without brackets, in the resolver's order.
///
/// # Errors
///
/// The system's error; `NotFound` for a name without addresses.
pub async fn forward(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// The name of an address; `None` when it has none.
///
/// The look-up runs on a thread of its own, which a dropped future leaves behind until the resolver
/// gives up.
///
/// # Errors
///
/// The system's error, when the resolver itself fails.
pub async fn reverse(address: IpAddr) -> io::Result<Option<String>> {
    let found = spawn_blocking(move || dns_lookup::lookup_addr(&address));
    let name = found.await.map_err(io::Error::other)??;
    // Without a name the resolver hands out the address itself.
    Ok(Some(name).filter(|name| name.parse::<IpAddr>().is_err()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_is_its_own_forward_answer() {
        let found = forward("127.0.0.1", 7).await.unwrap();
        assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
    }

    #[tokio::test]
    async fn address_without_a_name_has_none() {
        // Reserved for documentation (RFC 5737): nobody names it. A resolver that is not there is no answer either.
        let found = reverse("192.0.2.1".parse().unwrap()).await;
        assert!(matches!(found, Ok(None) | Err(_)), "{found:?}");
    }
}
