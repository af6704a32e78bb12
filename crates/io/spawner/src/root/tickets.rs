//! The folders of tickets in a shell's life: made before its keeper, emptied by a helper when its last process is gone.

use std::path::PathBuf;

use super::Root;
use super::ending::Job;
use super::shells::{Helper, Shell};
use crate::frames::root::Request;

impl Root {
    /// The place of the ticket that is announced; without one the shell opens all the same, and the log says why.
    pub(super) fn make_tickets(
        &mut self,
        shell: u64,
        request: &Request,
        uid: u32,
    ) -> Option<PathBuf> {
        let Request::Open { ticket: true, .. } = request else { return None };
        let was_unlimited = self.tickets.is_unlimited();
        match self.tickets.make(shell, uid) {
            Ok(path) => {
                if self.tickets.is_unlimited() && !was_unlimited {
                    let what = "tickets share the memory of /run: no tmpfs can be mounted";
                    self.log.warn(what, &[]);
                }
                Some(path)
            }
            Err(error) => {
                let what = "the shell gets no ticket: there is no place in memory for it";
                self.log.warn(what, &[("shell", &shell), ("error", &error)]);
                None
            }
        }
    }

    pub(super) fn has_tickets(&self, number: u64) -> bool {
        self.shells.get(&number).is_some_and(|shell| shell.tickets.is_some())
    }

    /// Empties the folders of shells that have no process any longer, so that nobody fills them again.
    pub(super) fn empty_tickets(&mut self, numbers: Vec<u64>) {
        let busy = self.helpers.values().any(|helper| matches!(helper, Helper::Tickets(_)));
        if numbers.is_empty() || busy || self.retry_at.is_some() {
            return;
        }
        let shells = numbers.iter().filter_map(|number| self.shells.get(number));
        let full = |shell: &Shell| Some(self.tickets.full(shell.tickets.clone()?, shell.uid));
        let full = shells.filter_map(full).collect();
        self.start_helper(Job::Tickets(full), Helper::Tickets(numbers));
    }

    pub(super) fn remove_tickets(&mut self, numbers: &[u64]) {
        for number in numbers {
            let Some(shell) = self.shells.get_mut(number) else { continue };
            shell.tickets = None;
            if let Err(error) = self.tickets.remove(*number) {
                let what = "the folder of a shell's tickets cannot be removed";
                self.log.error(what, &[("shell", number), ("error", &error)]);
            }
        }
    }

    /// Begins to empty what a killed spawner left.
    pub(super) fn empty_left_over(&mut self) {
        let left = self.tickets.clear();
        if !left.is_empty() {
            self.start_helper(Job::Tickets(left), Helper::LeftOver);
        }
    }

    pub(super) fn remove_left_over(&mut self) {
        let left = self.tickets.remove_left_over();
        if left > 0 {
            let what = "folders of tickets that an earlier service left cannot be removed";
            self.log.error(what, &[("left", &left)]);
        }
    }
}
