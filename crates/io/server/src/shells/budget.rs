//! What one account may use of what all share: descriptors of this process, and memory for output and input that wait.
//!
//! - **Descriptors**: a command costs three pipes, a shell the socket of its keeper. An account may have at most
//!   [`SHARE`] times as many as stay free, so that there are always some left for others, however many accounts take
//!   their share. Beyond that is a fault that names the limit.
//! - **Output**: each stream may hold [`OWN`] bytes whatever else happens. More comes out of the account's
//!   [`MOST_OUTPUT`]; when that is used up, streams are read [`OWN`] bytes at a time, and commands wait as they do for a
//!   full pipe. The last answer counts until the next one, since it is kept for an identical Receive.
//! - **Shells of plug-ins**: what waits in one comes out of the same two. When the account's output is used up, its shells
//!   may hold [`LEAST`] bytes each, are read no further than that, and answer in pieces of [`OWN`] bytes.
//! - **Input** that commands do not read, and the environments of shells, come out of the account's [`MOST_INPUT`].
//!   Beyond it nothing is accepted: what was accepted is written in full.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wsman::fault::Fault;

use super::faults;

/// Descriptors of a running command: stdin, stdout, stderr.
pub(super) const COMMAND: u64 = 3;
/// Descriptors of a shell.
pub(super) const SHELL: u64 = 1;
/// An account may have so many times as many descriptors as stay free.
const SHARE: u64 = 3;
/// Bytes of one stream that no other stream can take.
const OWN: usize = 8 * 1024;
/// Bytes of output that a shell of a plug-in may hold, however many others there are.
const LEAST: usize = 64 * 1024;
/// Bytes of output beyond that for one account.
const MOST_OUTPUT: usize = 64 * 1024 * 1024;
/// Bytes of input and environments of one account.
const MOST_INPUT: usize = 64 * 1024 * 1024;

/// The descriptors of this process that shells and commands may use.
#[derive(Debug)]
pub(super) struct Descriptors {
    most: AtomicU64,
    used: Mutex<BTreeMap<[u8; 16], u64>>,
}

/// Some of them; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Descriptors>,
    user: [u8; 16],
    count: u64,
}

impl Descriptors {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most: AtomicU64::new(most), used: Mutex::default() })
    }

    /// Another number from now on; what is taken stays.
    pub(super) fn set(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<[u8; 16], u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many for a user.
    ///
    /// # Errors
    ///
    /// The fault for the client where the user's share is used up.
    pub(super) fn take(self: &Arc<Self>, user: [u8; 16], count: u64) -> Result<Share, Box<Fault>> {
        let mut used = self.used();
        let in_all: u64 = used.values().sum();
        let own = used.get(&user).copied().unwrap_or_default() + count;
        let free = self.most.load(Ordering::Relaxed).checked_sub(in_all + count);
        if free.is_none_or(|free| own > free.saturating_mul(SHARE)) {
            return Err(faults::too_few_descriptors(own - count));
        }
        used.insert(user, own);
        Ok(Share { of: Arc::clone(self), user, count })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = self.of.used();
        if let Some(own) = used.get_mut(&self.user) {
            *own = own.saturating_sub(self.count);
            if *own == 0 {
                used.remove(&self.user);
            }
        }
    }
}

/// The memory of one account.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    output: Arc<Semaphore>,
    input: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        let pool = |bytes| Arc::new(Semaphore::new(bytes));
        Self { output: pool(MOST_OUTPUT), input: pool(MOST_INPUT) }
    }
}

/// Bytes of input; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// What a stream may read, of which it may hold `most` bytes.
    pub(super) fn credit(&self, most: usize) -> Credit {
        Credit {
            most: Semaphore::new(most.min(Semaphore::MAX_PERMITS)),
            own: Semaphore::new(OWN),
            pool: Arc::clone(&self.output),
            lent: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
        }
    }

    /// Holds so many bytes.
    ///
    /// # Errors
    ///
    /// The fault for the client where there is no room for them.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, Box<Fault>> {
        let full = || faults::too_much_input(MOST_INPUT);
        let count = u32::try_from(bytes).map_err(|_| full())?;
        let permit = Arc::clone(&self.input).try_acquire_many_owned(count).map_err(|_| full())?;
        Ok(Held { _permit: Some(permit) })
    }

    /// Holds what was accepted already, as far as there is room.
    pub(super) fn hold_accepted(&self, bytes: usize) -> Held {
        let count = bytes.min(self.input.available_permits());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Held { _permit: Arc::clone(&self.input).try_acquire_many_owned(count).ok() }
    }

    /// Whether there is room for further input.
    ///
    /// # Errors
    ///
    /// The fault for the client where there is none.
    pub(super) fn takes_input(&self) -> Result<(), Box<Fault>> {
        if self.input.available_permits() == 0 {
            return Err(faults::too_much_input(MOST_INPUT));
        }
        Ok(())
    }
}

/// What a shell of a plug-in holds of its account's memory.
#[derive(Debug)]
pub(super) struct Balance {
    memory: Memory,
    input: usize,
    output: usize,
}

impl Balance {
    /// A shell that holds nothing yet.
    pub(super) const fn new(memory: Memory) -> Self {
        Self { memory, input: 0, output: 0 }
    }

    /// Holds what waits in the shell now, as far as there is room for it, and tells how many bytes of output may.
    pub(super) fn settle(&mut self, input: usize, output: usize) -> usize {
        self.input = held(&self.memory.input, self.input, input);
        self.output = held(&self.memory.output, self.output, output);
        (self.output + self.memory.output.available_permits()).max(LEAST)
    }

    /// How many bytes of output the next answer may have: it is kept until the one after it.
    pub(super) fn piece(&self) -> usize {
        self.memory.output.available_permits().max(OWN)
    }
}

impl Drop for Balance {
    fn drop(&mut self) {
        self.memory.input.add_permits(self.input);
        self.memory.output.add_permits(self.output);
    }
}

/// Holds more or less than before; what is held now.
fn held(of: &Semaphore, before: usize, wanted: usize) -> usize {
    match wanted.checked_sub(before) {
        Some(more) => before + take_now(of, more),
        None => {
            of.add_permits(before - wanted);
            wanted
        }
    }
}

/// What one stream may still read.
#[derive(Debug)]
pub(super) struct Credit {
    /// What the stream may hold in all.
    most: Semaphore,
    /// What of that is the stream's own.
    own: Semaphore,
    /// Where the rest comes from.
    pool: Arc<Semaphore>,
    /// Bytes from there, but for those of the last answer.
    lent: AtomicUsize,
    /// Bytes from there that the last answer carried.
    answered: AtomicUsize,
}

impl Credit {
    /// Waits for credit and takes up to `wanted` bytes of it; never none.
    pub(super) async fn take(&self, wanted: usize) -> usize {
        // The semaphores are never closed; were one, a byte at a time would still be right.
        let place = self.most.acquire().await;
        let wanted = 1 + take_now(&self.most, wanted.saturating_sub(1));
        drop(place.map(tokio::sync::SemaphorePermit::forget));
        let own = take_now(&self.own, wanted);
        let lent = take_now(&self.pool, wanted - own);
        self.lent.fetch_add(lent, Ordering::Relaxed);
        let mut taken = own + lent;
        if taken == 0 {
            tokio::select! {
                permit = self.own.acquire() => drop(permit.map(tokio::sync::SemaphorePermit::forget)),
                permit = self.pool.acquire() => {
                    drop(permit.map(tokio::sync::SemaphorePermit::forget));
                    self.lent.fetch_add(1, Ordering::Relaxed);
                }
            }
            taken = 1;
        }
        self.most.add_permits(wanted - taken);
        taken
    }

    /// Gives back what was taken and not used.
    pub(super) fn give_back(&self, bytes: usize) {
        let lent = take_from(&self.lent, bytes);
        self.pool.add_permits(lent);
        self.own.add_permits(bytes - lent);
        self.most.add_permits(bytes);
    }

    /// So many bytes have gone into an answer.
    pub(super) fn release(&self, bytes: usize) {
        let lent = take_from(&self.lent, bytes);
        self.pool.add_permits(self.answered.swap(lent, Ordering::Relaxed));
        self.own.add_permits(bytes - lent);
        self.most.add_permits(bytes);
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.pool.add_permits(*self.lent.get_mut() + *self.answered.get_mut());
    }
}

/// Takes up to `wanted` permits without waiting.
fn take_now(from: &Semaphore, wanted: usize) -> usize {
    let count = wanted.min(from.available_permits());
    // Somebody else may have taken them meanwhile: then the caller does with what it has.
    let permit = u32::try_from(count).ok().and_then(|count| from.try_acquire_many(count).ok());
    permit.map_or(0, |permit| {
        permit.forget();
        count
    })
}

/// Takes up to `wanted` off a number.
fn take_from(number: &AtomicUsize, wanted: usize) -> usize {
    let taken = |number: usize| number.min(wanted);
    let before = number
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| Some(number - taken(number)));
    before.map_or(0, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_descriptors_leaves_some_for_every_further_user() {
        let all = Descriptors::new(100);
        let take = |user: u8| {
            let mut taken = Vec::new();
            while let Ok(share) = all.take([user; 16], COMMAND) {
                taken.push(share);
            }
            taken
        };
        let first = take(1);
        assert_eq!(first.len(), 25, "three quarters of all");
        let second = take(2);
        assert_eq!(second.len(), 6, "three quarters of the rest");
        let third = take(3);
        assert_eq!(third.len(), 1);
        let fault = all.take([1; 16], COMMAND).unwrap_err().to_string();
        assert!(fault.contains("75 descriptors") && fault.contains("RLIMIT_NOFILE"), "{fault}");
        drop((first, third));
        assert_eq!(take(2).len(), 19, "what is given back can be had");
        drop(second);
        assert!(all.used().is_empty(), "a user without descriptors is forgotten");
    }

    #[tokio::test]
    async fn credit_is_taken_up_to_what_is_there() {
        let memory = Memory::default();
        let credit = memory.credit(10);
        assert_eq!(credit.take(4).await, 4);
        assert_eq!(credit.take(100).await, 6);
        credit.release(1);
        assert_eq!(credit.take(100).await, 1);
        credit.give_back(3);
        assert_eq!(credit.take(100).await, 3);
    }

    #[tokio::test]
    async fn streams_beyond_the_pool_go_on_with_their_own_bytes() {
        let memory = Memory { output: Arc::new(Semaphore::new(1_000)), ..Memory::default() };
        let greedy = memory.credit(1_000_000);
        assert_eq!(greedy.take(1_000_000).await, OWN + 1_000);
        let other = memory.credit(1_000_000);
        for _ in 0..3 {
            assert_eq!(other.take(1_000_000).await, OWN);
            other.release(OWN);
        }
        assert_eq!(other.take(OWN).await, OWN);
        // The last answer of the greedy one counts until the next.
        greedy.release(1_000);
        assert_eq!(memory.output.available_permits(), 0);
        greedy.release(10);
        assert_eq!(memory.output.available_permits(), 1_000);
        assert_eq!(other.take(1_000_000).await, 1_000);
        drop((greedy, other));
        assert_eq!(memory.output.available_permits(), 1_000, "all comes back with the streams");
    }

    #[tokio::test]
    async fn stream_that_waits_takes_what_comes_first() {
        let memory = Memory { output: Arc::new(Semaphore::new(0)), ..Memory::default() };
        let credit = memory.credit(1_000_000);
        assert_eq!(credit.take(OWN).await, OWN);
        let (taken, ()) = tokio::join!(credit.take(50), async { credit.release(7) });
        assert_eq!(taken, 1);
        assert_eq!(credit.take(50).await, 6);
        let (taken, ()) = tokio::join!(credit.take(50), async { memory.output.add_permits(9) });
        assert_eq!(taken, 1);
    }

    #[test]
    fn shells_of_plug_ins_hold_what_waits_in_them_and_leave_each_other_the_least() {
        let memory = Memory {
            input: Arc::new(Semaphore::new(1_000)),
            output: Arc::new(Semaphore::new(2 * LEAST)),
        };
        let (mut first, mut second) = (Balance::new(memory.clone()), Balance::new(memory.clone()));
        assert_eq!(first.settle(600, 10), 2 * LEAST);
        assert_eq!(first.settle(600, 3 * LEAST), 2 * LEAST, "there is no room for all of it");
        assert_eq!((second.settle(600, 0), second.piece()), (LEAST, OWN));
        assert!(memory.takes_input().is_err());
        assert_eq!(first.settle(0, LEAST), 2 * LEAST);
        assert_eq!(second.settle(600, 100), LEAST);
        memory.takes_input().unwrap();
        assert_eq!(memory.input.available_permits(), 400);
        assert_eq!(memory.output.available_permits(), LEAST - 100);
        drop((first, second));
        assert_eq!(memory.input.available_permits(), 1_000);
        assert_eq!(memory.output.available_permits(), 2 * LEAST);
    }

    #[test]
    fn input_beyond_the_room_is_refused_and_what_was_accepted_is_held() {
        let memory = Memory { input: Arc::new(Semaphore::new(100)), ..Memory::default() };
        let some = memory.hold(90).unwrap();
        assert!(memory.hold(11).unwrap_err().to_string().contains("64"));
        memory.takes_input().unwrap();
        let rest = memory.hold_accepted(1_000);
        assert!(memory.takes_input().is_err() && memory.hold(1).is_err());
        drop((some, rest));
        assert_eq!(memory.input.available_permits(), 100);
    }
}
