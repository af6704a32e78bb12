//! Runs a fuzz target on its saved inputs; the tests of each crate include this file and its targets.

use std::panic::catch_unwind;
use std::path::Path;

/// Runs `run` on every file of `fuzz/saved/<target>`.
///
/// # Panics
///
/// When there is no such file, or `run` panics on one.
#[allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the tests of every floor include this file, those of the core as well"
)]
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/saved").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        if catch_unwind(|| run(&bytes)).is_err() {
            panic!("{target} fails on {}", path.display());
        }
    }
}
