//! What lies outside the repository: recorded messages, the Python of the peers, the report of
//! the run.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The folder of recorded messages; where it is absent the test is reported as skipped.
#[must_use]
pub fn corpora(test: &str) -> Option<PathBuf> {
    let folder = env::var_os("TRANSOM_CORPORA")
        .map_or_else(|| root().join("../shared/corpora"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    report(&format!("SKIPPED {test}: corpora absent"));
    None
}

/// The text of a file.
///
/// # Panics
///
/// When it cannot be read.
#[must_use]
#[expect(clippy::panic, reason = "a test without its input fails")]
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder whose names end so, sorted.
///
/// # Panics
///
/// When the folder cannot be read.
#[must_use]
#[expect(clippy::panic, reason = "a test without its input fails")]
pub fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    found.sort();
    found
}

/// The Python interpreter that has the peers' packages.
///
/// # Panics
///
/// When there is none: a test that needs a peer fails without it.
#[must_use]
#[expect(clippy::panic, reason = "a test that needs a peer fails without it")]
pub fn peers_python() -> PathBuf {
    let python = env::var_os("TRANSOM_PEERS_PYTHON")
        .map_or_else(|| root().join("target/peers/venv/bin/python"), PathBuf::from);
    if !python.exists() {
        panic!("{} is missing: `cargo xtask test` installs it", python.display());
    }
    python
}

/// Adds a line `PEER …` or `SKIPPED …` to the report of the run, and to standard error.
#[expect(clippy::print_stderr, reason = "the line belongs to the test's output")]
pub fn report(line: &str) {
    eprintln!("{line}");
    let Some(path) = env::var_os("TRANSOM_TEST_REPORT") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("the report cannot be written: {error}");
    }
}
