//! A running command as the network process sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FileType;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::keeper::Shared;
use crate::frames::keeper::{Outcome, Signal, Usage};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// Its exit code or the signal that killed it.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Whether ended commands of the shell left processes behind.
    pub others: bool,
}

/// How a command ended whose keeper died first.
pub(super) const LOST: Exit = Exit {
    outcome: Outcome::Lost,
    usage: Usage { user: Duration::ZERO, system: Duration::ZERO },
    others: true,
};

/// What a widened pipe holds, in bytes; by default it is 65,536.
const WIDE: usize = 512 * 1024;

/// Lets a pipe of a command hold eight times as much, so that the command and we wait less often for each other.
///
/// The user of the command has a quota of pipe memory (`pipe-user-pages-soft`, 64 MiB by default), of which a widened
/// pipe takes 512 KiB: meant for pipes through which much goes. Where the quota is used up the pipe stays as it is.
pub fn widen(pipe: impl AsFd) {
    // A pipe that cannot hold more is no worse than before.
    let _holds = rustix::pipe::fcntl_setpipe_size(pipe, WIDE);
}

/// A command with its three pipes. Dropping it closes the pipes; the command runs on until it ends or its shell does.
#[derive(Debug)]
#[non_exhaustive]
pub struct Process {
    /// Where its input is written; dropping it is the input's end. `Some` until the caller takes it.
    pub stdin: Option<pipe::Sender>,
    /// Where its output is read. `Some` until the caller takes it.
    pub stdout: Option<pipe::Receiver>,
    /// Where its error output is read. `Some` until the caller takes it.
    pub stderr: Option<pipe::Receiver>,
    keeper: Arc<Shared>,
    command: u32,
    session: u32,
    waiting: Option<oneshot::Receiver<Exit>>,
    exit: Option<Exit>,
}

impl Process {
    pub(super) fn new(
        keeper: Arc<Shared>,
        command: u32,
        session: u32,
        descriptors: Vec<OwnedFd>,
        exit: oneshot::Receiver<Exit>,
    ) -> io::Result<Self> {
        let count = descriptors.len();
        let Ok([stdin, stdout, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{count} descriptors instead of 3"),
            ));
        };
        // Only a pipe can be waited for as a pipe is; a file or a device from a hostile keeper could block a thread.
        for descriptor in [&stdin, &stdout, &stderr] {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode);
            if kind != FileType::Fifo {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a {kind:?} instead of a pipe"),
                ));
            }
            rustix::io::ioctl_fionbio(descriptor, true)?;
        }
        Ok(Self {
            stdin: Some(pipe::Sender::from_owned_fd(stdin)?),
            stdout: Some(pipe::Receiver::from_owned_fd(stdout)?),
            stderr: Some(pipe::Receiver::from_owned_fd(stderr)?),
            keeper,
            command,
            session,
            waiting: Some(exit),
            exit: None,
        })
    }

    /// The command's process id on this machine, for the log.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.session
    }

    /// Signals the command's process group. [`Signal::Terminate`] also kills what is left of its session, by root's hand,
    /// after the command itself has ended too. Does nothing when nothing is left.
    pub fn signal(&self, signal: Signal) {
        if self.exit.is_none_or(|exit| exit.others) {
            self.keeper.signal(self.command, self.session, signal);
        }
    }

    /// Waits for the end. May be called again, and dropped without loss.
    pub async fn wait(&mut self) -> Exit {
        if let Some(waiting) = &mut self.waiting {
            self.exit = Some(waiting.await.unwrap_or(LOST));
            self.waiting = None;
        }
        self.exit.unwrap_or(LOST)
    }
}
