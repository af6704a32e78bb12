//! Opening the listeners of the settings.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, lookup_host};
use transport::tls;

use crate::settings::listener::EVERY_ADDRESS;
use crate::settings::{ListenAddress, Listener};

/// An open socket and what is served on it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) socket: TcpListener,
    pub(crate) path: String,
    /// The URL with the port that the system gave.
    pub(crate) url: String,
    /// For https.
    pub(crate) tls: Option<Arc<tls::Server>>,
}

/// Opens every socket of a listener.
pub(crate) async fn open(
    listener: &Listener,
    tls: Option<&Arc<tls::Server>>,
    privileged: Option<&spawner::network::Spawner>,
) -> io::Result<Vec<Open>> {
    let addresses = addresses(listener).await?;
    let mut opened: Vec<Open> = Vec::new();
    for ip in addresses {
        // With port 0 every address of the listener gets the port that the first one got.
        let port = match opened.first() {
            Some(first) => first.socket.local_addr()?.port(),
            None => listener.port,
        };
        match bind(SocketAddr::new(ip, port), privileged).await {
            Ok(socket) => {
                let address = socket.local_addr()?;
                let url = format!("{}://{address}{}", listener.transport.scheme(), listener.path());
                opened.push(Open { socket, path: listener.path(), url, tls: tls.cloned() });
            }
            Err(error) if is_absent_family(&error) && !opened.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

async fn addresses(listener: &Listener) -> io::Result<Vec<IpAddr>> {
    Ok(match &listener.address {
        ListenAddress::Any => EVERY_ADDRESS.to_vec(),
        ListenAddress::Ip(ip) => vec![*ip],
        ListenAddress::Name(name) => {
            let mut found: Vec<IpAddr> = Vec::new();
            for address in lookup_host((name.as_str(), listener.port)).await? {
                if !found.contains(&address.ip()) {
                    found.push(address.ip());
                }
            }
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            found
        }
    })
}

/// Ports below 1024 are the privileged process's to give.
async fn bind(
    address: SocketAddr,
    privileged: Option<&spawner::network::Spawner>,
) -> io::Result<TcpListener> {
    let refused = match transport::listen(address) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        result => return result,
    };
    let Some(spawner) = privileged else { return Err(refused) };
    let socket = spawner.bind(address).await.map_err(io::Error::other)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// A machine without IPv6 still listens on every address that it has.
fn is_absent_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
