//! What `transom doctor --record` makes of messages: always a text that can be read, the same
//! however often it is redacted, and without what the elements of commands and users hold.
#![cfg_attr(not(test), no_main)]

#[path = "../support/tree.rs"]
mod tree;

use client::record::{REDACTED, Redaction};
use tree::WIDE;
use wsman::xml::{Element, Limits, decode};

/// Elements whose text is somebody's secret.
const SECRET: [&str; 6] =
    ["Command", "Arguments", "Variable", "WorkingDirectory", "Owner", "Message"];

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let redacted = Redaction::default().envelope(bytes);
    let limits = Limits { bytes: bytes.len() * 2, ..Limits::default() };
    if redacted == REDACTED {
        assert!(decode(bytes, &limits).is_err());
        return;
    }
    let element = decode(redacted.as_bytes(), &WIDE).expect("what is shown can be read");
    check(&element);
    // An id has the number of its first place, which stays where it is.
    if redacted.len() <= bytes.len() * 2 {
        let again = Redaction::default().envelope(redacted.as_bytes());
        if again != REDACTED {
            assert_eq!(again, redacted);
        }
    }
}

fn check(element: &Element) {
    let is_shell = element.name.namespace().ends_with("/windows/shell");
    if is_shell && SECRET.contains(&element.name.local()) && element.elements().next().is_none() {
        let text = element.text();
        let is_id = text.trim_start_matches("uuid:").starts_with("00000000-0000-0000-0000-");
        assert!(text.trim().is_empty() || text == REDACTED || is_id, "{text:?} is shown");
    }
    element.elements().for_each(check);
}
