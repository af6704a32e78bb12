//! What the service manager is told (sd_notify's protocol: one datagram to the socket that `NOTIFY_SOCKET` names).

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager, if there is one that listens.
#[derive(Debug)]
pub(super) struct ServiceManager(Option<OsString>);

impl ServiceManager {
    pub(super) fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()))
    }

    /// Sends one state, such as `READY=1`.
    ///
    /// # Errors
    /// The system's; a socket that is full counts as one, since root never waits.
    pub(super) fn say(&self, state: &str) -> io::Result<()> {
        let Some(name) = &self.0 else { return Ok(()) };
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address)?;
        Ok(())
    }
}
