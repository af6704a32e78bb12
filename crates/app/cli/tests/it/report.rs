//! What a test run tells besides passed and failed: who took part, and what could not run.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Notes that somebody else's program took part.
pub(crate) fn peer(name: &str, version: &str, what: &str) {
    line(&format!("PEER {name} {version}: {what}"));
}

/// Notes that a test could not run here.
pub(crate) fn skipped(test: &str, reason: &str) {
    line(&format!("SKIPPED {test}: {reason}"));
}

/// Appends a line to the report of the run, if there is one, and shows it.
pub(crate) fn line(text: &str) {
    eprintln!("{text}");
    if let Some(path) = std::env::var_os("TRANSOM_TEST_REPORT") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write, so that lines of tests that run at the same time do not mix.
        file.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}
