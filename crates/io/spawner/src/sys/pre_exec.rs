//! What runs between a keeper's fork and its command's exec.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Makes the command begin its own session, with no signal blocked.
#[expect(unsafe_code, reason = "pre_exec's closure runs in a forked child")]
pub(crate) fn command_of_its_own_session(command: &mut Command) {
    let begin = || {
        rustix::process::setsid()?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(io::Error::from)
    };
    // SAFETY: two system calls, both safe between fork and exec; no allocation, no lock, and keepers have one thread.
    unsafe {
        command.pre_exec(begin);
    }
}
