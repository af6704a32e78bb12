//! The allocator: giving freed memory back, and few pages that change between two forks.

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

/// Makes the allocator join freed pieces at once. To do it later, as it does by default, it writes to pages all over the
/// heap, and each page that the spawner changes between two forks is one more that belongs to a keeper alone.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt(3) has no safe wrapper")]
pub(crate) fn join_freed_at_once() {
    // SAFETY: called by a process of one thread; it changes how later pieces are freed, and nothing else.
    unsafe {
        // Best effort: without it keepers are larger.
        nix::libc::mallopt(nix::libc::M_MXFAST, 0);
    }
}

/// Other libraries' allocators do not wait.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn join_freed_at_once() {}
