//! Finds and reads the recorded messages, which are not part of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The folder of a corpus; `None`, with a report, where it is absent.
pub(crate) fn folder(test: &str, name: &str) -> Option<PathBuf> {
    testkit::corpora(test).map(|root| root.join(name))
}

#[expect(clippy::disallowed_methods, reason = "tests read files")]
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> T {
    parse(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads JSON in which strings may hold lone surrogates; they come as U+E000 to U+E7FF.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        plain += before;
        let unit = after.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let low = after.get(4..).and_then(|after| after.strip_prefix("\\u"));
        let low = low.and_then(|low| u16::from_str_radix(low.get(..4)?, 16).ok());
        // An escaped backslash before a `u` is no escape.
        let is_escape = before.len() - before.trim_end_matches('\\').len();
        match (unit, low) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) if is_escape % 2 == 0 => {
                plain += "\\u";
                plain += &after[..10];
                rest = &after[10..];
            }
            (Some(unit @ 0xD800..=0xDFFF), _) if is_escape % 2 == 0 => {
                plain += &format!("\\u{:04x}", unit + 0x800);
                rest = &after[4..];
            }
            _ => {
                plain += "\\u";
                rest = after;
            }
        }
    }
    plain += rest;
    serde_json::from_str(&plain)
}

/// The code units of a string that [`parse`] read.
pub(crate) fn units(text: &str) -> Vec<u16> {
    let lone = |unit| if (0xE000..0xE800).contains(&unit) { unit - 0x800 } else { unit };
    text.encode_utf16().map(lone).collect()
}

/// The files of a folder with this ending, in order.
pub(crate) fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    found.sort();
    found
}
