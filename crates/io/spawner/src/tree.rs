//! Ends processes by what they descend from, without cgroups: stop on sight, then kill.
//!
//! ```text
//!            ┌────────────── one was new ─────────────┐
//!            ▼                                        │
//!  look at /proc, SIGSTOP each member on sight ───────┤
//!            ▲                                        │ none was new
//!            │                                        ▼
//!            └── some are alive ◄── SIGKILL those that are known ──► none is alive: done
//! ```
//!
//! A stopped process cannot fork, so a fork bomb is outrun, where killing would race with its next generation. Each signal
//! goes through a pidfd whose start time was compared, so a number that was reused never hits a stranger. Nothing is kept
//! open, so the number of processes is not limited by descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::registry::Registry;

/// A process in one look at `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Clock ticks since the system's start.
    pub(crate) start: u64,
    /// Dead, and only waiting to be reaped.
    pub(crate) dead: bool,
}

/// Looks at one process; `None` if there is none.
pub(crate) fn look(pid: i32) -> Option<Seen> {
    parse_stat(pid, &std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(pid: i32, stat: &[u8]) -> Option<Seen> {
    // The name in parentheses may itself hold parentheses and spaces; the last one ends it.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let threads: u32 = fields.nth(13)?.parse().ok()?;
    let start = fields.nth(1)?.parse().ok()?;
    // A process whose first thread ended reads as a zombie while its other threads run on.
    let dead = matches!(state, "Z" | "X" | "x") && threads <= 1;
    Some(Seen { pid, parent, session, start, dead })
}

/// The numbers of all processes, ascending, so that most parents come before their children.
pub(crate) fn numbers() -> io::Result<BTreeSet<i32>> {
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            numbers.insert(number);
        }
    }
    Ok(numbers)
}

/// The children of this process, which has one thread; dead ones may be among them.
pub(crate) fn own_children() -> io::Result<Vec<i32>> {
    let own = std::process::id();
    if let Ok(text) = std::fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return Ok(text
            .split_ascii_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect());
    }
    // A kernel without CONFIG_PROC_CHILDREN.
    let own = i32::try_from(own).unwrap_or(0);
    Ok(numbers()?
        .into_iter()
        .filter(|pid| look(*pid).is_some_and(|seen| seen.parent == own))
        .collect())
}

/// Whether a process of one thread has no child, not even a dead one, and so no descendant: what was orphaned below it
/// is its child, since keepers adopt. False where it cannot be known.
///
/// A child that is being forked at this moment is not seen; of a keeper that ends, it becomes an orphan of the spawner.
pub(crate) fn childless(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/task/{pid}/children")).is_ok_and(|text| text.is_empty())
}

/// Signals a process if it is still the one that was seen.
///
/// # Errors
/// The system's; no error if it is gone.
pub(crate) fn signal(pid: i32, start: u64, signal: Signal) -> io::Result<()> {
    let Some(number) = Pid::from_raw(pid) else { return Ok(()) };
    let gone = |error: rustix::io::Errno| {
        if error == rustix::io::Errno::SRCH { Ok(()) } else { Err(error.into()) }
    };
    let process = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(error) => return gone(error),
    };
    if look(pid).is_none_or(|seen| seen.start != start) {
        return Ok(());
    }
    pidfd_send_signal(&process, signal).or_else(gone)
}

/// Which descendants of a process are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Below {
    /// All.
    All,
    /// Those of these sessions.
    Sessions(BTreeSet<i32>),
}

/// What is to be ended.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Processes by number and start time; they themselves are left alone.
    roots: BTreeMap<i32, (u64, Below)>,
    /// The spawner, and those of its children that are no orphans.
    orphans: Option<(i32, Registry)>,
    /// Those that were stopped, by number and start time.
    stopped: BTreeMap<i32, u64>,
    /// Those that may not be signalled by this process.
    spared: BTreeMap<i32, u64>,
}

/// What one look at `/proc` found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pass {
    new: usize,
    alive: usize,
}

impl Sweep {
    /// Adds a process whose descendants are meant, as long as it is the one that started then.
    pub(crate) fn below(&mut self, pid: i32, start: u64, which: Below) {
        self.roots.insert(pid, (start, which));
    }

    /// Adds the children of `parent` that the registry does not know, with their descendants.
    pub(crate) fn orphans_of(&mut self, parent: i32, registry: Registry) {
        self.orphans = Some((parent, registry));
    }

    /// Ends everything that is meant; returns how many were left when the time was over.
    pub(crate) fn run(mut self, time: Duration) -> io::Result<usize> {
        if self.roots.is_empty() && self.orphans.is_none() {
            return Ok(0);
        }
        let until = Instant::now() + time;
        let mut pause = Duration::from_millis(1);
        let mut passes = 0_u32;
        loop {
            let pass = self.pass()?;
            passes = passes.saturating_add(1);
            if pass.new == 0 && pass.alive == 0 {
                return Ok(0);
            }
            if Instant::now() >= until {
                self.kill();
                return Ok(pass.alive);
            }
            // A chain that forks and exits can keep a step ahead of stopping; thinning it out in between ends that too.
            if pass.new == 0 || passes.is_multiple_of(64) {
                self.kill();
            }
            if pass.new == 0 {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
        }
    }

    fn kill(&self) {
        for (pid, start) in &self.stopped {
            // Who cannot be killed is found alive in the next pass.
            drop(signal(*pid, *start, Signal::KILL));
        }
    }

    fn pass(&mut self) -> io::Result<Pass> {
        let mut pass = Pass::default();
        self.roots.retain(|pid, (start, _)| look(*pid).is_some_and(|seen| seen.start == *start));
        let mut inside: BTreeMap<i32, Option<i32>> = BTreeMap::new();
        for pid in numbers()? {
            let Some(seen) = look(pid) else { continue };
            let Some(root) = self.belongs(&seen, &inside)? else { continue };
            inside.insert(pid, root);
            if seen.dead || !self.meant(&seen, root) || self.spared.get(&pid) == Some(&seen.start) {
                continue;
            }
            if self.stopped.get(&pid) != Some(&seen.start) {
                match signal(pid, seen.start, Signal::STOP) {
                    Ok(()) => drop(self.stopped.insert(pid, seen.start)),
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        self.spared.insert(pid, seen.start);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                pass.new += 1;
            }
            pass.alive += 1;
        }
        Ok(pass)
    }

    /// Whether a process descends from a root (`Some(Some(root))`) or is an orphan or of one (`Some(None)`).
    fn belongs(
        &mut self,
        seen: &Seen,
        inside: &BTreeMap<i32, Option<i32>>,
    ) -> io::Result<Option<Option<i32>>> {
        if self.roots.contains_key(&seen.parent) {
            return Ok(Some(Some(seen.parent)));
        }
        if let Some(root) = inside.get(&seen.parent) {
            return Ok(Some(*root));
        }
        let Some((_, registry)) =
            self.orphans.as_mut().filter(|(parent, _)| *parent == seen.parent)
        else {
            return Ok(None);
        };
        // The registry is read after the process was seen: a keeper that is just being born is in it by then.
        if registry.knows(seen.pid)? { Ok(None) } else { Ok(Some(None)) }
    }

    fn meant(&self, seen: &Seen, root: Option<i32>) -> bool {
        match root.and_then(|root| self.roots.get(&root)) {
            Some((_, Below::Sessions(sessions))) => sessions.contains(&seen.session),
            Some((_, Below::All)) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_fields() {
        let stat = b"7 (a) S 1 (b)) S 3 7 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2 3\n";
        assert_eq!(
            parse_stat(7, stat),
            Some(Seen { pid: 7, parent: 3, session: 9, start: 12_345, dead: false })
        );
    }

    #[test]
    fn a_zombie_with_living_threads_is_alive() {
        let stat = |threads| format!("7 (x) Z 3 7 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 5 0\n");
        assert!(parse_stat(7, stat(1).as_bytes()).unwrap().dead);
        assert!(!parse_stat(7, stat(2).as_bytes()).unwrap().dead);
    }

    #[test]
    fn this_process_sees_itself() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(numbers().unwrap().contains(&own));
        assert!(!look(own).unwrap().dead);
    }
}
