//! How much memory a shell may have: the smaller of what root's own settings say and of what the network process asks for.
//!
//! The network process knows `MaxMemoryPerShellMB` as it is now, since it can be changed there while the service runs, and
//! sends it with each Open. Whoever has taken that process over can send any other value, and gains this much:
//!
//! * More than root's file says: nothing, that limit holds. Where the file does not name the setting there is no limit of
//!   root's, and one that came by the wire can be left out; it is kept in a file of the service user's in any case, so
//!   that nothing is lost that held before. A limit that must hold against the network process belongs in root's file.
//! * Less: shells that hold nothing and whose keepers die at birth, which is a refusal, and such a process can refuse
//!   everybody anyway. The group has that one shell only, so that nothing of anybody else is killed for want of memory.
//! * Shells that are open keep what they have: no frame changes a limit.
//! * The log: one line for each Open, as before, and one more for each limit that differs from the one before and is not in
//!   force; a refused Open costs a line, too.

use std::num::NonZeroU64;

use super::log::Log;

/// The limit of shells.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What root's settings say.
    most: Option<u64>,
    /// The limit of which the log says that it is not in force.
    said: Option<u64>,
}

impl Memory {
    pub(super) const fn new(most: Option<u64>) -> Self {
        Self { most, said: None }
    }

    /// What a shell may have, in bytes.
    pub(super) fn of(&self, asked: Option<NonZeroU64>) -> Option<u64> {
        self.most.into_iter().chain(asked.map(NonZeroU64::get)).min()
    }

    /// Says that a limit is not in force, once as long as it stays the same.
    pub(super) fn not_in_force(&mut self, bytes: u64, log: &mut Log) {
        if self.said.replace(bytes) != Some(bytes) {
            log.warn(
                "the memory limit of shells is not in force: no cgroup v2 with the memory controller",
                &[("bytes", &bytes)],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_limit_can_only_be_tightened() {
        let of = |roots, asked| Memory::new(roots).of(NonZeroU64::new(asked));
        assert_eq!(of(None, 0), None);
        assert_eq!(of(None, 5), Some(5));
        assert_eq!(of(Some(7), 0), Some(7));
        assert_eq!(of(Some(7), 5), Some(5));
        assert_eq!(of(Some(7), u64::MAX), Some(7));
    }
}
