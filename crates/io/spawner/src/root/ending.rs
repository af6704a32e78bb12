//! The helper: a forked root process that ends shells, so that the spawner's loop never waits for a process to die.
//!
//! For each shell: its control group is killed, if it has one; its keeper is stopped, so that nothing new begins; what
//! descends from the keeper is stopped on sight and killed; the keeper comes last. What a dead keeper left behind has
//! become the spawner's children, and is ended by a helper of its own.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::registry::Registry;
use crate::tickets::{self, Full};
use crate::tree::{Below, Sweep, childless, look};
use crate::{cgroup, sys};

/// How long one helper tries; the spawner starts another one then.
const TIME: Duration = Duration::from_secs(60);
/// How long a killed keeper may take to die.
const KEEPER: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// A shell to be ended.
#[derive(Debug)]
pub(super) struct Doomed {
    /// The keeper, unless it has been reaped; its number cannot be reused while this is made and is compared later.
    pub(super) keeper: Option<(i32, u64, OwnedFd)>,
    pub(super) cgroup: Option<PathBuf>,
}

/// What a helper does.
#[derive(Debug)]
pub(super) enum Job {
    /// Ends shells.
    Shells(Vec<Doomed>),
    /// Ends sessions below keepers (number and start time).
    Sessions(Vec<(i32, u64, Below)>),
    /// Ends what became a child of the spawner without being made by it.
    Orphans { spawner: i32, registry: Registry },
    /// Empties folders of tickets.
    Tickets(Vec<Full>),
}

/// The helper's life; the number is its exit code: 0 when everything is gone.
pub(super) fn run(job: Job) -> u8 {
    let done = match job {
        Job::Shells(shells) => end_shells(&shells),
        Job::Sessions(sessions) => keep_only(&[]).and_then(|()| end_sessions(sessions)),
        Job::Orphans { spawner, registry } => keep_only(&[registry.as_fd()]).and_then(|()| {
            let mut sweep = Sweep::default();
            sweep.orphans_of(spawner, registry);
            sweep.run(TIME)
        }),
        Job::Tickets(folders) => {
            keep_only(&[]).and_then(|()| tickets::empty_all(&folders)).map(|()| 0)
        }
    };
    u8::from(done.is_err() || done.is_ok_and(|left| left > 0))
}

/// A helper that dies late must not keep another shell's socket open.
fn keep_only(descriptors: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
    sys::close_except(descriptors)
}

fn end_sessions(sessions: Vec<(i32, u64, Below)>) -> io::Result<usize> {
    let mut sweep = Sweep::default();
    for (keeper, start, which) in sessions {
        sweep.below(keeper, start, which);
    }
    sweep.run(TIME)
}

fn end_shells(shells: &[Doomed]) -> io::Result<usize> {
    let keepers: BTreeMap<i32, (u64, &OwnedFd)> = shells
        .iter()
        .filter_map(|shell| {
            shell.keeper.as_ref().map(|(pid, start, descriptor)| (*pid, (*start, descriptor)))
        })
        .collect();
    let kept: Vec<_> = keepers.values().map(|(_, descriptor)| descriptor.as_fd()).collect();
    keep_only(&kept)?;
    // All of them first, so that one shell's bomb does not buy the others time.
    let killed = cgroup::end(shells.iter().filter_map(|shell| shell.cgroup.as_deref()));
    let mut sweep = Sweep::default();
    for (pid, (start, descriptor)) in &keepers {
        // A keeper that is gone or dying has no say any longer.
        let _ = pidfd_send_signal(descriptor, Signal::STOP);
        // Most shells are closed when their commands are done, and looking at all processes takes long where there are
        // many shells.
        if !childless(*pid) && look(*pid).is_some_and(|seen| seen.start == *start) {
            sweep.below(*pid, *start, Below::All);
        }
    }
    let left = sweep.run(TIME)?;
    for (_, descriptor) in keepers.values() {
        let _ = pidfd_send_signal(descriptor, Signal::KILL);
    }
    for (_, descriptor) in keepers.values() {
        let mut dead = [PollFd::new(descriptor, PollFlags::IN)];
        if poll(&mut dead, Some(&KEEPER))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    killed.map(|()| left)
}
