//! Who is at the other end of a connection, as far as the system says it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody who came by TCP.
    Network(SocketAddr),
    /// A process of this machine, by the private socket.
    Local {
        /// Its user, as the kernel says.
        uid: u32,
        /// Its number, for the log: it may be somebody else's by now.
        pid: Option<i32>,
    },
}

impl Peer {
    /// The address: loopback for the private socket.
    pub(crate) const fn ip(self) -> IpAddr {
        match self {
            Self::Network(address) => address.ip(),
            Self::Local { .. } => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Whether it came by the private socket.
    pub(crate) const fn is_local(self) -> bool {
        matches!(self, Self::Local { .. })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Local { uid, pid: Some(pid) } => write!(f, "local:uid={uid},pid={pid}"),
            Self::Local { uid, pid: None } => write!(f, "local:uid={uid}"),
        }
    }
}
