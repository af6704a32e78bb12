//! `MaxConcurrentOperationsPerUser`: how many operations each user has open.
//!
//! An operation is a shell or a command in one, from its start until it is forgotten. What is
//! asked of these (Receive, Send, Signal, Get, Delete) is part of them: a user at the limit can
//! still read, and end what is open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsman::fault::Fault;

use super::faults;

/// The counts of all users.
#[derive(Debug)]
pub(super) struct Operations {
    limit: u64,
    open: Mutex<BTreeMap<[u8; 16], u64>>,
}

/// An open operation; dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Operation {
    counts: Arc<Operations>,
    user: [u8; 16],
}

impl Operations {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<[u8; 16], u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for an operation of a user.
    ///
    /// # Errors
    ///
    /// The fault for the client where the user has none left.
    pub(super) fn begin(self: &Arc<Self>, user: [u8; 16]) -> Result<Operation, Box<Fault>> {
        let mut open = self.open();
        let count = open.get(&user).copied().unwrap_or_default();
        if count >= self.limit {
            return Err(faults::too_many_operations(self.limit));
        }
        open.insert(user, count + 1);
        Ok(Operation { counts: Arc::clone(self), user })
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let mut open = self.counts.open();
        if let Some(count) = open.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
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
        let counts = Operations::new(2);
        let first = counts.begin([1; 16]).unwrap();
        let _second = counts.begin([1; 16]).unwrap();
        assert!(counts.begin([1; 16]).is_err());
        drop(counts.begin([2; 16]).unwrap());
        drop(first);
        drop(counts.begin([1; 16]).unwrap());
        assert_eq!(counts.open().len(), 1, "a user without operations is forgotten");
    }
}
