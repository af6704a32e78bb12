//! Connecting to a host by name: every address gets its turn, the first that answers wins.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// The head start of one address before the next is tried beside it (RFC 8305 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// A name with more addresses than this is cut off.
const MAX_ADDRESSES: usize = 16;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address.
    #[error("the name `{host}` cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address answered; the error is that of the last one.
    #[error("no connection to {address}")]
    Refused {
        /// The address tried last.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Time ran out.
    #[error("no answer from {host}:{port} within {} s", limit.as_secs_f32())]
    Timeout {
        /// The name or address.
        host: String,
        /// The TCP port.
        port: u16,
        /// The time that was allowed.
        limit: Duration,
    },
}

/// Connects to `host`, a name or an address without brackets, within `limit`.
///
/// # Errors
///
/// [`ConnectError`] says at which step it failed.
///
/// # Cancel safety
///
/// Dropping the future closes whatever was being opened.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, connect_any(host, port)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout { host: host.to_owned(), port, limit }),
    }
}

async fn connect_any(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let resolve = |source| ConnectError::Resolve { host: host.to_owned(), source };
    let found = lookup_host((host, port)).await.map_err(resolve)?;
    let mut waiting = interleave(found.take(MAX_ADDRESSES).collect()).into_iter();
    let mut running = JoinSet::new();
    let mut last = None;
    let mut start = |running: &mut JoinSet<_>| {
        waiting.next().map(|address| {
            running.spawn(async move { (address, TcpStream::connect(address).await) });
        })
    };
    start(&mut running);
    while !running.is_empty() {
        let joined = tokio::select! {
            joined = running.join_next() => joined,
            () = sleep(HEAD_START) => {
                start(&mut running);
                continue;
            }
        };
        match joined {
            Some(Ok((_, Ok(stream)))) => {
                let prepared = crate::prepare(&stream);
                return prepared.map(|()| stream).map_err(resolve);
            }
            Some(Ok((address, Err(source)))) => {
                last = Some(ConnectError::Refused { address, source });
                start(&mut running);
            }
            Some(Err(_)) | None => {}
        }
    }
    Err(last.unwrap_or_else(|| resolve(io::Error::from(io::ErrorKind::NotFound))))
}

/// Both families take turns, the resolver's first choice first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (preferred, other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    let mut order = Vec::with_capacity(preferred.len() + other.len());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    loop {
        let pair = (preferred.next(), other.next());
        if pair == (None, None) {
            return order;
        }
        order.extend([pair.0, pair.1].into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let list = |text: &[&str]| text.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let order = interleave(list(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"]));
        assert_eq!(order, list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
    }

    #[tokio::test]
    async fn refused_connection_names_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = connect("127.0.0.1", port, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { address, .. } if address.port() == port));
    }

    #[tokio::test]
    async fn second_family_is_tried_when_the_first_refuses() {
        let listener = crate::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = connect("localhost", port, Duration::from_secs(5)).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
