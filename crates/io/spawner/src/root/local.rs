//! The private socket: where programs of this machine reach the service, whatever its listeners are.
//!
//! Root makes it, since it lies in root's folder, and never reads from it: the network process serves it, and is told by
//! the system who connected.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::log::Log;
use crate::store::{SOCKET, Store};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Makes the socket; a service without it goes on, and the log says why.
pub(super) fn open(store: &Store, everybody: bool, log: &mut Log) -> Option<OwnedFd> {
    listen(store, everybody)
        .inspect_err(|error| log.warn("there is no private socket", &[("error", error)]))
        .ok()
}

/// Makes the socket, in the place of one that a former service left. Everybody may connect where `everybody` says so:
/// then the network process tells local users apart; otherwise the owner alone.
///
/// # Errors
/// The system's; a path of more than 107 bytes is none, since the folder is named by its descriptor.
fn listen(store: &Store, everybody: bool) -> io::Result<OwnedFd> {
    match rustix::fs::unlinkat(store.folder(), SOCKET, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let folder = store.folder().as_raw_fd();
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{folder}/{SOCKET}"))?;
    let others = if everybody { Mode::XGRP | Mode::XOTH } else { Mode::RWXG | Mode::RWXO };
    let hidden = Mode::XUSR | others;
    // The mode is there from the first moment on, and this process has one thread.
    let before = rustix::process::umask(hidden);
    let bound = rustix::net::bind(&socket, &address);
    rustix::process::umask(before);
    bound?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Takes the socket away again; who finds none knows that no service runs.
pub(super) fn remove(state: &Path) {
    if let Ok(store) = Store::open(state) {
        let _absent = rustix::fs::unlinkat(store.folder(), SOCKET, AtFlags::empty());
    }
}
