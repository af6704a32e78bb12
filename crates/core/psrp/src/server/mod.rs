//! A runspace pool as its server sees it, [MS-PSRP] 3.2, over whatever carries fragments.
//!
//! ```text
//!             SESSION_CAPABILITY            INIT_RUNSPACEPOOL: Event::Open      accept
//! BeforeOpen ───────────────────► Negotiated ───────────────────────► Opening ────────► Opened ◄─┐
//!                                     │ refuse                           │ refuse         │  │   │ handle_connected
//!                                     ▼                                  ▼                │  ▼   │
//!                                   Broken ◄──────── a rule broken by the client ─────────┘ Disconnected
//!                                                                  Closed ◄── close ◄── from everywhere
//! ```
//!
//! The caller is the transport and the engine at once: it hands in what came for a target, does what
//! [`Pool::poll_event`] tells, and carries what [`Pool::poll_fragments`] gives. Pipelines are in
//! `pipeline`. After every call that takes `&mut self`, drain [`Pool::poll_event`].

mod error;
mod event;
mod pipeline;
mod receive;

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

pub use error::{ApiMisuse, Error, PeerMisbehaved};
pub use event::Event;

use crate::client::Record;
use crate::clixml::{Limits, SecureString, Text, Value, Version};
use crate::entropy::Entropy;
use crate::fragment::Fragmenter;
use crate::host::{Method, NO_ANSWER};
use crate::message::Destination;
use crate::messages::{
    ApplicationPrivateData, Availability, Data, Empty, EncryptedSessionKey, ErrorRecord, HostCall,
    InitRunspacePool, Message, PipelineState, PipelineStateMessage, RunspaceAvailability,
    RunspacePoolInitData, RunspacePoolState, RunspacePoolStateMessage, SessionCapability,
    UserEvent,
};
use crate::session_key::{self, Plain, SessionKey};
use crate::version;

use pipeline::{Arriving, Pipeline};

/// A runspace pool, server side.
#[derive(Debug)]
pub struct Pool {
    id: Uuid,
    limits: Limits,
    /// What the client did wrong stays: every later call returns it again.
    state: Result<State, PeerMisbehaved>,
    /// The newest version of the protocol that this side speaks, then the one that both speak.
    version: Version,
    runspaces: (i32, i32),
    private_data: Value,
    key: Option<SessionKey>,
    arriving: Arriving,
    sending: Fragmenter,
    pipelines: BTreeMap<Uuid, Pipeline>,
    /// The number of the next message, over all targets.
    next_object: u64,
    /// The number of the next call of the client's host.
    next_call: i64,
    events: VecDeque<Event>,
}

/// How far the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeOpen,
    Negotiated,
    Opening,
    Opened,
    Disconnected,
    /// Another client has told what it can; CONNECT_RUNSPACEPOOL has not come.
    Connecting,
    Closed,
    Broken,
}

impl Pool {
    /// A pool that is not open yet. Clients choose its id.
    #[must_use]
    pub const fn new(id: Uuid, limits: Limits) -> Self {
        Self {
            id,
            limits,
            state: Ok(State::BeforeOpen),
            version: version::NEWEST,
            runspaces: (1, 1),
            private_data: Value::Null,
            key: None,
            arriving: Arriving::new(limits.bytes),
            sending: Fragmenter::new(),
            pipelines: BTreeMap::new(),
            next_object: 1,
            next_call: 1,
            events: VecDeque::new(),
        }
    }

    /// The pool's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The version of the protocol that both sides speak, once the client has told its own.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether pipelines can run.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, Ok(State::Opened | State::Disconnected | State::Connecting))
    }

    /// The least and the most runspaces.
    #[must_use]
    pub const fn runspaces(&self) -> (i32, i32) {
        self.runspaces
    }

    /// Pipelines that have not told their end.
    #[must_use]
    pub fn running(&self) -> usize {
        self.pipelines.values().filter(|pipeline| pipeline.is_running()).count()
    }

    /// Opens the pool that [`Event::Open`] asked for; the client learns the private data first.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn accept(&mut self, private_data: Value) -> Result<(), Error> {
        self.expect(State::Opening)?;
        self.private_data = private_data.clone();
        self.state = Ok(State::Opened);
        self.send(Message::ApplicationPrivateData(ApplicationPrivateData { data: private_data }));
        self.tell_state(RunspacePoolState::Opened, None);
        Ok(())
    }

    /// Refuses the pool, or gives it up.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn refuse(&mut self, error: ErrorRecord) -> Result<(), Error> {
        self.state()?;
        self.pipelines.clear();
        self.state = Ok(State::Broken);
        self.tell_state(RunspacePoolState::Broken, Some(Box::new(error)));
        Ok(())
    }

    /// Closes the pool; the client is told.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn close(&mut self) -> Result<(), Error> {
        self.state()?;
        self.pipelines.clear();
        self.state = Ok(State::Closed);
        self.tell_state(RunspacePoolState::Closed, None);
        Ok(())
    }

    /// The client has left the pool to be taken up later.
    pub fn handle_disconnected(&mut self) {
        if matches!(self.state, Ok(State::Opened)) {
            self.state = Ok(State::Disconnected);
        }
    }

    /// The same client has come back.
    pub fn handle_reconnected(&mut self) {
        if matches!(self.state, Ok(State::Disconnected)) {
            self.state = Ok(State::Opened);
        }
    }

    /// Answers a question about runspaces.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn answer(&mut self, call_id: i64, response: Availability) -> Result<(), Error> {
        self.working()?;
        self.send(Message::RunspaceAvailability(RunspaceAvailability { response, call_id }));
        Ok(())
    }

    /// Sends what a pipeline wrote.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn write(&mut self, pipeline: Uuid, record: Record) -> Result<(), Error> {
        self.working()?;
        self.running_pipeline(pipeline)?;
        let message = match record {
            Record::Debug(record) => Message::DebugRecord(record),
            Record::Error(record) => Message::ErrorRecord(record),
            Record::Information(record) => Message::InformationRecord(*record),
            Record::Output(value) => Message::PipelineOutput(Data(value)),
            Record::Progress(record) => Message::ProgressRecord(*record),
            Record::Verbose(record) => Message::VerboseRecord(record),
            Record::Warning(record) => Message::WarningRecord(record),
        };
        self.send_to(pipeline, message);
        Ok(())
    }

    /// Ends a pipeline, and says how.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn end(
        &mut self,
        pipeline: Uuid,
        state: PipelineState,
        error: Option<ErrorRecord>,
    ) -> Result<(), Error> {
        self.working()?;
        self.running_pipeline(pipeline)?.end();
        let error = error.map(Box::new);
        self.send_to(pipeline, Message::PipelineState(PipelineStateMessage { state, error }));
        Ok(())
    }

    /// Forgets a pipeline, once the client has no interest in it any more.
    pub fn forget(&mut self, pipeline: Uuid) {
        self.pipelines.remove(&pipeline);
    }

    /// Calls the client's host, for a pipeline or for the pool. The number that is returned comes
    /// back with [`Event::HostResponse`]; it is `None` where the call returns nothing.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn call_host(
        &mut self,
        pipeline: Option<Uuid>,
        method: Method,
        parameters: Vec<Value>,
    ) -> Result<Option<i64>, Error> {
        self.working()?;
        let returns = method.signature().is_some_and(|signature| signature.result.is_some());
        let call_id = if returns { self.next_call } else { NO_ANSWER };
        let call = HostCall { call_id, method, parameters };
        match pipeline {
            Some(id) => {
                self.running_pipeline(id)?;
                self.send_to(id, Message::PipelineHostCall(call));
            }
            None => self.send(Message::RunspacePoolHostCall(call)),
        }
        self.next_call += i64::from(returns);
        Ok(returns.then_some(call_id))
    }

    /// Sends an event that somebody registered for with `-Forward`.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn tell_event(&mut self, event: UserEvent) -> Result<(), Error> {
        self.working()?;
        self.send(Message::UserEvent(Box::new(event)));
        Ok(())
    }

    /// Asks the client for its public key, so that SecureStrings can be encrypted.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn ask_for_key(&mut self) -> Result<(), Error> {
        self.working()?;
        self.send(Message::PublicKeyRequest(Empty::STRING));
        Ok(())
    }

    /// Answers [`Event::PublicKey`] with a session key.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::SessionKey`] where that is no public key.
    pub fn send_key(&mut self, public_key: &str, entropy: &mut dyn Entropy) -> Result<(), Error> {
        self.working()?;
        let made = match &self.key {
            // The client may ask twice; the key stays.
            Some(key) => key.encrypt_for(public_key, entropy).map(|text| (key.clone(), text)),
            None => SessionKey::encrypted_for(public_key, entropy),
        };
        let (key, encrypted) = made.map_err(PeerMisbehaved::SessionKey)?;
        self.key = Some(key);
        let encrypted_session_key = Text::from(encrypted);
        self.send(Message::EncryptedSessionKey(EncryptedSessionKey { encrypted_session_key }));
        Ok(())
    }

    /// Encrypts a string for the client.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NoKey`] before keys are exchanged, where the version needs them.
    pub fn encrypt(&self, text: &Plain) -> Result<SecureString, Error> {
        match &self.key {
            _ if !version::has_session_key(self.version) => Ok(session_key::plain(text)),
            Some(key) => Ok(key.encrypt(text)),
            None => Err(ApiMisuse::NoKey.into()),
        }
    }

    /// Decrypts a string of the client.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NoKey`] before keys are exchanged, where the version needs them;
    /// [`PeerMisbehaved::SessionKey`] where it is no such string.
    pub fn decrypt(&self, string: &SecureString) -> Result<Plain, Error> {
        let plain = match &self.key {
            _ if !version::has_session_key(self.version) => session_key::from_plain(string),
            Some(key) => key.decrypt(string),
            None => return Err(ApiMisuse::NoKey.into()),
        };
        Ok(plain.map_err(PeerMisbehaved::SessionKey)?)
    }

    /// The next thing that the caller should know or do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Fragments for a target that wait to be sent: as many whole ones as fit `size` bytes. Empty
    /// when nothing waits.
    pub fn poll_fragments(&mut self, pipeline: Option<Uuid>, size: usize) -> Vec<u8> {
        let next_object = &mut self.next_object;
        let sending = match pipeline {
            None => Some(&mut self.sending),
            Some(id) => self.pipelines.get_mut(&id).map(|pipeline| &mut pipeline.sending),
        };
        sending.map(|sending| sending.poll_fragments(size, next_object)).unwrap_or_default()
    }

    /// What was sent to a client that connects: RUNSPACEPOOL_INIT_DATA and the private data.
    fn greet(&mut self) {
        let (min_runspaces, max_runspaces) = self.runspaces;
        self.send(Message::RunspacePoolInitData(RunspacePoolInitData {
            min_runspaces,
            max_runspaces,
        }));
        let data = self.private_data.clone();
        self.send(Message::ApplicationPrivateData(ApplicationPrivateData { data }));
    }

    fn tell_capability(&mut self) {
        // The client's own version, where it is older: [MS-PSRP] 3.2.5.4.1.
        let capability = SessionCapability::new(self.version);
        let message = Message::SessionCapability(capability);
        // The pool is not known to the client yet.
        let frame = message.encode(Destination::Client, Uuid::nil(), Uuid::nil());
        self.sending.push(frame.encode());
    }

    fn tell_state(&mut self, state: RunspacePoolState, error: Option<Box<ErrorRecord>>) {
        self.send(Message::RunspacePoolState(RunspacePoolStateMessage { state, error }));
    }

    fn send(&mut self, message: Message) {
        // Messages about keys do not name the pool either.
        let is_key =
            matches!(message, Message::EncryptedSessionKey(_) | Message::PublicKeyRequest(_));
        let pool = if is_key { Uuid::nil() } else { self.id };
        let frame = message.encode(Destination::Client, pool, Uuid::nil());
        self.sending.push(frame.encode());
    }

    fn send_to(&mut self, id: Uuid, message: Message) {
        let frame = message.encode(Destination::Client, self.id, id);
        if let Some(pipeline) = self.pipelines.get_mut(&id) {
            pipeline.sending.push(frame.encode());
        }
    }

    fn state(&self) -> Result<State, Error> {
        self.state.clone().map_err(Error::PeerMisbehaved)
    }

    fn expect(&self, state: State) -> Result<(), Error> {
        if self.state()? == state { Ok(()) } else { Err(ApiMisuse::NotNow.into()) }
    }

    /// The pool is one in which pipelines may run, whether somebody listens or not.
    fn working(&self) -> Result<(), Error> {
        self.state()?;
        if self.is_open() { Ok(()) } else { Err(ApiMisuse::NotNow.into()) }
    }

    fn running_pipeline(&mut self, id: Uuid) -> Result<&mut Pipeline, Error> {
        let known = self.pipelines.get_mut(&id).filter(|pipeline| pipeline.is_running());
        known.ok_or_else(|| ApiMisuse::UnknownPipeline(id).into())
    }

    fn opening(&mut self, init: InitRunspacePool) {
        self.runspaces = (init.min_runspaces, init.max_runspaces);
        self.state = Ok(State::Opening);
        self.events.push_back(Event::Open(Box::new(init)));
    }
}
