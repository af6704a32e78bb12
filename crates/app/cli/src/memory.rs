//! What the C library does with memory that is free again.
//!
//! A busy stream has a few buffers of the size of a message in each direction, again and again. By default glibc gives
//! such memory back to the system as soon as it is free, and the next message pays for every page of it anew.

/// Blocks up to this size come out of memory that was used before, and up to twice as much of it stays in the process.
const KEPT: usize = 4 * 1024 * 1024;

/// Lets a process that is about to move streams keep [`KEPT`]. Costs no memory by itself.
///
/// glibc raises its thresholds when a block that was mapped by itself is freed (mallopt(3), `M_MMAP_THRESHOLD`);
/// elsewhere this does nothing.
pub(crate) fn keep_freed() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(KEPT)));
}
