//! A command shell as its service sees it, [MS-WSMV] 3.1.4.1.31.
//!
//! One machine per shell, made when its Create is accepted. The driver brings requests and what
//! the processes do; the machine says what to do and what to answer.
//!
//! ```text
//!        Create                 Delete, idle time-out, lifetime
//! (none) ──────► Connected ───────────────────────────────────► (gone: every request faults)
//!                    │ one `command::Command` per Command, see there
//!                    │ one waiting Receive per command, see `receive`
//! ```
//!
//! After every call that takes `&mut self`, drain [`Shell::poll_action`] and
//! [`Shell::poll_response`], then ask [`Shell::poll_timeout`].

mod command;
mod error;
mod exchange;
mod faults;
mod output;
mod receive;
mod requests;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::duration;
use crate::fault::Fault;
use crate::selector::{EndpointReference, SelectorSet};
use crate::shell::{
    CreateResponse, OutputStream, ShellDescription, ShellInfo, ShellOptions, State, stream_name,
};

pub use error::{ApiMisuse, Error};
pub use exchange::{Action, CloseReason, CommandKey, Incoming, Reply, RequestToken, Response};
pub use settings::Settings;

use command::{Command, Input, Phase};
use exchange::Output;

/// A command shell, server side.
#[derive(Debug)]
pub struct Shell {
    identity: Identity,
    description: ShellDescription,
    settings: Settings,
    idle_timeout: Duration,
    created: Instant,
    /// When the shell's lifetime ends, if the Create named one.
    ends: Option<Instant>,
    /// When something was last asked or answered.
    last_activity: Instant,
    output_streams: Vec<OutputStream>,
    /// Whether streams are compressed in both directions.
    is_compressed: bool,
    commands: BTreeMap<CommandKey, Command>,
    last_key: u64,
    closed: Option<CloseReason>,
    out: Output,
}

/// Whose shell it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service that makes the shell")]
pub struct Identity {
    /// `ShellId`: a GUID in capitals.
    pub shell_id: String,
    /// `ResourceUri`.
    pub resource_uri: String,
    /// `Owner`: the account that created it.
    pub owner: String,
    /// `ClientIP`: where it was created from.
    pub client_ip: String,
}

/// One row of the list of commands, [MS-WSMV] 3.1.4.8.2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the elements of a listed command")]
pub struct CommandInfo<'a> {
    /// The machine's name for it.
    pub command: CommandKey,
    /// `CommandId`.
    pub id: &'a str,
    /// `CommandLine`.
    pub line: &'a str,
    /// `CommandState`.
    pub state: State,
}

impl Shell {
    /// A shell for the body of an accepted Create.
    ///
    /// # Errors
    ///
    /// The fault to answer the Create with: it names streams that a command shell does not have,
    /// or a negative duration.
    pub fn new(
        identity: Identity,
        mut description: ShellDescription,
        settings: Settings,
        now: Instant,
    ) -> Result<Self, Box<Fault>> {
        let output_streams = output_streams(&description)?;
        check_input_streams(&description)?;
        let idle_timeout = match &description.idle_timeout {
            Some(wish) => {
                length(wish)?.max(settings.min_idle_timeout).min(settings.max_idle_timeout)
            }
            None => settings.idle_timeout,
        };
        let lifetime = description.lifetime.as_ref().map(length).transpose()?;
        keep_what_is_told(&mut description);
        Ok(Self {
            identity,
            description,
            settings,
            idle_timeout,
            created: now,
            ends: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            last_activity: now,
            output_streams,
            is_compressed: false,
            commands: BTreeMap::new(),
            last_key: 0,
            closed: None,
            out: Output::default(),
        })
    }

    /// The shell as the header of the Create asks for it: from here on its streams are compressed
    /// in both directions, where it says so.
    #[must_use]
    pub const fn with_options(mut self, options: &ShellOptions) -> Self {
        self.is_compressed = options.compression;
        self
    }

    /// `ShellId`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.identity.shell_id
    }

    /// Whose shell it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the Create asked for, as far as the shell tells it: environment, working directory,
    /// streams.
    #[must_use]
    pub const fn description(&self) -> &ShellDescription {
        &self.description
    }

    /// How long the shell lives without a request.
    #[must_use]
    pub const fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Whether the shell has ended, and why.
    #[must_use]
    pub const fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// The commands that the shell knows, in the order of their Commands.
    pub fn commands(&self) -> impl Iterator<Item = CommandInfo<'_>> {
        self.commands.values().map(|command| CommandInfo {
            command: command.key,
            id: &command.id,
            line: &command.line,
            state: command.state(),
        })
    }

    /// Bytes of output that wait to be collected, all streams of all commands together. At most
    /// twice [`Settings::output_buffer`] for each command.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let streams = |command: &Command| command.stdout.len() + command.stderr.len();
        self.commands.values().map(streams).sum()
    }

    /// Bytes of output in answers that are kept for an identical Receive. At most one answer for
    /// each command.
    #[must_use]
    pub fn kept_for_replay(&self) -> usize {
        self.commands
            .values()
            .filter_map(|command| command.answered.as_ref())
            .map(|a| a.len())
            .sum()
    }

    /// What Get and Enumerate tell about the shell.
    #[must_use]
    pub fn info(&self, now: Instant) -> ShellInfo {
        let compression = if self.is_compressed { "XpressCompression" } else { "NoCompression" };
        ShellInfo {
            compression_mode: Some(compression.to_owned()),
            max_idle_timeout: Some(duration::Duration::seconds(self.settings.max_idle_timeout)),
            state: Some("Connected".to_owned()),
            ..self.create_info(now)
        }
    }

    /// The answer to the Create. `to` is the request's `a:To`, which Windows echoes.
    #[must_use]
    pub fn create_response(&self, to: &str, now: Instant) -> CreateResponse {
        CreateResponse {
            resource_created: EndpointReference {
                resource_uri: Some(self.identity.resource_uri.clone()),
                selectors: Some(SelectorSet::shell(&self.identity.shell_id)),
                ..EndpointReference::address(to)
            },
            shell: Some(self.create_info(now)),
            other: Vec::new(),
        }
    }

    fn create_info(&self, now: Instant) -> ShellInfo {
        let since = |start: Instant| duration::Duration::days(now.saturating_duration_since(start));
        ShellInfo {
            shell_id: Some(self.identity.shell_id.clone()),
            resource_uri: Some(self.identity.resource_uri.clone()),
            owner: Some(self.identity.owner.clone()),
            client_ip: Some(self.identity.client_ip.clone()),
            environment: self.description.environment.clone(),
            working_directory: self.description.working_directory.clone(),
            idle_timeout: Some(duration::Duration::seconds(self.idle_timeout)),
            input_streams: names_or(&self.description.input_streams, &[stream_name::STDIN]),
            output_streams: names_or(
                &self.description.output_streams,
                &OutputStream::ALL.map(OutputStream::name),
            ),
            shell_run_time: Some(since(self.created)),
            shell_inactivity: Some(since(self.last_activity)),
            ..ShellInfo::default()
        }
    }

    /// Tells that the process of an [`Action::Start`] runs, or the fault that says why it does not.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::UnknownCommand`], [`ApiMisuse::StartedTwice`].
    pub fn handle_started(
        &mut self,
        command: CommandKey,
        result: Result<(), Box<Fault>>,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.find(command)? else { return Ok(()) };
        if !matches!(known.phase, Phase::Starting(_)) {
            return Err(ApiMisuse::StartedTwice(command).into());
        }
        self.last_activity = now;
        let Some(known) = self.commands.get_mut(&command) else { return Ok(()) };
        match result {
            Ok(()) => known.start(&mut self.out),
            Err(fault) => {
                known.fail(&fault, &mut self.out);
                self.commands.remove(&command);
            }
        }
        Ok(())
    }

    /// Takes what a command has written.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::OutputBeyondCredit`] where the stream then held more than
    /// [`Settings::output_buffer`] (what [`Action::Release`] gave back counts no more),
    /// [`ApiMisuse::OutputAfterEnd`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_output(
        &mut self,
        command: CommandKey,
        stream: OutputStream,
        data: Vec<u8>,
        now: Instant,
    ) -> Result<(), Error> {
        let limit = self.settings.output_buffer;
        let wanted = self.output_streams.contains(&stream);
        let gather = self.settings.gather;
        let Some(known) = self.started(command)? else { return Ok(()) };
        let wanted = wanted && !matches!(known.phase, Phase::Pending(_));
        let buffer = known.buffer_mut(stream);
        if buffer.is_ended() {
            return Err(ApiMisuse::OutputAfterEnd { command, stream }.into());
        }
        let credit = limit.saturating_sub(buffer.len());
        if data.len() > credit {
            let got = data.len();
            return Err(ApiMisuse::OutputBeyondCredit { command, stream, got, credit }.into());
        }
        if !wanted {
            self.out.release(command, stream, data.len());
            return Ok(());
        }
        if !data.is_empty() {
            buffer.push(data);
            if known.gather_until.is_none() {
                known.gather_until = now.checked_add(gather);
            }
        }
        self.settle(command, now);
        Ok(())
    }

    /// Takes the end of one of a command's streams. Further ends of the same stream are ignored.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_end(
        &mut self,
        command: CommandKey,
        stream: OutputStream,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        known.buffer_mut(stream).end();
        self.settle(command, now);
        Ok(())
    }

    /// Takes the exit of a command's process. Its streams may still have something to bring; where
    /// another process has inherited them and keeps them open, it is for the driver to decide how
    /// long to wait before it ends them.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::ExitedTwice`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_exit(
        &mut self,
        command: CommandKey,
        exit_code: u32,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        if known.exit.is_some() {
            return Err(ApiMisuse::ExitedTwice(command).into());
        }
        let was_told_to_end = matches!(known.phase, Phase::Pending(_));
        let had_waiting = known.has_waiting();
        let Some(known) = self.commands.get_mut(&command) else { return Ok(()) };
        known.exit(exit_code, &mut self.out);
        if had_waiting {
            self.last_activity = now;
        }
        if was_told_to_end {
            self.forget(command);
        } else {
            self.settle(command, now);
        }
        Ok(())
    }

    /// Tells that an [`Action::Write`] is done, or the fault that says why it failed. A process
    /// that has closed its input is no failure: what it has not taken is discarded, [MS-WSMV]
    /// 3.1.4.13.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NothingWritten`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_written(
        &mut self,
        command: CommandKey,
        result: Result<(), Box<Fault>>,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        let Input::Writing { waiting, end } = known.input else {
            return Err(ApiMisuse::NothingWritten(command).into());
        };
        known.input = if end { Input::Ended } else { Input::Open };
        if let Some(waiting) = waiting {
            self.last_activity = now;
            let result = result.map(|()| Reply::send());
            self.out.responses.push_back(Response { token: waiting.token, result });
        }
        Ok(())
    }

    /// Forgets a request whose connection is gone: it gets no answer, and nothing that it would
    /// have taken is lost. Does nothing where the answer is already out.
    pub fn handle_cancel(&mut self, token: RequestToken, now: Instant) {
        if self.commands.values_mut().any(|command| command.cancel(token)) {
            self.last_activity = now;
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        for command in self.commands.values_mut() {
            let had_waiting = command.has_waiting();
            command.expire(now, &mut self.out);
            command.settle(self.settings.output_buffer, now, &mut self.out);
            if had_waiting && !command.has_waiting() {
                self.last_activity = now;
            }
        }
        if self.ends.is_some_and(|ends| ends <= now) {
            self.close(CloseReason::Lifetime, &faults::shell_is_gone());
        } else if self.idle_deadline().is_some_and(|deadline| deadline <= now) {
            self.close(CloseReason::Idle, &faults::shell_is_gone());
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let commands = self.commands.values().filter_map(Command::next_timeout).min();
        [commands, self.ends, self.idle_deadline()].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// The next answer.
    pub fn poll_response(&mut self) -> Option<Response> {
        self.out.responses.pop_front()
    }

    /// A request that waits keeps the shell from being idle.
    fn idle_deadline(&self) -> Option<Instant> {
        if self.commands.values().any(Command::has_waiting) {
            return None;
        }
        self.last_activity.checked_add(self.idle_timeout)
    }

    fn settle(&mut self, command: CommandKey, now: Instant) {
        if let Some(known) = self.commands.get_mut(&command)
            && known.receiving.is_some()
        {
            known.settle(self.settings.output_buffer, now, &mut self.out);
            if known.receiving.is_none() {
                self.last_activity = now;
            }
        }
    }

    /// The command, unless it is forgotten: what its process still brings is late, not wrong.
    fn find(&mut self, command: CommandKey) -> Result<Option<&mut Command>, Error> {
        if command.0 == 0 || command.0 > self.last_key {
            return Err(ApiMisuse::UnknownCommand(command).into());
        }
        Ok(self.commands.get_mut(&command))
    }

    fn started(&mut self, command: CommandKey) -> Result<Option<&mut Command>, Error> {
        match self.find(command)? {
            Some(known) if matches!(known.phase, Phase::Starting(_)) => {
                Err(ApiMisuse::NotStarted(command).into())
            }
            known => Ok(known),
        }
    }
}

/// Both lists of streams must be in the answers, [MS-WSMV] 3.1.4.5.2: what the Create names, else
/// what there is.
fn names_or(named: &[String], all: &[&str]) -> Vec<String> {
    if named.is_empty() {
        all.iter().map(|&name| name.to_owned()).collect()
    } else {
        named.to_vec()
    }
}

/// The output streams that the Create wants; all where it names none.
fn output_streams(description: &ShellDescription) -> Result<Vec<OutputStream>, Box<Fault>> {
    let names = &description.output_streams;
    if names.is_empty() {
        return Ok(OutputStream::ALL.to_vec());
    }
    let unknown =
        || faults::invalid_parameter("a command shell has the output streams stdout and stderr");
    let mut streams = Vec::new();
    for name in names {
        let stream = OutputStream::from_name(name).ok_or_else(unknown)?;
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    Ok(streams)
}

/// Drops what the shell never tells anybody: it would cost memory for as long as the shell lives, up to many times the
/// envelope that brought it.
fn keep_what_is_told(description: &mut ShellDescription) {
    let ShellDescription {
        environment,
        working_directory,
        input_streams,
        output_streams,
        shell_id: _,
        name: _,
        lifetime: _,
        idle_timeout: _,
        creation_xml: _,
        attributes: _,
        other: _,
    } = std::mem::take(description);
    let distinct = |names: Vec<String>| {
        let mut kept: Vec<String> = Vec::new();
        for name in names {
            // Only the few names that exist have come so far.
            if !kept.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                kept.push(name);
            }
        }
        kept
    };
    *description = ShellDescription {
        environment,
        working_directory,
        input_streams: distinct(input_streams),
        output_streams: distinct(output_streams),
        ..ShellDescription::default()
    };
}

fn check_input_streams(description: &ShellDescription) -> Result<(), Box<Fault>> {
    let known = |name: &String| name.eq_ignore_ascii_case(stream_name::STDIN);
    if description.input_streams.iter().all(known) {
        return Ok(());
    }
    Err(faults::invalid_parameter("a command shell has the input stream stdin"))
}

fn length(duration: &duration::Duration) -> Result<Duration, Box<Fault>> {
    duration.length().ok_or_else(|| faults::invalid_parameter("a duration is negative"))
}
