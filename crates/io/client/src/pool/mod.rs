//! Runspace pools: PowerShell on the host, over the connections of a client.
//!
//! ```text
//!  Pool, Pipeline, PipelineInput ── orders ──► actor ── requests ──► calls (connections)
//!                                ◄── batches ──  (session::client::pool) ◄── answers
//! ```
//!
//! One task owns the pool's machine. Each request is on its way in a task of its own, so that a Receive waits while
//! something else is said.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many events a place takes a few, and leaves the rest"
)]

mod actor;
mod list;
mod network;
mod options;
mod pipeline;

use std::sync::Arc;

use psrp::clixml::{SecureString, Value, Version};
use psrp::messages::Availability;
use psrp::session_key::Plain;
pub use session::client::pool::Leave;
use session::client::pool::Question;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub use list::ListedPool;
pub(crate) use list::{end, list, list_pipelines};
pub use network::Network;
pub use options::{DEFAULT_CONFIGURATION, PipelineOptions, PoolOptions};
pub use pipeline::{Pipeline, PipelineEvent, PipelineInput};

use pipeline::Begun;

use actor::{Actor, Opened, Order, Reply, Telling};

use crate::calls::Calls;
use crate::entropy;
use crate::error::{Error, ErrorKind, PoolError};

/// A runspace pool on the host. [`close`](Self::close) it: the host keeps a pool that is only dropped until its idle time
/// is over, though dropping it tries to close it in the background. One that was [left](Self::disconnect) stays.
#[derive(Debug)]
pub struct Pool {
    way: Way,
    told: Told,
    id: Uuid,
    version: Version,
    max_runspaces: i32,
}

/// What the pool's task has told of the pool.
#[derive(Debug)]
struct Told {
    state: watch::Receiver<PoolState>,
    private_data: watch::Receiver<Value>,
}

/// What a pool is to this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the states that [MS-PSRP] gives a pool that was open")]
pub enum PoolState {
    /// Pipelines can be started.
    Open,
    /// It waits on the host for [`Pool::reconnect`], or for another client.
    Disconnected,
    /// The host ended it, or it cannot be reached any more.
    Broken,
    /// It is gone, as this client wished.
    Closed,
}

/// The way to a pool's task.
#[derive(Debug, Clone)]
struct Way {
    orders: mpsc::UnboundedSender<Order>,
    calls: Arc<Calls>,
}

impl Way {
    /// Gives an order that nobody waits for.
    fn tell(&self, order: Order) {
        // A task that has ended has nothing left to do.
        drop(self.orders.send(order));
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        order: impl FnOnce(Reply<T>) -> Order,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.tell(order(reply));
        answer.await.unwrap_or_else(|_| Err(self.gone(operation)))
    }

    fn gone(&self, operation: &'static str) -> Error {
        self.calls.named_error(PoolError::Closed, operation)
    }
}

impl Pool {
    pub(crate) async fn open(
        calls: Arc<Calls>,
        session_id: Uuid,
        options: PoolOptions,
    ) -> Result<Self, Error> {
        let limit = options.open_timeout;
        let opening = async {
            match Self::open_once(&calls, session_id, options.clone()).await {
                // The host has said that nothing came of it.
                Err(error) if error.is_lost() && error.operation() == "Create" => {
                    tracing::debug!(%error, "Create lost, opening another pool");
                    Self::open_once(&calls, session_id, options).await
                }
                opened => opened,
            }
        };
        // Dropping the way closes what may have been opened meanwhile.
        let opened = timeout(limit, opening).await;
        opened.map_err(|_| calls.named_error(ErrorKind::Timeout(limit), "Create"))?
    }

    async fn open_once(
        calls: &Arc<Calls>,
        session_id: Uuid,
        options: PoolOptions,
    ) -> Result<Self, Error> {
        let (way, told) = Self::begin(calls, session_id, entropy::uuid(), options);
        let opened = way.ask("Create", Order::Open).await?;
        Ok(Self::of(way, told, opened))
    }

    pub(crate) async fn connect(
        calls: Arc<Calls>,
        session_id: Uuid,
        id: Uuid,
        options: PoolOptions,
    ) -> Result<Self, Error> {
        let limit = options.open_timeout;
        let (way, told) = Self::begin(&calls, session_id, id, options);
        let connecting = timeout(limit, way.ask("Connect", Order::Connect)).await;
        let opened =
            connecting.map_err(|_| calls.named_error(ErrorKind::Timeout(limit), "Connect"))??;
        way.tell(Order::Hold);
        Ok(Self::of(way, told, opened))
    }

    fn begin(calls: &Arc<Calls>, session_id: Uuid, id: Uuid, options: PoolOptions) -> (Way, Told) {
        let (orders, queue) = mpsc::unbounded_channel();
        let way = Way { orders, calls: Arc::clone(calls) };
        let (state, known_state) = watch::channel(PoolState::Open);
        let (private_data, known_data) = watch::channel(Value::Null);
        let telling = Telling { state, private_data };
        let actor = Actor::new(Arc::clone(calls), session_id, id, options, telling);
        drop(tokio::spawn(actor.run(queue)));
        (way, Told { state: known_state, private_data: known_data })
    }

    const fn of(way: Way, told: Told, opened: Opened) -> Self {
        let Opened { id, version, max_runspaces } = opened;
        Self { way, told, id, version, max_runspaces }
    }

    /// The pool's id, which is also that of its shell: `InstanceId` of a session.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The most pipelines that run at once, as the pool was opened, or as its host said when it was taken over: what
    /// [`set_max_runspaces`](Self::set_max_runspaces) has changed since does not show.
    #[must_use]
    pub const fn max_runspaces(&self) -> i32 {
        self.max_runspaces
    }

    /// The version of PowerShell Remoting that both sides speak.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// `ApplicationPrivateData`: what the host tells of itself, a dictionary with `PSVersionTable`. Of a pool that was
    /// taken over it comes a moment later; until then it is null.
    #[must_use]
    pub fn private_data(&self) -> Value {
        self.told.private_data.borrow().clone()
    }

    /// What the pool is now, as far as this client knows.
    #[must_use]
    pub fn state(&self) -> PoolState {
        *self.told.state.borrow()
    }

    /// What becomes of the network, for somebody who waits.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::new(self.way.calls.interrupted())
    }

    /// Leaves the pool on the host with what runs in it. Its pipelines here tell nothing until
    /// [`reconnect`](Self::reconnect); or another client takes it over, and they end with an error.
    ///
    /// # Errors
    ///
    /// [`Error`]; hosts before version 2.2 cannot.
    pub async fn disconnect(&self, leave: Leave) -> Result<(), Error> {
        self.way.ask("Disconnect", |reply| Order::Disconnect(leave, reply)).await
    }

    /// Comes back to the pool that was left; its pipelines go on.
    ///
    /// # Errors
    ///
    /// [`Error`]: among others that another client has taken it over, or that its idle time is over.
    pub async fn reconnect(&self) -> Result<(), Error> {
        self.way.ask("Reconnect", Order::Reconnect).await
    }

    /// Takes up a pipeline of a pool that was [taken over](crate::Client::connect_pool): what it has told since its
    /// client left it, and what it tells from now on.
    ///
    /// # Errors
    ///
    /// [`Error`]: there is no such pipeline.
    pub async fn connect_pipeline(&self, id: Uuid) -> Result<Pipeline, Error> {
        let channels = self.way.ask("Connect", |reply| Order::ConnectPipeline(id, reply)).await?;
        Ok(Pipeline::of(Begun::new(&self.way, id, false), channels))
    }

    /// Starts a pipeline. Several may run at once, as many as the pool has runspaces; more wait on the host.
    ///
    /// # Errors
    ///
    /// [`Error`]; a pipeline whose Command was lost on its way is never started again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future makes the host end the pipeline where it has begun.
    pub async fn invoke(&self, options: PipelineOptions) -> Result<Pipeline, Error> {
        let is_left = options.is_left;
        let what = Box::new(options.message());
        let id = entropy::uuid();
        let begun = Begun::new(&self.way, id, is_left);
        let invoke = |reply| Order::Invoke(id, what, is_left, reply);
        let channels = self.way.ask("Command", invoke).await?;
        Ok(Pipeline::of(begun, channels))
    }

    /// How many pipelines could start now without waiting.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn available_runspaces(&self) -> Result<i64, Error> {
        match self.question(Question::AvailableRunspaces).await? {
            Availability::Count(count) => Ok(count),
            _ => Err(self.unexpected()),
        }
    }

    /// Changes the least runspaces; whether the host took it.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn set_min_runspaces(&self, count: i32) -> Result<bool, Error> {
        self.done(Question::SetMinRunspaces(count)).await
    }

    /// Changes the most runspaces; whether the host took it.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn set_max_runspaces(&self, count: i32) -> Result<bool, Error> {
        self.done(Question::SetMaxRunspaces(count)).await
    }

    /// Puts the pool's one runspace back to its beginning; whether the host did.
    ///
    /// # Errors
    ///
    /// [`Error`]; hosts before version 2.3 cannot.
    pub async fn reset(&self) -> Result<bool, Error> {
        self.done(Question::Reset).await
    }

    async fn question(&self, question: Question) -> Result<Availability, Error> {
        self.way.ask("Send", |reply| Order::Question(question, reply)).await
    }

    async fn done(&self, question: Question) -> Result<bool, Error> {
        match self.question(question).await? {
            Availability::Done(done) => Ok(done),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> Error {
        let text = "RUNSPACE_AVAILABILITY answers another question".to_owned();
        self.way.calls.named_error(crate::error::ProtocolError::Message(text), "Send")
    }

    /// Encrypts a string for this pool, after an exchange of keys where there was none.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn encrypt(&self, text: Plain) -> Result<SecureString, Error> {
        self.way.ask("Send", |reply| Order::Encrypt(text, reply)).await
    }

    /// Decrypts a string of this pool.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn decrypt(&self, string: SecureString) -> Result<Plain, Error> {
        self.way.ask("Receive", |reply| Order::Decrypt(string, reply)).await
    }

    /// Closes the pool with all its pipelines.
    ///
    /// # Errors
    ///
    /// [`Error`] when the host could not be told; it ends the pool itself when its idle time is over.
    pub async fn close(&self) -> Result<(), Error> {
        let closed = self.way.ask("Delete", Order::Close).await;
        // The task of a pool that broke tells the host as well, and a program that ends must not be faster.
        if self.way.orders.is_closed() {
            let mut state = self.told.state.clone();
            while state.changed().await.is_ok() {}
        }
        closed
    }
}
