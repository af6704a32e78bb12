//! A command shell as its client sees it, [MS-WSMV] 3.1.4.1.31.
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
//! In `Opened` there is one `command::Command` for each Command, see there. After every call that
//! takes `&mut self`, drain [`Shell::poll_request`] and [`Shell::poll_event`].

mod answer;
mod command;
mod error;
mod event;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

pub use error::{ApiMisuse, Error, PeerMisbehaved};
pub use event::{CommandKey, Event, Operation, Request};

use crate::compression;
use crate::envelope::uuid_uri;
use crate::ns::resource;
use crate::shell::{
    self, CommandLine, CommandOptions, Receive, RequestContext, Send, ShellDescription,
    ShellOptions, Signal, SignalCode, Stream, stream_name,
};
use command::Command;
use event::Output;

/// A command shell, client side.
#[derive(Debug)]
pub struct Shell {
    context: RequestContext,
    /// Whether the Create asked for compressed streams, in both directions.
    is_compressed: bool,
    /// What the service did wrong stays: every later call returns it again.
    state: Result<State, PeerMisbehaved>,
    commands: BTreeMap<CommandKey, Command>,
    last_key: u64,
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
    Opened { shell_id: String },
    AwaitDeleteResponse { shell_id: String },
    Closed,
}

/// What is known of the longest request that the service takes. No message tells it: the
/// MaxEnvelopeSize of a request is about the answer.
#[derive(Clone, Copy, Debug)]
struct RequestSize {
    /// Octets that the service surely takes, as far as it has not refused as many.
    sure: u64,
    /// Whether it has refused a request as too long: then nothing longer is tried again.
    is_refused: bool,
}

/// Octets of the longest request before Windows 8: the default of `MaxEnvelopeSizekb` there.
const OLD_REQUEST: u64 = 153_600;
/// Octets that every service takes (DSP0226 R6.2-4).
const LEAST_REQUEST: u64 = 8_192;

#[derive(Debug)]
struct Outstanding {
    operation: Operation,
    command: Option<CommandKey>,
    signal: Option<SignalCode>,
    /// Whether it is the Send that ends the input.
    ends_input: bool,
    /// The id that was chosen for what a Create or Command makes.
    chosen: Option<String>,
}

impl Shell {
    /// A shell that is not open yet. The context's resource URI is that of a command shell.
    #[must_use]
    pub const fn new(context: RequestContext) -> Self {
        Self {
            context,
            is_compressed: false,
            state: Ok(State::BeforeOpen),
            commands: BTreeMap::new(),
            last_key: 0,
            request_size: RequestSize { sure: OLD_REQUEST, is_refused: false },
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

    /// The shell's id, while it is open.
    #[must_use]
    pub fn shell_id(&self) -> Option<&str> {
        match &self.state {
            Ok(State::Opened { shell_id } | State::AwaitDeleteResponse { shell_id }) => {
                Some(shell_id)
            }
            Ok(State::BeforeOpen | State::AwaitCreateResponse | State::Closed) | Err(_) => None,
        }
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

    /// The most bytes that [`Self::send`] takes at once: what fits a request that the service
    /// surely takes, of at most the context's MaxEnvelopeSize.
    ///
    /// That is 153,600 octets until the service has shown that it is no older than Windows 8, and
    /// always where [refusals](Self::trust_refusals) may be somebody else's.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], but for the state of the input.
    pub fn max_send_payload(&self, command: CommandKey) -> Result<usize, Error> {
        let shell_id = self.opened()?;
        let command_id = self.known(command)?.id(command)?;
        let send = send_request(command_id, Vec::new(), true);
        // No timeout of the protocol is written longer than this one.
        let longest = Duration::from_secs(u32::MAX.into());
        let envelope = send.to_envelope(&self.context, Some(shell_id), Uuid::nil(), longest);
        let limit = usize::try_from(self.request_limit()).unwrap_or(usize::MAX);
        let limit = self.context.charset.fits(limit);
        let room = limit.saturating_sub(envelope.encode().len() + CLOSING_TAG) / 4 * 3;
        Ok(if self.is_compressed { compression::fits(room) } else { room })
    }

    /// Octets that a request may have.
    fn request_limit(&self) -> u64 {
        self.context.max_envelope_size.min(self.request_size.sure)
    }

    /// Takes it that the service refused a Send as too long, by HTTP's 413 and before it looked at
    /// it. Whether [`Self::max_send_payload`] is less from now on, so that what was to be sent may
    /// go in smaller pieces.
    pub fn handle_too_long(&mut self) -> bool {
        let refused = self.request_limit();
        let less = if refused > OLD_REQUEST { OLD_REQUEST } else { refused / 2 };
        self.request_size = RequestSize { sure: less.max(LEAST_REQUEST), is_refused: true };
        self.request_limit() < refused
    }

    /// Takes it that the service took the id that was chosen for a command: services before
    /// Windows 8 choose their own, and only these take no more than [`OLD_REQUEST`] by default.
    const fn is_modern(&mut self) {
        if self.trusts_refusals && !self.request_size.is_refused {
            self.request_size.sure = u64::MAX;
        }
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
        match &self.state {
            Ok(State::BeforeOpen) => {}
            Ok(
                State::AwaitCreateResponse
                | State::Opened { .. }
                | State::AwaitDeleteResponse { .. }
                | State::Closed,
            ) => return Err(ApiMisuse::OpenAfterOpen.into()),
            Err(error) => return Err(error.clone().into()),
        }
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
        let request = send_request(id, data, end);
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
        let receive = Receive::command(known.id(command)?);
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
        let id = self.known(command)?.id(command)?;
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
        self.opened()?;
        self.queue(message_id, timeout, None, &shell::Request::Get)?;
        Ok(())
    }

    /// Ends the shell and everything in it; [`Event::Closed`] follows.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::MessageIdInUse`].
    pub fn close(&mut self, message_id: Uuid, timeout: Duration) -> Result<(), Error> {
        let shell_id = self.opened()?.to_owned();
        self.queue(message_id, timeout, None, &shell::Request::Delete)?;
        self.state = Ok(State::AwaitDeleteResponse { shell_id });
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

    /// The id of the open shell.
    fn opened(&self) -> Result<&str, Error> {
        match &self.state {
            Ok(State::Opened { shell_id }) => Ok(shell_id),
            Ok(
                State::BeforeOpen
                | State::AwaitCreateResponse
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
        let shell_id = match &self.state {
            Ok(State::Opened { shell_id } | State::AwaitDeleteResponse { shell_id }) => {
                Some(shell_id.as_str())
            }
            Ok(State::BeforeOpen | State::AwaitCreateResponse | State::Closed) | Err(_) => None,
        };
        let envelope = if operation == Operation::Get {
            let resource_uri = resource::SHELL.to_owned();
            let context = RequestContext { resource_uri, ..self.context.clone() };
            request.to_envelope(&context, shell_id, message_id, timeout)
        } else {
            request.to_envelope(&self.context, shell_id, message_id, timeout)
        };
        let replay = may_replay(request);
        self.out.requests.push_back(Request { message_id, operation, command, envelope, replay });
        let request =
            Outstanding { operation, command, signal: None, ends_input: false, chosen: None };
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

fn send_request(command_id: &str, data: Vec<u8>, end: bool) -> shell::Request {
    let stream = Stream {
        name: stream_name::STDIN.to_owned(),
        command_id: Some(command_id.to_owned()),
        end,
        data,
        ..Stream::default()
    };
    shell::Request::Send(Send { streams: vec![stream], ..Send::default() })
}

/// `</rsp:Stream>`, which an empty element is written without.
const CLOSING_TAG: usize = 13;
