//! A shell as its client sees it, [MS-WSMV] 3.1.4.1.31: a command shell, or one of a plug-in such as
//! PowerShell.
//!
//! One machine per shell. The caller says what it wants; the machine hands out requests and turns
//! the answers, which may come in any order, into events.
//!
//! ```text
//!            open                        CreateResponse
//! BeforeOpen ────► AwaitCreateResponse ─────────────────► Opened ◄─────────────┐
//!      ▲                  │ fault                            │ close           │ other fault
//!      └──────────────────┘                                  ▼                 │
//!                                                    AwaitDeleteResponse ──────┘
//!                                                            │ DeleteResponse,
//!                                                            ▼ or no such shell
//!                                                         Closed
//! ```
//!
//! In `Opened` there is one `command::Command` for each Command, see there, and one for the streams
//! of the shell itself ([`CommandKey::SHELL`]) where it is a plug-in's. That can also be left and
//! taken up again:
//!
//! ```text
//!           disconnect                          DisconnectResponse
//! Opened ─────────────► AwaitDisconnectResponse ──────────────────► Disconnected
//!  │ ▲ ▲                        │ other fault                        ▲ │ │ close
//!  │ │ └────────────────────────┘                                    │ │ └───► AwaitDeleteResponse
//!  │ │ ReconnectResponse                                 other fault │ │ reconnect
//!  │ └────────────────────────── AwaitReconnectResponse ─────────────┤ │
//!  │                                        ▲                        │ │
//!  │ a fault says that it is disconnected   └────────────────────────┼─┘
//!  └─────────────────────────────────────────────────────────────────┘
//!
//!             connect                        ConnectResponse
//! BeforeOpen ─────────► AwaitConnectResponse ────────────────► Opened
//! ```
//!
//! A PowerShell pool is a shell [with that profile](Shell::with_profile). Its Create brings
//! [`creation_xml`](ShellDescription::creation_xml) and names the shell's id, else it cannot be left;
//! its own streams are those of [`CommandKey::SHELL`], a pipeline is a command made of
//! [`CommandLine::plug_in`]. Keep a Receive of the shell and one of each pipeline under way: what they
//! bring are whole pieces of what the plug-in has written.
//!
//! After every call that takes `&mut self`, drain [`Shell::poll_request`] and
//! [`Shell::poll_event`].

mod answer;
mod command;
mod connection;
mod error;
mod event;
mod size;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

pub use connection::KnownShell;
pub use error::{ApiMisuse, Error, PeerMisbehaved};
pub use event::{CommandKey, Event, Operation, Request};

use crate::compression;
use crate::envelope::uuid_uri;
use crate::ns::resource;
use crate::shell::{
    self, CommandLine, CommandOptions, InputStream, Profile, Receive, RequestContext, Send,
    ShellDescription, ShellOptions, Signal, SignalCode, Stream,
};
use command::Command;
use event::Output;
use size::RequestSize;

/// A shell, client side.
#[derive(Debug)]
pub struct Shell {
    context: RequestContext,
    profile: Profile,
    /// Whether the Create asked for compressed streams, in both directions.
    is_compressed: bool,
    /// What the service did wrong stays: every later call returns it again.
    state: Result<State, PeerMisbehaved>,
    commands: BTreeMap<CommandKey, Command>,
    last_key: u64,
    /// How often the shell has been left: a fault that tells so of a request from before is no news.
    times_left: u64,
    /// The longest request that the service surely takes, as far as that is known.
    request_size: RequestSize,
    /// Whether a refusal by HTTP is surely the service's own.
    trusts_refusals: bool,
    /// Requests without an answer, by their MessageID as it stands on the wire.
    outstanding: BTreeMap<String, Outstanding>,
    out: Output,
}

#[derive(Debug)]
enum State {
    BeforeOpen,
    AwaitCreateResponse,
    AwaitConnectResponse {
        shell_id: String,
    },
    Opened {
        shell_id: String,
    },
    AwaitDisconnectResponse {
        shell_id: String,
    },
    Disconnected {
        shell_id: String,
    },
    /// `is_disconnected` is what the shell was before, and is again where the request fails.
    AwaitReconnectResponse {
        shell_id: String,
        is_disconnected: bool,
    },
    AwaitDeleteResponse {
        shell_id: String,
        is_disconnected: bool,
    },
    Closed,
}

impl State {
    /// The shell's id, while there is a shell.
    const fn shell_id(&self) -> Option<&String> {
        match self {
            Self::BeforeOpen | Self::AwaitCreateResponse | Self::Closed => None,
            Self::AwaitConnectResponse { shell_id }
            | Self::Opened { shell_id }
            | Self::AwaitDisconnectResponse { shell_id }
            | Self::Disconnected { shell_id }
            | Self::AwaitReconnectResponse { shell_id, .. }
            | Self::AwaitDeleteResponse { shell_id, .. } => Some(shell_id),
        }
    }
}

#[derive(Debug)]
struct Outstanding {
    operation: Operation,
    command: Option<CommandKey>,
    signal: Option<SignalCode>,
    /// Whether it is the Send that ends the input.
    ends_input: bool,
    /// The id that was chosen for what a Create or Command makes, or that a Connect names.
    chosen: Option<String>,
    /// [`Shell::times_left`] when it was made.
    times_left: u64,
}

impl Shell {
    /// A command shell that is not open yet. The context's resource URI is that of a command shell.
    #[must_use]
    pub fn new(context: RequestContext) -> Self {
        Self::with_profile(context, Profile::COMMAND)
    }

    /// A shell of that kind that is not open yet. The context's resource URI is the plug-in's, such
    /// as [`resource::POWERSHELL_PREFIX`] and a configuration's name.
    #[must_use]
    pub fn with_profile(context: RequestContext, profile: Profile) -> Self {
        let mut commands = BTreeMap::new();
        if profile.is_plug_in {
            commands.insert(CommandKey::SHELL, Command::shell());
        }
        Self {
            context,
            profile,
            is_compressed: false,
            state: Ok(State::BeforeOpen),
            commands,
            last_key: 0,
            times_left: 0,
            request_size: RequestSize::UNKNOWN,
            trusts_refusals: false,
            outstanding: BTreeMap::new(),
            out: Output {
                requests: std::collections::VecDeque::new(),
                events: std::collections::VecDeque::new(),
            },
        }
    }

    /// Says that nobody but the service itself can refuse a request by HTTP, as inside TLS. Only then
    /// are longer requests tried than every service takes: what was refused has to be sent again in
    /// pieces, and a refusal that somebody on the way made up would make the service take it twice.
    pub const fn trust_refusals(&mut self) {
        self.trusts_refusals = true;
    }

    /// Whether commands can be started.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, Ok(State::Opened { .. }))
    }

    /// Whether the shell waits on the service for [`Self::reconnect`].
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self.state, Ok(State::Disconnected { .. }))
    }

    /// Whether it shows only with an answer that is under way what the shell is: to a Create, Connect, Disconnect or
    /// Reconnect.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        matches!(
            self.state,
            Ok(State::AwaitCreateResponse
                | State::AwaitConnectResponse { .. }
                | State::AwaitDisconnectResponse { .. }
                | State::AwaitReconnectResponse { .. })
        )
    }

    /// The shell's id, from the answer to its Create (or its Connect's request) until its end.
    #[must_use]
    pub fn shell_id(&self) -> Option<&str> {
        self.state.as_ref().ok().and_then(State::shell_id).map(String::as_str)
    }

    /// A command's id, once the service has told it. Windows 7 takes another one than was chosen.
    #[must_use]
    pub fn command_id(&self, command: CommandKey) -> Option<&str> {
        self.commands.get(&command).and_then(|command| command.id.as_deref())
    }

    /// Requests without an answer.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether a Receive of the command has no answer yet.
    #[must_use]
    pub fn is_receiving(&self, command: CommandKey) -> bool {
        self.commands.get(&command).is_some_and(|command| command.is_receiving)
    }

    /// Whether the command has told its end, or is gone.
    #[must_use]
    pub fn is_done(&self, command: CommandKey) -> bool {
        self.commands.get(&command).is_none_or(|command| command.is_done)
    }

    /// Makes the shell; [`Event::Opened`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::OpenAfterOpen`] unless the shell is new or its last Create was refused.
    pub fn open(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        description: ShellDescription,
        options: ShellOptions,
    ) -> Result<(), Error> {
        self.before_open()?;
        let is_compressed = options.compression;
        let chosen = description.shell_id.clone();
        let create = shell::Request::Create { shell: Box::new(description), options };
        self.queue(message_id, timeout, None, &create)?.chosen = chosen;
        self.state = Ok(State::AwaitCreateResponse);
        self.is_compressed = is_compressed;
        Ok(())
    }

    /// Starts a command; [`Event::Started`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn start(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandLine,
        options: CommandOptions,
    ) -> Result<CommandKey, Error> {
        self.opened()?;
        let key = CommandKey(self.last_key + 1);
        let chosen = command.command_id.clone();
        let request = shell::Request::Command { command, options };
        self.queue(message_id, timeout, Some(key), &request)?.chosen = chosen;
        self.last_key += 1;
        self.commands.insert(key, Command::default());
        Ok(key)
    }

    /// Gives input to a command; [`Event::Sent`] follows. Empty data is allowed.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::SendUnderWay`], [`ApiMisuse::InputEnded`], [`ApiMisuse::InputTooLong`],
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::Terminated`], [`ApiMisuse::UnknownCommand`],
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn send(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandKey,
        data: Vec<u8>,
        end: bool,
    ) -> Result<(), Error> {
        self.send_to(message_id, timeout, command, InputStream::Stdin, data, end)
    }

    /// [`Self::send`] to any stream that the shell has. At most one Send of each command, and of the
    /// shell itself, is under way, whatever its stream.
    ///
    /// # Errors
    ///
    /// As [`Self::send`]; [`ApiMisuse::UnknownStream`].
    pub fn send_to(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandKey,
        stream: InputStream,
        data: Vec<u8>,
        end: bool,
    ) -> Result<(), Error> {
        if !self.profile.inputs.contains(&stream) {
            return Err(ApiMisuse::UnknownStream(stream).into());
        }
        let max = self.max_send_payload(command)?;
        let known = self.known(command)?;
        let id = known.id(command)?;
        if known.is_sending {
            return Err(ApiMisuse::SendUnderWay(command).into());
        }
        if known.input_ended {
            return Err(ApiMisuse::InputEnded(command).into());
        }
        if data.len() > max {
            return Err(ApiMisuse::InputTooLong { got: data.len(), max }.into());
        }
        let data = if self.is_compressed { compression::compress(&data) } else { data };
        let request = send_request(id, stream, data, end);
        self.queue(message_id, timeout, Some(command), &request)?.ends_input = end;
        self.change(command, |known| {
            known.is_sending = true;
            known.input_ended |= end;
        });
        Ok(())
    }

    /// Asks for a command's output; [`Event::Output`] and its sisters follow, or
    /// [`Event::TimedOut`]. An answer may also bring nothing at all: unless [`Self::is_done`],
    /// receive again.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::ReceiveUnderWay`], [`ApiMisuse::Done`], [`ApiMisuse::NotStarted`],
    /// [`ApiMisuse::Terminated`], [`ApiMisuse::UnknownCommand`], [`ApiMisuse::NotOpen`],
    /// [`ApiMisuse::MessageIdInUse`].
    pub fn receive(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandKey,
    ) -> Result<(), Error> {
        self.opened()?;
        let known = self.known(command)?;
        let id = known.id(command)?;
        let receive = match id {
            Some(id) if !self.profile.is_plug_in => Receive::command(id),
            Some(_) | None => Receive::plug_in(id),
        };
        if known.is_receiving {
            return Err(ApiMisuse::ReceiveUnderWay(command).into());
        }
        if known.is_done {
            return Err(ApiMisuse::Done(command).into());
        }
        let request = shell::Request::Receive { receive, keep_alive: true };
        self.queue(message_id, timeout, Some(command), &request)?;
        self.change(command, |known| known.is_receiving = true);
        Ok(())
    }

    /// Signals a command; [`Event::Signaled`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::Terminated`], [`ApiMisuse::UnknownCommand`],
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn signal(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandKey,
        code: SignalCode,
    ) -> Result<(), Error> {
        self.opened()?;
        let Some(id) = self.known(command)?.id(command)? else {
            return Err(ApiMisuse::UnknownCommand(command).into());
        };
        let terminates = code == SignalCode::Terminate;
        let request = shell::Request::Signal(Signal::command(id, code.clone()));
        let waiting = self.queue(message_id, timeout, Some(command), &request)?;
        waiting.signal = Some(code);
        self.change(command, |known| {
            known.signals_under_way += 1;
            known.is_signaled = true;
            known.is_terminating |= terminates;
        });
        Ok(())
    }

    /// Asks the service what the shell is; [`Event::Info`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn get(&mut self, message_id: Uuid, timeout: Duration) -> Result<(), Error> {
        self.reachable()?;
        self.queue(message_id, timeout, None, &shell::Request::Get)?;
        Ok(())
    }

    /// Ends the shell and everything in it; [`Event::Closed`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn close(&mut self, message_id: Uuid, timeout: Duration) -> Result<(), Error> {
        let (shell_id, is_disconnected) = self.reachable()?;
        let shell_id = shell_id.to_owned();
        self.queue(message_id, timeout, None, &shell::Request::Delete)?;
        self.state = Ok(State::AwaitDeleteResponse { shell_id, is_disconnected });
        Ok(())
    }

    /// The next message for the service.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.out.requests.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    fn before_open(&self) -> Result<(), Error> {
        match &self.state {
            Ok(State::BeforeOpen) => Ok(()),
            Ok(_) => Err(ApiMisuse::OpenAfterOpen.into()),
            Err(error) => Err(error.clone().into()),
        }
    }

    /// The id of the open shell.
    fn opened(&self) -> Result<&str, Error> {
        match self.reachable()? {
            (shell_id, false) => Ok(shell_id),
            (_, true) => Err(ApiMisuse::NotOpen.into()),
        }
    }

    /// The id of a shell that is open or disconnected, and whether it is disconnected.
    fn reachable(&self) -> Result<(&str, bool), Error> {
        match &self.state {
            Ok(State::Opened { shell_id }) => Ok((shell_id, false)),
            Ok(State::Disconnected { shell_id }) => Ok((shell_id, true)),
            Ok(
                State::BeforeOpen
                | State::AwaitCreateResponse
                | State::AwaitConnectResponse { .. }
                | State::AwaitDisconnectResponse { .. }
                | State::AwaitReconnectResponse { .. }
                | State::AwaitDeleteResponse { .. }
                | State::Closed,
            ) => Err(ApiMisuse::NotOpen.into()),
            Err(error) => Err(error.clone().into()),
        }
    }

    fn known(&self, command: CommandKey) -> Result<&Command, Error> {
        Ok(self.commands.get(&command).ok_or(ApiMisuse::UnknownCommand(command))?)
    }

    fn change(&mut self, command: CommandKey, change: impl FnOnce(&mut Command)) {
        if let Some(command) = self.commands.get_mut(&command) {
            change(command);
        }
    }

    fn queue(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: Option<CommandKey>,
        request: &shell::Request,
    ) -> Result<&mut Outstanding, Error> {
        let entry = match self.outstanding.entry(uuid_uri(message_id)) {
            std::collections::btree_map::Entry::Occupied(_) => {
                return Err(ApiMisuse::MessageIdInUse.into());
            }
            std::collections::btree_map::Entry::Vacant(entry) => entry,
        };
        let operation = Operation::of(request);
        let shell_id = self.state.as_ref().ok().and_then(State::shell_id).map(String::as_str);
        let envelope = if operation == Operation::Get {
            let resource_uri = resource::SHELL.to_owned();
            let context = RequestContext { resource_uri, ..self.context.clone() };
            request.to_envelope(&context, shell_id, message_id, timeout)
        } else {
            request.to_envelope(&self.context, shell_id, message_id, timeout)
        };
        let replay = may_replay(request);
        self.out.requests.push_back(Request { message_id, operation, command, envelope, replay });
        let request = Outstanding {
            operation,
            command,
            signal: None,
            ends_input: false,
            chosen: None,
            times_left: self.times_left,
        };
        Ok(entry.insert(request))
    }
}

/// Whether a request may be sent again when its answer was lost. A Receive brings the same answer
/// again; for the others it changes nothing whether they arrive once or twice.
fn may_replay(request: &shell::Request) -> bool {
    match request {
        shell::Request::Receive { .. }
        | shell::Request::Delete
        | shell::Request::Get
        | shell::Request::Disconnect(_)
        | shell::Request::Reconnect(_) => true,
        shell::Request::Signal(signal) => signal.code == SignalCode::Terminate,
        // The end of the input without input.
        shell::Request::Send(send) => {
            send.streams.iter().all(|stream| stream.end && stream.data.is_empty())
        }
        shell::Request::Create { .. }
        | shell::Request::Command { .. }
        | shell::Request::Connect { .. } => false,
    }
}

fn send_request(
    command_id: Option<&str>,
    stream: InputStream,
    data: Vec<u8>,
    end: bool,
) -> shell::Request {
    let stream = Stream {
        name: stream.name().to_owned(),
        command_id: command_id.map(str::to_owned),
        end,
        data,
        ..Stream::default()
    };
    shell::Request::Send(Send { streams: vec![stream], ..Send::default() })
}
