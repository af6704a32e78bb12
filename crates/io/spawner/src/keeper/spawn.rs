//! A program as a new process, in a session of its own and with no signal blocked.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use rustix::process::Pid;

use crate::sys;

/// What is started, with what.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// The program, looked up in `PATH` unless it holds a slash, and its arguments.
    pub(super) argv: &'a [OsString],
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// Its standard input, output and error stream; none of them is one of this process.
    pub(super) streams: [OwnedFd; 3],
}

impl Program<'_> {
    /// Starts it.
    pub(super) fn spawn(self) -> io::Result<Pid> {
        match self.borrow_memory() {
            Some(process) => Ok(process),
            None => self.copy_memory(),
        }
    }

    /// The way of `posix_spawn`: the new process uses our memory until it executes the program, where `fork` would copy
    /// the map of it. `None` when that is not possible; then nothing was started, and the other way finds the same fault
    /// again or does better: it looks in `PATH` and takes scripts that name no interpreter.
    fn borrow_memory(&self) -> Option<Pid> {
        let program = self.argv.first().filter(|name| name.as_bytes().contains(&b'/'))?;
        let text = |bytes: &[u8]| CString::new(bytes).ok();
        let arguments: Option<Vec<CString>> =
            self.argv.iter().map(|word| text(word.as_bytes())).collect();
        let variables: Option<Vec<CString>> = self
            .environment
            .iter()
            .map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect();
        let mut attributes = PosixSpawnAttr::init().ok()?;
        let session = PosixSpawnFlags::from_bits_retain(libc::POSIX_SPAWN_SETSID.into());
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | session).ok()?;
        attributes.set_sigmask(&SigSet::empty()).ok()?;
        let mut actions = PosixSpawnFileActions::init().ok()?;
        for (number, stream) in (0..).zip(&self.streams) {
            actions.add_dup2(stream.as_raw_fd(), number).ok()?;
        }
        let started =
            posix_spawn(program.as_os_str(), &actions, &attributes, &arguments?, &variables?);
        Pid::from_raw(started.ok()?.as_raw())
    }

    /// The way of `fork`.
    fn copy_memory(self) -> io::Result<Pid> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let [stdin, stdout, stderr] = self.streams.map(Stdio::from);
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.environment);
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        sys::command_of_its_own_session(&mut command);
        let child = command.spawn()?;
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        number.ok_or_else(|| io::Error::other("the process has no number"))
    }
}
