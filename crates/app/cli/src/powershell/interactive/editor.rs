//! The line editor, on a thread of its own: while somebody types, sessions stay served.
//!
//! ```text
//!  line ── prompt ──► thread: rustyline ── Tab ──► complete (the caller asks the host) ──► candidates
//!       ◄── line, Ctrl-C, Ctrl-D ──
//! ```

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::mpsc as blocking;
use std::thread;

use nix::sys::termios::{self, SetArg, Termios};
use rustix::termios::tcgetwinsize;
use rustyline::completion::{Completer, Pair};
use rustyline::config::Behavior;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};
use tokio::sync::mpsc;

use super::history;
use crate::command_error::CommandError;

/// How long the rest of a key's sequence is waited for, in milliseconds, before it is the key Escape:
/// the key after that one is its own.
const ESCAPE: u16 = 100;

/// What somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D on an empty line, or the terminal is gone.
    End,
}

/// What may stand in the place of what was typed from a byte of the line on, up to the cursor.
#[derive(Clone, Debug, Default)]
pub(super) struct Completion {
    pub(super) start: usize,
    /// What is shown, and what is put in.
    pub(super) candidates: Vec<(String, String)>,
}

/// What the line editor tells and asks.
pub(super) enum Event {
    Typed(Typed),
    /// Tab: what may stand at the cursor, a byte of the line?
    Complete {
        line: String,
        cursor: usize,
        reply: blocking::SyncSender<Completion>,
    },
}

/// What the editor's thread is told.
enum Order {
    /// Edit a line behind this prompt.
    Edit(String),
    /// Remember this text.
    Remember(String),
}

/// The line editor.
pub(in crate::powershell) struct Editor {
    orders: blocking::Sender<Order>,
    events: mpsc::UnboundedReceiver<Result<Event, String>>,
    is_editing: bool,
    /// The terminal, and how it was.
    before: Option<(OwnedFd, Termios)>,
}

impl fmt::Debug for Editor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor").field("is_editing", &self.is_editing).finish_non_exhaustive()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // The thread may still wait for keys; the terminal is for others from now on.
        if self.is_editing
            && let Some((terminal, before)) = &self.before
        {
            let _gone = termios::tcsetattr(terminal, SetArg::TCSANOW, before);
        }
    }
}

impl Editor {
    /// Starts the editor on this program's terminal.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn start() -> Result<Self, CommandError> {
        let failed = |error: ReadlineError| CommandError::caused("editing lines", &error);
        let config = Config::builder()
            .behavior(Behavior::PreferTerm)
            .completion_type(CompletionType::List)
            .bracketed_paste(true)
            .keyseq_timeout(Some(ESCAPE))
            .max_history_size(history::MAX_ENTRIES)
            .map_err(failed)?
            .build();
        let (asks, events) = mpsc::unbounded_channel();
        let (orders, ordered) = blocking::channel();
        let memory = MemHistory::with_config(&config);
        let mut editor = rustyline::Editor::with_history(config, memory).map_err(failed)?;
        for line in history::load() {
            editor.add_history_entry(line).map_err(failed)?;
        }
        editor.set_helper(Some(Asker { asks: asks.clone() }));
        let before = OwnedFd::from(
            File::options()
                .read(true)
                .open("/dev/tty")
                .map_err(|error| CommandError::caused("opening the terminal", &error))?,
        );
        let before = termios::tcgetattr(&before).ok().map(|mode| (before, mode));
        thread::spawn(move || {
            while let Ok(order) = ordered.recv() {
                let prompt = match order {
                    Order::Edit(prompt) => prompt,
                    Order::Remember(text) => {
                        // A full memory keeps the newest.
                        let _kept = editor.add_history_entry(text.as_str());
                        continue;
                    }
                };
                let typed = match editor.readline(&prompt) {
                    Ok(line) => {
                        go_back_up(&prompt, &line);
                        Ok(Typed::Line(line))
                    }
                    Err(ReadlineError::Interrupted) => Ok(Typed::Interrupted),
                    Err(ReadlineError::Eof) => Ok(Typed::End),
                    Err(error) => Err(error.to_string()),
                };
                if asks.send(typed.map(Event::Typed)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { orders, events, is_editing: false, before })
    }

    /// Lets somebody type a line; [`event`](Self::event) tells what comes of it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn begin(&mut self, prompt: &str) -> Result<(), CommandError> {
        if !std::mem::replace(&mut self.is_editing, true) {
            self.orders.send(Order::Edit(prompt.to_owned())).map_err(|_| gone())?;
        }
        Ok(())
    }

    /// What the editor tells or asks next. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The terminal fails.
    pub(super) async fn event(&mut self) -> Result<Event, CommandError> {
        let event = self.events.recv().await.ok_or_else(gone)?;
        let failed = |error: String| CommandError::failed(format!("editing lines: {error}"));
        if !matches!(event, Ok(Event::Complete { .. })) {
            self.is_editing = false;
        }
        event.map_err(failed)
    }

    /// Keeps what was typed for the arrow keys, and for later programs.
    pub(in crate::powershell) fn remember(&self, text: &str) {
        if !text.trim().is_empty() {
            history::keep(text);
            // An editor that is gone needs no memory.
            drop(self.orders.send(Order::Remember(text.to_owned())));
        }
    }
}

/// The editor begins a new line behind a last column that is full, and Enter another one: one of them is too many.
fn go_back_up(prompt: &str, line: &str) {
    let Ok(mut terminal) = File::options().write(true).open("/dev/tty") else { return };
    let Ok(size) = tcgetwinsize(&terminal) else { return };
    let columns = usize::from(size.ws_col).max(1);
    // Wider letters and colours are not worth a count of their own.
    let is_plain = |text: &str| text.chars().all(|letter| matches!(letter, ' '..='~'));
    if is_plain(prompt) && is_plain(line) && (prompt.len() + line.len()).is_multiple_of(columns) {
        // A terminal that is gone shows nothing.
        let _gone = terminal.write_all(b"\x1b[A");
    }
}

fn gone() -> CommandError {
    CommandError::failed("editing lines: the terminal is gone")
}

/// Asks for completions from the editor's thread.
struct Asker {
    asks: mpsc::UnboundedSender<Result<Event, String>>,
}

impl Helper for Asker {}
impl Highlighter for Asker {}
impl Validator for Asker {}

impl Hinter for Asker {
    type Hint = String;
}

impl Completer for Asker {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (reply, answer) = blocking::sync_channel(1);
        let ask = Event::Complete { line: line.to_owned(), cursor: pos, reply };
        let none = (pos, Vec::new());
        if self.asks.send(Ok(ask)).is_err() {
            return Ok(none);
        }
        let Ok(completion) = answer.recv() else { return Ok(none) };
        let start = completion.start;
        if start > pos || !line.is_char_boundary(start) {
            return Ok(none);
        }
        let candidates = completion.candidates.into_iter();
        let pairs = candidates.map(|(display, replacement)| Pair { display, replacement });
        Ok((start, pairs.collect()))
    }
}
