//! The steps as people and programs see them. Whatever a host said is cleaned here, once for both.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::command_error::CommandError;

/// Every step, in the order in which they are walked.
const ORDER: [&str; 15] = [
    "name",
    "reverse",
    "tcp",
    "http",
    "clock",
    "schemes",
    "anonymous",
    "kerberos",
    "kdc",
    "ticket",
    "login",
    "sealing",
    "identify",
    "shell",
    "quotas",
];
/// What a host says is cut after so many characters.
const TEXT_LIMIT: usize = 400;
/// Where the facts of a step begin on its line.
const INDENT: usize = 39;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// As it should be.
    Passed,
    /// It works, but somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
    /// A step before it failed.
    NotReached,
    /// Nobody asked for it.
    Skipped,
}

impl Status {
    const fn text(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Warning => "WARNING",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
            Self::Skipped => "skipped",
        }
    }

    const fn json(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
            Self::Skipped => "skipped",
        }
    }
}

/// One step and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    name: &'static str,
    status: Status,
    took: Option<Duration>,
    facts: Vec<String>,
    cause: Option<String>,
    remedies: Vec<String>,
}

impl Step {
    /// A step that passed, unless something else is said of it.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            status: Status::Passed,
            took: None,
            facts: Vec::new(),
            cause: None,
            remedies: Vec::new(),
        }
    }

    /// How long it took.
    pub(super) const fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }

    /// Something that was seen.
    pub(super) fn fact(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// Works, with a cause to look at it.
    pub(super) fn warning(mut self, cause: impl Into<String>) -> Self {
        self.status = Status::Warning;
        self.cause = Some(cause.into());
        self
    }

    /// Does not work, and why.
    pub(super) fn failed(mut self, cause: impl Into<String>) -> Self {
        self.status = Status::Failed;
        self.cause = Some(cause.into());
        self
    }

    /// What may help.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedies.push(remedy.into());
        self
    }

    /// Several things that may help.
    pub(super) fn remedies(mut self, remedies: impl IntoIterator<Item = String>) -> Self {
        self.remedies.extend(remedies);
        self
    }

    /// The lines for people.
    fn text(&self) -> String {
        let took = self.took.map_or_else(String::new, milliseconds);
        let mut text = format!("{:<12}{:<12}{took:>12}", self.status.text(), self.name);
        let cause = self.cause.as_ref().map(|cause| format!("cause: {}", clean(cause)));
        let remedies = self.remedies.iter().map(|remedy| format!("try: {}", clean(remedy)));
        let facts = self.facts.iter().map(|fact| clean(fact));
        let mut separator = "   ".to_owned();
        for line in facts.chain(cause).chain(remedies) {
            text.push_str(&separator);
            text.push_str(&line);
            separator = format!("\n{:INDENT$}", "");
        }
        let mut text = text.trim_end().to_owned();
        text.push('\n');
        text
    }

    /// The record for programs.
    fn json(&self) -> String {
        let list = |texts: &[String]| texts.iter().map(|text| clean(text)).collect::<Vec<_>>();
        let record = json!({
            "step": self.name,
            "status": self.status.json(),
            "milliseconds": self.took.map(|took| took.as_secs_f64() * 1000.0),
            "facts": list(&self.facts),
            "cause": self.cause.as_deref().map(clean),
            "remedies": list(&self.remedies),
        });
        format!("{record}\n")
    }
}

/// How the steps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object in each line.
    Json,
}

/// Writes each step as soon as it is known.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    /// How many of [`ORDER`] are written.
    written: usize,
    failed: Option<(&'static str, String)>,
    warned: Vec<&'static str>,
}

impl Report {
    /// Begins a report about `endpoint`.
    pub(super) fn new(format: Format, endpoint: &str) -> Result<Self, CommandError> {
        if format == Format::Text {
            crate::transom::print(&format!("{}\n\n", clean(endpoint)))?;
        }
        Ok(Self { format, written: 0, failed: None, warned: Vec::new() })
    }

    /// Writes a step, and those before it that were left out as not reached; `false` when it failed.
    pub(super) fn add(&mut self, step: Step) -> Result<bool, CommandError> {
        while let Some(name) = ORDER.get(self.written).filter(|name| **name != step.name) {
            self.write(&Step { status: Status::NotReached, ..Step::new(name) })?;
        }
        self.write(&step)?;
        match step.status {
            Status::Failed if self.failed.is_none() => {
                self.failed = Some((step.name, step.cause.unwrap_or_default()));
            }
            Status::Warning => self.warned.push(step.name),
            Status::Passed | Status::Failed | Status::NotReached | Status::Skipped => {}
        }
        Ok(step.status != Status::Failed)
    }

    /// Writes one step as skipped, with the reason.
    pub(super) fn skip(&mut self, name: &'static str, reason: &str) -> Result<(), CommandError> {
        let step = Step { status: Status::Skipped, ..Step::new(name).fact(reason) };
        self.add(step).map(drop)
    }

    /// Writes all steps that are left as skipped, with the reason.
    pub(super) fn skip_rest(&mut self, reason: &str) -> Result<(), CommandError> {
        while let Some(name) = ORDER.get(self.written) {
            let step = Step { status: Status::Skipped, ..Step::new(name).fact(reason) };
            self.write(&step)?;
        }
        Ok(())
    }

    /// Writes what is left as not reached, and the conclusion with the recording's name; `true` when no
    /// step failed.
    pub(super) fn finish(mut self, recorded: Option<&Path>) -> Result<bool, CommandError> {
        while let Some(name) = ORDER.get(self.written) {
            self.write(&Step { status: Status::NotReached, ..Step::new(name) })?;
        }
        if self.format == Format::Text {
            let conclusion = match (&self.failed, self.warned.as_slice()) {
                (Some((name, cause)), _) => format!("Failed at {name}: {}", clean(cause)),
                (None, []) => "No step failed.".to_owned(),
                (None, warned) => {
                    format!("No step failed; look at the warning of {}.", warned.join(", "))
                }
            };
            crate::transom::print(&format!("\n{conclusion}\n"))?;
            if let Some(path) = recorded {
                crate::transom::print(&format!(
                    "Recorded to {}: look through it before you send it to others.\n",
                    path.display()
                ))?;
            }
        }
        Ok(self.failed.is_none())
    }

    fn write(&mut self, step: &Step) -> Result<(), CommandError> {
        self.written += 1;
        match self.format {
            Format::Text => crate::transom::print(&step.text()),
            Format::Json => crate::transom::print(&step.json()),
        }
    }
}

/// A time in milliseconds, as people read it.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// A number of requests in words.
pub(super) fn requests(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{number} requests") }
}

/// One line without anything that a terminal obeys: hosts are not trusted here, and some of what is
/// shown was said before any login.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for (index, letter) in text.trim().chars().enumerate() {
        if index == TEXT_LIMIT {
            cleaned.push('…');
            break;
        }
        match letter {
            '\n' | '\r' | '\t' => cleaned.push(' '),
            letter if letter.is_control() || reorders(letter) => {
                let _infallible = write!(cleaned, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => cleaned.push(letter),
        }
    }
    cleaned
}

/// Characters that show a text in another order than it has.
const fn reorders(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\u{1b}]52;c;aGk=\u{7}b\u{9b}6n\r\nc\u{202e}d";
        let step = Step::new("http").fact(hostile).failed(hostile).remedy(hostile);
        for text in [step.text(), step.json()] {
            let lines = text.replace('\n', "");
            assert!(!lines.chars().any(|c| c.is_control() || reorders(c)), "{text:?}");
        }
    }

    #[test]
    fn endless_text_is_cut() {
        assert_eq!(clean(&"ä".repeat(10_000)).chars().count(), TEXT_LIMIT + 1);
    }
}
