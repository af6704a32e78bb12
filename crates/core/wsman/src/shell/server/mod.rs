//! A shell as its service sees it, [MS-WSMV] 3.1.4.1.31: a command shell, or one of a plug-in such as
//! PowerShell.
//!
//! One machine per shell, made when its Create is accepted. The driver brings requests and what
//! the processes do; the machine says what to do and what to answer.
//!
//! ```text
//!        Create                 Delete, idle time-out, lifetime
//! (none) ──────► Connected ───────────────────────────────────► (gone: every request faults)
//!                    │ one `command::Command` per Command, see there
//!                    │ one waiting Receive per command, see `receive`
//!                    │ without a client for a while, see `link`
//! ```
//!
//! A plug-in's shell has streams of its own ([`CommandKey::SHELL`]): what is said here of commands
//! holds for them, but that they are always started and never forgotten.
//!
//! After every call that takes `&mut self`, drain [`Shell::poll_action`] and
//! [`Shell::poll_response`], then ask [`Shell::poll_timeout`].

mod command;
mod create;
mod error;
mod exchange;
mod faults;
mod link;
mod output;
mod receive;
mod reports;
mod requests;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::duration;
use crate::fault::Fault;
use crate::selector::{EndpointReference, SelectorSet};
use crate::shell::{
    BufferMode, CreateResponse, ListedCommand, OutputStream, Profile, ShellDescription, ShellInfo,
    ShellOptions, State,
};

pub use error::{ApiMisuse, Error};
pub use exchange::{Action, CloseReason, CommandKey, Incoming, Reply, RequestToken, Response};
pub use settings::Settings;

use command::Command;
use exchange::Output;
use link::Link;

/// A shell, server side.
#[derive(Debug)]
pub struct Shell {
    profile: Profile,
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
    /// Whether a client may leave the shell: it must have chosen the id, [MS-WSMV] 3.1.4.15.
    may_disconnect: bool,
    link: Link,
    /// `p:SessionId` of the client that the shell belongs to.
    session_id: Option<String>,
    /// Whether another session than the first has taken the shell.
    is_taken_over: bool,
    buffer_mode: BufferMode,
    /// What else Get and Enumerate tell.
    details: Box<ShellInfo>,
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

impl From<CommandInfo<'_>> for ListedCommand {
    fn from(info: CommandInfo<'_>) -> Self {
        Self {
            command_id: info.id.to_owned(),
            command_line: Some(info.line.to_owned()),
            state: Some(info.state),
            ..Self::default()
        }
    }
}

impl Shell {
    /// A command shell for the body of an accepted Create.
    ///
    /// # Errors
    ///
    /// The fault to answer the Create with: it names streams that a command shell does not have,
    /// or a negative duration.
    pub fn new(
        identity: Identity,
        description: ShellDescription,
        settings: Settings,
        now: Instant,
    ) -> Result<Self, Box<Fault>> {
        Self::with_profile(Profile::COMMAND, identity, description, settings, now)
    }

    /// A shell of that kind for the body of an accepted Create. What the plug-in is told
    /// ([`ShellDescription::creation_xml`]) is the driver's affair.
    ///
    /// # Errors
    ///
    /// The fault to answer the Create with: it names streams that the shell does not have, a
    /// negative duration or too long a name.
    pub fn with_profile(
        profile: Profile,
        identity: Identity,
        mut description: ShellDescription,
        settings: Settings,
        now: Instant,
    ) -> Result<Self, Box<Fault>> {
        let output_streams = create::output_streams(profile, &description)?;
        create::check_input_streams(profile, &description)?;
        create::check_name(profile, &description)?;
        let idle_timeout = match &description.idle_timeout {
            Some(wish) => settings.within(create::length(profile, wish)?),
            None => settings.idle_timeout,
        };
        let lifetime = description.lifetime.as_ref();
        let lifetime = lifetime.map(|time| create::length(profile, time)).transpose()?;
        let may_disconnect = profile.is_plug_in && description.shell_id.is_some();
        create::keep_what_is_told(profile, &mut description);
        let mut commands = BTreeMap::new();
        if profile.is_plug_in {
            commands.insert(CommandKey::SHELL, Command::shell(profile, now));
        }
        Ok(Self {
            profile,
            identity,
            description,
            settings,
            idle_timeout,
            created: now,
            ends: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            last_activity: now,
            output_streams,
            is_compressed: false,
            may_disconnect,
            link: Link::Connected,
            session_id: None,
            is_taken_over: false,
            buffer_mode: BufferMode::Block,
            details: Box::default(),
            commands,
            last_key: 0,
            closed: None,
            out: Output::default(),
        })
    }

    /// The shell as the header of the Create asks for it: from here on its streams are compressed
    /// in both directions, where it says so.
    #[must_use]
    pub fn with_options(mut self, options: &ShellOptions) -> Self {
        self.is_compressed = options.compression;
        for command in self.commands.values_mut() {
            command.is_compressed = options.compression;
        }
        self
    }

    /// The shell as that of the session which its Create named (`p:SessionId`): only that one may
    /// reconnect to it.
    #[must_use]
    pub fn with_session(mut self, session_id: Option<&str>) -> Self {
        self.session_id = exchange::session(session_id);
        self
    }

    /// The shell with that mode while nobody collects its output; Block, unless this or a client
    /// says otherwise.
    #[must_use]
    pub const fn with_buffer_mode(mut self, mode: BufferMode) -> Self {
        self.buffer_mode = mode;
        self
    }

    /// Says what Create, Get and Enumerate tell beside what the machine knows itself: process,
    /// languages, profile, encoding, memory. Of what both know the machine's holds.
    pub fn describe(&mut self, details: ShellInfo) {
        *self.details = details;
    }

    /// The kind of shell.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// `p:SessionId` of the client that the shell belongs to.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
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
        let commands = self.commands.values().filter(|command| !command.is_shell());
        commands.map(|command| CommandInfo {
            command: command.key,
            id: &command.id,
            line: &command.line,
            state: command.state(),
        })
    }

    /// Bytes of output that wait to be collected, all streams of all commands together and those of
    /// the shell itself. At most twice [`Settings::output_buffer`] for each of these.
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
        let state =
            if self.is_disconnected() { ShellInfo::DISCONNECTED } else { ShellInfo::CONNECTED };
        let compression = if self.is_compressed { "XpressCompression" } else { "NoCompression" };
        ShellInfo {
            compression_mode: Some(compression.to_owned()),
            max_idle_timeout: Some(duration::Duration::seconds(self.settings.max_idle_timeout)),
            buffer_mode: self.may_disconnect.then(|| self.buffer_mode.name().to_owned()),
            state: Some(state.to_owned()),
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
            shell: Some(if self.profile.is_plug_in {
                self.info(now)
            } else {
                self.create_info(now)
            }),
            other: Vec::new(),
        }
    }

    fn create_info(&self, now: Instant) -> ShellInfo {
        let since = |start: Instant| duration::Duration::days(now.saturating_duration_since(start));
        ShellInfo {
            shell_id: Some(self.identity.shell_id.clone()),
            name: self.description.name.clone(),
            resource_uri: Some(self.identity.resource_uri.clone()),
            owner: Some(self.identity.owner.clone()),
            client_ip: Some(self.identity.client_ip.clone()),
            environment: self.description.environment.clone(),
            working_directory: self.description.working_directory.clone(),
            idle_timeout: Some(duration::Duration::seconds(self.idle_timeout)),
            input_streams: create::names_or(
                &self.description.input_streams,
                self.profile.input_names(),
            ),
            output_streams: create::names_or(
                &self.description.output_streams,
                self.profile.output_names(),
            ),
            shell_run_time: Some(since(self.created)),
            shell_inactivity: Some(since(self.last_activity)),
            ..(*self.details).clone()
        }
    }

    /// Forgets a request whose connection is gone: it gets no answer, and nothing that it would
    /// have taken is lost. Does nothing where the answer is already out.
    pub fn handle_cancel(&mut self, token: RequestToken, now: Instant) {
        let commands = self.commands.values_mut();
        if commands.into_iter().any(|command| command.cancel(token)) || self.cancel_link(token) {
            self.last_activity = now;
        }
        self.settle_link(now);
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
        self.expire_link(now);
        self.settle_link(now);
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
        let link = self.link.waiting().map(|waiting| waiting.deadline);
        [commands, link, self.ends, self.idle_deadline()].into_iter().flatten().min()
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
        if self.commands.values().any(Command::has_waiting) || self.link.waiting().is_some() {
            return None;
        }
        self.last_activity.checked_add(self.idle_timeout)
    }
}
