//! What the spawner does for each frame of the network process.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::shells::Refusal;
use super::{Life, Root};
use crate::Options;
use crate::frames::root::{Event, Reason, Request};
use crate::store::{ACCOUNTS, CLIENTS, PRINCIPALS, Store};
use crate::users::FILE as USERS;

/// Ports that only root may bind.
const PRIVILEGED_PORTS: u16 = 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

impl Root {
    /// Handles one message of the network process, `length` bytes long.
    pub(super) fn handle(&mut self, frame: &[u8], length: usize) {
        let (sequence, request) = match Request::decode(frame) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.log.error(
                    "the network process talks nonsense",
                    &[("error", &error), ("length", &length)],
                );
                self.kill_network();
                return self.fall(false);
            }
        };
        let done = match request {
            Request::Ready => self.ready(),
            Request::Accounts => self.file(sequence, ACCOUNTS, Reason::AccountsFile),
            Request::Clients => self.file(sequence, CLIENTS, Reason::ClientsFile),
            Request::Principals => self.file(sequence, PRINCIPALS, Reason::PrincipalsFile),
            Request::Local => self.local(sequence),
            Request::Users => self.file(sequence, USERS, Reason::UsersFile),
            Request::Members { account } => self.members(sequence, account),
            Request::Open { account, .. } => self.open(sequence, request, account),
            Request::Close { shell } => self.close(shell),
            Request::KillSession { shell, session } => self.kill_session(shell, session),
            Request::Bind { address } => self.bind(sequence, address),
        };
        if let Err(refusal) = done {
            self.refuse(sequence, &request, &refusal);
        }
    }

    pub(super) fn refuse(&mut self, sequence: u32, request: &Request, refusal: &Refusal) {
        // A shell that ended by itself is closed by whoever had it all the same, which is nobody's fault.
        if refusal.reason != Reason::NoSuchShell {
            let request = match request {
                Request::Ready => "Ready".to_owned(),
                Request::Accounts => "Accounts".to_owned(),
                Request::Clients => "Clients".to_owned(),
                Request::Principals => "Principals".to_owned(),
                Request::Local => "Local".to_owned(),
                Request::Users => "Users".to_owned(),
                Request::Members { account } => {
                    format!("Members {}", super::shells::hex(account))
                }
                Request::Open { account, .. } => format!("Open {}", super::shells::hex(account)),
                Request::Close { shell } => format!("Close {shell}"),
                Request::KillSession { shell, session } => format!("KillSession {shell} {session}"),
                Request::Bind { address } => format!("Bind {address}"),
            };
            let (reason, errno, detail) = (&refusal.reason, &refusal.errno, &refusal.detail);
            self.log.warn(
                "refused",
                &[("request", &request), ("reason", reason), ("errno", errno), ("detail", detail)],
            );
        }
        self.send(sequence, Event::Refused { reason: refusal.reason, errno: refusal.errno });
    }

    fn ready(&mut self) -> Result<(), Refusal> {
        if !self.network.ready && self.life == Life::Serving {
            self.network.ready = true;
            self.log.info("the service is ready", &[]);
            self.tell_manager("READY=1");
        }
        Ok(())
    }

    /// A file that root's tool writes and the network process reads, as it is now.
    fn file(&self, sequence: u32, name: &str, reason: Reason) -> Result<(), Refusal> {
        let file = Store::open(&self.state).and_then(|store| store.open_file(name));
        let file = file.map_err(|error| Refusal::file(reason, &error))?;
        let file = file.ok_or_else(|| Refusal::errno(reason, Errno::NOENT))?;
        self.send_with(sequence, Event::File, &file.into())
            .map_err(|error| Refusal::errno(Reason::Resources, error))
    }

    /// Hands the private socket over.
    fn local(&mut self, sequence: u32) -> Result<(), Refusal> {
        let socket = self.local.take().ok_or_else(|| Refusal::plain(Reason::NoSocket))?;
        self.send_with(sequence, Event::File, &socket)
            .map_err(|error| Refusal::errno(Reason::Resources, error))
    }

    fn bind(&mut self, sequence: u32, address: SocketAddr) -> Result<(), Refusal> {
        let Options { privileged_listeners, privileged_ports, .. } = &self.options;
        let is_listed =
            privileged_listeners.contains(&address) || privileged_ports.contains(&address.port());
        if address.port() >= PRIVILEGED_PORTS || !is_listed {
            return Err(Refusal::plain(Reason::NotListed));
        }
        let socket = listen(address).map_err(|error| Refusal::errno(Reason::BindFailed, error))?;
        self.send_with(sequence, Event::File, &socket)
            .map_err(|error| Refusal::errno(Reason::Resources, error))?;
        self.log.info("bound", &[("address", &address)]);
        Ok(())
    }
}

/// A listening socket; the one for an IPv6 address takes no IPv4 connections, which have a listener of their own.
fn listen(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket).into())
}
