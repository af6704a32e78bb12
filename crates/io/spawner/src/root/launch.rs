//! The network child: loses everything of root's, in the one order that leaves no way back, then executes this program again.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::unistd::{Gid, ResGid, ResUid, Uid, getgroups, getresgid, getresuid};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::thread::CapabilitySet;

use super::service::Service;
use crate::sys;

/// What the network process may know of the environment: how to write texts and times, and where Kerberos is described.
const ENVIRONMENT: [&str; 11] = [
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "NO_COLOR",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "KRB5_CONFIG",
    "KRB5_KTNAME",
];

/// What the child needs.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) socket: OwnedFd,
    pub(super) service: Service,
    pub(super) privileged: bool,
    pub(super) spawner: Pid,
    pub(super) command: OsString,
    pub(super) arguments: Vec<OsString>,
}

/// Becomes the network process; returns only when that failed, with what failed.
pub(super) fn execute(network: Network) -> (&'static str, io::Error) {
    match prepare(network) {
        Ok(mut command) => ("execute /proc/self/exe", command.exec()),
        Err(failed) => failed,
    }
}

fn prepare(network: Network) -> Result<Command, (&'static str, io::Error)> {
    let Network { socket, service, privileged, spawner, command, arguments } = network;
    let at =
        |action: &'static str| move |error: rustix::io::Errno| (action, io::Error::from(error));
    rustix::process::setsid().map_err(at("begin a session"))?;
    if privileged {
        drop_privileges(service).map_err(|error| ("become the service user", error))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(at("give up new privileges"))?;
    // After the change of user, which clears it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(at("bind to the spawner's life"))?;
    if rustix::process::getppid() != Some(spawner) {
        return Err(("find the spawner alive", io::ErrorKind::NotFound.into()));
    }
    let null =
        rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).map_err(at("open /dev/null"))?;
    rustix::stdio::dup2_stdin(null).map_err(at("give up standard input"))?;
    sys::leave_as_descriptor_3(socket).map_err(|error| ("pass the socket on", error))?;
    sys::close_above(3).map_err(|error| ("close what was inherited", error))?;
    let mut program = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        program.arg0(name);
    }
    program.arg(command).args(arguments).env_clear();
    let names = ENVIRONMENT.iter().chain(DEBUG_ENVIRONMENT);
    program.envs(names.filter_map(|name| Some((*name, std::env::var_os(name)?))));
    Ok(program)
}

/// What a debug build may know beside it: where a test run wants to have what is sent.
const DEBUG_ENVIRONMENT: &[&str] =
    if cfg!(debug_assertions) { &["TRANSOM_ENVELOPES"] } else { &[] };

pub(super) fn drop_privileges(service: Service) -> io::Result<()> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::capability_is_in_bounding_set(capability) {
            Ok(true) => rustix::thread::remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            // The first number that this kernel does not know.
            Err(_) => break,
        }
    }
    let Service { uid, gid } = service;
    nix::unistd::setgroups(&[gid])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    if verified(uid, gid)? {
        Ok(())
    } else {
        Err(io::Error::other("the new identity is not the one asked for"))
    }
}

fn verified(uid: Uid, gid: Gid) -> io::Result<bool> {
    let held = rustix::thread::capabilities(None)?;
    let none = CapabilitySet::empty();
    Ok(getresuid()? == ResUid { real: uid, effective: uid, saved: uid }
        && getresgid()? == ResGid { real: gid, effective: gid, saved: gid }
        && getgroups()? == [gid]
        && held.effective == none
        && held.permitted == none
        && held.inheritable == none
        && nix::unistd::setuid(Uid::from_raw(0)).is_err())
}
