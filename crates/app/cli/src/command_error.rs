//! [`CommandError`]: why a program could not do what it was asked, what to try, and its exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a stalled stderr is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What went wrong, as far as a script can tell it from the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line asks for something that does not exist or does not fit together.
    Usage,
    /// The command line was understood, and the work failed.
    Failed,
    /// A signal ended the work.
    Interrupted,
    /// Whoever read our output went away: there is nobody to tell.
    ReaderGone,
}

/// The program that speaks: each has its own manners for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `transom`: `error: …`; 2 for a wrong command line, 1 for everything else.
    Transom,
    /// `winrm`: `Error: …` as on Windows; always 1.
    Winrm,
    /// `winrs`: `Winrs error:…` as on Windows; always 255, since all other codes are the remote command's.
    Winrs,
    /// `pssession` and the cmdlets: who it was and what happened, as PowerShell writes errors; always 1.
    Pssession,
}

/// A failure of a whole program: one sentence of what happened and where, and what to try.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: Kind,
    error: String,
    hints: Vec<String>,
    origin: Option<Box<Origin>>,
    /// Nobody else is to be named as the one who says it.
    has_speaker: bool,
}

/// Where the work with a host failed, for programs that read errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// What kind of error it is, one word.
    pub(crate) kind: &'static str,
    /// The host with its port.
    pub(crate) host: String,
    /// What was being done, in the protocol's words.
    pub(crate) operation: &'static str,
    /// The number of the fault that the host answered with.
    pub(crate) fault_code: Option<u32>,
}

impl CommandError {
    /// A command line that cannot be obeyed.
    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            error: error.into(),
            hints: Vec::new(),
            origin: None,
            has_speaker: false,
        }
    }

    /// Work that failed.
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, ..Self::usage(error) }
    }

    /// Work that a signal ended.
    pub(crate) fn interrupted(error: impl Into<String>) -> Self {
        Self { kind: Kind::Interrupted, ..Self::usage(error) }
    }

    /// Output that nobody reads any more.
    pub(crate) fn reader_gone() -> Self {
        Self { kind: Kind::ReaderGone, ..Self::usage("nobody reads the output any more") }
    }

    /// Work that failed, told by an error and its sources alone.
    pub(crate) fn chain(error: &(dyn Error + '_)) -> Self {
        let text = error.to_string();
        match error.source() {
            Some(source) => Self::caused(text, source),
            None => Self::failed(text),
        }
    }

    /// Work that failed, told by an error that may quote what a host wrote: on one line, so that it cannot add lines of
    /// its own, such as hints.
    pub(crate) fn quoting(error: &(dyn Error + '_)) -> Self {
        let this = Self::chain(error);
        let words: Vec<_> = this.error.split_whitespace().collect();
        Self { error: words.join(" "), ..this }
    }

    /// Work that failed, with the error and its sources appended to what was being done.
    pub(crate) fn caused(doing: impl Into<String>, cause: &(dyn Error + '_)) -> Self {
        let mut text = doing.into();
        append_chain(&mut text, cause);
        Self::failed(text)
    }

    /// Adds one thing to try.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds several things to try.
    #[must_use]
    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Puts before the sentence who says it: a cmdlet.
    #[must_use]
    pub(crate) fn of(self, who: &str) -> Self {
        if self.has_speaker {
            return self;
        }
        Self { error: format!("{who}: {}", self.error), ..self }
    }

    /// Says that the sentence names already who says it.
    #[must_use]
    pub(crate) fn spoken(self) -> Self {
        Self { has_speaker: true, ..self }
    }

    /// Puts before the sentence which computer of several it is about, as PowerShell does: `[server01] …`.
    #[must_use]
    pub(crate) fn about(self, computer: &str) -> Self {
        Self { error: format!("[{computer}] {}", self.error), ..self }
    }

    /// Whether nothing else should be done after it: a signal came, or nobody reads the output any more.
    pub(crate) const fn ends_everything(&self) -> bool {
        matches!(self.kind, Kind::Interrupted | Kind::ReaderGone)
    }

    /// Adds where it happened.
    #[must_use]
    pub(crate) fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(Box::new(origin));
        self
    }

    /// Where it happened, if that was at a host.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// What kind of error it is, one word.
    pub(crate) fn kind_name(&self) -> &'static str {
        match (&self.origin, self.kind) {
            (Some(origin), _) => origin.kind,
            (None, Kind::Usage) => "usage",
            (None, Kind::Failed | Kind::ReaderGone) => "failed",
            (None, Kind::Interrupted) => "interrupted",
        }
    }

    /// What may be tried.
    pub(crate) fn hint_texts(&self) -> &[String] {
        &self.hints
    }

    /// The sentence alone.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// The sentence and the hints as `program` prints them, lines ended by a line feed.
    pub(crate) fn text(&self, program: Program) -> String {
        let mut text = match program {
            Program::Transom => format!("error: {}\n", self.error),
            Program::Winrm => format!("Error: {}\n", capitalised(&self.error)),
            Program::Winrs => format!("Winrs error:{}\n", capitalised(&self.error)),
            Program::Pssession => format!("{}\n", self.error),
        };
        for hint in &self.hints {
            text.push_str("  hint: ");
            text.push_str(hint);
            text.push('\n');
        }
        printable(&text)
    }

    /// The exit code that `program` ends with.
    pub(crate) const fn code(&self, program: Program) -> u8 {
        match (program, self.kind) {
            (Program::Winrs, _) => 255,
            (Program::Transom, Kind::Usage) => 2,
            (Program::Pssession | Program::Winrm, _) => 1,
            (Program::Transom, Kind::Failed | Kind::Interrupted | Kind::ReaderGone) => 1,
        }
    }

    /// Prints the error to stderr (nothing when the reader is gone) and hands out the exit code.
    pub(crate) fn report(&self, program: Program) -> ExitCode {
        self.report_as(program, self.text(program).into_bytes(), io::stderr())
    }

    /// The same with other words at another place.
    pub(crate) fn report_as(
        &self,
        program: Program,
        text: Vec<u8>,
        mut place: impl io::Write + Send + 'static,
    ) -> ExitCode {
        if self.kind != Kind::ReaderGone {
            let (written, end) = mpsc::channel();
            // A closed stream leaves no place to complain, and one that nobody reads must not keep a program that
            // was told to end; the exit code still tells.
            thread::spawn(move || {
                let _unwritten = place.write_all(&text).and_then(|()| place.flush());
                let _unasked = written.send(());
            });
            let _late = end.recv_timeout(PATIENCE);
        }
        ExitCode::from(self.code(program))
    }
}

/// Spells out what would control a terminal or turn the order of letters round: error texts may quote what a host wrote.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || (letter.is_control() && letter != '\n' && letter != '\t') {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

impl From<clap::Error> for CommandError {
    /// Keeps what clap found wrong, without its usage lines: the hint names the help.
    fn from(error: clap::Error) -> Self {
        let rendered = error.render().to_string();
        let mut paragraphs = rendered.split("\n\n");
        let first = paragraphs.next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first).trim_end();
        let mut this = Self::usage(first);
        for paragraph in paragraphs {
            if let Some(tip) = paragraph.trim().strip_prefix("tip: ") {
                this = this.hint(tip.trim_end());
            }
        }
        this
    }
}

fn append_chain(text: &mut String, error: &(dyn Error + '_)) {
    let mut next = Some(error);
    while let Some(error) = next {
        let level = error.to_string();
        // Some errors print their source themselves.
        if !text.contains(&level) {
            let _infallible = write!(text, ": {level}");
        }
        next = error.source();
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winrs_speaks_as_windows_does_and_always_ends_with_255() {
        let error = CommandError::usage("no command").hint("winrs -?");
        assert_eq!(error.text(Program::Winrs), "Winrs error:No command\n  hint: winrs -?\n");
        assert_eq!(error.code(Program::Winrs), 255);
    }

    #[test]
    fn transom_tells_a_wrong_command_line_from_failed_work() {
        assert_eq!(CommandError::usage("x").code(Program::Transom), 2);
        assert_eq!(CommandError::failed("x").code(Program::Transom), 1);
    }

    #[test]
    fn what_a_host_wrote_controls_no_terminal_and_adds_no_lines() {
        let evil = io::Error::other("a\u{9b}6n\u{1b}[c\u{202e}b\r\n  hint: run this");
        let text = CommandError::quoting(&evil).hint("ours").text(Program::Winrs);
        assert_eq!(
            text,
            "Winrs error:A\\u{9b}6n\\u{1b}[c\\u{202e}b hint: run this\n  hint: ours\n"
        );
    }

    #[test]
    fn causes_are_appended_down_to_the_last() {
        let inner = io::Error::other("disk is on fire");
        let error = CommandError::caused("reading accounts", &inner);
        assert_eq!(error.text(Program::Transom), "error: reading accounts: disk is on fire\n");
    }
}
