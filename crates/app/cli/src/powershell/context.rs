//! What the cmdlets of a program share: variables, sessions, the user's terminal, and how errors are told.

use std::collections::HashMap;

use super::binder::Bound;
use super::convert::constant_variable;
use super::host::Host;
use super::interactive::{Editor, Entered};
use super::remote::input::Input;
use super::sessions::{Sessions, preferences};
use super::show::Shown;
use super::value::Value;
use super::waiter::Waiter;
use super::wsman::hosts::Hosts;
use crate::command_error::CommandError;

/// What cmdlets work with, and what outlives each of them.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) waiter: Waiter,
    /// What was assigned, by names in lower case.
    pub(super) variables: HashMap<String, Value>,
    pub(super) sessions: Sessions,
    /// The computers on the drive `WSMan:`.
    pub(super) hosts: Hosts,
    /// The session that somebody is in from the end of the line on.
    pub(super) entered: Option<Entered>,
    /// Where lines are typed, once one was.
    pub(super) editor: Option<Editor>,
    /// The user's answer for all that the cmdlet still wants to do.
    pub(super) for_all: Option<bool>,
    /// Whether one cmdlet is the whole program.
    pub(super) is_alone: bool,
    /// Answers sessions that ask something of the user, and shows what they tell.
    pub(super) host: Host,
    /// What comes from the pipe to a cmdlet that takes all of it.
    pub(super) input: Option<Input>,
    /// How output looks.
    pub(super) shown: Shown,
    /// Whether something was told that makes the statement a failed one: `$?`, the other way round.
    pub(super) failed: bool,
}

impl Context {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            waiter: Waiter::default(),
            variables: HashMap::new(),
            sessions: Sessions::default(),
            hosts: Hosts::default(),
            entered: None,
            editor: None,
            for_all: None,
            is_alone: false,
            host: Host::new(is_json),
            input: None,
            shown: Shown::new(is_json),
            failed: false,
        }
    }

    /// A variable; null when nothing was assigned. The preferences about sessions are those of `client.toml` then.
    ///
    /// # Errors
    /// `client.toml` cannot be read.
    pub(super) fn variable(&self, name: &str) -> Result<Value, CommandError> {
        if let Some(value) = constant_variable(name) {
            return Ok(value);
        }
        if let Some(value) = self.variables.get(&name.to_lowercase()) {
            let mut value = value.clone();
            self.sessions.update(&mut value);
            return Ok(value);
        }
        preferences::preference(name).map(|value| value.unwrap_or(Value::Null))
    }

    /// Puts everything in order at the program's end: sessions stay on their hosts.
    pub(super) fn end(&mut self) {
        self.sessions.end(&mut self.waiter);
    }

    /// What `$using:` takes: a variable that was assigned, or that is there always.
    pub(super) fn assigned(&self, name: &str) -> Option<Value> {
        constant_variable(name).or_else(|| self.variables.get(&name.to_lowercase()).cloned())
    }

    /// Tells an error, and that the statement failed.
    pub(super) fn tell(&mut self, error: &CommandError) {
        self.failed = true;
        self.shown.error(error);
    }

    /// Tells an error of a cmdlet that goes on after it, as its `-ErrorAction` has it.
    ///
    /// # Errors
    /// The error itself, where it ends the script.
    pub(super) fn report(
        &mut self,
        bound: &Bound,
        error: CommandError,
    ) -> Result<(), CommandError> {
        let ends = error.ends_everything() || bound.text("ErrorAction") == Some("Stop");
        if ends {
            return Err(error);
        }
        self.settle(bound, error.of(bound.cmdlet.name))
    }

    /// The same for an error that says by itself who speaks: a command on another computer.
    ///
    /// # Errors
    /// The error itself, where it ends the script.
    pub(super) fn settle(
        &mut self,
        bound: &Bound,
        error: CommandError,
    ) -> Result<(), CommandError> {
        if error.ends_everything() {
            return Err(error);
        }
        match bound.text("ErrorAction") {
            Some("Stop") => return Err(error),
            Some("SilentlyContinue" | "Ignore") => self.failed = true,
            _ => self.tell(&error),
        }
        Ok(())
    }
}
