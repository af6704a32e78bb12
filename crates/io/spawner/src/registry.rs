//! Which children of the spawner are its own, readable by its helpers while it goes on forking.
//!
//! A helper that ends a dead keeper's orphans meets them as children of the spawner, beside keepers that are being born at
//! that moment. The spawner therefore announces each fork before it and writes the new number after it:
//!
//! ```text
//! 0  u64  announcements: odd while a fork or a change is under way
//! 8  u64  count
//! 16 i32  the numbers
//! ```
//!
//! A helper that saw a process and then reads an even number reads a list in which that process stands, if it is a child
//! that the spawner made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Pid;

use crate::sys;

/// Bytes of the list that are written at a time.
const PIECE: usize = 1_024;

/// The spawner's end.
#[derive(Debug)]
pub(crate) struct Family {
    file: File,
    changes: u64,
    known: BTreeSet<i32>,
}

impl Family {
    /// Begins with children that were there before.
    pub(crate) fn new(known: impl IntoIterator<Item = i32>) -> io::Result<Self> {
        let file = File::from(memfd_create("transom-family", MemfdFlags::CLOEXEC)?);
        let mut family = Self { file, changes: 0, known: known.into_iter().collect() };
        family.begin()?;
        family.finish()?;
        Ok(family)
    }

    /// Forks a child that counts as the spawner's own from its first moment.
    pub(crate) fn fork(&mut self, child: impl FnOnce() -> u8) -> io::Result<Pid> {
        self.begin()?;
        let forked = sys::fork(child);
        if let Ok(pid) = &forked {
            self.known.insert(pid.as_raw_pid());
        }
        // A list that cannot be written leaves an odd number, and helpers wait instead of judging by an old list.
        self.finish()?;
        forked
    }

    pub(crate) fn knows(&self, pid: i32) -> bool {
        self.known.contains(&pid)
    }

    /// Forgets children that were reaped.
    pub(crate) fn forget(&mut self, pids: &[i32]) -> io::Result<()> {
        let before = self.known.len();
        for pid in pids {
            self.known.remove(pid);
        }
        if self.known.len() == before {
            return Ok(());
        }
        self.begin()?;
        self.finish()
    }

    /// What a helper reads; valid in a forked child.
    pub(crate) fn registry(&self) -> io::Result<Registry> {
        Ok(Registry { file: self.file.try_clone()?, changes: 0, known: BTreeSet::new() })
    }

    fn begin(&mut self) -> io::Result<()> {
        self.changes |= 1;
        self.file.write_all_at(&self.changes.to_ne_bytes(), 0)
    }

    fn finish(&mut self) -> io::Result<()> {
        let count = u64::try_from(self.known.len()).map_err(io::Error::other)?;
        self.file.write_all_at(&count.to_ne_bytes(), 8)?;
        // Never the whole list at once: what the spawner's heap holds at a fork is every keeper's.
        let mut piece = [0; PIECE];
        let (mut filled, mut offset) = (0, 16);
        for pid in &self.known {
            if let Some(place) = piece.get_mut(filled..filled + size_of::<i32>()) {
                place.copy_from_slice(&pid.to_ne_bytes());
                filled += size_of::<i32>();
            }
            if filled == PIECE {
                self.file.write_all_at(&piece, offset)?;
                offset += PIECE as u64;
                filled = 0;
            }
        }
        self.file.write_all_at(piece.get(..filled).unwrap_or_default(), offset)?;
        self.changes = self.changes.wrapping_add(1);
        self.file.write_all_at(&self.changes.to_ne_bytes(), 0)
    }
}

/// A helper's end.
#[derive(Debug)]
pub(crate) struct Registry {
    file: File,
    changes: u64,
    known: BTreeSet<i32>,
}

impl AsFd for Registry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Registry {
    /// Whether a process that was seen before this call is a child that the spawner made.
    pub(crate) fn knows(&mut self, pid: i32) -> io::Result<bool> {
        loop {
            let before = self.number(0)?;
            if before % 2 == 1 {
                std::thread::sleep(Duration::from_micros(50));
                continue;
            }
            if before == self.changes {
                return Ok(self.known.contains(&pid));
            }
            let count = usize::try_from(self.number(8)?).map_err(io::Error::other)?;
            let mut bytes = vec![0; count.saturating_mul(size_of::<i32>())];
            // A list that is being replaced may be shorter than its count; the number then has changed too.
            let whole = self.file.read_exact_at(&mut bytes, 16).is_ok();
            if self.number(0)? == before && whole {
                self.known =
                    bytes.as_chunks().0.iter().map(|chunk| i32::from_ne_bytes(*chunk)).collect();
                self.changes = before;
            }
        }
    }

    fn number(&self, offset: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_longer_than_a_piece_is_read_whole() {
        let most = 1_000;
        let family = Family::new(1..=most).unwrap();
        let mut registry = family.registry().unwrap();
        assert!((1..=most).all(|pid| registry.knows(pid).unwrap()));
        assert!(!registry.knows(most + 1).unwrap());
        assert_eq!(registry.known.len(), usize::try_from(most).unwrap());
    }

    #[test]
    fn a_change_is_seen_at_the_next_question() {
        let mut family = Family::new([5, 9]).unwrap();
        let mut registry = family.registry().unwrap();
        assert!(registry.knows(9).unwrap());
        family.forget(&[9]).unwrap();
        assert!(!registry.knows(9).unwrap());
        assert!(registry.knows(5).unwrap());
    }
}
