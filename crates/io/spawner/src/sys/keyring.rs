//! A session keyring of its own for a keeper, so that its commands do not share root's.

use nix::libc;

/// Joins a new, empty session keyring. Best effort: containers often forbid keyrings.
#[expect(unsafe_code, reason = "keyctl(2) has no wrapper")]
pub(crate) fn new_session_keyring() -> bool {
    const JOIN_SESSION_KEYRING: libc::c_ulong = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is read or written.
    unsafe {
        libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) >= 0
    }
}
