//! Being in a session, and the prompt of `pssession` itself.
//!
//! ```text
//!  Enter-PSSession ──► enter (is the session fit?) ──► the end of its line ──► talk
//!                                                                              │
//!   prompt (remote) ──► line: editor, or stdin ──► lines ──► conversation ──► screen
//!        ▲                                                        │
//!        └────────────────────────────────────────────────────────┘ until exit, Ctrl-D, the session's end
//! ```

mod completion;
mod conversation;
mod editor;
mod history;
mod lines;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use client::Pool;
use client::pool::{PipelineOptions, PoolState};
use psrp::clixml::Value as Wire;
use psrp::messages::PipelineState;
use tokio::time::timeout;

use super::context::Context;
use super::host::one_line;
use super::remote::objects;
use super::show::{Sheet, Shown, Sink};
use crate::command_error::CommandError;
use crate::signals::Interruption;
use completion::units;
use conversation::{Conversation, interrupted};
pub(super) use editor::Editor;
use editor::{Completion, Event, Typed};

/// What stands in front of lines that continue others.
const CONTINUED: &str = ">> ";
/// The commands without which nobody can be in a session.
const NEEDED: [&str; 2] = ["Out-Default", "Exit-PSSession"];
/// What shows where the remote `prompt` says nothing.
const NO_PROMPT: &str = "PS>";
/// How long a completion may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest text of several lines, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// A session that is entered at the end of the line.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) computer: String,
    pub(super) pool: Arc<Pool>,
    /// It ends when it is left.
    pub(super) is_temporary: bool,
}

/// Looks whether somebody can be in a session, and waits until it is not busy.
///
/// # Errors
/// It is not fit, or a signal ended the wait.
pub(super) fn enter(context: &mut Context, session: &Entered) -> Result<(), CommandError> {
    let Context { waiter, host, .. } = context;
    host.speak_with(&session.computer);
    let missing = |name: &str| {
        let computer = &session.computer;
        CommandError::failed(format!(
            "the session on {computer} cannot be entered: its configuration does not have {name}"
        ))
        .hint("an interactive session needs Get-Command, Out-Default and Exit-PSSession")
    };
    waiter.hear(async |signals| {
        let mut conversation = Conversation {
            pool: &session.pool,
            computer: &session.computer,
            host,
            signals,
            is_showing: false,
        };
        let (ended, values) = conversation.ask(lines::needed()).await?;
        if let Some(error) =
            ended.error.as_ref().filter(|_| ended.state != PipelineState::Completed)
        {
            let id =
                error.fully_qualified_error_id.as_ref().map(psrp::clixml::Text::to_string_lossy);
            return Err(match id {
                Some(id) if id.starts_with("CommandNotFoundException") => missing("Get-Command"),
                _ => CommandError::failed(error.message().to_string_lossy().into_owned()),
            });
        }
        let has = |name: &str| {
            let names =
                values.iter().filter_map(|value| value.as_object()?.property("Name")?.as_text());
            names.into_iter().any(|found| found.eq_ignore_case(name))
        };
        NEEDED.iter().find(|name| !has(name)).map_or(Ok(()), |name| Err(missing(name)))
    })
}

/// Is in a session until it is left. Errors of the session are told here.
///
/// # Errors
/// A signal ends the program, nobody reads the output, or the terminal fails.
pub(super) fn talk(context: &mut Context, session: &Entered) -> Result<(), CommandError> {
    let Context { waiter, host, shown, editor, .. } = context;
    host.speak_with(&session.computer);
    let shown = *shown;
    let talked = waiter.hear(async |signals| {
        let conversation = Conversation {
            pool: &session.pool,
            computer: &session.computer,
            host,
            signals,
            is_showing: false,
        };
        let talk =
            Talk { conversation, editor, computer: &session.computer, shown, is_lost: false };
        talk.until_left().await
    });
    if session.is_temporary {
        let pool = Arc::clone(&session.pool);
        waiter.finish(async move {
            // A session that is over cannot be ended.
            let _over = pool.close().await;
        });
    }
    talked
}

/// Somebody in a session.
struct Talk<'a> {
    conversation: Conversation<'a>,
    editor: &'a mut Option<Editor>,
    computer: &'a str,
    shown: Shown,
    is_lost: bool,
}

/// What came of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    /// Why was told.
    Failed,
    /// The session was left.
    Left,
}

impl Talk<'_> {
    async fn until_left(mut self) -> Result<(), CommandError> {
        let mut is_told = false;
        loop {
            let turn = self.turn().await;
            let is_over = self.is_lost || self.conversation.pool.state() != PoolState::Open;
            match turn {
                Ok(Turn::Left) => return Ok(()),
                Ok(Turn::Done) => is_told = false,
                Ok(Turn::Failed) => is_told = true,
                Err(error) if error.ends_everything() => return Err(error),
                Err(error) => {
                    // Why the session is over was told by the line before, if that failed.
                    if !(is_over && is_told) {
                        self.shown.error(&error);
                    }
                    is_told = true;
                }
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// One line and what comes of it.
    async fn turn(&mut self) -> Result<Turn, CommandError> {
        let line = match self.whole_line().await? {
            Typed::Line(line) if line.trim().is_empty() => return Ok(Turn::Done),
            Typed::Line(line) => line,
            Typed::Interrupted => return Ok(Turn::Done),
            Typed::End => return Ok(Turn::Left),
        };
        if let Some(refusal) = lines::refusal(&line) {
            return Err(CommandError::usage(refusal));
        }
        if self.conversation.pool.state() != PoolState::Open {
            let computer = self.computer;
            return Err(CommandError::failed(format!(
                "the command was not run: the session on {computer} was closed or broken meanwhile"
            )));
        }
        let (is_json, mut sheet) = (self.shown.is_json(), self.shown.sheet());
        let options = PipelineOptions {
            add_to_history: true,
            ..PipelineOptions::new(lines::typed(&line, is_json))
        };
        let ran = self.conversation.run(options, None, |value| show(value, &mut sheet)).await;
        sheet.finish()?;
        self.conversation.host.fresh_line()?;
        let ended = ran.map_err(|error| lost(self.computer, error))?;
        match ended.error {
            _ if ended.leaving.is_some() => Ok(Turn::Left),
            Some(error) if is_json => {
                self.conversation.host.error(&error);
                Ok(Turn::Failed)
            }
            Some(error) => {
                self.conversation.show(&error).await?;
                Ok(Turn::Failed)
            }
            None if ended.state == PipelineState::Stopped => {
                Err(CommandError::failed("Error: The pipeline has been stopped."))
            }
            None => Ok(Turn::Done),
        }
    }

    /// A line, with those that continue it.
    async fn whole_line(&mut self) -> Result<Typed, CommandError> {
        let is_typed = self.conversation.host.lines().is_none();
        let prompt = if is_typed { self.prompt().await? } else { String::new() };
        let mut text = match self.line(&prompt, "").await? {
            Typed::Line(line) => line,
            other @ (Typed::Interrupted | Typed::End) => return Ok(other),
        };
        let mut is_whole = whole::is_whole(&text);
        while !is_whole && text.len() < MAX_TEXT {
            let before = format!("{text}\n");
            match self.line(CONTINUED, &before).await? {
                Typed::Line(line) => {
                    // As PowerShell has it, somebody who types says by an empty line that this is all.
                    let is_end = line.trim().is_empty() || !is_typed;
                    text = if line.is_empty() { text } else { format!("{before}{line}") };
                    is_whole = is_end && whole::is_whole(&text);
                }
                Typed::Interrupted => return Ok(Typed::Interrupted),
                Typed::End => break,
            }
        }
        if is_typed && let Some(editor) = &self.editor {
            editor.remember(&text);
        }
        Ok(Typed::Line(text))
    }

    /// `[computer]: ` and what the remote prompt says.
    async fn prompt(&mut self) -> Result<String, CommandError> {
        if self.conversation.pool.state() != PoolState::Open {
            return Ok(format!("[{}]: {NO_PROMPT}", self.computer));
        }
        let asked = self.conversation.ask(lines::prompt()).await;
        // A session that cannot even say its prompt is of no use any more.
        self.is_lost = asked.is_err();
        let (ended, values) = asked.map_err(|error| lost(self.computer, error))?;
        let text =
            values.first().and_then(Wire::as_text).map(|text| text.to_string_lossy().into_owned());
        let is_said = ended.state == PipelineState::Completed;
        let text = text.filter(|text| is_said && !text.is_empty());
        let text = text.unwrap_or_else(|| NO_PROMPT.to_owned());
        // The editor knows one line: those above it are shown as they are.
        let (above, last) = match text.rsplit_once('\n') {
            Some((above, last)) => (format!("[{}]: {above}", self.computer), last.to_owned()),
            None => (String::new(), format!("[{}]: {text}", self.computer)),
        };
        if !above.is_empty() {
            self.conversation.host.say(&above)?;
        }
        Ok(one_line(&last))
    }

    async fn line(&mut self, prompt: &str, before: &str) -> Result<Typed, CommandError> {
        let Conversation { host, signals, .. } = &mut self.conversation;
        if let Some(input) = host.lines() {
            return tokio::select! {
                line = input.next() => Ok(match line? {
                    Some(line) => Typed::Line(line.trim_end_matches(['\r', '\n']).to_owned()),
                    None => Typed::End,
                }),
                signal = signals.next() => Err(interrupted(signal)),
            };
        }
        let editor = match self.editor {
            Some(editor) => editor,
            None => self.editor.insert(Editor::start()?),
        };
        editor.begin(prompt)?;
        loop {
            let event = tokio::select! {
                event = editor.event() => event?,
                signal = self.conversation.signals.next() => match signal {
                    // While a line is edited it is a key; this one was late.
                    Interruption::CtrlC | Interruption::CtrlBreak => continue,
                    Interruption::End => return Err(interrupted(signal)),
                },
            };
            match event {
                Event::Typed(typed) => return Ok(typed),
                Event::Complete { line, cursor, reply } => {
                    let asked = complete(&mut self.conversation, before, &line, cursor);
                    let completion = timeout(PATIENCE, asked).await.unwrap_or_default();
                    // Whoever gave the line up needs no completion.
                    let _given_up = reply.send(completion.unwrap_or_default());
                }
            }
        }
    }
}

/// Asks the host what may stand at the cursor.
async fn complete(
    conversation: &mut Conversation<'_>,
    before: &str,
    line: &str,
    cursor: usize,
) -> Option<Completion> {
    let text = format!("{before}{line}");
    let place = units(text.get(..before.len() + cursor)?);
    let (ended, values) = conversation.ask(lines::completion(&text, place)).await.ok()?;
    if ended.state != PipelineState::Completed {
        return None;
    }
    completion::of_host(&values, before, line)
}

fn show(value: Wire, sheet: &mut Sheet) -> Result<(), CommandError> {
    Sink::Shown(sheet).put(objects::value(value))
}

/// An error of the session itself, with the computer's name.
fn lost(computer: &str, error: CommandError) -> CommandError {
    if error.ends_everything() { error } else { error.about(computer) }
}

/// A line that somebody types at the prompt of this program; `None` where they leave.
///
/// # Errors
/// A signal ends the program, or the terminal fails.
pub(super) fn line(
    context: &mut Context,
    is_continued: bool,
) -> Result<Option<Option<String>>, CommandError> {
    let Context { waiter, variables, editor, host, .. } = context;
    let prompt = if is_continued { CONTINUED } else { "PS> " };
    host.fresh_line()?;
    let typed = waiter.hear(async |signals| {
        let editor = match editor {
            Some(editor) => editor,
            None => editor.insert(Editor::start()?),
        };
        editor.begin(prompt)?;
        loop {
            let event = tokio::select! {
                event = editor.event() => event?,
                signal = signals.next() => match signal {
                    Interruption::CtrlC | Interruption::CtrlBreak => continue,
                    Interruption::End => return Err(interrupted(signal)),
                },
            };
            match event {
                Event::Typed(typed) => return Ok(typed),
                Event::Complete { line, cursor, reply } => {
                    let _given_up = reply.send(completion::of_cmdlets(&line, cursor, variables));
                }
            }
        }
    })?;
    Ok(match typed {
        Typed::Line(line) => Some(Some(line)),
        Typed::Interrupted => Some(None),
        Typed::End => None,
    })
}
