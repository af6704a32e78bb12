//! What goes into the machine and what comes out of it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::envelope::Envelope;
use crate::fault::Fault;
use crate::ns::action;
use crate::selector::OptionSet;
use crate::shell::{
    CommandLine, CommandOptions, CommandResponse, Connect, ConnectResponse, InputStream,
    OutputStream, ReceiveResponse, Request, SendResponse, ShellInfo, SignalCode, SignalResponse,
};
use crate::xml::Element;

/// The driver's name for a request, given back with its answer. Unique among the requests of a
/// shell that are not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is a number of the driver's choice")]
pub struct RequestToken(pub u64);

/// The machine's name for a command, never used again within a shell, or for the shell itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandKey(pub(super) u64);

impl CommandKey {
    /// The shell itself, whose own streams a plug-in's shell has beside those of its commands.
    pub const SHELL: Self = Self(0);

    /// The number, from 1 in the order of the commands.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SHELL {
            return f.write_str("the shell itself");
        }
        write!(f, "command {}", self.0)
    }
}

/// A request to a shell.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by every driver")]
pub struct Incoming {
    /// The driver's name for it.
    pub token: RequestToken,
    /// `a:MessageID`, byte for byte: by it a Receive is known again.
    pub message_id: String,
    /// `p:SessionId`: by it the client is known that a shell was left by.
    pub session_id: Option<String>,
    /// What is asked for.
    pub request: Request,
    /// When it must be answered: its arrival plus its OperationTimeout (or the service's limit).
    pub deadline: Instant,
    /// The most octets that the encoded reply may have: the smaller of the request's
    /// MaxEnvelopeSize and the service's own limit.
    pub envelope_limit: usize,
    /// Octets of an encoded reply whose body is empty.
    pub empty_reply: usize,
    /// A fresh UUID: the id of the command, where this is a Command that names none.
    pub command_id: Uuid,
}

impl Incoming {
    /// Takes an envelope that [`Header::check_request`](crate::Header::check_request) has
    /// passed.
    ///
    /// # Errors
    ///
    /// The fault to answer with, where the body is not what the action says.
    pub fn from_envelope(
        token: RequestToken,
        envelope: &Envelope,
        deadline: Instant,
        envelope_limit: usize,
        command_id: Uuid,
    ) -> Result<Self, Box<Fault>> {
        let request = Request::from_envelope(envelope)?;
        let empty_reply = if matches!(request, Request::Receive { .. }) {
            envelope.reply(action::RECEIVE_RESPONSE, Uuid::nil(), Vec::new()).encode().len()
        } else {
            0
        };
        let message_id = envelope.header.message_id().unwrap_or_default().to_owned();
        let session_id = session(envelope.header.session_id());
        Ok(Self {
            token,
            message_id,
            session_id,
            request,
            deadline,
            envelope_limit,
            empty_reply,
            command_id,
        })
    }
}

/// The longest session id that is one: `urn:uuid:` and a GUID.
const MAX_SESSION: usize = 45;

/// A session id as it is kept with a shell. What is longer than a GUID can be names no session.
pub(super) fn session(id: Option<&str>) -> Option<String> {
    id.filter(|id| id.len() <= MAX_SESSION).map(str::to_owned)
}

/// Something for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Start a process, then call [`handle_started`](super::Shell::handle_started).
    Start {
        /// The command.
        command: CommandKey,
        /// Its line; what a plug-in is told is [`CommandLine::payload`].
        line: CommandLine,
        /// Whether to run the program itself, and what its input is to be.
        options: CommandOptions,
    },
    /// Write to the command's input, then call [`handle_written`](super::Shell::handle_written).
    /// At most one is under way per command.
    Write {
        /// The command.
        command: CommandKey,
        /// Which input.
        stream: InputStream,
        /// What to write; may be empty.
        data: Vec<u8>,
        /// Whether to close the input afterwards.
        end: bool,
    },
    /// Signal the command. `terminate` must end it, and
    /// [`handle_exit`](super::Shell::handle_exit) follow. PowerShell's Ctrl+C comes under its own
    /// code, however the client has spelt it; a plug-in's command is stopped by every other code, and
    /// [`handle_stopped`](super::Shell::handle_stopped) must follow.
    Signal {
        /// The command.
        command: CommandKey,
        /// The signal.
        code: SignalCode,
    },
    /// Another session of the same user wants to take up the shell: tell the plug-in, then call
    /// [`handle_connected`](super::Shell::handle_connected).
    Connect {
        /// What the plug-in is told.
        connect: Box<Connect>,
        /// The options of the request.
        options: OptionSet,
    },
    /// Output has gone to the client or into nothing: the stream has credit for so many more bytes.
    Release {
        /// The command.
        command: CommandKey,
        /// The stream.
        stream: OutputStream,
        /// Bytes.
        bytes: usize,
    },
    /// The command is over and forgotten: close what is left of its pipes. Calls about it are
    /// ignored from here on.
    Forget {
        /// The command.
        command: CommandKey,
    },
    /// The shell is over: end every process of it. Calls about its commands are ignored.
    Close {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a shell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// A client deleted it, [MS-WSMV] 3.1.4.4.1.
    Deleted,
    /// Nobody asked anything of it for its idle time-out, [MS-WSMV] 3.1.5.3.
    Idle,
    /// Its lifetime is over, [MS-WSMV] 3.1.5.4.
    Lifetime,
    /// What the shell is made of has failed, as [`handle_failed`](super::Shell::handle_failed) told.
    Failed,
}

/// The answer to a request.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an answer has a request and an outcome")]
pub struct Response {
    /// Which request.
    pub token: RequestToken,
    /// What to answer.
    pub result: Result<Reply, Box<Fault>>,
}

/// The body of an answer that is no fault.
///
/// The output in it is shared with the machine, which keeps the last answer for an identical
/// Receive, and encoded only in [`Self::into_body`].
#[derive(Clone, Debug)]
pub struct Reply(Body);

#[derive(Clone, Debug)]
enum Body {
    Command(CommandResponse),
    Connect(Box<ConnectResponse>),
    Delete,
    Disconnect,
    Get(Box<ShellInfo>),
    Reconnect,
    Receive(Arc<ReceiveResponse>),
    Send,
    Signal,
}

impl Reply {
    pub(super) fn command(id: &str) -> Self {
        let response = CommandResponse { command_id: id.to_owned(), other: Vec::new() };
        Self(Body::Command(response))
    }

    pub(super) fn connect(response: ConnectResponse) -> Self {
        Self(Body::Connect(Box::new(response)))
    }

    pub(super) const fn disconnect() -> Self {
        Self(Body::Disconnect)
    }

    pub(super) const fn reconnect() -> Self {
        Self(Body::Reconnect)
    }

    pub(super) const fn delete() -> Self {
        Self(Body::Delete)
    }

    pub(super) fn get(info: ShellInfo) -> Self {
        Self(Body::Get(Box::new(info)))
    }

    pub(super) const fn receive(response: Arc<ReceiveResponse>) -> Self {
        Self(Body::Receive(response))
    }

    pub(super) const fn send() -> Self {
        Self(Body::Send)
    }

    pub(super) const fn signal() -> Self {
        Self(Body::Signal)
    }

    /// `a:Action` of the reply.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self.0 {
            Body::Command(_) => action::COMMAND_RESPONSE,
            Body::Connect(_) => action::CONNECT_RESPONSE,
            Body::Disconnect => action::DISCONNECT_RESPONSE,
            Body::Reconnect => action::RECONNECT_RESPONSE,
            Body::Delete => action::DELETE_RESPONSE,
            Body::Get(_) => action::GET_RESPONSE,
            Body::Receive(_) => action::RECEIVE_RESPONSE,
            Body::Send => action::SEND_RESPONSE,
            Body::Signal => action::SIGNAL_RESPONSE,
        }
    }

    /// The children of `s:Body`.
    #[must_use]
    pub fn into_body(self) -> Vec<Element> {
        match self.0 {
            Body::Command(response) => response.to_body(),
            Body::Connect(response) => response.to_body(),
            Body::Delete | Body::Disconnect | Body::Reconnect => Vec::new(),
            Body::Get(info) => vec![info.to_element()],
            Body::Receive(response) => response.to_body(),
            Body::Send => SendResponse::default().to_body(),
            Body::Signal => SignalResponse::default().to_body(),
        }
    }
}

/// What the machine has for its driver.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) actions: VecDeque<Action>,
    pub(super) responses: VecDeque<Response>,
}

impl Output {
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn reply(&mut self, token: RequestToken, reply: Reply) {
        self.responses.push_back(Response { token, result: Ok(reply) });
    }

    pub(super) fn fault(&mut self, token: RequestToken, fault: Box<Fault>) {
        self.responses.push_back(Response { token, result: Err(fault) });
    }

    pub(super) fn release(&mut self, command: CommandKey, stream: OutputStream, bytes: usize) {
        if bytes > 0 {
            self.act(Action::Release { command, stream, bytes });
        }
    }
}
