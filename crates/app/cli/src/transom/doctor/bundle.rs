//! What `--record` writes: the conversation without what it is about, for others to look at.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use client::probe::Answer;
use client::record::{Exchange, REDACTED, Redaction};
use serde_json::{Value, json};

use crate::command_error::CommandError;

/// Headers whose values say how a host speaks, and nothing about which one it is.
const KEPT_HEADERS: [&str; 5] = ["allow", "connection", "content-length", "content-type", "server"];
/// The operation that opens no shell and belongs to none.
const IDENTIFY: &str = "Identify";

/// A recording, if somebody wants one.
#[derive(Debug)]
pub(super) struct Bundle {
    file: Option<(PathBuf, File)>,
    redaction: Redaction,
    answers: Vec<Value>,
    identify: Vec<Value>,
    messages: Vec<Value>,
}

impl Bundle {
    /// A recording to `path`, which must be possible before anything is said.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, CommandError> {
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(path).map(|file| (path.to_owned(), file)).map_err(|error| {
                CommandError::caused(format!("recording to {}", path.display()), &error)
            })
        };
        Ok(Self {
            file: path.map(open).transpose()?,
            redaction: Redaction::default(),
            answers: Vec::new(),
            identify: Vec::new(),
            messages: Vec::new(),
        })
    }

    /// Whether somebody wants one.
    pub(super) const fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// Keeps the head of an answer to a request without a login, and what is known of its body.
    pub(super) fn answer(&mut self, answer: &Answer) {
        let header = |(name, value): &(String, String)| {
            let value = match name.as_str() {
                // Tokens and realms are left out.
                "www-authenticate" => answer.schemes().join(", "),
                name if KEPT_HEADERS.contains(&name) => value.clone(),
                _ => REDACTED.to_owned(),
            };
            json!([name, value])
        };
        let headers: Vec<_> = answer.headers.iter().map(header).collect();
        let body = answer.identity().map(|_| self.redaction.envelope(&answer.body));
        self.answers.push(json!({ "status": answer.status, "headers": headers, "body": body }));
    }

    /// Keeps the messages of a client.
    pub(super) fn exchanges(&mut self, exchanges: Vec<Exchange>) {
        for exchange in exchanges {
            let record = json!({
                "operation": exchange.operation,
                "request": self.redaction.envelope(&exchange.request),
                "response": self.redaction.envelope(&exchange.response),
            });
            let list = if exchange.operation == IDENTIFY {
                &mut self.identify
            } else {
                &mut self.messages
            };
            list.push(record);
        }
    }

    /// Writes the file, and hands out its name.
    pub(super) fn write(self) -> Result<Option<PathBuf>, CommandError> {
        let Some((path, mut file)) = self.file else { return Ok(None) };
        let bundle = json!({
            "transom": env!("CARGO_PKG_VERSION"),
            "answers": self.answers,
            "identify": self.identify,
            "messages": self.messages,
        });
        file.write_all(format!("{bundle:#}\n").as_bytes()).map_err(|error| {
            CommandError::caused(format!("recording to {}", path.display()), &error)
        })?;
        Ok(Some(path))
    }
}
