//! What each answer does to the shell.

use uuid::Uuid;

use super::error::{Error, PeerMisbehaved, shorten};
use super::event::{CommandKey, Event, Operation};
use super::{Outstanding, Shell, State};
use crate::Envelope;
use crate::compression;
use crate::envelope::{same_id, uuid_uri};
use crate::fault::{ErrorCode, Fault};
use crate::ns::action;
use crate::shell::{
    CommandResponse, ConnectResponse, CreateResponse, ReceiveResponse, SendResponse, ShellInfo,
    SignalCode, SignalResponse,
};

impl Shell {
    /// Takes an answer, a fault too. Which request it answers is told by its RelatesTo.
    ///
    /// # Errors
    ///
    /// [`Error::PeerMisbehaved`] where the answer breaks the protocol; it is final.
    pub fn handle_response(&mut self, envelope: &Envelope) -> Result<(), Error> {
        if let Err(error) = &self.state {
            return Err(error.clone().into());
        }
        self.take(envelope).map_err(|error| self.fail(error))
    }

    /// Takes a fault that says of no request that it answers it, where the driver knows: some
    /// services leave RelatesTo out when they could not read the request.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::UnknownRelatesTo`] where the request is not outstanding; it is final.
    pub fn handle_fault(&mut self, message_id: Uuid, fault: Fault) -> Result<(), Error> {
        if let Err(error) = &self.state {
            return Err(error.clone().into());
        }
        let id = uuid_uri(message_id);
        match self.outstanding.remove(&id) {
            Some(request) => {
                self.take_fault(request, fault);
                Ok(())
            }
            None => Err(self.fail(PeerMisbehaved::UnknownRelatesTo(id))),
        }
    }

    /// Gives a request up: its connection is gone and it will not be sent again. Whether the
    /// service acted on it is unknown.
    ///
    /// What a lost Create or Command with a chosen id has made can be reached by that id: the shell
    /// counts as open, so that [`Self::close`] ends it if it is there, and the command can be asked
    /// for by [`Self::receive`], which fails with
    /// [`UNEXPECTED_SELECTORS`](ErrorCode::UNEXPECTED_SELECTORS) if it is not. Without a chosen id
    /// both are forgotten (and a shell may live on until its idle time-out). A lost Delete,
    /// Disconnect or Reconnect can be tried again, and a lost Disconnect be followed by
    /// [`Self::reconnect`]. What a lost Connect to a shell would have told is lost with it: the
    /// machine is as before.
    pub fn handle_lost(&mut self, message_id: Uuid) {
        let Some(request) = self.outstanding.remove(&uuid_uri(message_id)) else { return };
        self.settle(&request);
        match (request.operation, request.command, &request.chosen) {
            (Operation::Create, _, Some(id)) => {
                self.state = Ok(State::Opened { shell_id: id.clone() });
            }
            (Operation::Command | Operation::Connect, Some(command), Some(id)) => {
                self.change(command, |known| known.id = Some(id.clone()));
            }
            _ => self.roll_back(&request),
        }
    }

    /// Gives a request up that has not reached the service: it is as if it had not been made.
    pub fn handle_unsent(&mut self, message_id: Uuid) {
        if let Some(request) = self.outstanding.remove(&uuid_uri(message_id)) {
            self.settle(&request);
            self.roll_back(&request);
        }
    }

    fn fail(&mut self, error: PeerMisbehaved) -> Error {
        self.state = Err(error.clone());
        error.into()
    }

    fn take(&mut self, envelope: &Envelope) -> Result<(), PeerMisbehaved> {
        let id = envelope.header.relates_to().ok_or(PeerMisbehaved::MissingRelatesTo)?;
        let Some(request) = self.outstanding.remove(id) else {
            return Err(PeerMisbehaved::UnknownRelatesTo(shorten(id)));
        };
        let operation = request.operation;
        let malformed = |error| PeerMisbehaved::Malformed { operation, error };
        if let Some(fault) = Fault::from_envelope(envelope).map_err(malformed)? {
            self.take_fault(request, fault);
            return Ok(());
        }
        let action = envelope.action().unwrap_or_default();
        if action != response_action(operation) {
            let action = shorten(action);
            return Err(PeerMisbehaved::UnexpectedAction { operation, action });
        }
        self.settle(&request);
        let body = &envelope.body;
        match (operation, request.command) {
            (Operation::Create, _) => {
                let response = CreateResponse::from_body(body).map_err(malformed)?;
                let shell_id = response.shell_id().filter(|id| !id.is_empty());
                let shell_id = shell_id.ok_or(PeerMisbehaved::MissingShellId)?.to_owned();
                self.state = Ok(State::Opened { shell_id: shell_id.clone() });
                let info = response.shell.map(Box::new);
                self.out.events.push_back(Event::Opened { shell_id, info });
            }
            (Operation::Delete, _) => self.closed(),
            (Operation::Disconnect, _) => self.disconnected(),
            (Operation::Reconnect, command) => self.reconnected(command),
            (Operation::Connect, command) => {
                let response = ConnectResponse::from_body(body).map_err(malformed)?;
                self.connected(command, request.chosen.unwrap_or_default(), response);
            }
            (Operation::Get, _) => {
                let missing = crate::Error::Missing { parent: "s:Body", name: "rsp:Shell" };
                let element = body.first().ok_or(missing).map_err(malformed)?;
                let info = Box::new(ShellInfo::from_element(element).map_err(malformed)?);
                self.out.events.push_back(Event::Info { info });
            }
            (Operation::Command, Some(command)) => {
                let response = CommandResponse::from_body(body).map_err(malformed)?;
                if response.command_id.is_empty() {
                    return Err(PeerMisbehaved::MissingCommandId);
                }
                if request.chosen.as_deref().is_some_and(|id| same_id(id, &response.command_id)) {
                    self.is_modern();
                }
                self.change(command, |known| known.id = Some(response.command_id));
                self.out.events.push_back(Event::Started { command });
            }
            (Operation::Send, Some(command)) => {
                SendResponse::from_body(body).map_err(malformed)?;
                self.out.events.push_back(Event::Sent { command });
            }
            (Operation::Receive, Some(command)) => {
                let mut response = ReceiveResponse::from_body(body).map_err(malformed)?;
                if self.is_compressed {
                    decompress(&mut response)?;
                }
                if let Some(known) = self.commands.get_mut(&command) {
                    known.take(command, response, self.profile.outputs, &mut self.out)?;
                }
                self.forget_if_gone(command);
            }
            (Operation::Signal, Some(command)) => {
                SignalResponse::from_body(body).map_err(malformed)?;
                self.signaled(command, request.signal);
            }
            // A request about a command was queued with one.
            (
                Operation::Command | Operation::Send | Operation::Receive | Operation::Signal,
                None,
            ) => {}
        }
        Ok(())
    }

    fn take_fault(&mut self, request: Outstanding, fault: Fault) {
        self.settle(&request);
        let code = fault.error_code();
        let is_unknown = code == Some(ErrorCode::UNEXPECTED_SELECTORS);
        let Outstanding { operation, command, .. } = request;
        if operation == Operation::Delete && is_unknown {
            // What was to be ended is not there.
            self.closed();
            return;
        }
        if let (Operation::Signal, Some(command)) = (operation, command)
            && is_unknown
            && request.signal == Some(SignalCode::Terminate)
        {
            self.signaled(command, request.signal);
            return;
        }
        if let (Operation::Receive, Some(command)) = (operation, command)
            && code == Some(ErrorCode::OPERATION_TIMEDOUT)
        {
            self.out.events.push_back(Event::TimedOut { command });
            self.forget_if_gone(command);
            return;
        }
        if self.is_done_already(&request, code) {
            return;
        }
        let benign = self.is_benign(code, &request);
        self.roll_back(&request);
        let acts = matches!(operation, Operation::Command | Operation::Send | Operation::Signal);
        self.out.events.push_back(match command {
            Some(command) if benign && acts && is_left(code) => {
                Event::NotTaken { operation, command }
            }
            _ if benign => Event::Aborted { operation, command },
            _ => Event::Faulted { operation, command, fault: Box::new(fault) },
        });
    }

    /// Whether a fault only says that a signal or a close of ours came first.
    fn is_benign(&mut self, code: Option<ErrorCode>, request: &Outstanding) -> bool {
        let closing = matches!(self.state, Ok(State::AwaitDeleteResponse { .. } | State::Closed));
        let was_left = request.times_left < self.times_left;
        let takes_up = matches!(request.operation, Operation::Reconnect | Operation::Connect);
        let command = request.command.and_then(|command| self.commands.get(&command));
        // Whether one of these was taken before the shell was left, nobody knows.
        let may_be_taken = matches!(request.operation, Operation::Command | Operation::Send);
        let terminating = command.is_some_and(|command| command.is_terminating);
        let signaled = command.is_some_and(|command| command.is_signaled);
        match code {
            Some(ErrorCode::OPERATION_ABORTED | ErrorCode::CANCELLED) => {
                closing || signaled || (was_left && !may_be_taken)
            }
            _ if is_left(code) && !takes_up && self.profile.is_plug_in => {
                if !was_left && self.is_open() {
                    // The service has noticed before we did.
                    self.times_left += 1;
                    self.disconnected();
                }
                true
            }
            Some(ErrorCode::UNEXPECTED_SELECTORS) => closing || terminating,
            Some(_) | None => false,
        }
    }

    /// The request has its answer, or never will.
    fn settle(&mut self, request: &Outstanding) {
        let Some(command) = request.command else { return };
        self.change(command, |known| match request.operation {
            Operation::Send => known.is_sending = false,
            Operation::Receive => known.is_receiving = false,
            Operation::Signal => {
                known.signals_under_way = known.signals_under_way.saturating_sub(1);
            }
            Operation::Create
            | Operation::Command
            | Operation::Delete
            | Operation::Get
            | Operation::Disconnect
            | Operation::Reconnect
            | Operation::Connect => {}
        });
    }

    /// Whether a fault says that the shell is as the request wants it.
    fn is_done_already(&mut self, request: &Outstanding, code: Option<ErrorCode>) -> bool {
        match (request.operation, code) {
            (
                Operation::Disconnect,
                Some(
                    ErrorCode::SHELL_DISCONNECT_OPERATION_NOT_VALID | ErrorCode::SHELL_DISCONNECTED,
                ),
            ) => self.disconnected(),
            (
                Operation::Reconnect,
                Some(
                    ErrorCode::SHELL_RECONNECT_OPERATION_NOT_VALID
                    | ErrorCode::SHELLCOMMAND_RECONNECT_OPERATION_NOT_VALID,
                ),
            ) => self.reconnected(request.command),
            _ => return false,
        }
        true
    }

    fn disconnected(&mut self) {
        if let Ok(State::AwaitDisconnectResponse { shell_id } | State::Opened { shell_id }) =
            &self.state
        {
            self.state = Ok(State::Disconnected { shell_id: shell_id.clone() });
            self.out.events.push_back(Event::Disconnected);
        }
    }

    fn reconnected(&mut self, command: Option<CommandKey>) {
        if let Some(command) = command {
            self.out.events.push_back(Event::CommandReconnected { command });
        } else if let Ok(State::AwaitReconnectResponse { shell_id, .. }) = &self.state {
            self.state = Ok(State::Opened { shell_id: shell_id.clone() });
            self.out.events.push_back(Event::Reconnected);
        }
    }

    fn connected(&mut self, command: Option<CommandKey>, id: String, response: ConnectResponse) {
        if let Some(command) = command {
            self.change(command, |known| known.id = Some(id));
            self.out.events.push_back(Event::CommandConnected { command });
        } else {
            self.state = Ok(State::Opened { shell_id: id.clone() });
            let response = Box::new(response);
            self.out.events.push_back(Event::Connected { shell_id: id, response });
        }
    }

    /// The request has not done what it was for.
    fn roll_back(&mut self, request: &Outstanding) {
        if request.command.is_none()
            && let Some(state) = self.state_before(request.operation)
        {
            self.state = Ok(state);
        }
        let Some(command) = request.command else { return };
        if matches!(request.operation, Operation::Command | Operation::Connect) {
            self.commands.remove(&command);
        } else if request.signal == Some(SignalCode::Terminate) {
            // Terminating may be tried again.
            self.change(command, |known| known.is_terminating = false);
        } else if request.ends_input {
            self.change(command, |known| known.input_ended = false);
        }
        self.forget_if_gone(command);
    }

    /// What the shell was before a request that has failed; `None` where it stays what it is.
    fn state_before(&self, operation: Operation) -> Option<State> {
        let reachable = |shell_id: &String, is_disconnected| {
            let shell_id = shell_id.clone();
            if is_disconnected {
                State::Disconnected { shell_id }
            } else {
                State::Opened { shell_id }
            }
        };
        Some(match (operation, self.state.as_ref().ok()?) {
            (Operation::Create, State::AwaitCreateResponse)
            | (Operation::Connect, State::AwaitConnectResponse { .. }) => State::BeforeOpen,
            (Operation::Delete, State::AwaitDeleteResponse { shell_id, is_disconnected })
            | (Operation::Reconnect, State::AwaitReconnectResponse { shell_id, is_disconnected }) => {
                reachable(shell_id, *is_disconnected)
            }
            (Operation::Disconnect, State::AwaitDisconnectResponse { shell_id }) => {
                reachable(shell_id, false)
            }
            _ => return None,
        })
    }

    fn signaled(&mut self, command: CommandKey, code: Option<SignalCode>) {
        let Some(code) = code else { return };
        if code == SignalCode::Terminate {
            self.change(command, |known| known.is_terminated = true);
        }
        self.forget_if_gone(command);
        self.out.events.push_back(Event::Signaled { command, code });
    }

    fn forget_if_gone(&mut self, command: CommandKey) {
        if self.commands.get(&command).is_some_and(super::Command::is_gone) {
            self.commands.remove(&command);
        }
    }

    fn closed(&mut self) {
        self.state = Ok(State::Closed);
        self.out.events.push_back(Event::Closed);
    }
}

/// Whether a fault says that the shell has no client, so that nothing was done.
const fn is_left(code: Option<ErrorCode>) -> bool {
    matches!(code, Some(ErrorCode::SHELL_DISCONNECTED | ErrorCode::SERVICE_STREAM_DISCONNECTED))
}

/// Puts what the streams are in place of what stood on the wire.
fn decompress(response: &mut ReceiveResponse) -> Result<(), PeerMisbehaved> {
    let mut left = MAX_OUTPUT;
    for stream in &mut response.streams {
        let data = compression::decompress(&stream.data, left);
        stream.data = data.map_err(PeerMisbehaved::Compression)?;
        left -= stream.data.len();
    }
    Ok(())
}

/// Bytes of output that one compressed answer may become. Blocks can claim to be 250 times as
/// long as they are; no service keeps so much output before it answers.
const MAX_OUTPUT: usize = 16_777_216;

const fn response_action(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => action::CREATE_RESPONSE,
        Operation::Command => action::COMMAND_RESPONSE,
        Operation::Send => action::SEND_RESPONSE,
        Operation::Receive => action::RECEIVE_RESPONSE,
        Operation::Signal => action::SIGNAL_RESPONSE,
        Operation::Delete => action::DELETE_RESPONSE,
        Operation::Get => action::GET_RESPONSE,
        Operation::Disconnect => action::DISCONNECT_RESPONSE,
        Operation::Reconnect => action::RECONNECT_RESPONSE,
        Operation::Connect => action::CONNECT_RESPONSE,
    }
}
