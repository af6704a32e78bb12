//! This side's host of a session: answers what the other side asks of the user's terminal, and shows its records.
//!
//! ```text
//!  HostCall ──► answer ──► questions ──► input ──► terminal, or lines of stdin
//!                  │
//!  Record ──► record ──► screen ──► stdout, stderr
//! ```
//!
//! A pipeline with a host tells warnings, verbose and debug messages, information and progress twice, as a record and as a
//! call of the host, and information that nobody asked to see as a record alone: the calls are what is shown.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many calls a place does a few, and leaves the rest"
)]

mod input;
mod keys;
mod parameters;
mod progress;
mod questions;
mod screen;
mod tty;

use std::io;

use client::pool::Pool;
use psrp::client::Record;
use psrp::clixml::{Object, Properties, Value, Version};
use psrp::host::{Method, NO_ANSWER};
use psrp::messages::{
    Coordinates, ErrorCategory, ErrorRecord, HostCall, HostDefaultData, HostInfo, HostResponse,
    HostResult, Size,
};
use uuid::Uuid;

use super::waiter::Lines;
use crate::command_error::CommandError;
use input::Input;
use keys::Key;
use parameters::{Parameters, string};
pub(crate) use screen::one_line;
use screen::{NO_COLOR, Screen, YELLOW};

/// How the other side asks to leave the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// `Exit-PSSession`.
    Pop,
    /// `exit`, with its code.
    Exit(i32),
}

/// Why a call was not done.
#[derive(Debug)]
enum Refused {
    /// The call, or the user: the other side is told.
    Call(String),
    /// Our own output or input: the program is told.
    Own(CommandError),
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        Self::Own(error)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Call(format!("reading from the terminal: {error}"))
    }
}

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    screen: Screen,
    input: Input,
    computer: String,
    instance: Uuid,
    cursor: Coordinates,
    leaving: Option<Leaving>,
    failure: Option<CommandError>,
}

impl Host {
    /// The host of this program; with `--json` stdout is kept for objects.
    pub(crate) fn new(is_json: bool) -> Self {
        Self {
            screen: Screen::new(is_json),
            input: Input::find(),
            computer: String::new(),
            instance: Uuid::from_u128(0x1d0c_3f2e_77aa_4c11_9b5e_70c5_5e55_1041),
            cursor: Coordinates::default(),
            leaving: None,
            failure: None,
        }
    }

    /// Says that stdin has objects, or was read otherwise: questions go to the terminal.
    pub(crate) fn ask_on_terminal(&mut self) {
        self.input = Input::Terminal;
    }

    /// The lines of stdin, unless that is a terminal.
    pub(crate) fn lines(&mut self) -> Option<&mut Lines> {
        self.input.lines()
    }

    /// Says which computer's calls come next: warnings name it.
    pub(crate) fn speak_with(&mut self, computer: &str) {
        computer.clone_into(&mut self.computer);
    }

    /// Begins a pipeline: what an earlier one told is no part of it.
    pub(crate) const fn begin(&mut self) {
        self.leaving = None;
    }

    /// Ends a pipeline: its progress goes from the screen.
    pub(crate) fn end(&mut self) {
        let ended = self.screen.end_progress();
        self.keep(ended);
    }

    /// Ends a line that the host has left open, where a prompt would cover it.
    ///
    /// # Errors
    /// Nobody reads it any more, or stdout fails.
    pub(crate) fn fresh_line(&mut self) -> Result<(), CommandError> {
        self.screen.fresh_line()
    }

    /// Takes away what the terminal has echoed for Ctrl-C, as PowerShell shows nothing of it.
    pub(crate) fn take_back_echo(&mut self) {
        let taken = self.screen.take_back_echo();
        self.keep(taken);
    }

    /// Ends the line of a question that was given up.
    pub(crate) fn break_line(&mut self) {
        let ended = self.screen.question(&[(NO_COLOR, "\n")]);
        self.keep(ended);
    }

    /// Says that a session's computer cannot be reached for now, or again.
    pub(crate) fn network(&mut self, computer: &str, is_away: bool) {
        let what = if is_away {
            "has been interrupted. Attempting to reconnect..."
        } else {
            "has been restored."
        };
        let text = format!("WARNING: The network connection to {computer} {what}");
        let shown = self.screen.message(YELLOW, &text);
        self.keep(shown);
    }

    /// Shows an error of the other side.
    pub(crate) fn error(&mut self, error: &ErrorRecord) {
        let shown = self.screen.message("", &error_text(error));
        self.keep(shown);
    }

    /// Shows a line of the other side that is no message.
    ///
    /// # Errors
    /// Nobody reads it any more, or stdout fails.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), CommandError> {
        self.screen.output((NO_COLOR, NO_COLOR), text, "\n")
    }

    /// How the pipeline asked to leave the session, if it did.
    pub(crate) const fn leaving(&self) -> Option<Leaving> {
        self.leaving
    }

    /// Why the host cannot go on, if it cannot: nobody reads its output any more.
    pub(crate) const fn take_failure(&mut self) -> Option<CommandError> {
        self.failure.take()
    }

    /// What this host can, and how the terminal looks now.
    pub(crate) fn info(&self) -> HostInfo {
        let (width, height) = self.screen.size();
        let size = Size { width: width.into(), height: height.into() };
        HostInfo {
            is_host_null: false,
            is_host_ui_null: false,
            is_host_raw_ui_null: false,
            use_runspace_host: false,
            default_data: Some(HostDefaultData {
                foreground_color: self.screen.foreground,
                background_color: self.screen.background,
                cursor_position: self.cursor,
                window_position: Coordinates::default(),
                cursor_size: 100,
                buffer_size: size,
                window_size: size,
                max_window_size: size,
                max_physical_window_size: size,
                window_title: self.screen.title.clone(),
            }),
        }
    }

    /// Does what a call asks for; `None` where nobody waits for an answer. Dropping the future gives a question up and
    /// leaves the terminal as it was.
    pub(crate) async fn answer(&mut self, call: &HostCall, pool: &Pool) -> Option<HostResponse> {
        let done = self.done(call, pool).await;
        let result = match done {
            Ok(value) => HostResult::Value(value),
            Err(Refused::Call(message)) => HostResult::Error(Box::new(refusal(&message))),
            Err(Refused::Own(error)) => {
                let record = refusal(error.error());
                self.failure.get_or_insert(error);
                HostResult::Error(Box::new(record))
            }
        };
        (call.call_id != NO_ANSWER).then_some(HostResponse {
            call_id: call.call_id,
            method: call.method,
            result,
        })
    }

    async fn done(&mut self, call: &HostCall, pool: &Pool) -> Result<Value, Refused> {
        let parameters = Parameters(call);
        match call.method {
            Method::ReadLine => self.read_line().await,
            Method::ReadLineAsSecureString => self.read_secret(pool).await,
            Method::Prompt => self.prompt(parameters, pool).await,
            Method::PromptForCredential1 | Method::PromptForCredential2 => {
                self.prompt_for_credential(parameters, pool).await
            }
            Method::PromptForChoice => self.prompt_for_choice(parameters).await,
            Method::PromptForChoiceMultipleSelection => self.prompt_for_choices(parameters).await,
            Method::ReadKey => self.read_key(parameters.number(0)?).await,
            _ => self.written(parameters).map(|()| Value::Null).or_else(|refused| match refused {
                None => self.told(call.method),
                Some(refused) => Err(refused),
            }),
        }
    }

    /// Calls that write; `Err(None)` for those that do not.
    fn written(&mut self, parameters: Parameters<'_>) -> Result<(), Option<Refused>> {
        let text = |index| parameters.text(index).map_err(Some);
        let own =
            |written: Result<(), CommandError>| written.map_err(|error| Some(Refused::Own(error)));
        let none = (NO_COLOR, NO_COLOR);
        match parameters.0.method {
            Method::Write1 => own(self.screen.output(none, &text(0)?, "")),
            Method::WriteLine1 => own(self.screen.output(none, "", "\n")),
            Method::WriteLine2 => own(self.screen.output(none, &text(0)?, "\n")),
            method @ (Method::Write2 | Method::WriteLine3) => {
                let color = |index| parameters.number(index).map_err(Some);
                let end = if method == Method::Write2 { "" } else { "\n" };
                own(self.screen.output((color(0)?, color(1)?), &text(2)?, end))
            }
            Method::WriteErrorLine => own(self.screen.message("", &text(0)?)),
            Method::WriteDebugLine => self.message("DEBUG", &text(0)?),
            Method::WriteVerboseLine => self.message("VERBOSE", &text(0)?),
            Method::WriteWarningLine => self.message("WARNING", &text(0)?),
            Method::WriteProgress => {
                let source = parameters.long(0).map_err(Some)?;
                let progress = parameters.progress(1).map_err(Some)?;
                own(self.screen.progress(source, &progress))
            }
            _ => self.changed(parameters),
        }
    }

    /// Calls that change the window; `Err(None)` for those that do not.
    fn changed(&mut self, parameters: Parameters<'_>) -> Result<(), Option<Refused>> {
        let number = || parameters.number(0).map_err(Some);
        let own =
            |written: Result<(), CommandError>| written.map_err(|error| Some(Refused::Own(error)));
        match parameters.0.method {
            Method::SetForegroundColor => self.screen.foreground = number()?,
            Method::SetBackgroundColor => self.screen.background = number()?,
            Method::SetCursorPosition => {
                let place = parameters.place(0).map_err(Some)?;
                own(self.move_to(place))?;
            }
            Method::SetWindowTitle => {
                let title = parameters.text(0).map_err(Some)?;
                own(self.screen.name(&title))?;
            }
            Method::FlushInputBuffer => {
                if let Ok(terminal) = self.input.terminal("keys") {
                    terminal.forget_input().map_err(|error| Some(error.into()))?;
                }
            }
            Method::SetBufferContents1 => self.fill(parameters).map_err(Some)?,
            Method::SetBufferContents2 => self.put_cells(parameters).map_err(Some)?,
            Method::SetShouldExit => {
                self.leaving.get_or_insert(Leaving::Exit(number()?));
            }
            Method::PopRunspace => {
                self.leaving.get_or_insert(Leaving::Pop);
            }
            Method::PushRunspace => {
                let text = "Enter-PSSession cannot be used inside a session.";
                own(self.screen.message("", text))?;
            }
            // A terminal has one window of the size that it has, and its content stays where it is. Native programs are
            // not told, as they run far away; and a session has no nested prompt.
            Method::SetWindowPosition
            | Method::SetCursorSize
            | Method::SetBufferSize
            | Method::SetWindowSize
            | Method::ScrollBufferContents
            | Method::NotifyBeginApplication
            | Method::NotifyEndApplication
            | Method::EnterNestedPrompt
            | Method::ExitNestedPrompt => {}
            _ => return Err(None),
        }
        Ok(())
    }

    /// Calls that ask how the host is.
    fn told(&self, method: Method) -> Result<Value, Refused> {
        let (width, height) = self.screen.size();
        let size = Value::from(Size { width: width.into(), height: height.into() });
        Ok(match method {
            Method::GetName => "pssession".into(),
            Method::GetVersion => version().into(),
            Method::GetInstanceId => self.instance.into(),
            Method::GetCurrentCulture | Method::GetCurrentUICulture => culture().into(),
            Method::GetForegroundColor => self.screen.foreground.into(),
            Method::GetBackgroundColor => self.screen.background.into(),
            Method::GetCursorPosition => self.cursor.into(),
            Method::GetWindowPosition => Coordinates::default().into(),
            Method::GetCursorSize => 100.into(),
            Method::GetBufferSize
            | Method::GetWindowSize
            | Method::GetMaxWindowSize
            | Method::GetMaxPhysicalWindowSize => size,
            Method::GetWindowTitle => self.screen.title.as_str().into(),
            Method::GetKeyAvailable => self.input.terminal("keys")?.has_input()?.into(),
            Method::GetIsRunspacePushed => true.into(),
            method => {
                let name = method.name();
                return Err(Refused::Call(format!("this host cannot do {name}")));
            }
        })
    }

    async fn read_key(&mut self, options: i32) -> Result<Value, Refused> {
        self.screen.end_line()?;
        let key = self.input.key(options & 1 != 0).await?;
        let Key { code, character, held } = key;
        if options & 2 == 0
            && let Some(letter) = char::from_u32(character.into())
            && !letter.is_control()
        {
            self.screen.question(&[(NO_COLOR, letter.encode_utf8(&mut [0; 4]))])?;
        }
        let bag = Properties::default()
            .with("virtualKeyCode", code)
            .with("character", Value::Char(character))
            .with("controlKeyState", held)
            // A terminal tells keys that go down only.
            .with("keyDown", options & 4 != 0);
        Ok(Object::bag(bag).into())
    }

    /// Fills a part of the screen; the whole of it is cleared.
    fn fill(&mut self, parameters: Parameters<'_>) -> Result<(), Refused> {
        let place = parameters.rectangle(0)?;
        let (letter, foreground, background) = parameters.cell(1)?;
        let (width, height) = self.screen.size();
        let is_whole = place.left <= 0
            && place.top <= 0
            && (place.right < 0 || place.right >= i32::from(width) - 1)
            && (place.bottom < 0 || place.bottom >= i32::from(height) - 1);
        if is_whole && letter == ' ' {
            return Ok(self.screen.control("\x1b[2J")?);
        }
        let bounded = |value: i32, most: u16| value.clamp(0, i32::from(most) - 1);
        let (left, right) = (bounded(place.left, width), bounded(place.right, width));
        let columns = usize::try_from(right - left + 1).unwrap_or(0);
        let line = vec![(letter, foreground, background); columns];
        for y in bounded(place.top, height)..=bounded(place.bottom, height) {
            self.screen.cells(left, y, &line)?;
        }
        Ok(self.move_to(self.cursor)?)
    }

    fn put_cells(&mut self, parameters: Parameters<'_>) -> Result<(), Refused> {
        let place = parameters.place(0)?;
        for (below, line) in (0_i32..).zip(parameters.cells(1)?) {
            self.screen.cells(place.x, place.y.saturating_add(below), &line)?;
        }
        Ok(self.move_to(self.cursor)?)
    }

    fn move_to(&mut self, place: Coordinates) -> Result<(), CommandError> {
        self.cursor = place;
        self.screen.move_to(place.x, place.y)
    }

    fn message(&mut self, kind: &str, text: &str) -> Result<(), Option<Refused>> {
        let shown = self.screen.message(YELLOW, &format!("{kind}: {text}"));
        shown.map_err(|error| Some(Refused::Own(error)))
    }

    /// Shows a record of a pipeline that has this host: errors, as all else comes as calls too.
    pub(crate) fn record(&mut self, record: &Record) {
        if let Record::Error(error) = record {
            self.error(error);
        }
    }

    fn keep(&mut self, done: Result<(), CommandError>) {
        if let Err(error) = done {
            self.failure.get_or_insert(error);
        }
    }
}

/// How an error is told on one line: who it was and what happened.
fn error_text(error: &ErrorRecord) -> String {
    let who = error.activity.as_ref().filter(|activity| !activity.is_empty()).map(string);
    let who = who.unwrap_or_else(|| "Error".to_owned());
    format!("{who}: {}", string(&error.message()))
}

fn refusal(message: &str) -> ErrorRecord {
    ErrorRecord::new(
        "System.Management.Automation.Host.HostException",
        message,
        "RemoteHostExecutionException",
        ErrorCategory::InvalidOperation,
    )
}

fn version() -> Version {
    let number = |text: &str| text.parse().unwrap_or(0);
    Version::new(number(env!("CARGO_PKG_VERSION_MAJOR")), number(env!("CARGO_PKG_VERSION_MINOR")))
}

/// The language of this program's environment, as .NET names it.
fn culture() -> String {
    let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
    let value = names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let value = value.unwrap_or_default();
    let name = value.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
    if matches!(&*name, "" | "C" | "POSIX") { "en-US".to_owned() } else { name }
}
