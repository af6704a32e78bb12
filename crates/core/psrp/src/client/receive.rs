//! What comes from the host: fragments for the pool or a pipeline, put together, read, and judged by
//! the state they come in, [MS-PSRP] 3.1.5.

use uuid::Uuid;

use super::{Error, Event, Key, PeerMisbehaved, Pool, Record, State};
use crate::message::{Destination, Frame};
use crate::messages::{
    EncryptedSessionKey, Kind, Message, PipelineStateMessage, RunspacePoolState,
    RunspacePoolStateMessage, SessionCapability, Target,
};
use crate::version;

impl Pool {
    /// Takes whole fragments that came for a target; `None` is the pool.
    ///
    /// # Errors
    ///
    /// [`Error::PeerMisbehaved`]: the pool is unusable from here on.
    pub fn handle_fragments(&mut self, pipeline: Option<Uuid>, data: &[u8]) -> Result<(), Error> {
        self.state()?;
        let mut messages = Vec::new();
        let taken = match pipeline {
            None => self.assembler.handle_fragments(data, |message| messages.push(message)),
            Some(id) => match self.pipelines.get_mut(&id) {
                Some(known) => {
                    known.assembler.handle_fragments(data, |message| messages.push(message))
                }
                // A pipeline that this client has forgotten.
                None => return Ok(()),
            },
        };
        let result = taken.map_err(PeerMisbehaved::from).and_then(|()| {
            messages.into_iter().try_for_each(|message| self.handle_message(pipeline, message))
        });
        result.map_err(|error| self.broken(error))
    }

    fn broken(&mut self, error: PeerMisbehaved) -> Error {
        self.state = Err(error.clone());
        self.pipelines.clear();
        error.into()
    }

    fn handle_message(
        &mut self,
        pipeline: Option<Uuid>,
        data: Vec<u8>,
    ) -> Result<(), PeerMisbehaved> {
        let frame = Frame::decode(data)?;
        let Some(kind) = Kind::of(frame.kind) else {
            // A later version may know it.
            return Ok(());
        };
        let is_ours = frame.destination == Destination::Client
            && kind.destination.is_none_or(|destination| destination == Destination::Client);
        // Hosts leave the pool's id out before they know it, and in messages about keys.
        let is_pools = frame.pool == self.options.id || frame.pool.is_nil();
        let target = match kind.target {
            Target::Pool => None,
            Target::Pipeline => Some(frame.pipeline),
        };
        if !is_ours || !is_pools || target != pipeline {
            return Err(PeerMisbehaved::WrongAddress(kind.name));
        }
        let message = Message::decode(frame, &self.options.limits)?;
        match pipeline {
            Some(id) => self.handle_for_pipeline(id, message),
            None => self.handle_for_pool(message),
        }
    }

    fn handle_for_pipeline(&mut self, id: Uuid, message: Message) -> Result<(), PeerMisbehaved> {
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return Ok(()) };
        if !pipeline.is_running() {
            return Ok(());
        }
        let record = match message {
            Message::PipelineOutput(data) => Record::Output(data.0),
            Message::ErrorRecord(record) => Record::Error(record),
            Message::DebugRecord(record) => Record::Debug(record),
            Message::VerboseRecord(record) => Record::Verbose(record),
            Message::WarningRecord(record) => Record::Warning(record),
            Message::ProgressRecord(record) => Record::Progress(Box::new(record)),
            Message::InformationRecord(record) => Record::Information(Box::new(record)),
            Message::PipelineState(PipelineStateMessage { state, error }) => {
                if state.is_final() {
                    pipeline.end();
                }
                self.events.push_back(Event::PipelineState { pipeline: id, state, error });
                return Ok(());
            }
            Message::PipelineHostCall(call) => {
                let call = Box::new(call);
                self.events.push_back(Event::HostCall { pipeline: Some(id), call });
                return Ok(());
            }
            other => return Err(PeerMisbehaved::Unexpected(other.name())),
        };
        self.events.push_back(Event::Record { pipeline: id, record });
        Ok(())
    }

    fn handle_for_pool(&mut self, message: Message) -> Result<(), PeerMisbehaved> {
        let unexpected = PeerMisbehaved::Unexpected(message.name());
        let Ok(state) = self.state.clone() else { return Ok(()) };
        match (state, message) {
            // What was under way when the pool was closed has no reader.
            (State::Closing | State::Closed | State::Broken, _) => {}
            (_, Message::RunspacePoolState(message)) => return self.handle_state(state, message),
            (State::NegotiationSent, Message::SessionCapability(theirs)) => {
                self.version = self.agreed(&theirs)?;
                self.state = Ok(State::NegotiationSucceeded);
            }
            (State::Connecting { is_negotiated: false }, Message::SessionCapability(theirs)) => {
                self.version = self.agreed(&theirs)?;
                self.state = Ok(State::Connecting { is_negotiated: true });
            }
            (State::Connecting { is_negotiated: true }, Message::RunspacePoolInitData(data)) => {
                self.options.init.min_runspaces = data.min_runspaces;
                self.options.init.max_runspaces = data.max_runspaces;
                self.opened();
            }
            (
                State::NegotiationSucceeded | State::Opened | State::Connecting { .. },
                Message::ApplicationPrivateData(data),
            ) => self.events.push_back(Event::PrivateData(data.data)),
            (State::Opened, Message::RunspaceAvailability(answer)) => {
                let (call_id, response) = (answer.call_id, answer.response);
                self.events.push_back(Event::Availability { call_id, response });
            }
            (State::Opened, Message::UserEvent(event)) => {
                self.events.push_back(Event::User(event));
            }
            (State::Opened, Message::PublicKeyRequest(_)) => {
                if matches!(self.key, Key::Absent) {
                    self.key = Key::Wanted;
                    self.events.push_back(Event::KeyWanted);
                }
            }
            (State::Opened, Message::EncryptedSessionKey(key)) => self.handle_key(&key)?,
            (
                State::NegotiationSucceeded | State::Opened | State::Connecting { .. },
                Message::RunspacePoolHostCall(call),
            ) => {
                self.events.push_back(Event::HostCall { pipeline: None, call: Box::new(call) });
            }
            _ => return Err(unexpected),
        }
        Ok(())
    }

    fn handle_state(
        &mut self,
        state: State,
        message: RunspacePoolStateMessage,
    ) -> Result<(), PeerMisbehaved> {
        let RunspacePoolStateMessage { state: told, error } = message;
        match (state, told) {
            (State::NegotiationSucceeded, RunspacePoolState::Opened) => self.opened(),
            (State::Opened, RunspacePoolState::Opened) => {}
            (_, RunspacePoolState::Closed) => {
                self.events.push_back(Event::PoolState { state: told, error });
                self.handle_closed();
            }
            (_, RunspacePoolState::Broken) => {
                self.state = Ok(State::Broken);
                self.pipelines.clear();
                self.events.push_back(Event::PoolState { state: told, error });
            }
            (_, RunspacePoolState::Closing) => {
                self.events.push_back(Event::PoolState { state: told, error });
            }
            _ => return Err(PeerMisbehaved::Unexpected("RUNSPACEPOOL_STATE")),
        }
        Ok(())
    }

    fn opened(&mut self) {
        self.state = Ok(State::Opened);
        self.events.push_back(Event::Opened { version: self.version });
    }

    /// The version that both sides speak, [MS-PSRP] 3.1.5.4.1.
    fn agreed(&self, theirs: &SessionCapability) -> Result<crate::clixml::Version, PeerMisbehaved> {
        let theirs = theirs.protocol_version;
        version::agreed(self.options.protocol_version, theirs)
            .ok_or(PeerMisbehaved::Version(theirs))
    }

    fn handle_key(&mut self, key: &EncryptedSessionKey) -> Result<(), PeerMisbehaved> {
        let Key::Sent(keys) = &self.key else {
            return Err(PeerMisbehaved::Unexpected("ENCRYPTED_SESSION_KEY"));
        };
        let text = key.encrypted_session_key.to_string_lossy();
        self.key = Key::Known(keys.open(&text)?);
        self.events.push_back(Event::KeyExchanged);
        Ok(())
    }
}
