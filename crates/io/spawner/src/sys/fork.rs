//! `fork` for a process with one thread, whose child never returns into its parent's frames.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::libc;
use rustix::process::Pid;

/// Runs `child` in a new process, which ends with the number that it returns; 101 when it panics.
///
/// What `child` owns is closed in the parent when this returns, and never in the child. The caller has one thread, so that
/// no lock can be held by another one at this moment.
#[expect(
    unsafe_code,
    reason = "fork, and leaving the child without running its parent's destructors"
)]
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: the spawner and the keepers have exactly one thread (the spawner checks it at its start), so the child may do
    // whatever its parent could, allocation included.
    let result = unsafe { libc::fork() };
    if result == 0 {
        let code = catch_unwind(AssertUnwindSafe(child)).unwrap_or(101);
        // SAFETY: always sound; `exit` would run the parent's exit handlers and destructors a second time.
        unsafe { libc::_exit(i32::from(code)) }
    }
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Pid::from_raw(result).ok_or_else(|| io::Error::other("fork returned no process id"))
}
