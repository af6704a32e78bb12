//! Calls: one message to the service and its answer, over a connection that is free.
//!
//! A waiting Receive keeps its connection; whatever else must be said meanwhile finds none idle
//! and opens a second one with the same login. A message whose connection breaks is sent again byte
//! for byte where that cannot do anything twice: a Receive, whose answer the service repeats, and
//! what only ends something (Signal terminate, Delete, the bare end of the input). Nothing else is
//! ever repeated, unless it cannot have left.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::config::{Config, Protection};
use crate::connection::{Answer, Connection, ExchangeError, Shared};
use crate::error::{ConfigError, Error, ErrorKind};
use crate::record::Exchange;

/// How often a lost message is sent again that may be.
const REPLAYS: u32 = 5;
/// How often a message that cannot have left is tried on another connection.
const FRESH_TRIES: u32 = 2;
/// Idle connections that are kept: one for Receives, one for the rest.
const KEPT: usize = 2;
/// The pause before the first replay; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// One message on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The envelope.
    pub(crate) message: &'a [u8],
    /// The operation's name, for errors.
    pub(crate) operation: &'static str,
    /// How long to wait for the answer.
    pub(crate) wait: Duration,
    /// Whether the identical message may be sent again after a lost connection.
    pub(crate) replay: bool,
    /// Whether a second arrival of the identical message does no harm, though its answer may be another: what may be
    /// replayed, and a Create that names its shell.
    pub(crate) repeatable: bool,
}

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Calls {
    shared: Arc<Shared>,
    idle: Mutex<Vec<Connection>>,
    security: Mutex<Option<(&'static str, Protection)>>,
    /// What was said, when somebody wants to know.
    record: Mutex<Option<Vec<Exchange>>>,
}

impl Calls {
    /// # Errors
    ///
    /// What must not or cannot be sent.
    pub(crate) fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
            idle: Mutex::default(),
            security: Mutex::default(),
            record: Mutex::default(),
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// HTTP requests sent so far, logins included.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The mechanism of the last login, and what protects messages.
    pub(crate) fn security(&self) -> Option<(&'static str, Protection)> {
        *lock(&self.security)
    }

    /// Keeps what is said from now on.
    pub(crate) fn record(&self) {
        lock(&self.record).get_or_insert_default();
    }

    /// Hands out what was kept, and keeps on.
    pub(crate) fn recorded(&self) -> Vec<Exchange> {
        lock(&self.record).as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn keep(&self, call: Call<'_>, answer: &Answer) {
        if let Some(kept) = lock(&self.record).as_mut() {
            let request = self.config().charset.to_utf8(call.message);
            kept.push(Exchange { operation: call.operation, request, response: answer.to_utf8() });
        }
    }

    /// Sends a message and waits for the answer.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        let deadline = Instant::now() + call.wait;
        let (mut replays, mut fresh, mut pause) = (0, 0, FIRST_PAUSE);
        let mut unsent = true;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(result) = timeout(left, self.attempt(call)).await else {
                return Err(self.error(ErrorKind::Timeout(call.wait), call));
            };
            let error = match result {
                Ok(answer) => {
                    self.keep(call, &answer);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            unsent &= error.unsent;
            let given_up = |error: ExchangeError| {
                let known = self.error(error.kind, call);
                Err(if unsent { known.unsent() } else { known })
            };
            let opened =
                matches!(&error.kind, ErrorKind::Connect(crate::error::ConnectionError::Open(_)));
            if !error.transient || (opened && replays == 0) {
                return given_up(error);
            }
            if error.unsent && !opened && fresh < FRESH_TRIES {
                fresh += 1;
                continue;
            } else if call.replay && replays < REPLAYS {
                replays += 1;
            } else {
                return given_up(error);
            }
            tracing::debug!(operation = call.operation, error = %error.kind, "Connection lost, repeating");
            sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, call: Call<'_>) -> Result<Answer, ExchangeError> {
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => Connection::open(&self.shared).await?,
        };
        // A dropped future or an error drops the connection: its sealing state is unknown then.
        let answer = connection.exchange(call.message, call.repeatable).await?;
        *lock(&self.security) = Some(connection.security());
        let mut idle = lock(&self.idle);
        if connection.is_usable() && idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        while let Some(connection) = idle.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    pub(crate) fn error(&self, kind: impl Into<ErrorKind>, call: Call<'_>) -> Error {
        self.named_error(kind, call.operation)
    }

    pub(crate) fn named_error(&self, kind: impl Into<ErrorKind>, operation: &'static str) -> Error {
        let config = &self.shared.config;
        let error = Error::new(kind, &config.endpoint.authority(), operation);
        if config.is_unsealed() { error.unsealed() } else { error }
    }
}

/// A poisoned lock is taken over: no state here is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
