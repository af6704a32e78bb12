//! Wipes a password from this process's command line, which every user of the computer may read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;

/// Overwrites the end of a word of `/proc/self/cmdline` with `*`; `word` counts from the program's name (0).
///
/// Works on Linux, while the process may write its own memory; elsewhere it is an error that is no reason to stop.
///
/// # Errors
/// The system has no `/proc`, or does not let us.
pub(crate) fn wipe(word: usize, from: usize) -> io::Result<()> {
    let cmdline = fs::read("/proc/self/cmdline")?;
    let mut start = 0;
    let mut words = cmdline.split(|byte| *byte == 0);
    for earlier in words.by_ref().take(word) {
        start += earlier.len() + 1;
    }
    let length = words.next().ok_or(io::ErrorKind::NotFound)?.len();
    let stars = vec![b'*'; length.saturating_sub(from)];
    let place =
        argv_start()?.checked_add((start + from) as u64).ok_or(io::ErrorKind::InvalidData)?;
    OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(&stars, place)
}

/// Field 48 of proc_pid_stat(5), `arg_start`: where the words are in memory.
fn argv_start() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Field 2 is the program's name in parentheses and may hold anything; field 3 follows the last of them.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let start = fields.split_whitespace().nth(48 - 3).and_then(|field| field.parse().ok());
    start.filter(|start| *start != 0).ok_or_else(|| io::ErrorKind::Unsupported.into())
}
