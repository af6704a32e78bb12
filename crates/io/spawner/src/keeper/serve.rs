//! A keeper's loop: requests from the network process, ends of children. One thread, no runtime.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, SigmaskHow, Signal as SystemSignal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeVal;
use nix::unistd::User;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal as RawSignal, WaitOptions, WaitStatus, kill_process_group};

use zeroize::Zeroize as _;

use super::House;
use super::command::{self, Base};
use crate::frames::keeper::{Event, MAX_LENGTH, Outcome, Request, Signal, Stage, Start, Usage};
use crate::tickets;
use crate::tree::{self, Below, Sweep};

/// How long the tree may take to end when the network process is gone.
const SWEEP: Duration = Duration::from_secs(60);
/// `__WALL`: children made by `clone` with another signal than SIGCHLD too.
const ALL_KINDS: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

struct Keeper<'a> {
    socket: &'a OwnedFd,
    base: Base,
    /// The folder of the shell's tickets.
    tickets: Option<&'a Path>,
    commands: BTreeMap<i32, u32>,
}

/// Serves until the network process is gone or talks nonsense, then ends every descendant and removes the tickets.
pub(super) fn serve(socket: &OwnedFd, user: &User, house: &House, tickets: Option<&Path>) -> u8 {
    let ended = Base::new(user, house).and_then(|base| {
        let children = watch_children()?;
        Keeper { socket, base, tickets, commands: BTreeMap::new() }.run(&children)
    });
    let swept = end_descendants();
    // The spawner does it too, unless it is what has gone.
    let emptied = tickets.map_or(Ok(()), tickets::empty);
    u8::from(ended.is_err() || swept.is_err() || emptied.is_err())
}

/// Children's ends as something that can be polled.
fn watch_children() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(SystemSignal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None)?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

fn end_descendants() -> io::Result<()> {
    let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    if tree::childless(own) {
        return Ok(());
    }
    let start = tree::look(own).ok_or(io::ErrorKind::NotFound)?.start;
    let mut sweep = Sweep::default();
    sweep.below(own, start, Below::All);
    match sweep.run(SWEEP)? {
        0 => Ok(()),
        left => Err(io::Error::other(format!("{left} processes are left"))),
    }
}

impl Keeper<'_> {
    fn run(&mut self, children: &SignalFd) -> io::Result<()> {
        // Made for the first request, so that a keeper that never ran anything stays small.
        let mut buffer = Vec::new();
        loop {
            let (requests, ends) = wait(self.socket.as_fd(), children.as_fd())?;
            if ends {
                while children.read_signal()?.is_some() {}
                self.reap()?;
            }
            if requests {
                if buffer.is_empty() {
                    // Zeroed memory that is not touched costs nothing.
                    buffer = vec![0; MAX_LENGTH + 1];
                }
                let length = match recv(
                    self.socket,
                    buffer.as_mut_slice(),
                    RecvFlags::DONTWAIT | RecvFlags::TRUNC,
                ) {
                    Ok((_, length)) => length,
                    Err(Errno::AGAIN | Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                if length == 0 {
                    return Ok(());
                }
                let frame = buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
                let request = Request::decode(frame).map_err(io::Error::other)?;
                if let Request::Ticket(_) = &request {
                    buffer.zeroize();
                }
                self.handle(request)?;
            }
        }
    }

    fn handle(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Start { command, start } => self.start(command, &start),
            Request::Signal { command, signal } => {
                self.signal(command, signal);
                Ok(())
            }
            Request::Ticket(ticket) => self.ticket(ticket.expose()),
        }
    }

    fn ticket(&mut self, ticket: &[u8]) -> io::Result<()> {
        let stored = match self.tickets {
            Some(folder) => tickets::store(folder, ticket),
            None => Err(Errno::OPNOTSUPP.into()),
        };
        match stored {
            Ok(name) => {
                self.base.add("KRB5CCNAME", name);
                self.say(&Event::Stored)
            }
            Err(error) => self.failed(0, Stage::Ticket, error.raw_os_error().unwrap_or(0)),
        }
    }

    fn start(&mut self, command: u32, start: &Start) -> io::Result<()> {
        if self.commands.values().any(|running| *running == command) {
            return self.failed(command, Stage::Command, Errno::EXIST.raw_os_error());
        }
        match command::start(&self.base, start) {
            Ok(started) => {
                self.commands.insert(started.process.as_raw_pid(), command);
                let process = started.process.as_raw_pid().unsigned_abs();
                let frame = Event::Started { command, process }.encode();
                let pipes = started.pipes.each_ref().map(AsFd::as_fd);
                crate::passing::send_with(self.socket, &frame, &pipes, SendFlags::NOSIGNAL)?;
                Ok(())
            }
            Err((stage, error)) => self.failed(command, stage, error.raw_os_error().unwrap_or(0)),
        }
    }

    fn failed(&self, command: u32, stage: Stage, errno: i32) -> io::Result<()> {
        self.say(&Event::Failed { command, stage, errno })
    }

    fn say(&self, event: &Event) -> io::Result<()> {
        send(self.socket, &event.encode(), SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// A command that has ended is not reaped before it is forgotten here, so its number names nobody else.
    fn signal(&self, command: u32, signal: Signal) {
        let running = self.commands.iter().find(|(_, running)| **running == command);
        if let Some(group) = running.and_then(|(pid, _)| Pid::from_raw(*pid)) {
            let signal = match signal {
                Signal::Interrupt => RawSignal::INT,
                Signal::Terminate => RawSignal::KILL,
            };
            // A group of other users' processes (sudo) cannot be signalled from here; root's turn is next.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Reaps commands, and whatever they left behind.
    fn reap(&mut self) -> io::Result<()> {
        let mut ended = Vec::new();
        let is_alone = loop {
            let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
            let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG | ALL_KINDS) {
                Ok(Some(ended)) => ended,
                Ok(None) => break false,
                Err(Errno::CHILD) => break true,
                Err(error) => return Err(error.into()),
            };
            let Some(command) = self.commands.remove(&pid.as_raw_pid()) else { continue };
            let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
            let usage = Usage {
                user: difference(before.user_time(), after.user_time()),
                system: difference(before.system_time(), after.system_time()),
            };
            ended.push((command, outcome(status), usage));
        };
        if ended.is_empty() {
            return Ok(());
        }
        let others = !is_alone && self.others();
        for (command, outcome, usage) in ended {
            self.say(&Event::Exited { command, outcome, usage, others })?;
        }
        Ok(())
    }

    /// Whether there are children that are no commands, or it cannot be known.
    fn others(&self) -> bool {
        tree::own_children().map_or(true, |children| {
            children.iter().any(|child| !self.commands.contains_key(child))
        })
    }
}

fn wait(socket: BorrowedFd<'_>, children: BorrowedFd<'_>) -> io::Result<(bool, bool)> {
    let mut descriptors = [
        PollFd::from_borrowed_fd(socket, PollFlags::IN),
        PollFd::from_borrowed_fd(children, PollFlags::IN),
    ];
    match poll(&mut descriptors, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [socket, children] = descriptors.map(|descriptor| !descriptor.revents().is_empty());
    Ok((socket, children))
}

fn outcome(status: WaitStatus) -> Outcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Code(code),
        (None, Some(signal)) => Outcome::Signal(signal),
        // Neither stops nor continuations were asked for.
        (None, None) => Outcome::Code(255),
    }
}

fn difference(before: TimeVal, after: TimeVal) -> Duration {
    let micros =
        |time: TimeVal| time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_usec());
    Duration::from_micros(u64::try_from(micros(after).saturating_sub(micros(before))).unwrap_or(0))
}
