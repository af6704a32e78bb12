//! `--json`: the command's output and its end as JSON, one object per line.
//!
//! ```text
//! {"stream":"stdout","data":"text"}                    a piece of output, as it comes
//! {"stream":"stderr","data":"gA==","base64":true}      one that is no UTF-8
//! {"exit_code":7,"mechanism":"NTLM","sealed":true,"tls":false,"requests":6,"seconds":0.042}
//! {"exit_code":0,"mechanism":"Kerberos","principal":"alice@EXAMPLE.COM","service":"HTTP/server@EXAMPLE.COM",…}
//! {"error":{"kind":"fault","message":"…","host":"server:5985","operation":"Create","fault_code":5,"hints":[]}}
//! ```
//!
//! The last line is one of the last three. `not_kerberos` says why a login that could have been by Kerberos was another. A character that comes in two pieces is shown whole with the second.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::stdio::Handle;
use crate::command_error::CommandError;

/// A piece of output.
#[derive(Serialize)]
struct Chunk<'a> {
    stream: &'static str,
    data: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    base64: bool,
}

/// The last line of a command that ended.
#[derive(Serialize)]
pub(crate) struct Done<'a> {
    /// As the host gave it, not reduced to a process's eight bits.
    pub(crate) exit_code: u32,
    pub(crate) mechanism: Option<&'a str>,
    /// Whose ticket it was, where the login was by Kerberos: `user@REALM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<&'a str>,
    /// Which service it was for: `HTTP/host@REALM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<&'a str>,
    /// Whether the host may act in the user's name, by that ticket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) delegated: bool,
    /// Why the login was not by Kerberos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_kerberos: Option<&'a str>,
    /// Whether the login seals the messages.
    pub(crate) sealed: bool,
    /// Whether they travel inside TLS.
    pub(crate) tls: bool,
    /// HTTP requests, logins included.
    pub(crate) requests: u64,
    /// From the start of the program's work on, in milliseconds' precision.
    pub(crate) seconds: f64,
}

/// The last line of everything else.
#[derive(Serialize)]
struct Failed<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    kind: &'static str,
    message: &'a str,
    host: Option<&'a str>,
    operation: Option<&'a str>,
    fault_code: Option<u32>,
    hints: &'a [String],
}

/// What was held back of each stream: the first bytes of a character.
#[derive(Debug, Default)]
pub(crate) struct Records {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Records {
    /// The lines for a piece of output.
    pub(crate) fn chunk(&mut self, handle: Handle, data: &[u8]) -> Vec<u8> {
        let (stream, held) = match handle {
            Handle::Stdout => ("stdout", &mut self.stdout),
            Handle::Stderr => ("stderr", &mut self.stderr),
        };
        held.extend_from_slice(data);
        let begun = begun_character(held);
        let behind = held.split_off(held.len() - begun);
        let whole = std::mem::replace(held, behind);
        piece(stream, &whole)
    }

    /// The lines for what never became whole characters.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut lines = piece("stdout", &std::mem::take(&mut self.stdout));
        lines.extend(piece("stderr", &std::mem::take(&mut self.stderr)));
        lines
    }
}

impl Done<'_> {
    /// The line.
    pub(crate) fn line(&self) -> Vec<u8> {
        line(self)
    }
}

/// Seconds in milliseconds' precision.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The line for an error.
pub(crate) fn error_line(error: &CommandError) -> Vec<u8> {
    let origin = error.origin();
    line(&Failed {
        error: Reason {
            kind: error.kind_name(),
            message: error.error(),
            host: origin.map(|origin| &*origin.host),
            operation: origin.map(|origin| origin.operation),
            fault_code: origin.and_then(|origin| origin.fault_code),
            hints: error.hint_texts(),
        },
    })
}

fn piece(stream: &'static str, data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return Vec::new();
    }
    match std::str::from_utf8(data) {
        Ok(data) => line(&Chunk { stream, data, base64: false }),
        Err(_) => line(&Chunk { stream, data: &STANDARD.encode(data), base64: true }),
    }
}

/// How many bytes at the end may begin a character that goes on in the next piece.
fn begun_character(data: &[u8]) -> usize {
    let Some(last) = data.utf8_chunks().last() else { return 0 };
    let tail = last.invalid();
    match std::str::from_utf8(tail) {
        // Nothing is wrong with it but its end.
        Err(error) if error.error_len().is_none() => tail.len(),
        Err(_) | Ok(_) => 0,
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Plain structures of texts and numbers have no reason to fail.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn character_in_two_pieces_is_shown_whole_with_the_second() {
        let mut records = Records::default();
        let euro = "a€".as_bytes();
        assert_eq!(
            text(records.chunk(Handle::Stdout, &euro[..2])),
            "{\"stream\":\"stdout\",\"data\":\"a\"}\n"
        );
        assert_eq!(text(records.chunk(Handle::Stdout, &euro[2..3])), "");
        // The other stream has its own.
        assert_eq!(
            text(records.chunk(Handle::Stderr, b"e")),
            "{\"stream\":\"stderr\",\"data\":\"e\"}\n"
        );
        assert_eq!(
            text(records.chunk(Handle::Stdout, &euro[3..])),
            "{\"stream\":\"stdout\",\"data\":\"€\"}\n"
        );
        assert_eq!(text(records.rest()), "");
    }

    #[test]
    fn what_is_no_text_comes_as_base64() {
        let mut records = Records::default();
        let expected = "{\"stream\":\"stdout\",\"data\":\"/wBh\",\"base64\":true}\n";
        assert_eq!(text(records.chunk(Handle::Stdout, b"\xff\0a")), expected);
        assert_eq!(text(records.chunk(Handle::Stdout, b"\xe2")), "");
        let expected = "{\"stream\":\"stdout\",\"data\":\"4g==\",\"base64\":true}\n";
        assert_eq!(text(records.rest()), expected);
    }

    #[test]
    fn pieces_put_together_are_the_bytes_that_came() {
        let data: Vec<u8> = (0..=255).chain("ü€😀".bytes()).chain([0xf0, 0x9f]).collect();
        for size in 1..=data.len() {
            let mut records = Records::default();
            let mut lines = Vec::new();
            for part in data.chunks(size) {
                lines.extend(records.chunk(Handle::Stdout, part));
            }
            lines.extend(records.rest());
            let mut back = Vec::new();
            for line in text(lines).lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let data = value["data"].as_str().unwrap();
                match value["base64"].as_bool() {
                    Some(true) => back.extend(STANDARD.decode(data).unwrap()),
                    _ => back.extend(data.bytes()),
                }
            }
            assert_eq!(back, data, "pieces of {size}");
        }
    }
}
