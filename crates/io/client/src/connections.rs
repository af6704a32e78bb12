//! The connections of a client: a message takes a free one, or opens another.
//!
//! ```text
//!             take: none is free                  exchange            give back
//! (nothing) ─────────────────────► Lease (fresh) ────────► … ─────────────────► idle ──► Lease ──► …
//!                   the host takes no other one now │                             │ somebody waits
//!                                                   ▼                             ▼
//!                                     the message waits its turn ◄────────────────┘
//! ```
//!
//! Some hosts have room for a single connection. There a message that finds it taken waits until it is free, and whoever
//! asks for output asks [briefly](Connections::is_alone).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::calls::lock;
use crate::connection::{Answer, Connection, ExchangeError, Security, Shared};

/// Idle connections that are kept: one for Receives, one for the rest.
const KEPT: usize = 2;
/// So often in a row another connection breaks before the host shows that it has no room for it: once may be anything.
const SURELY: u32 = 3;
/// So long a host that took no other connection is believed to have room for no other.
const ALONE: Duration = Duration::from_secs(30);

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Messages that wait for their turn, in order.
    turns: Notify,
    /// Tells those that can be said again that others wait.
    wishes: Notify,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    /// Those that a message holds.
    busy: usize,
    /// How often in a row a new connection broke beside others.
    broken_beside: u32,
    /// When the host last took no connection beside those that it had.
    alone_since: Option<Instant>,
}

impl State {
    fn is_alone(&self) -> bool {
        self.alone_since.is_some_and(|since| since.elapsed() < ALONE)
    }
}

/// A connection that one message holds. Dropping it gives the connection up, as its state is unknown then.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    connections: &'a Connections,
    connection: Connection,
    /// Whether nothing has been said on it.
    is_fresh: bool,
    _place: Place<'a>,
}

/// One of the connections that are held.
#[derive(Debug)]
struct Place<'a>(&'a Connections);

/// A message that waits for its turn.
struct Waiting<'a>(&'a AtomicUsize);

impl Connections {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            state: Mutex::default(),
            turns: Notify::new(),
            wishes: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether the host has room for a single connection, as far as is known: a message that waits for its answer keeps
    /// all others waiting.
    pub(crate) fn is_alone(&self) -> bool {
        lock(&self.state).is_alone()
    }

    /// Waits until a message finds the only connection taken.
    pub(crate) async fn wished_for(&self) {
        self.wishes.notified().await;
    }

    /// A connection for one message.
    ///
    /// # Errors
    ///
    /// None could be opened.
    pub(crate) async fn take(&self) -> Result<Lease<'_>, ExchangeError> {
        let mut is_next = false;
        loop {
            match self.try_take(is_next) {
                Some((place, Some(connection))) => {
                    return Ok(Lease {
                        connections: self,
                        connection,
                        is_fresh: false,
                        _place: place,
                    });
                }
                Some((place, None)) => match Connection::open(&self.shared).await {
                    Ok(connection) => {
                        return Ok(Lease {
                            connections: self,
                            connection,
                            is_fresh: true,
                            _place: place,
                        });
                    }
                    Err(error) if self.is_one_too_many(&error) => {}
                    Err(error) => return Err(error),
                },
                None => {
                    self.waiting.fetch_add(1, Ordering::SeqCst);
                    let _waiting = Waiting(&self.waiting);
                    self.wishes.notify_waiters();
                    self.turns.notified().await;
                    is_next = true;
                }
            }
        }
    }

    /// An idle connection, or a place for a new one; `None` where the message has to wait.
    fn try_take(&self, is_next: bool) -> Option<(Place<'_>, Option<Connection>)> {
        let mut state = lock(&self.state);
        let has_others = self.waiting.load(Ordering::SeqCst) > 0;
        if state.is_alone() && has_others && !is_next {
            return None;
        }
        let usable = std::iter::from_fn(|| state.idle.pop()).find(Connection::is_usable);
        if usable.is_none() && state.is_alone() && state.busy > 0 {
            return None;
        }
        state.busy += 1;
        Some((Place(self), usable))
    }

    /// Whether a failure on a new connection says that the host has no room for it beside the others.
    fn is_one_too_many(&self, error: &ExchangeError) -> bool {
        let mut state = lock(&self.state);
        if !(error.unsent && error.transient && state.busy > 1) {
            return false;
        }
        state.broken_beside += 1;
        if state.broken_beside < SURELY && !state.is_alone() {
            return false;
        }
        state.alone_since = Some(Instant::now());
        true
    }
}

impl Lease<'_> {
    /// Sends a message and waits for its answer, see [`Connection::exchange`].
    pub(crate) async fn exchange(
        &mut self,
        message: &[u8],
        repeatable: bool,
    ) -> Result<Answer, ExchangeError> {
        self.connection.exchange(message, repeatable).await
    }

    /// The mechanism of the login, and what protects messages.
    pub(crate) fn security(&self) -> Security {
        self.connection.security()
    }

    /// Whether the message failed because the host has no room for another connection: it has to wait for its turn, and
    /// this lease must go.
    pub(crate) fn is_one_too_many(&self, error: &ExchangeError) -> bool {
        self.is_fresh && self.connections.is_one_too_many(error)
    }

    /// Gives the connection back after a whole exchange.
    pub(crate) fn give_back(self) {
        let Self { connections, connection, is_fresh, _place } = self;
        let mut state = lock(&connections.state);
        if is_fresh && state.busy > 1 {
            state.broken_beside = 0;
        }
        if connection.is_usable() && state.idle.len() < KEPT {
            state.idle.push(connection);
        }
        drop(state);
        // The place goes behind the connection: whoever is next finds it.
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.busy = state.busy.saturating_sub(1);
        drop(state);
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.turns.notify_one();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
