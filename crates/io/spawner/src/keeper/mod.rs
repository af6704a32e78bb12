//! The keeper: forked from the spawner, becomes the mapped user, then starts and signals that shell's commands.
//!
//! ```text
//! forked ── drop what was inherited ── become the user ── report ── serve ── end the tree ── gone
//!                                           │ fails                   │ socket's end or nonsense
//!                                           └── report, gone          ▼
//! ```

mod command;
mod expand;
mod identity;
pub(crate) mod members;
mod report;
mod serve;
mod spawn;

use std::ffi::OsString;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use rustix::fs::{Mode, OFlags};
use rustix::process::Rlimit;

use crate::sys;
use crate::users::Mapping;

pub(crate) use report::{LENGTH as REPORT_LENGTH, Report};

/// What a keeper is born with.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The network process's other end.
    pub(crate) socket: OwnedFd,
    /// Where the report goes.
    pub(crate) report: OwnedFd,
    /// Whom to become.
    pub(crate) mapping: Mapping,
    /// What the spawner knows once for all keepers.
    pub(crate) house: House,
    /// The control group to join, if there is one.
    pub(crate) cgroup: Option<PathBuf>,
    /// The folder of the shell's tickets, if it is to have one.
    pub(crate) tickets: Option<PathBuf>,
}

/// What is the same for all keepers.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// Whether the spawner is root and keepers change their user.
    pub(crate) privileged: bool,
    /// The network process's uid.
    pub(crate) service_uid: u32,
    /// The resource limits with which the service was started.
    pub(crate) limits: Vec<(rustix::process::Resource, Rlimit)>,
    /// Most processes of the user, where no control group counts them.
    pub(crate) processes: Option<u64>,
    /// `LANG` of the service.
    pub(crate) language: OsString,
    /// `TZ` of the service.
    pub(crate) zone: OsString,
}

/// A keeper's whole life; the number is its exit code.
pub(crate) fn run(birth: Birth) -> u8 {
    let Birth { socket, report, mapping, house, cgroup, tickets } = birth;
    let prepared = drop_inherited(&[socket.as_fd(), report.as_fd()]);
    let user = prepared.and_then(|()| identity::assume(&mapping, &house, cgroup.as_deref()));
    let (said, user) = match user {
        Ok(user) => (Report::ready(), Some(user)),
        Err(report) => (report, None),
    };
    // A spawner that does not hear the report is gone, and then so is the network process.
    let told = rustix::io::write(&report, &said.encode()).is_ok();
    drop(report);
    // It inherited the spawner's heap and looked names up once in its life; thousands of them now wait.
    sys::trim();
    match user {
        Some(user) if told => serve::serve(&socket, &user, &house, tickets.as_deref()),
        Some(_) | None => 1,
    }
}

/// One surviving copy of another shell's socket would hide that one's end, and root's own descriptors are nobody's business.
fn drop_inherited(keep: &[BorrowedFd<'_>]) -> Result<(), Report> {
    let failed = |error: std::io::Error| Report::failed(report::Stage::Inherited, &error);
    sys::default_dispositions();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(|error| failed(error.into()))?;
    sys::close_except(keep).map_err(failed)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| failed(error.into()))?;
    rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null))
        .map_err(|error| failed(error.into()))
}
