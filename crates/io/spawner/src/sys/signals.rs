//! Default dispositions for a process that was forked from one with others.

use nix::libc;

/// Gives every signal its default disposition.
#[expect(unsafe_code, reason = "signal(2) may install a handler; here it installs none")]
pub(crate) fn default_dispositions() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is no function, so nothing of this program runs in a signal's context. Numbers that cannot be
        // changed (SIGKILL, SIGSTOP, the C library's own) are refused without effect.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
