//! Keeps what is sent, so that a test run can validate it: in debug builds only, where `TRANSOM_ENVELOPES` names a folder.
//!
//! Each process appends to a file of its own there, one line `ROLE OCTETS` before each envelope and a line end behind it.
//! Messages are kept as they are before they are sealed: the folder is for test runs, not for secrets. `cargo xtask test` makes it,
//! and reads it.

#[cfg(debug_assertions)]
use std::fs::{File, OpenOptions};
#[cfg(debug_assertions)]
use std::io::Write as _;
#[cfg(debug_assertions)]
use std::sync::{Mutex, OnceLock, PoisonError};

/// The variable of the environment that names the folder.
pub const VARIABLE: &str = "TRANSOM_ENVELOPES";

/// Who sent an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has two ends")]
pub enum Role {
    /// A request.
    Client,
    /// An answer.
    Service,
}

/// Opens the file, where one is wanted. For a process that may open none later; for others [`keep`] does it.
#[cfg(debug_assertions)]
pub fn prepare() {
    let _opened = file();
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub const fn prepare() {}

/// Keeps an envelope, which is UTF-8. Long streams of it are kept short. What cannot be kept is not: nothing depends on it but
/// the test run, which counts.
#[cfg(debug_assertions)]
pub fn keep(role: Role, envelope: impl FnOnce() -> Vec<u8>) {
    let Some(file) = file() else { return };
    let text = shortened(&envelope());
    let role = match role {
        Role::Client => "client",
        Role::Service => "service",
    };
    let mut record = format!("{role} {}\n", text.len()).into_bytes();
    record.extend_from_slice(&text);
    record.push(b'\n');
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    drop(file.write_all(&record));
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub fn keep(_role: Role, _envelope: impl FnOnce() -> Vec<u8>) {}

#[cfg(debug_assertions)]
fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let opened = FILE.get_or_init(|| {
        let folder = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty())?;
        let path = std::path::Path::new(&folder).join(std::process::id().to_string());
        OpenOptions::new().append(true).create(true).open(path).ok().map(Mutex::new)
    });
    opened.as_ref()
}

/// The longest text of base64 that is kept as it is.
#[cfg(debug_assertions)]
const LONG: usize = 4_096;

/// The envelope with long texts of base64 cut: what they are of is not looked at, how they are written is.
#[cfg(debug_assertions)]
fn shortened(envelope: &[u8]) -> Vec<u8> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut kept = Vec::with_capacity(envelope.len().min(16 * LONG));
    let pieces = envelope.split_inclusive(|byte| *byte == b'<');
    for piece in pieces {
        let start = piece.iter().position(|byte| *byte == b'>').map_or(0, |at| at + 1);
        let (markup, text) = piece.split_at(start);
        let (text, end) = match text.split_last() {
            Some((b'<', text)) => (text, true),
            _ => (text, false),
        };
        kept.extend_from_slice(markup);
        match text.get(..LONG) {
            Some(short) if text.iter().all(is_base64) => kept.extend_from_slice(short),
            Some(_) | None => kept.extend_from_slice(text),
        }
        if end {
            kept.push(b'<');
        }
    }
    kept
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn only_long_base64_is_cut() {
        let base64 = "QUJD".repeat(2_000);
        let prose = "Words, and more. ".repeat(500);
        let text = format!("<a><b x='1'>{base64}</b><c>{prose}</c><d/>short</a>");
        let expected = text.replace(&base64, &"QUJD".repeat(LONG / 4));
        assert_eq!(String::from_utf8(shortened(text.as_bytes())).unwrap(), expected);
        for same in ["", "<a/>", "text", "<a>b</a>"] {
            assert_eq!(shortened(same.as_bytes()), same.as_bytes());
        }
    }
}
