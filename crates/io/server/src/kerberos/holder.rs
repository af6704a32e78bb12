//! [`KeyHolder`]: asks the Kerberos process, from any task of the runtime.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::kerberos::KerberosAttempt;
use auth::{Secret, Ticket};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::{error, info, warn};
use transport::kerberos::{Accepted, Entry, NotAccepted};
use zeroize::Zeroizing;

use super::Opened;
use super::frames::{Event, MAX, Request};

/// Tokens that are being judged at a time; further ones wait here.
pub(super) const MOST_TOKENS: usize = 64;
/// Tickets that are being bought at a time.
pub(super) const MOST_BUYS: usize = 16;
/// How long a verdict on a token may take, and the wait for a turn.
const TOKEN_TIME: Duration = Duration::from_secs(20);
/// How long a KDC may take to sell a ticket, and the wait for a turn.
const BUY_TIME: Duration = Duration::from_secs(20);

/// The Kerberos process, as the network process sees it. Clones share one connection.
#[derive(Debug, Clone)]
pub struct KeyHolder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Registered as a `UnixStream`, which is what the runtime knows; its byte-stream methods are not used.
    socket: UnixStream,
    state: Mutex<State>,
    tokens: Arc<Semaphore>,
    buys: Arc<Semaphore>,
    has_keys: bool,
}

#[derive(Debug)]
struct State {
    number: u32,
    /// Whether there is a worker.
    is_up: bool,
    waiting: BTreeMap<u32, oneshot::Sender<Event>>,
}

/// Why the Kerberos process gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HolderError {
    /// It died, and is being started again.
    #[error("the Kerberos process has died; it is started again")]
    Died,
    /// It does not answer in time.
    #[error("the Kerberos process gives no answer in time")]
    TimedOut,
    /// What it said is no answer to the question.
    #[error("the Kerberos process gave an answer that does not fit the question")]
    Unexpected,
    /// The question is longer than may be.
    #[error("too long for the Kerberos process")]
    TooLong,
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

impl KeyHolder {
    /// Takes over what [`Opened`] has; inside a runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn new(opened: Opened) -> io::Result<Self> {
        let Opened { socket, has_keys } = opened;
        rustix::io::ioctl_fionbio(&socket, true)?;
        let shared = Arc::new(Shared {
            socket: UnixStream::from_std(socket.into())?,
            state: Mutex::new(State { number: 0, is_up: true, waiting: BTreeMap::new() }),
            tokens: Arc::new(Semaphore::new(MOST_TOKENS)),
            buys: Arc::new(Semaphore::new(MOST_BUYS)),
            has_keys,
        });
        // The task ends with the socket; nobody needs its handle.
        drop(tokio::spawn(listen(Arc::clone(&shared))));
        Ok(Self(shared))
    }

    /// Whether it had keys when it started.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.0.has_keys
    }

    /// A verdict on a client's token.
    ///
    /// # Errors
    /// [`HolderError`] where none is possible: the login must then be refused.
    pub async fn accept(
        &self,
        attempt: KerberosAttempt,
    ) -> Result<Result<Accepted, NotAccepted>, HolderError> {
        let KerberosAttempt { token, channel_binding, .. } = attempt;
        let request = Request::Accept { token, binding: channel_binding };
        match self.ask(&request, &self.0.tokens, TOKEN_TIME).await? {
            Event::Accepted(accepted) => Ok(Ok(*accepted)),
            Event::NotAccepted(refused) => Ok(Err(refused)),
            Event::Ready { .. }
            | Event::Unusable { .. }
            | Event::Died { .. }
            | Event::Bought(_)
            | Event::NotBought { .. } => Err(HolderError::Unexpected),
        }
    }

    /// Buys a ticket with a password, which is wiped with the question.
    ///
    /// # Errors
    /// [`HolderError`]; of kind `Refused` with the library's words.
    pub async fn buy(&self, principal: String, password: Secret) -> Result<Ticket, HolderError> {
        let request = Request::Buy { principal, password };
        match self.ask(&request, &self.0.buys, BUY_TIME).await? {
            Event::Bought(ticket) => Ok(ticket),
            Event::NotBought { text } => Err(HolderError::Refused(text)),
            Event::Ready { .. }
            | Event::Unusable { .. }
            | Event::Died { .. }
            | Event::Accepted(_)
            | Event::NotAccepted(_) => Err(HolderError::Unexpected),
        }
    }

    async fn ask(
        &self,
        request: &Request,
        turns: &Arc<Semaphore>,
        time: Duration,
    ) -> Result<Event, HolderError> {
        let asked = async {
            let turn = Arc::clone(turns).acquire_owned().await.map_err(|_| HolderError::Died)?;
            let (sender, receiver) = oneshot::channel();
            let number = self.0.expect(sender)?;
            let forget = Forget { shared: &self.0, number };
            let frame = request.encode(number).ok_or(HolderError::TooLong)?;
            self.0.send(&frame).await.map_err(|_| HolderError::Died)?;
            let answer = receiver.await.map_err(|_| HolderError::Died);
            drop((forget, turn));
            answer
        };
        timeout(time, asked).await.map_err(|_| HolderError::TimedOut)?
    }
}

/// Forgets a question that nobody waits for any more.
struct Forget<'a> {
    shared: &'a Shared,
    number: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        drop(self.shared.state().waiting.remove(&self.number));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, sender: oneshot::Sender<Event>) -> Result<u32, HolderError> {
        let mut state = self.state();
        if !state.is_up {
            return Err(HolderError::Died);
        }
        loop {
            state.number = state.number.wrapping_add(1);
            if state.number != 0 && !state.waiting.contains_key(&state.number) {
                break;
            }
        }
        let number = state.number;
        state.waiting.insert(number, sender);
        Ok(number)
    }

    async fn send(&self, frame: &[u8]) -> io::Result<()> {
        let once = || Ok(send(&self.socket, frame, SendFlags::NOSIGNAL)?);
        self.socket.async_io(Interest::WRITABLE, once).await.map(drop)
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let once = || {
            let (_, length) = recv(&self.socket, &mut *buffer, RecvFlags::empty())?;
            Ok(length)
        };
        self.socket.async_io(Interest::READABLE, once).await
    }

    fn dispatch(&self, number: u32, event: Event) {
        match event {
            Event::Ready { entries, .. } => {
                self.state().is_up = true;
                info!(keys = told(&entries), "The Kerberos process is there again");
            }
            // It answers, if only why it cannot.
            Event::Unusable { text, .. } => {
                self.state().is_up = true;
                warn!(error = text, "The Kerberos process is there again, and cannot judge logins");
            }
            Event::Died { text } => {
                self.fall();
                warn!(error = text, "The Kerberos process has died; it is started again");
            }
            event @ (Event::Accepted(_)
            | Event::NotAccepted(_)
            | Event::Bought(_)
            | Event::NotBought { .. }) => {
                let waiting = self.state().waiting.remove(&number);
                if let Some(waiting) = waiting {
                    // Who stopped waiting needs no answer.
                    drop(waiting.send(event));
                }
            }
        }
    }

    /// Whoever waits will not be answered.
    fn fall(&self) {
        let waiting = {
            let mut state = self.state();
            state.is_up = false;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

/// Hears what the process says until it is gone for good.
async fn listen(shared: Arc<Shared>) {
    let mut buffer = Zeroizing::new(vec![0; MAX + 1]);
    let reason = loop {
        match shared.receive(&mut buffer).await {
            Ok(0) => break "it has ended".to_owned(),
            Ok(length) => match Event::decode(buffer.get(..length).unwrap_or_default()) {
                Ok((number, event)) => shared.dispatch(number, event),
                Err(error) => break error.to_string(),
            },
            Err(error) => break error.to_string(),
        }
    };
    shared.fall();
    error!(
        error = reason,
        "The Kerberos process is gone; Kerberos logins are refused until the service is started anew"
    );
}

/// The keys, for the log.
#[must_use]
pub fn told(entries: &[Entry]) -> String {
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} (version {})", entry.principal, entry.version))
        .collect();
    names.dedup();
    names.join(", ")
}
