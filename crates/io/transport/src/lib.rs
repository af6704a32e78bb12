//! What touches the system's sockets on both sides: connecting, listening, socket options, TLS
//! with its channel bindings.
//!
//! Both roles share this crate so that one host cannot be judged twice differently.

pub mod connect;
pub mod envelopes;
pub mod interfaces;
pub mod kerberos;
pub mod listen;
pub mod names;
pub mod tls;

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

pub use connect::{ConnectError, connect};
pub use interfaces::{InterfaceAddress, interfaces};
pub use listen::listen;

/// After this much silence the system asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// And so often, until it gives the connection up.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Sets what every connection of either role wants: no Nagle delay, since each message is one
/// request or answer, and keep-alive probes, so that a vanished peer is noticed.
///
/// # Errors
///
/// The system's error, for a socket that is already broken.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
