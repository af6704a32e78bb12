//! A runspace pool as its client sees it, [MS-PSRP] 3.1, over whatever carries fragments.
//!
//! ```text
//!             open                    SESSION_CAPABILITY           RUNSPACEPOOL_STATE Opened
//! BeforeOpen ──────► NegotiationSent ────────────────► NegotiationSucceeded ────────► Opened
//!      │ connect                                                                       ▲  │
//!      └──────────► Connecting ── SESSION_CAPABILITY, RUNSPACEPOOL_INIT_DATA ──────────┘  │
//!                                                            reconnect ▲    │ disconnect  │
//!                                                                 Disconnected ◄──────────┤
//!                        Closed ◄── handle_closed ── Closing ◄── close ───────────────────┤
//!                        Broken ◄── RUNSPACEPOOL_STATE Broken, a rule broken by the host ─┘
//! ```
//!
//! The caller is the transport: it takes what [`Pool::poll_request`] asks for, carries what
//! [`Pool::poll_fragments`] gives to the target, and hands in what comes for a target with
//! [`Pool::handle_fragments`]. Pipelines are in `pipeline`. After every call that takes
//! `&mut self`, drain [`Pool::poll_request`] and [`Pool::poll_event`].

mod error;
mod event;
mod pipeline;
mod questions;
mod receive;

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

pub use error::{ApiMisuse, Error, PeerMisbehaved};
pub use event::{Event, Priority, Record, Request};

use crate::clixml::{Limits, SecureString, Text, Value, Version};
use crate::fragment::{Assembler, Fragmenter};
use crate::host::NO_ANSWER;
use crate::message::Destination;
use crate::messages::{
    ConnectRunspacePool, CreatePipeline, Data, Empty, GetCommandMetadata, HostResponse,
    InitRunspacePool, Message, PublicKey, SessionCapability,
};
use crate::session_key::{self, KeyPair, Plain, SessionKey};
use crate::version;

use pipeline::Pipeline;

/// A pool and what it shall be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pool's id, `RPID`.
    pub id: Uuid,
    /// The version of the protocol that the client announces: [`version::DEFAULT`] suits all hosts.
    pub protocol_version: Version,
    /// What INIT_RUNSPACEPOOL says.
    pub init: InitRunspacePool,
    /// Bounds of the objects that the host sends.
    pub limits: Limits,
}

/// A runspace pool, client side.
#[derive(Debug)]
pub struct Pool {
    options: Options,
    /// What the host did wrong stays: every later call returns it again.
    state: Result<State, PeerMisbehaved>,
    /// The version that both sides speak.
    version: Version,
    key: Key,
    assembler: Assembler,
    sending: Sending,
    pipelines: BTreeMap<Uuid, Pipeline>,
    /// The number of the next message, over all targets.
    next_object: u64,
    /// The number of the next question.
    next_call: i64,
    requests: VecDeque<Request>,
    events: VecDeque<Event>,
}

/// Messages for one target that wait for the transport.
#[derive(Debug, Default)]
struct Sending {
    default: Fragmenter,
    priority: Fragmenter,
}

/// How far the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeOpen,
    NegotiationSent,
    NegotiationSucceeded,
    /// Whether the capability of the host is here already.
    Connecting {
        is_negotiated: bool,
    },
    Opened,
    Disconnected,
    Closing,
    Closed,
    Broken,
}

/// How far the exchange of keys is.
#[derive(Debug)]
enum Key {
    /// Nobody has asked.
    Absent,
    /// The host asked; the caller has to find a pair of keys.
    Wanted,
    /// The public key is on its way.
    Sent(Box<KeyPair>),
    Known(SessionKey),
}

impl Pool {
    /// A pool that is not open yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            state: Ok(State::BeforeOpen),
            version: options.protocol_version,
            key: Key::Absent,
            assembler: Assembler::new(options.limits.bytes),
            sending: Sending::default(),
            pipelines: BTreeMap::new(),
            next_object: 1,
            next_call: 1,
            requests: VecDeque::new(),
            events: VecDeque::new(),
            options,
        }
    }

    /// The pool's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.options.id
    }

    /// Whether pipelines can be started.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, Ok(State::Opened))
    }

    /// The version of the protocol that both sides speak, once the pool is open.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether a pipeline has not told its end.
    #[must_use]
    pub fn is_running(&self, pipeline: Uuid) -> bool {
        self.pipelines.get(&pipeline).is_some_and(Pipeline::is_running)
    }

    /// The most pipelines that run at once, as the pool was opened, or as its host said when it was taken over.
    #[must_use]
    pub const fn max_runspaces(&self) -> i32 {
        self.options.init.max_runspaces
    }

    /// Opens the pool: [`Event::Opened`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn open(&mut self) -> Result<(), Error> {
        self.expect(State::BeforeOpen, ApiMisuse::OpenAfterOpen)?;
        self.state = Ok(State::NegotiationSent);
        let capability = SessionCapability::new(self.options.protocol_version);
        self.send(Message::SessionCapability(capability));
        self.send(Message::InitRunspacePool(self.options.init.clone()));
        self.requests.push_back(Request::Open);
        Ok(())
    }

    /// Takes over a pool that another client has left: [`Event::Opened`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn connect(&mut self) -> Result<(), Error> {
        self.expect(State::BeforeOpen, ApiMisuse::OpenAfterOpen)?;
        self.state = Ok(State::Connecting { is_negotiated: false });
        let capability = SessionCapability::new(self.options.protocol_version);
        self.send(Message::SessionCapability(capability));
        self.send(Message::ConnectRunspacePool(ConnectRunspacePool::default()));
        self.requests.push_back(Request::Connect);
        Ok(())
    }

    /// Starts a pipeline under an id that no other one has.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn invoke(&mut self, pipeline: Uuid, what: CreatePipeline) -> Result<(), Error> {
        let takes_input = !what.no_input;
        self.start(pipeline, Message::CreatePipeline(Box::new(what)), takes_input)
    }

    /// Asks which commands there are; the answer comes as output of a pipeline with this id.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn get_command_metadata(
        &mut self,
        pipeline: Uuid,
        question: GetCommandMetadata,
    ) -> Result<(), Error> {
        self.start(pipeline, Message::GetCommandMetadata(question), false)
    }

    fn start(&mut self, id: Uuid, message: Message, takes_input: bool) -> Result<(), Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)?;
        if id.is_nil() || self.pipelines.contains_key(&id) {
            return Err(ApiMisuse::PipelineIdInUse(id).into());
        }
        self.pipelines.insert(id, Pipeline::new(self.options.limits.bytes, takes_input));
        self.send_to(id, Priority::Default, message);
        self.requests.push_back(Request::Start { pipeline: id });
        Ok(())
    }

    /// Takes up a pipeline of a pool that was taken over: what it writes from now on comes as
    /// events.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn connect_pipeline(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)?;
        if pipeline.is_nil() || self.pipelines.contains_key(&pipeline) {
            return Err(ApiMisuse::PipelineIdInUse(pipeline).into());
        }
        self.pipelines.insert(pipeline, Pipeline::new(self.options.limits.bytes, false));
        self.requests.push_back(Request::ConnectPipeline { pipeline });
        Ok(())
    }

    /// Sends an object to a pipeline that takes input.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn send_input(&mut self, pipeline: Uuid, input: Value) -> Result<(), Error> {
        self.taking_input(pipeline)?;
        self.send_to(pipeline, Priority::Default, Message::PipelineInput(Data(input)));
        self.requests.push_back(Request::Send { pipeline: Some(pipeline) });
        Ok(())
    }

    /// Says that there is no more input.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn end_input(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.taking_input(pipeline)?.end_input();
        let end = Message::EndOfPipelineInput(Empty::NOTHING);
        self.send_to(pipeline, Priority::Default, end);
        self.requests.push_back(Request::Send { pipeline: Some(pipeline) });
        Ok(())
    }

    /// Stops a pipeline; its state follows as an event.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn stop(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.working()?;
        let known = self.pipelines.get_mut(&pipeline);
        if known.ok_or(ApiMisuse::UnknownPipeline(pipeline))?.stop() {
            self.requests.push_back(Request::Stop { pipeline });
        }
        Ok(())
    }

    /// Forgets a pipeline; a running one is stopped by the host without a word.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn forget(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.pipelines.remove(&pipeline).ok_or(ApiMisuse::UnknownPipeline(pipeline))?;
        self.requests.push_back(Request::Forget { pipeline });
        Ok(())
    }

    /// Answers a call of the host, of a pipeline or of the pool.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn respond(&mut self, pipeline: Option<Uuid>, response: HostResponse) -> Result<(), Error> {
        self.working()?;
        if response.call_id == NO_ANSWER {
            return Err(ApiMisuse::NoAnswerWanted.into());
        }
        match pipeline {
            Some(id) => {
                self.pipelines.get(&id).ok_or(ApiMisuse::UnknownPipeline(id))?;
                self.send_to(id, Priority::Response, Message::PipelineHostResponse(response));
            }
            None => {
                let message = Message::RunspacePoolHostResponse(response);
                self.push(None, Priority::Response, message);
            }
        }
        self.requests.push_back(Request::Send { pipeline });
        Ok(())
    }

    /// Whether SecureStrings need a key that is not here yet.
    #[must_use]
    pub const fn needs_keys(&self) -> bool {
        version::has_session_key(self.version) && !matches!(self.key, Key::Known(_))
    }

    /// Gives the host a public key; [`Event::KeyExchanged`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn exchange_keys(&mut self, keys: KeyPair) -> Result<(), Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)?;
        if matches!(self.key, Key::Sent(_) | Key::Known(_)) {
            return Err(ApiMisuse::KeysExchanged.into());
        }
        let public_key = Text::from(keys.public_key());
        self.key = Key::Sent(Box::new(keys));
        self.send(Message::PublicKey(PublicKey { public_key }));
        self.requests.push_back(Request::Send { pipeline: None });
        Ok(())
    }

    /// Encrypts a string for the host.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NoKey`] before keys are exchanged, where the version needs them.
    pub fn encrypt(&self, text: &Plain) -> Result<SecureString, Error> {
        match &self.key {
            _ if !version::has_session_key(self.version) => Ok(session_key::plain(text)),
            Key::Known(key) => Ok(key.encrypt(text)),
            _ => Err(ApiMisuse::NoKey.into()),
        }
    }

    /// Decrypts a string of the host.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NoKey`] before keys are exchanged, where the version needs them;
    /// [`PeerMisbehaved::SessionKey`] where it is no such string.
    pub fn decrypt(&self, string: &SecureString) -> Result<Plain, Error> {
        let plain = match &self.key {
            _ if !version::has_session_key(self.version) => session_key::from_plain(string),
            Key::Known(key) => key.decrypt(string),
            _ => return Err(ApiMisuse::NoKey.into()),
        };
        Ok(plain.map_err(PeerMisbehaved::SessionKey)?)
    }

    /// Leaves the pool and its pipelines on the host; the transport says when that is done.
    ///
    /// # Errors
    ///
    /// [`Error`]; a host below version 2.2 cannot.
    pub fn disconnect(&mut self) -> Result<(), Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)?;
        if self.version < version::DISCONNECT {
            return Err(ApiMisuse::NotInThisVersion(self.version).into());
        }
        self.requests.push_back(Request::Disconnect);
        Ok(())
    }

    /// Comes back to the pool that this client has left.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn reconnect(&mut self) -> Result<(), Error> {
        self.expect(State::Disconnected, ApiMisuse::NotDisconnected)?;
        self.requests.push_back(Request::Reconnect);
        Ok(())
    }

    /// Closes the pool with all its pipelines.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn close(&mut self) -> Result<(), Error> {
        match self.state()? {
            State::BeforeOpen | State::Closing | State::Closed => Err(ApiMisuse::NotOpen.into()),
            State::NegotiationSent
            | State::NegotiationSucceeded
            | State::Connecting { .. }
            | State::Opened
            | State::Disconnected
            | State::Broken => {
                self.state = Ok(State::Closing);
                self.requests.push_back(Request::Close);
                Ok(())
            }
        }
    }

    /// The transport has left the pool, or lost its connection for good.
    pub fn handle_disconnected(&mut self) {
        if let Ok(state) = &mut self.state
            && *state == State::Opened
        {
            *state = State::Disconnected;
            self.events.push_back(Event::Disconnected);
        }
    }

    /// The transport has come back to the pool.
    pub fn handle_reconnected(&mut self) {
        if let Ok(state) = &mut self.state
            && *state == State::Disconnected
        {
            *state = State::Opened;
            self.events.push_back(Event::Reconnected);
        }
    }

    /// The transport has closed the pool, or the host has.
    pub fn handle_closed(&mut self) {
        // What the host did wrong stays.
        if let Ok(state) = &mut self.state
            && *state != State::Closed
        {
            *state = State::Closed;
            self.pipelines.clear();
            self.events.push_back(Event::Closed);
        }
    }

    /// The transport says that nothing more comes from a pipeline.
    pub fn handle_pipeline_ended(&mut self, pipeline: Uuid) {
        if let Some(known) = self.pipelines.get_mut(&pipeline)
            && known.end()
        {
            self.events.push_back(Event::PipelineLost { pipeline });
        }
    }

    /// The next thing that the transport shall do.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The next thing that the caller should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Fragments for a target that wait to be sent: as many whole ones as fit `size` bytes. Empty
    /// when nothing waits.
    pub fn poll_fragments(
        &mut self,
        pipeline: Option<Uuid>,
        priority: Priority,
        size: usize,
    ) -> Vec<u8> {
        let next_object = &mut self.next_object;
        let sending = match pipeline {
            None => Some(&mut self.sending),
            Some(id) => self.pipelines.get_mut(&id).map(|pipeline| &mut pipeline.sending),
        };
        let Some(sending) = sending else { return Vec::new() };
        sending.of(priority).poll_fragments(size, next_object)
    }

    /// Whether something waits to be sent to a target.
    #[must_use]
    pub fn has_fragments(&self, pipeline: Option<Uuid>, priority: Priority) -> bool {
        let sending = match pipeline {
            None => Some(&self.sending),
            Some(id) => self.pipelines.get(&id).map(|pipeline| &pipeline.sending),
        };
        sending.is_some_and(|sending| match priority {
            Priority::Default => !sending.default.is_empty(),
            Priority::Response => !sending.priority.is_empty(),
        })
    }

    /// Bytes of answers to calls of the host that wait to be sent to a target.
    #[must_use]
    pub fn unsent_responses(&self, pipeline: Option<Uuid>) -> usize {
        let sending = match pipeline {
            None => Some(&self.sending),
            Some(id) => self.pipelines.get(&id).map(|pipeline| &pipeline.sending),
        };
        sending.map_or(0, |sending| sending.priority.len())
    }

    fn send(&mut self, message: Message) {
        self.push(None, Priority::Default, message);
    }

    fn send_to(&mut self, pipeline: Uuid, priority: Priority, message: Message) {
        self.push(Some(pipeline), priority, message);
    }

    fn push(&mut self, pipeline: Option<Uuid>, priority: Priority, message: Message) {
        let id = pipeline.unwrap_or_default();
        let frame = message.encode(Destination::Server, self.options.id, id);
        let sending = match pipeline {
            None => Some(&mut self.sending),
            Some(id) => self.pipelines.get_mut(&id).map(|pipeline| &mut pipeline.sending),
        };
        if let Some(sending) = sending {
            sending.of(priority).push(frame.encode());
        }
    }

    fn state(&self) -> Result<State, Error> {
        self.state.clone().map_err(Error::PeerMisbehaved)
    }

    fn expect(&self, state: State, otherwise: ApiMisuse) -> Result<(), Error> {
        if self.state()? == state { Ok(()) } else { Err(otherwise.into()) }
    }

    /// The pool is one in which pipelines may run.
    fn working(&self) -> Result<(), Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)
    }

    fn taking_input(&mut self, id: Uuid) -> Result<&mut Pipeline, Error> {
        self.working()?;
        let pipeline = self.pipelines.get_mut(&id).ok_or(ApiMisuse::UnknownPipeline(id))?;
        if pipeline.takes_input() { Ok(pipeline) } else { Err(ApiMisuse::InputEnded(id).into()) }
    }
}

impl Sending {
    const fn of(&mut self, priority: Priority) -> &mut Fragmenter {
        match priority {
            Priority::Default => &mut self.default,
            Priority::Response => &mut self.priority,
        }
    }
}
