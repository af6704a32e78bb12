//! Which of the service's groups an account belongs to by its local user.
//!
//! ```text
//! Members ──► forked: asks the system ──► report ──► MemberOf
//!                 │ late, dead, unsure
//!                 └────────────────────────────────► Refused: the network process takes it for no member of any
//! ```
//!
//! Root's own settings say which local groups count, and the network process learns one bit for each group: it can neither
//! change them nor ask about a group or a user that root does not name. It asks at each login, so that a change in the
//! system's groups counts from the next login on without anybody watching for it; before its sandbox closes it could look up
//! only who is a member then, and in there it can open neither the system's files nor a directory's socket. Whoever has
//! taken that process over gains nothing by an answer, since that process decides who may do what in the service; what the
//! answers tell is which accounts are in these groups.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitStatus, kill_process};

use super::shells::{OPEN_WITHIN, Refusal};
use super::{Life, Root, Status};
use crate::AccountId;
use crate::frames::root::{Event, Reason, Request};
use crate::keeper::members::{self, Question};
use crate::keeper::{REPORT_LENGTH, Report};
use crate::store::Store;
use crate::users::Users;

/// Look-ups that may be under way at a time.
const PENDING: usize = 64;

/// A look-up that is under way; its process is known by its number.
#[derive(Debug)]
pub(super) struct LookUp {
    sequence: u32,
    account: AccountId,
    report: OwnedFd,
    until: Instant,
}

impl Root {
    pub(super) fn members(&mut self, sequence: u32, account: AccountId) -> Result<(), Refusal> {
        if self.life != Life::Serving {
            return Err(Refusal::plain(Reason::Stopping));
        }
        if self.options.groups.is_empty() {
            self.send(sequence, Event::MemberOf { groups: 0 });
            return Ok(());
        }
        if self.look_ups.len() >= PENDING {
            return Err(Refusal::plain(Reason::PendingLimit));
        }
        let users = Store::open(&self.state).and_then(|store| Users::read(&store));
        let users = users.map_err(|error| Refusal::file(Reason::UsersFile, &error))?;
        let mapping = users.find(&account).ok_or_else(|| Refusal::plain(Reason::NotMapped))?;
        let (report, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|error| Refusal::errno(Reason::Resources, error))?;
        let question = Question {
            report: write,
            mapping: mapping.clone(),
            house: self.house.clone(),
            groups: self.options.groups.clone(),
        };
        let forked = self.family.fork(move || members::run(&question));
        let process = forked.map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::AGAIN, Errno::from_raw_os_error);
            Refusal::errno(Reason::Resources, errno)
        })?;
        let until = Instant::now() + OPEN_WITHIN;
        let look_up = LookUp { sequence, account, report, until };
        self.look_ups.insert(process.as_raw_pid(), look_up);
        Ok(())
    }

    pub(super) fn look_up_reports(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.look_ups.values().map(|look_up| look_up.report.as_fd())
    }

    pub(super) fn next_late_look_up(&self) -> Option<Instant> {
        self.look_ups.values().map(|look_up| look_up.until).min()
    }

    /// Answers those that have reported.
    pub(super) fn handle_look_ups(&mut self) {
        let all: Vec<i32> = self.look_ups.keys().copied().collect();
        for process in all {
            let Some(look_up) = self.look_ups.get(&process) else { continue };
            let mut bytes = [0; REPORT_LENGTH];
            let report = match rustix::io::read(&look_up.report, &mut bytes) {
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Ok(REPORT_LENGTH) => Report::decode(bytes),
                Ok(_) | Err(_) => None,
            };
            let found = match report {
                Some(Report { failure: None, detail, .. }) => Ok(detail),
                Some(Report { failure: Some(stage), errno, .. }) => {
                    let (reason, detail) = (stage.reason(), stage.text().to_owned());
                    Err(Refusal { reason, errno, detail })
                }
                None => Err(Refusal::plain(Reason::KeeperDied)),
            };
            self.looked_up(process, found);
        }
    }

    fn looked_up(&mut self, process: i32, found: Result<u64, Refusal>) {
        let Some(LookUp { sequence, account, .. }) = self.look_ups.remove(&process) else { return };
        match found {
            Ok(groups) => self.send(sequence, Event::MemberOf { groups }),
            Err(refusal) => self.refuse(sequence, &Request::Members { account }, &refusal),
        }
    }

    /// Gives up on those that take too long.
    pub(super) fn expire_look_ups(&mut self, now: Instant) {
        let late = self.look_ups.iter().filter(|(_, look_up)| look_up.until <= now);
        let late: Vec<i32> = late.map(|(process, _)| *process).collect();
        for process in late {
            self.kill_look_up(process);
            self.looked_up(process, Err(Refusal::plain(Reason::TimedOut)));
        }
    }

    /// Whether a child that has died was one of these.
    pub(super) fn look_up_dead(&mut self, process: i32, status: WaitStatus) -> bool {
        if !self.look_ups.contains_key(&process) {
            return false;
        }
        // Its last words may be in the pipe.
        self.handle_look_ups();
        let detail = Status(status).to_string();
        self.looked_up(process, Err(Refusal { reason: Reason::KeeperDied, errno: 0, detail }));
        true
    }

    /// Nobody waits for an answer any longer.
    pub(super) fn end_look_ups(&mut self) {
        for process in std::mem::take(&mut self.look_ups).into_keys() {
            self.kill_look_up(process);
        }
    }

    /// Not reaped yet, so the number is still that process's. Of what has ended nothing is left to be killed.
    fn kill_look_up(&self, process: i32) {
        if let Some(process) = Pid::from_raw(process) {
            let _ended = kill_process(process, Signal::KILL);
        }
    }
}
