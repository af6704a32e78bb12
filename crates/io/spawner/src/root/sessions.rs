//! Sessions of commands that are to end while their shell goes on: what a command left in its session when it was terminated.
//!
//! ```text
//!            KillSession              helper begins            done
//!  ────────────────────────► waiting ──────────────► tried ──────────► gone
//!                              ▲                       │
//!                              └── no process for it, ─┘
//!                                  or some are left (3 times)
//! ```

use std::collections::BTreeSet;
use std::mem;

use super::Root;
use super::ending::Job;
use super::shells::{ATTEMPTS, Helper, Refusal, Sessions, Shell};
use crate::frames::root::Reason;
use crate::tree::Below;

/// Sessions that may wait to be killed.
const MOST: usize = 1_024;

impl Root {
    /// Takes note of a session; a helper ends it.
    pub(super) fn kill_session(&mut self, number: u64, session: u32) -> Result<(), Refusal> {
        let open = self.shells.get(&number).is_some_and(Shell::is_open);
        let session = i32::try_from(session)
            .ok()
            .filter(|_| open)
            .ok_or_else(|| Refusal::plain(Reason::NoSuchShell))?;
        if self.sessions.values().map(BTreeSet::len).sum::<usize>() >= MOST {
            return Err(Refusal::plain(Reason::PendingLimit));
        }
        self.sessions.entry(number).or_default().insert(session);
        Ok(())
    }

    /// The next helper's work, if sessions wait.
    pub(super) fn sessions_job(&mut self) -> Option<(Job, Helper)> {
        let mut sessions = mem::take(&mut self.sessions);
        let mut below = Vec::new();
        sessions.retain(|number, wanted| {
            let Some(shell) = self.shells.get(number).filter(|shell| !shell.reaped) else {
                return false;
            };
            let wanted = Below::Sessions(wanted.clone());
            below.push((shell.keeper.as_raw_pid(), shell.start, wanted));
            true
        });
        (!below.is_empty()).then_some((Job::Sessions(below), Helper::Sessions(sessions)))
    }

    /// There was no process to end them: they go on waiting.
    pub(super) fn sessions_wait(&mut self, sessions: Sessions) {
        for (number, wanted) in sessions {
            self.sessions.entry(number).or_default().extend(wanted);
        }
    }

    /// What is left of them is tried again while their shells are open; a shell's own end takes the rest.
    pub(super) fn sessions_helped(&mut self, sessions: Sessions, done: bool) {
        for (number, wanted) in sessions {
            let shell = self.shells.get_mut(&number);
            let Some(shell) = shell.filter(|shell| shell.is_open()) else { continue };
            shell.attempts = if done { 0 } else { shell.attempts.saturating_add(1) };
            if shell.attempts >= ATTEMPTS {
                shell.attempts = 0;
                self.log.error("processes of a session cannot be ended", &[("shell", &number)]);
            } else if !done {
                self.sessions.entry(number).or_default().extend(wanted);
            }
        }
    }
}
