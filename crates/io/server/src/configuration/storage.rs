//! What it takes to keep changes of the configuration and to act on them, from within a process that may open nothing.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use transport::InterfaceAddress;

use crate::BoxFuture;

/// The longest text that is kept, in bytes.
pub(crate) const MAX_TEXT: usize = 256 * 1024;

/// Keeps changes and opens listeners.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Puts this in place of what was kept: afterwards either all of it is kept or nothing has changed, whatever happens in
    /// between, and it is on the disk.
    ///
    /// # Errors
    ///
    /// The system's; nothing has changed.
    fn store(&self, text: String) -> BoxFuture<'_, io::Result<()>>;

    /// Opens a listening socket.
    ///
    /// # Errors
    ///
    /// The system's, and `PermissionDenied` with the reason for a port below 1024 that root's configuration does not list.
    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpListener>>;

    /// The addresses that this machine has now.
    ///
    /// # Errors
    ///
    /// The system's.
    fn interfaces(&self) -> BoxFuture<'_, io::Result<Vec<InterfaceAddress>>>;
}
