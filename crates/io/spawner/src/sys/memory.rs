//! Giving freed memory back.

/// Gives what was freed back to the system.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "malloc_trim(3) has no safe wrapper")]
pub(crate) fn trim() {
    // SAFETY: it takes the allocator's own locks, and touches no memory that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Other libraries' allocators give large pieces back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn trim() {}
