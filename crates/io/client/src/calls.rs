//! Calls: one message to the service and its answer, over a connection that is free.
//!
//! A waiting Receive keeps its connection; whatever else must be said meanwhile finds none idle
//! and opens a second one with the same login. A message whose connection breaks is sent again byte
//! for byte where that cannot do anything twice: a Receive, whose answer the service repeats, and
//! what only ends something (Signal terminate, Delete, the bare end of the input). An operation that names itself to a service
//! that keeps answers is said again marked as such ([MS-WSMV] 3.1.4.1.39): it is not done twice. Nothing else is
//! ever repeated, unless it cannot have left.
//!
//! A host that asks to be asked later (425, 429, 503) is, for the same messages, in the time that the call has.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session::client::redirection;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use wsman::Header;

use crate::config::{Authentication, Config};
use crate::connection::{Answer, ExchangeError, Later, Security, Shared};
use crate::connections::Connections;
use crate::error::{ConfigError, ConnectionError, Error, ErrorKind};
use crate::record::Exchange;
use crate::tickets::{Holder, NoKerberos};

/// How often a message that cannot have left is tried on another connection.
const FRESH_TRIES: u32 = 2;
/// The pause before the first replay.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a host may ask to be asked later.
const LATER_TRIES: u32 = 5;
/// The first pause for a host that does not say how long: 500 ms, 1 s, 2 s …
const FIRST_LATER: Duration = Duration::from_millis(500);

/// Resources that are remembered as ones whose operations have names.
const MOST_ROBUST: usize = 256;

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
    /// The same request marked as one that comes again, for a service that keeps what it answered: what is sent instead once
    /// the message may have arrived.
    pub(crate) again: Option<&'a [u8]>,
    /// Whether a second arrival of the identical message does no harm, though its answer may be another: what may be
    /// replayed, and a Create that names its shell.
    pub(crate) repeatable: bool,
    /// How long a network may be away.
    pub(crate) patience: Patience,
    /// Whether the only connection of a host is given up for another message, and this one said again behind it: for
    /// what may wait long for its answer, and may be replayed.
    pub(crate) yields: bool,
}

impl<'a> Call<'a> {
    /// A message that is sent once, to a service that answers soon or not at all.
    pub(crate) const fn brief(message: &'a [u8], operation: &'static str, wait: Duration) -> Self {
        let patience = Patience::BRIEF;
        Self {
            message,
            operation,
            wait,
            replay: false,
            again: None,
            repeatable: false,
            patience,
            yields: false,
        }
    }
}

/// How much is done for a message whose connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// How often a message that may be sent again is.
    pub(crate) replays: u32,
    /// Whether what is asked is known to be there: then each try has the whole time for an answer, a service that cannot
    /// be reached is tried again, and the pauses grow fast. Otherwise all tries share that time.
    pub(crate) is_lasting: bool,
}

impl Patience {
    /// For what fails soon if the service is away.
    pub(crate) const BRIEF: Self = Self { replays: 5, is_lasting: false };

    /// For what is worth waiting for.
    pub(crate) const fn lasting(replays: u32) -> Self {
        Self { replays, is_lasting: true }
    }

    /// The pause after this one: 100 ms, 200 ms … 1.6 s, in all 3.1 s; or 100 ms, 400 ms … 25.6 s, in all 34 s.
    fn next(self, pause: Duration) -> Duration {
        (pause * if self.is_lasting { 4 } else { 2 }).min(LONGEST_PAUSE)
    }
}

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Calls {
    connections: Connections,
    /// Messages that are tried again and again because the network is away.
    interrupted: watch::Sender<usize>,
    security: Mutex<Option<Security>>,
    /// What was said, when somebody wants to know.
    record: Mutex<Option<Vec<Exchange>>>,
    /// Resources whose operations the service takes by name, as far as it has shown.
    robust: Mutex<BTreeSet<String>>,
    /// Whether another host sent to this one.
    is_redirected: bool,
}

impl Calls {
    /// # Errors
    ///
    /// What must not or cannot be sent.
    pub(crate) fn new(config: Config) -> Result<Self, ConfigError> {
        let tickets = Holder::new(&config);
        Self::with(config, tickets)
    }

    fn with(config: Config, tickets: Holder) -> Result<Self, ConfigError> {
        Ok(Self {
            connections: Connections::new(Arc::new(Shared::new(config, tickets)?)),
            interrupted: watch::Sender::new(0),
            security: Mutex::default(),
            record: Mutex::default(),
            robust: Mutex::default(),
            is_redirected: false,
        })
    }

    /// The same for the host that `location` names, with what was counted and recorded so far.
    ///
    /// # Errors
    ///
    /// It is no address, or one that must not be asked.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, String> {
        let config = self.config();
        if config.socket.is_some() {
            return Err("this machine's own service was asked".to_owned());
        }
        let endpoint = redirection::target(&config.endpoint, location);
        let endpoint = endpoint.map_err(|error| error.to_string())?;
        if config.settings.kerberos.delegate && config.authentication != Authentication::CredSsp {
            return Err(
                "credentials are delegated to the host that was named and to no other".to_owned()
            );
        }
        let redirections = config.redirections.saturating_sub(1);
        let mut config = Config { endpoint, redirections, ..config.clone() };
        // It was another host's.
        config.settings.kerberos.service_host = None;
        let tickets = self.shared().tickets.redirected(&config);
        let mut calls = Self::with(config, tickets).map_err(|error| error.to_string())?;
        calls.is_redirected = true;
        calls.shared().requests.fetch_add(self.requests(), Ordering::Relaxed);
        lock(&calls.record).clone_from(&lock(&self.record));
        Ok(calls)
    }

    /// Whether another host sent to this one.
    pub(crate) const fn is_redirected(&self) -> bool {
        self.is_redirected
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared().config
    }

    /// HTTP requests sent so far, logins included.
    pub(crate) fn requests(&self) -> u64 {
        self.shared().requests.load(Ordering::Relaxed)
    }

    /// The mechanism of the last login, and what protects messages.
    pub(crate) fn security(&self) -> Option<Security> {
        lock(&self.security).clone()
    }

    /// Why the login is not by Kerberos, as far as that is decided.
    pub(crate) fn without_kerberos(&self) -> Option<String> {
        let why = self.shared().tickets.without().filter(|why| **why != NoKerberos::NotAsked);
        why.map(ToString::to_string)
    }

    /// Whether the service has shown that it knows operations on this resource by their names.
    pub(crate) fn is_robust(&self, resource_uri: &str) -> bool {
        lock(&self.robust).contains(&resource_uri.to_ascii_lowercase())
    }

    /// Takes from an answer whether it does: the name comes back then, [MS-WSMV] 3.1.4.1.39.
    pub(crate) fn note_robust(&self, resource_uri: &str, answer: &Header) {
        let mut robust = lock(&self.robust);
        let uri = resource_uri.to_ascii_lowercase();
        if answer.operation_id().is_none() {
            robust.remove(&uri);
        } else if robust.len() < MOST_ROBUST {
            robust.insert(uri);
        }
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
        let Patience { replays: most, is_lasting } = call.patience;
        let mut deadline = Instant::now() + call.wait;
        let (mut replays, mut fresh, mut pause) = (0, 0, FIRST_PAUSE);
        let (mut asked_later, mut later_pause) = (0, FIRST_LATER);
        let mut unsent = true;
        let mut interruption = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let said = match call.again {
                Some(again) if !unsent => Call { message: again, ..call },
                Some(_) | None => call,
            };
            let error = match timeout(left, self.attempt(said)).await {
                Ok(Ok(answer)) => {
                    self.keep(call, &answer);
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let kind = ErrorKind::Timeout(call.wait);
                    ExchangeError { kind, unsent: false, transient: is_lasting, later: None }
                }
            };
            unsent &= error.unsent;
            let given_up = |error: ExchangeError| {
                let known = self.error(error.kind, call);
                Err(if unsent { known.unsent() } else { known })
            };
            let opened = matches!(
                &error.kind,
                ErrorKind::Connect(
                    ConnectionError::Open(_)
                        | ConnectionError::Proxy { .. }
                        | ConnectionError::Local { .. }
                )
            );
            if let Some(Later { after }) = error.later {
                let wait = after.unwrap_or(later_pause);
                let may = error.unsent || call.replay || call.repeatable;
                let left = deadline.saturating_duration_since(Instant::now());
                if !may || asked_later == LATER_TRIES || wait >= left {
                    return given_up(error);
                }
                tracing::debug!(operation = call.operation, error = %error.kind, ?wait, "Asked to come again");
                asked_later += 1;
                later_pause *= 2;
                sleep(wait).await;
                continue;
            }
            // A service that was never reached is hardly there a moment later.
            if !error.transient || (opened && replays == 0 && !is_lasting) {
                return given_up(error);
            }
            if error.unsent && !opened && fresh < FRESH_TRIES {
                fresh += 1;
                continue;
            } else if (call.replay || call.again.is_some() || (is_lasting && unsent))
                && replays < most
            {
                replays += 1;
            } else {
                return given_up(error);
            }
            tracing::debug!(operation = call.operation, error = %error.kind, "Connection lost, repeating");
            if is_lasting {
                interruption.get_or_insert_with(|| Interruption::begin(&self.interrupted));
                sleep(pause).await;
                deadline = Instant::now() + call.wait;
            } else {
                sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
            pause = call.patience.next(pause);
        }
    }

    async fn attempt(&self, call: Call<'_>) -> Result<Answer, ExchangeError> {
        loop {
            let mut lease = self.connections.take().await?;
            let exchanged = tokio::select! {
                exchanged = lease.exchange(call.message, call.repeatable) => exchanged,
                () = self.connections.wished_for(), if call.yields => continue,
            };
            match exchanged {
                Ok(answer) => {
                    *lock(&self.security) = Some(lease.security());
                    lease.give_back();
                    return Ok(answer);
                }
                Err(error) if lease.is_one_too_many(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// How many messages are tried again because the network is away.
    pub(crate) fn interrupted(&self) -> watch::Receiver<usize> {
        self.interrupted.subscribe()
    }

    /// Whether a message that waits for its answer keeps all others waiting.
    pub(crate) fn is_alone(&self) -> bool {
        self.connections.is_alone()
    }

    fn shared(&self) -> &Shared {
        self.connections.shared()
    }

    pub(crate) fn error(&self, kind: impl Into<ErrorKind>, call: Call<'_>) -> Error {
        self.named_error(kind, call.operation)
    }

    pub(crate) fn named_error(&self, kind: impl Into<ErrorKind>, operation: &'static str) -> Error {
        let config = &self.shared().config;
        let error = Error::new(kind, &config.endpoint.authority(), operation);
        let error = if config.is_unsealed() { error.unsealed() } else { error };
        let by_certificate = config.authentication == Authentication::Certificate;
        let error = if by_certificate { error.by_certificate() } else { error };
        let tickets = &self.shared().tickets;
        match tickets.without() {
            Some(NoKerberos::Ticket(why)) => error.without_ticket(why.to_string()),
            None if tickets.is_proven() => error.by_ticket(),
            None if config.takes_ntlm() && !config.is_trusted() => error.untrusted(),
            Some(_) | None => error,
        }
    }
}

/// A message that is tried again, as long as this lives.
struct Interruption<'a>(&'a watch::Sender<usize>);

impl<'a> Interruption<'a> {
    fn begin(interrupted: &'a watch::Sender<usize>) -> Self {
        interrupted.send_modify(|messages| *messages += 1);
        Self(interrupted)
    }
}

impl Drop for Interruption<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|messages| *messages = messages.saturating_sub(1));
    }
}

/// A poisoned lock is taken over: no state here is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Credentials;

    #[test]
    fn delegation_and_the_name_of_a_service_end_with_a_redirection() {
        let credentials = Credentials { user: "alice@R".to_owned(), password: "p".into() };
        let mut config = Config::new("https://a.test:5986".parse().unwrap(), credentials);
        config.redirections = 1;
        config.settings.kerberos.service_host = Some("a.test".to_owned());
        let calls = Calls::new(config.clone()).unwrap().redirected("https://b.test:5986/wsman");
        assert_eq!(calls.unwrap().config().settings.kerberos.service_host, None);
        config.settings.kerberos.delegate = true;
        let error = Calls::new(config).unwrap().redirected("https://b.test:5986/wsman");
        assert!(error.unwrap_err().contains("to no other"));
    }
}
