//! Starting one command: pipes, working directory, environment, exec.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;

use nix::unistd::User;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::House;
use super::expand;
use super::spawn::Program;
use crate::frames::keeper::{Stage, Start};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every command of the shell begins with.
#[derive(Debug)]
pub(super) struct Base {
    environment: Vec<(&'static str, OsString)>,
    home: OwnedFd,
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) process: Pid,
    /// stdin's write end, stdout's and stderr's read ends.
    pub(super) pipes: [OwnedFd; 3],
}

impl Base {
    /// Takes the current directory, which is the user's home or `/`, as the directory of commands.
    pub(super) fn new(user: &User, house: &House) -> io::Result<Self> {
        let shell = if user.shell.as_os_str().is_empty() {
            "/bin/sh".into()
        } else {
            user.shell.clone().into()
        };
        let environment = vec![
            ("USER", user.name.clone().into()),
            ("LOGNAME", user.name.clone().into()),
            ("HOME", user.dir.clone().into()),
            ("SHELL", shell),
            ("PATH", PATH.into()),
            ("LANG", house.language.clone()),
            ("TZ", house.zone.clone()),
        ];
        let home = rustix::fs::open(
            ".",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self { environment, home })
    }
}

impl Base {
    /// Puts a variable under those of the client, for commands that start from now on.
    pub(super) fn add(&mut self, name: &'static str, value: OsString) {
        self.environment.push((name, value));
    }
}

/// Starts a command, or says at what it failed.
pub(super) fn start(base: &Base, start: &Start) -> Result<Started, (Stage, io::Error)> {
    let pipes = || -> rustix::io::Result<_> {
        let make = || pipe_with(PipeFlags::CLOEXEC);
        Ok((make()?, make()?, make()?))
    };
    let ((input, stdin), (stdout, output), (stderr, errors)) =
        pipes().map_err(|error| (Stage::Pipes, error.into()))?;
    let environment = if start.expand {
        expand::all(&base.environment, &start.environment)
            .map_err(|expand::TooLong| (Stage::Execute, Errno::TOOBIG.into()))?
    } else {
        start.environment.clone()
    };
    let base_of = |(name, value): &(&str, OsString)| (OsString::from(name), value.clone());
    let environment: BTreeMap<_, _> =
        base.environment.iter().map(base_of).chain(environment).collect();
    let program = Program { argv: &start.argv, environment, streams: [input, output, errors] };
    // Entered by the keeper itself, which has one thread, so that a bad directory is told from a bad program.
    let entered = start.directory.as_ref().map_or(Ok(()), std::env::set_current_dir);
    let spawned = entered
        .map_err(|error| (Stage::Directory, error))
        .and_then(|()| program.spawn().map_err(|error| (Stage::Execute, error)));
    if start.directory.is_some() {
        rustix::process::fchdir(&base.home).map_err(|error| (Stage::Directory, error.into()))?;
    }
    Ok(Started { process: spawned?, pipes: [stdin, stdout, stderr] })
}
