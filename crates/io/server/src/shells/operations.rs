//! `MaxConcurrentOperationsPerUser`: how many operations each user has open.
//!
//! An operation is a shell or a command in one, from its start until it is forgotten. What is
//! asked of these (Receive, Send, Signal, Get, Delete) is part of them: a user at the limit can
//! still read, and end what is open. Each operation has its part of the account's [`budget`](super::budget).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsman::fault::Fault;

use super::budget::{COMMAND, Descriptors, Memory, SHELL, Share};
use super::faults;

/// The counts of all users.
#[derive(Debug)]
pub(super) struct Operations {
    limit: AtomicU64,
    descriptors: Arc<Descriptors>,
    open: Mutex<BTreeMap<[u8; 16], User>>,
}

#[derive(Debug, Default)]
struct User {
    operations: u64,
    memory: Memory,
}

/// What is begun.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Shell,
    Command,
    /// A shell with a process of its own.
    Session,
    /// A command in that process.
    Pipeline,
}

/// An open operation; dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Operation {
    counts: Arc<Operations>,
    user: [u8; 16],
    memory: Memory,
    _descriptors: Share,
}

impl Operation {
    /// The memory of the user, which all of its operations share.
    pub(super) const fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Operations {
    /// `limit` operations for each user, and so many descriptors for those of all.
    pub(super) fn new(limit: u64, descriptors: u64) -> Arc<Self> {
        let descriptors = Descriptors::new(descriptors);
        let limit = AtomicU64::new(limit);
        Arc::new(Self { limit, descriptors, open: Mutex::default() })
    }

    /// Other bounds from now on; what is open stays.
    pub(super) fn set(&self, limit: u64, descriptors: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.descriptors.set(descriptors);
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<[u8; 16], User>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for an operation of a user.
    ///
    /// # Errors
    ///
    /// The fault for the client where the user has none left.
    pub(super) fn begin(
        self: &Arc<Self>,
        user: [u8; 16],
        kind: Kind,
    ) -> Result<Operation, Box<Fault>> {
        let mut open = self.open();
        let limit = self.limit.load(Ordering::Relaxed);
        if open.get(&user).is_some_and(|own| own.operations >= limit) {
            return Err(faults::too_many_operations(limit));
        }
        let cost = match kind {
            Kind::Shell => SHELL,
            Kind::Command => COMMAND,
            Kind::Session => SHELL + COMMAND,
            Kind::Pipeline => 0,
        };
        let descriptors = self.descriptors.take(user, cost)?;
        let own = open.entry(user).or_default();
        own.operations += 1;
        let memory = own.memory.clone();
        Ok(Operation { counts: Arc::clone(self), user, memory, _descriptors: descriptors })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let mut open = self.counts.open();
        if let Some(own) = open.get_mut(&self.user) {
            own.operations = own.operations.saturating_sub(1);
            if own.operations == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_user_and_given_back() {
        let counts = Operations::new(2, u64::MAX);
        let first = counts.begin([1; 16], Kind::Shell).unwrap();
        let _second = counts.begin([1; 16], Kind::Command).unwrap();
        assert!(counts.begin([1; 16], Kind::Command).is_err());
        drop(counts.begin([2; 16], Kind::Shell).unwrap());
        drop(first);
        drop(counts.begin([1; 16], Kind::Shell).unwrap());
        assert_eq!(counts.open().len(), 1, "a user without operations is forgotten");
    }
}
