//! When a local user's account expires, from the shadow database (files, LDAP, whatever the system asks).

use std::ffi::CStr;

use nix::libc;

/// The day since 1970 on which the account expires; `None` when it never does, or the system has no such entry.
#[expect(
    unsafe_code,
    reason = "getspnam(3) has no wrapper and answers with a pointer to its own memory"
)]
pub(crate) fn account_expires(name: &CStr) -> Option<i64> {
    // SAFETY: the name is NUL-terminated. The answer is null or points to the C library's entry, which stays untouched until
    // the next such call; this process has one thread, and the number is copied at once.
    let day = unsafe { libc::getspnam(name.as_ptr()).as_ref().map(|entry| entry.sp_expire) };
    day.filter(|day| *day >= 0)
}
