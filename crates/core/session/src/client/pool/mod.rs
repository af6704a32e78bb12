//! A runspace pool in a shell of the PowerShell plug-in: what [MS-PSRP] 3.1.5.3 carries in which message
//! of WS-Management.
//!
//! ```text
//!  what the caller wants        requests and answers
//!        │   ▲                        │   ▲
//!        ▼   │ events                 ▼   │
//!  psrp::client::Pool ── fragments ── wsman::shell::client::Shell
//!
//!  open        Create with creationXml, then Receives until the pool is open
//!  invoke      Command with the first fragments, Sends with the rest, Receives until its end
//!  respond     Send on the stream `pr`
//!  stop        Signal of PowerShell; forget: Signal terminate
//!  close       Delete
//! ```
//!
//! The caller sends what [`Pool::poll_request`] gives, in any number at once, and hands in the answers
//! in any order. Receives are its own to pace: it asks [`Pool::receivable`] which targets have something
//! to tell, and calls [`Pool::receive`] once it has room for the answer.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many events a place takes a few, and passes the rest on"
)]

mod answers;
mod error;
mod event;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use psrp::client::Request as Wish;
use psrp::clixml::{SecureString, Value, Version};
use psrp::messages::{CreatePipeline, GetCommandMetadata, HostResponse};
use psrp::session_key::{KeyPair, Plain};
use uuid::Uuid;
use wsman::shell::client::{CommandKey, KnownShell, Shell};
use wsman::shell::{BufferMode, InputStream, Profile, RequestContext};

pub use error::Error;
pub use event::Event;

/// How a pool is opened, beside what PowerShell Remoting says of it.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct How {
    /// The session's name, which lists show.
    pub name: Option<String>,
    /// `IdleTimeOut`: so long the host keeps a pool that nobody uses; its own setting by default.
    pub idle_timeout: Option<Duration>,
    /// Leaves the user's profile unloaded.
    pub no_profile: bool,
    /// Compresses streams in both directions.
    pub compression: bool,
}

/// A question about a pool's runspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the questions that [MS-PSRP] has")]
pub enum Question {
    /// How many are free: `Count`.
    AvailableRunspaces,
    /// Puts the one runspace back to its beginning: `Done`. Since version 2.3.
    Reset,
    /// Changes the most runspaces: `Done`.
    SetMaxRunspaces(i32),
    /// Changes the least runspaces: `Done`.
    SetMinRunspaces(i32),
}

/// A runspace pool over WS-Management, client side.
#[derive(Debug)]
pub struct Pool {
    shell: Shell,
    pool: psrp::client::Pool,
    how: How,
    context: RequestContext,
    /// The commands of the shell that run pipelines.
    pipelines: BTreeMap<Uuid, Pipeline>,
    names: BTreeMap<CommandKey, Uuid>,
    /// What the pool wants and no request asks for yet, in order.
    wanted: VecDeque<Wish>,
    /// Targets that have something to be sent; `None` is the pool.
    unsent: BTreeSet<Option<Uuid>>,
    /// Targets a Send of which has no answer, and what it carries.
    sending: BTreeMap<Option<Uuid>, Sent>,
    /// What a Send or a Command carried that found the pool left: it goes out again, before all else of its target.
    again: BTreeMap<Option<Uuid>, Sent>,
    /// Finished pipelines that still have a place on the host.
    ended: Vec<CommandKey>,
    /// Questions to the pool whose answers have not come.
    questions: usize,
    /// Whether the pool was taken over and has not told its private data, which the answer to the Connect has not.
    awaits_data: bool,
    /// Bytes of fragments that have come.
    received: u64,
    /// How the pool is left, and which one is taken over.
    leave: Leave,
    known: Option<KnownShell>,
    events: VecDeque<Event>,
}

/// How a pool is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct Leave {
    /// What becomes of output that nobody collects; the host's own setting by default.
    pub buffer_mode: Option<BufferMode>,
    /// So long the host keeps the pool; its own setting by default.
    pub idle_timeout: Option<Duration>,
}

/// What a Send carries.
#[derive(Debug)]
struct Sent {
    stream: InputStream,
    data: Vec<u8>,
}

#[derive(Debug)]
struct Pipeline {
    command: CommandKey,
    /// What the Command carries, until it is answered.
    first: Vec<u8>,
    /// Whether the host has answered the Command.
    is_started: bool,
    /// Whether it has told its end.
    is_over: bool,
    /// Whether nobody reads it any more.
    is_forgotten: bool,
}

impl Pool {
    /// A pool that is not open yet. The context names the configuration as its resource.
    #[must_use]
    pub fn new(context: RequestContext, options: psrp::client::Options, how: How) -> Self {
        Self {
            shell: Shell::with_profile(context.clone(), Profile::POWERSHELL),
            pool: psrp::client::Pool::new(options),
            how,
            context,
            pipelines: BTreeMap::new(),
            names: BTreeMap::new(),
            wanted: VecDeque::new(),
            unsent: BTreeSet::new(),
            sending: BTreeMap::new(),
            again: BTreeMap::new(),
            ended: Vec::new(),
            questions: 0,
            awaits_data: false,
            received: 0,
            leave: Leave::default(),
            known: None,
            events: VecDeque::new(),
        }
    }

    /// Says that nobody but the service itself can refuse a request by HTTP, as inside TLS.
    pub const fn trust_refusals(&mut self) {
        self.shell.trust_refusals();
    }

    /// The pool's id, which is also the shell's.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.pool.id()
    }

    /// Whether pipelines can be started.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.pool.is_open()
    }

    /// Whether the host may have the shell, so that it must be closed.
    #[must_use]
    pub const fn has_shell(&self) -> bool {
        self.shell.is_open() || self.shell.is_disconnected()
    }

    /// Whether it shows only with an answer that is under way whether the host has the shell.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        self.shell.is_changing()
    }

    /// The most pipelines that run at once, as the pool was opened, or as its host said when it was taken over.
    #[must_use]
    pub const fn max_runspaces(&self) -> i32 {
        self.pool.max_runspaces()
    }

    /// Whether the pool waits on the host for [`Self::reconnect`].
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        self.shell.is_disconnected()
    }

    /// The version of PowerShell Remoting that both sides speak, once the pool is open.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.pool.version()
    }

    /// Opens the pool.
    ///
    /// # Errors
    ///
    /// [`Error`]; likewise for all that follow.
    pub fn open(&mut self) -> Result<(), Error> {
        self.pool.open()?;
        self.take_wishes();
        Ok(())
    }

    /// Starts a pipeline under an id that no other one has.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn invoke(&mut self, pipeline: Uuid, what: CreatePipeline) -> Result<(), Error> {
        self.pool.invoke(pipeline, what)?;
        self.take_wishes();
        Ok(())
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
        self.pool.get_command_metadata(pipeline, question)?;
        self.take_wishes();
        Ok(())
    }

    /// Gives a pipeline an object.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn send_input(&mut self, pipeline: Uuid, input: Value) -> Result<(), Error> {
        self.pool.send_input(pipeline, input)?;
        self.take_wishes();
        Ok(())
    }

    /// Says that there is no more input.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn end_input(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.pool.end_input(pipeline)?;
        self.take_wishes();
        Ok(())
    }

    /// Bytes of fragments that have come so far, of whole messages and of parts.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Whether a pipeline has not told its end.
    #[must_use]
    pub fn is_running(&self, pipeline: Uuid) -> bool {
        self.pool.is_running(pipeline)
    }

    /// Stops a pipeline.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn stop(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.pool.stop(pipeline)?;
        self.take_wishes();
        Ok(())
    }

    /// Gives up a pipeline: the host ends it where it still runs.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn forget(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.pool.forget(pipeline)?;
        self.take_wishes();
        Ok(())
    }

    /// Answers a call of the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn respond(&mut self, pipeline: Option<Uuid>, response: HostResponse) -> Result<(), Error> {
        self.pool.respond(pipeline, response)?;
        self.take_wishes();
        Ok(())
    }

    /// Asks the pool something that is answered by [`psrp::client::Event::Availability`] with the number that is returned.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn ask(&mut self, question: Question) -> Result<i64, Error> {
        let call_id = match question {
            Question::SetMaxRunspaces(count) => self.pool.set_max_runspaces(count)?,
            Question::SetMinRunspaces(count) => self.pool.set_min_runspaces(count)?,
            Question::AvailableRunspaces => self.pool.get_available_runspaces()?,
            Question::Reset => self.pool.reset_runspace_state()?,
        };
        self.questions += 1;
        self.take_wishes();
        Ok(call_id)
    }

    /// Whether SecureStrings need a key that is not here yet.
    #[must_use]
    pub const fn needs_keys(&self) -> bool {
        self.pool.needs_keys()
    }

    /// Gives the host a public key; [`psrp::client::Event::KeyExchanged`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn exchange_keys(&mut self, keys: KeyPair) -> Result<(), Error> {
        self.pool.exchange_keys(keys)?;
        self.questions += 1;
        self.take_wishes();
        Ok(())
    }

    /// Encrypts a string for the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn encrypt(&self, text: &Plain) -> Result<SecureString, Error> {
        Ok(self.pool.encrypt(text)?)
    }

    /// Decrypts a string of the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn decrypt(&self, string: &SecureString) -> Result<Plain, Error> {
        Ok(self.pool.decrypt(string)?)
    }

    /// Leaves the pool and what runs in it on the host, to be taken up again by [`Self::reconnect`] or, from
    /// anywhere, by [`Self::connect`]. [`psrp::client::Event::Disconnected`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn disconnect(&mut self, leave: Leave) -> Result<(), Error> {
        self.pool.disconnect()?;
        self.leave = leave;
        self.take_wishes();
        Ok(())
    }

    /// Comes back to the pool that this client has left; [`psrp::client::Event::Reconnected`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn reconnect(&mut self) -> Result<(), Error> {
        self.pool.reconnect()?;
        self.take_wishes();
        Ok(())
    }

    /// Takes over the pool of another client that has left it; [`psrp::client::Event::Opened`] follows. The options that
    /// the machine was made with name the pool.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn connect(&mut self, shell: KnownShell) -> Result<(), Error> {
        self.pool.connect()?;
        self.known = Some(shell);
        self.awaits_data = true;
        self.take_wishes();
        Ok(())
    }

    /// Takes up a pipeline of a pool that was taken over: what it tells from now on comes as events.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn connect_pipeline(&mut self, pipeline: Uuid) -> Result<(), Error> {
        self.pool.connect_pipeline(pipeline)?;
        self.take_wishes();
        Ok(())
    }

    /// Closes the pool with all its pipelines, also one whose host broke a rule of the remoting protocol.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn close(&mut self) -> Result<(), Error> {
        match self.pool.close() {
            Err(psrp::client::Error::PeerMisbehaved(_)) if self.has_shell() => {
                self.take_wish(Wish::Close);
            }
            closed => closed?,
        }
        self.take_wishes();
        Ok(())
    }

    fn take_wishes(&mut self) {
        while let Some(wish) = self.pool.poll_request() {
            self.take_wish(wish);
        }
    }

    fn take_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Send { pipeline } => drop(self.unsent.insert(pipeline)),
            // Nothing else matters any more.
            Wish::Close => {
                self.wanted.clear();
                self.unsent.clear();
                self.again.clear();
                self.ended.clear();
                self.wanted.push_back(Wish::Close);
            }
            wish => self.wanted.push_back(wish),
        }
    }
}
