//! A shell's life as root sees it.
//!
//! ```text
//!            report: ready          Close, keeper dead, fall
//! Opening ───────────────► Open ────────────────────────────► Doomed ── helper ──► Helped ──► gone (Ended)
//!    │                                                          ▲  ▲        │         keeper reaped and
//!    └── report: failed, no report in time, Opened not heard ───┘  └────────┘         no orphan left
//!                                                          something is left
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, WaitStatus, pidfd_open};

use super::ending::{self, Doomed, Job};
use super::{Life, Root, Status};
use crate::frames::keeper::MAX_LENGTH;
use crate::frames::root::{Event, Reason, Request};
use crate::keeper::{self, Birth, REPORT_LENGTH, Report};
use crate::store::{Store, StoreError};
use crate::tree;
use crate::users::{Mapping, Users};
use crate::{AccountId, sys};

/// Shells that may be opening at a time.
const PENDING: usize = 64;
/// How long an Open may take, and a look-up of groups.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// Helpers that may run at a time, the one for orphans not counted.
const HELPERS: usize = 8;
/// Shells that one helper ends, so that one user's bomb delays few others; without limit when everything ends.
const SHELLS_PER_HELPER: usize = 8;
/// How long to wait for the system to have a process or descriptor for a helper again.
const RETRY: Duration = Duration::from_millis(100);
/// How often a shell whose processes do not die is tried, and a session of one.
pub(super) const ATTEMPTS: u32 = 3;

/// Why a request is refused, for the network process and for the log.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) errno: i32,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn plain(reason: Reason) -> Self {
        Self { reason, errno: 0, detail: String::new() }
    }

    pub(super) fn errno(reason: Reason, error: Errno) -> Self {
        Self { reason, errno: error.raw_os_error(), detail: error.to_string() }
    }

    pub(super) fn file(reason: Reason, error: &StoreError) -> Self {
        Self { reason, errno: error.errno(), detail: error.to_string() }
    }

    fn detailed(reason: Reason, detail: impl Display) -> Self {
        Self { reason, errno: 0, detail: detail.to_string() }
    }
}

/// 32 hexadecimal digits, as in the file.
pub(super) fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

/// One shell.
#[derive(Debug)]
pub(super) struct Shell {
    account: AccountId,
    local_user: String,
    pub(super) uid: u32,
    /// The folder of its tickets, until that is removed.
    pub(super) tickets: Option<PathBuf>,
    pub(super) keeper: Pid,
    /// The keeper's start time, which with its number names it for ever.
    pub(super) start: u64,
    pub(super) reaped: bool,
    announced: bool,
    cgroup: Option<PathBuf>,
    memory: Limit,
    phase: Phase,
    pub(super) attempts: u32,
}

impl Shell {
    /// Whether it serves commands: neither about to open nor about to end.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }
}

/// How much memory a shell may have.
#[derive(Debug, Clone, Copy)]
struct Limit {
    bytes: Option<u64>,
    in_force: bool,
}

impl Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.in_force) {
            (None, _) => formatter.write_str("unlimited"),
            (Some(bytes), true) => bytes.fmt(formatter),
            (Some(bytes), false) => write!(formatter, "{bytes} (not in force)"),
        }
    }
}

#[derive(Debug)]
enum Phase {
    Opening(Opening),
    Open,
    Doomed,
    Helped,
}

#[derive(Debug)]
struct Opening {
    sequence: u32,
    request: Request,
    report: OwnedFd,
    socket: OwnedFd,
    until: Instant,
}

/// Session ids by shell.
pub(super) type Sessions = BTreeMap<u64, BTreeSet<i32>>;

/// What a running helper is for.
#[derive(Debug)]
pub(super) enum Helper {
    Shells(Vec<u64>),
    /// Sessions below the keepers of shells.
    Sessions(Sessions),
    Orphans,
    Tickets(Vec<u64>),
    LeftOver,
}

impl Root {
    pub(super) fn open(
        &mut self,
        sequence: u32,
        request: Request,
        account: AccountId,
    ) -> Result<(), Refusal> {
        let mapping = self.admit(account)?;
        let resources = |error: Errno| Refusal::errno(Reason::Resources, error);
        let flags = SocketFlags::CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(resources)?;
        // Best effort: the longest frame fits in a buffer of the usual size, and in this one with room to spare.
        let _ = sockopt::set_socket_send_buffer_size(&socket, MAX_LENGTH * 2);
        sys::refuse_descriptors(theirs.as_fd());
        let (report, write) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(resources)?;
        let shell = self.next_shell;
        self.next_shell = self.next_shell.saturating_add(1);
        let (cgroup, memory) = self.make_group(shell, &request);
        let (local_user, uid) = (mapping.local_user.clone(), mapping.uid);
        let tickets = self.make_tickets(shell, &request, uid);
        let birth = Birth {
            socket: theirs,
            report: write,
            mapping,
            house: self.house.clone(),
            cgroup: cgroup.clone(),
            tickets: tickets.clone(),
        };
        let forked = self.family.fork(move || keeper::run(birth));
        let keeper = forked.map_err(|error| {
            if let Some(group) = &cgroup {
                drop(std::fs::remove_dir(group));
            }
            if tickets.is_some() {
                drop(self.tickets.remove(shell));
            }
            let errno = error.raw_os_error().map_or(Errno::AGAIN, Errno::from_raw_os_error);
            Refusal::errno(Reason::Resources, errno)
        })?;
        let start = tree::look(keeper.as_raw_pid()).map_or(0, |seen| seen.start);
        let until = Instant::now() + OPEN_WITHIN;
        self.keepers.insert(keeper.as_raw_pid(), shell);
        let phase = Phase::Opening(Opening { sequence, request, report, socket, until });
        let (reaped, announced, attempts) = (false, false, 0);
        let shell_state = Shell {
            account,
            local_user,
            uid,
            tickets,
            keeper,
            start,
            reaped,
            announced,
            cgroup,
            memory,
            phase,
            attempts,
        };
        self.shells.insert(shell, shell_state);
        Ok(())
    }

    /// A control group with the limits of a shell; without one it is ended by what descends from its keeper.
    fn make_group(&mut self, shell: u64, request: &Request) -> (Option<PathBuf>, Limit) {
        let asked = if let Request::Open { memory, .. } = request { *memory } else { None };
        let bytes = self.memory.of(asked);
        let group = self.cgroups.as_mut().and_then(|groups| groups.create(shell, bytes).ok());
        let in_force = group.as_ref().is_some_and(|group| group.limits_memory);
        if let Some(bytes) = bytes.filter(|_| !in_force) {
            self.memory.not_in_force(bytes, &mut self.log);
        }
        (group.map(|group| group.path), Limit { bytes, in_force })
    }

    /// Everything that can be judged before a process exists.
    fn admit(&self, account: AccountId) -> Result<Mapping, Refusal> {
        if self.life != Life::Serving {
            return Err(Refusal::plain(Reason::Stopping));
        }
        let users = Store::open(&self.state).and_then(|store| Users::read(&store));
        let users = users.map_err(|error| Refusal::file(Reason::UsersFile, &error))?;
        let mapping = users.find(&account).ok_or_else(|| Refusal::plain(Reason::NotMapped))?;
        let named = |reason| Refusal::detailed(reason, &mapping.local_user);
        if !self.privileged {
            if users.iter().next().is_some_and(|first| first.account != account) {
                return Err(named(Reason::SecondAccount));
            }
            if mapping.uid != self.house.service_uid {
                return Err(named(Reason::OtherUser));
            }
        }
        if mapping.uid == 0 && !mapping.allow_root {
            return Err(named(Reason::RootNotAllowed));
        }
        if self.privileged && mapping.uid == self.house.service_uid {
            return Err(named(Reason::ServiceUser));
        }
        let count = |wanted: fn(&Shell, AccountId) -> bool| {
            self.shells.values().filter(|shell| wanted(shell, account)).count()
        };
        if count(|shell, _| matches!(shell.phase, Phase::Opening(_))) >= PENDING {
            return Err(Refusal::plain(Reason::PendingLimit));
        }
        if self.shells.len() >= self.options.shells {
            return Err(Refusal::plain(Reason::TotalLimit));
        }
        if count(|shell, account| shell.account == account) >= self.options.shells_per_account {
            return Err(Refusal::plain(Reason::AccountLimit));
        }
        Ok(mapping.clone())
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.shells.values().filter_map(|shell| match &shell.phase {
            Phase::Opening(opening) => Some(opening.report.as_fd()),
            Phase::Open | Phase::Doomed | Phase::Helped => None,
        })
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let until = |shell: &Shell| match &shell.phase {
            Phase::Opening(opening) => Some(opening.until),
            Phase::Open | Phase::Doomed | Phase::Helped => None,
        };
        self.shells.values().filter_map(until).min()
    }

    /// Reads what keepers report.
    pub(super) fn handle_reports(&mut self) {
        let mut heard = Vec::new();
        for (number, shell) in &self.shells {
            if let Phase::Opening(opening) = &shell.phase {
                let mut bytes = [0; REPORT_LENGTH];
                match rustix::io::read(&opening.report, &mut bytes) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Ok(REPORT_LENGTH) => heard.push((*number, Report::decode(bytes))),
                    Ok(_) | Err(_) => heard.push((*number, None)),
                }
            }
        }
        for (number, report) in heard {
            let refusal = match report {
                Some(Report { failure: None, .. }) => None,
                Some(Report { failure: Some(stage), errno, detail }) => {
                    let detail = if detail == 0 {
                        stage.text().to_owned()
                    } else {
                        format!("{} ({detail})", stage.text())
                    };
                    Some(Refusal { reason: stage.reason(), errno, detail })
                }
                None => Some(Refusal::plain(Reason::KeeperDied)),
            };
            match refusal {
                Some(refusal) => self.fail(number, &refusal),
                None => self.opened(number),
            }
        }
    }

    fn opened(&mut self, number: u64) {
        let Some(shell) = self.shells.get_mut(&number) else { return };
        let (account, keeper, local_user) = (shell.account, shell.keeper, shell.local_user.clone());
        let memory = shell.memory;
        let opening = match mem::replace(&mut shell.phase, Phase::Open) {
            Phase::Opening(opening) => opening,
            other @ (Phase::Open | Phase::Doomed | Phase::Helped) => {
                shell.phase = other;
                return;
            }
        };
        match self.send_with(
            opening.sequence,
            Event::Opened { shell: number, account },
            &opening.socket,
        ) {
            Ok(()) => {
                if let Some(shell) = self.shells.get_mut(&number) {
                    shell.announced = true;
                }
                let account = hex(&account);
                self.log.info(
                    "shell opened",
                    &[
                        ("shell", &number),
                        ("account", &account),
                        ("local_user", &local_user),
                        ("keeper", &keeper),
                        ("memory", &memory),
                    ],
                );
            }
            Err(error) => {
                let refusal = Refusal::errno(Reason::Resources, error);
                self.refuse(opening.sequence, &opening.request, &refusal);
                self.doom(number);
            }
        }
    }

    /// Ends a shell that was opening, and says why.
    fn fail(&mut self, number: u64, refusal: &Refusal) {
        let Some(shell) = self.shells.get_mut(&number) else { return };
        if let Phase::Opening(opening) = &shell.phase {
            let (sequence, request) = (opening.sequence, opening.request);
            self.refuse(sequence, &request, refusal);
        }
        self.doom(number);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        let late =
            |shell: &Shell| matches!(&shell.phase, Phase::Opening(opening) if opening.until <= now);
        let late: Vec<u64> = self
            .shells
            .iter()
            .filter(|(_, shell)| late(shell))
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            self.fail(number, &Refusal::plain(Reason::TimedOut));
        }
    }

    pub(super) fn close(&mut self, number: u64) -> Result<(), Refusal> {
        let shell = self.shells.get(&number).ok_or_else(|| Refusal::plain(Reason::NoSuchShell))?;
        match shell.phase {
            Phase::Opening(_) => return Err(Refusal::plain(Reason::NoSuchShell)),
            Phase::Open => self.doom(number),
            // It is ending already, and Ended will come.
            Phase::Doomed | Phase::Helped => {}
        }
        Ok(())
    }

    /// Begins a shell's end.
    fn doom(&mut self, number: u64) {
        if let Some(shell) = self.shells.get_mut(&number)
            && !matches!(shell.phase, Phase::Doomed | Phase::Helped)
        {
            shell.phase = Phase::Doomed;
            shell.attempts = 0;
            self.doomed.push_back(number);
            self.sessions.remove(&number);
        }
    }

    pub(super) fn doom_all(&mut self) {
        let all: Vec<u64> = self.shells.keys().copied().collect();
        all.into_iter().for_each(|number| self.doom(number));
    }

    pub(super) fn keeper_dead(&mut self, number: u64, status: WaitStatus) {
        let Some(shell) = self.shells.get_mut(&number) else { return };
        shell.reaped = true;
        match shell.phase {
            Phase::Open => {
                self.log.warn("a keeper died", &[("shell", &number), ("status", &Status(status))]);
                self.doom(number);
            }
            // Its last words, if any, are in the pipe; without any the Open failed.
            Phase::Opening(_) => {
                self.handle_reports();
                self.fail(number, &Refusal::detailed(Reason::KeeperDied, Status(status)));
            }
            Phase::Doomed | Phase::Helped => {}
        }
    }

    /// Starts helpers for what waits, as many as may run.
    pub(super) fn start_helpers(&mut self) {
        while self.retry_at.is_none() && self.helpers.len() < HELPERS {
            let job = if self.doomed.is_empty() { self.sessions_job() } else { self.shells_job() };
            let Some((job, helper)) = job else { return };
            self.start_helper(job, helper);
        }
    }

    fn shells_job(&mut self) -> Option<(Job, Helper)> {
        let most = if self.life == Life::Serving { SHELLS_PER_HELPER } else { usize::MAX };
        let numbers: Vec<u64> = self.doomed.drain(..self.doomed.len().min(most)).collect();
        let mut doomed = Vec::new();
        for number in &numbers {
            let Some(shell) = self.shells.get(number) else { continue };
            // Not reaped, so the number is still the keeper's.
            let keeper = if shell.reaped {
                None
            } else {
                match pidfd_open(shell.keeper, PidfdFlags::empty()) {
                    Ok(descriptor) => Some((shell.keeper.as_raw_pid(), shell.start, descriptor)),
                    Err(error) => {
                        self.doomed.extend(&numbers);
                        self.postpone(&error);
                        return None;
                    }
                }
            };
            doomed.push(Doomed { keeper, cgroup: shell.cgroup.clone() });
        }
        Some((Job::Shells(doomed), Helper::Shells(numbers)))
    }

    pub(super) fn start_helper(&mut self, job: Job, helper: Helper) {
        match self.family.fork(move || ending::run(job)) {
            Ok(pid) => drop(self.helpers.insert(pid.as_raw_pid(), helper)),
            Err(error) => {
                match helper {
                    Helper::Shells(numbers) => self.doomed.extend(numbers),
                    Helper::Sessions(wanted) => self.sessions_wait(wanted),
                    Helper::Orphans | Helper::Tickets(_) | Helper::LeftOver => {}
                }
                self.postpone(&error);
            }
        }
    }

    fn postpone(&mut self, error: &dyn Display) {
        self.log.warn("a helper cannot start yet", &[("error", error)]);
        self.retry_at = Some(Instant::now() + RETRY);
    }

    pub(super) fn helper_done(&mut self, helper: Helper, status: WaitStatus) {
        let done = status.exit_status() == Some(0);
        if !done {
            self.log.warn(
                "a helper left something undone",
                &[("helper", &format!("{helper:?}")), ("status", &Status(status))],
            );
        }
        let numbers = match helper {
            Helper::Shells(numbers) => numbers,
            Helper::Tickets(numbers) => return self.remove_tickets(&numbers),
            Helper::LeftOver => return self.remove_left_over(),
            Helper::Sessions(wanted) => {
                return self.sessions_helped(wanted, done);
            }
            Helper::Orphans => return,
        };
        for number in numbers {
            let Some(shell) = self.shells.get_mut(&number) else { continue };
            shell.attempts = shell.attempts.saturating_add(1);
            if done || shell.attempts >= ATTEMPTS {
                shell.phase = Phase::Helped;
            } else {
                self.doomed.push_back(number);
            }
            if !done && shell.attempts >= ATTEMPTS {
                self.log.error("processes of a shell cannot be ended", &[("shell", &number)]);
                // The keeper may be one of them; nothing waits for it any longer.
                shell.reaped = true;
            }
        }
    }

    /// Buries shells whose end is complete: helped, keeper reaped, and nothing left that a dead keeper's shell could own.
    pub(super) fn settle(&mut self) {
        let complete = |shell: &Shell| shell.reaped && matches!(shell.phase, Phase::Helped);
        let falling = matches!(self.life, Life::Falling { .. })
            && !self.network.alive
            && self.helpers.is_empty();
        if !falling && !self.shells.values().any(complete) {
            return;
        }
        if self.helpers.values().any(|helper| matches!(helper, Helper::Orphans)) {
            return;
        }
        match self.orphans() {
            Ok(false) => {}
            Ok(true) => return self.start_orphans(),
            Err(error) => return self.postpone(&error),
        }
        let ended = self.shells.iter().filter(|(_, shell)| complete(shell));
        let (with_tickets, ended): (Vec<u64>, Vec<u64>) =
            ended.map(|(number, _)| *number).partition(|number| self.has_tickets(*number));
        self.empty_tickets(with_tickets);
        for number in ended {
            if let Some(shell) = self.shells.remove(&number) {
                self.keepers.retain(|_, owner| *owner != number);
                if shell.announced {
                    self.log.info(
                        "shell ended",
                        &[("shell", &number), ("account", &hex(&shell.account))],
                    );
                    self.send(0, Event::Ended { shell: number });
                }
            }
        }
    }

    fn orphans(&self) -> std::io::Result<bool> {
        let children = tree::own_children()?;
        let stranger =
            |pid: &i32| !self.family.knows(*pid) && tree::look(*pid).is_some_and(|seen| !seen.dead);
        Ok(children.iter().any(stranger))
    }

    fn start_orphans(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        let spawner = rustix::process::getpid().as_raw_pid();
        match self.family.registry() {
            Ok(registry) => self.start_helper(Job::Orphans { spawner, registry }, Helper::Orphans),
            Err(error) => self.postpone(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_logged_as_the_file_spells_them() {
        let mut account = [0; 16];
        account[15] = 0xab;
        assert_eq!(hex(&account), format!("{}ab", "0".repeat(30)));
    }
}
