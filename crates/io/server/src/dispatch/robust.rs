//! Operations on resources that name themselves (`p:OperationID`): done once, however often their request comes while its answer is
//! kept. [MS-WSMV] 3.1.4.1.39.
//!
//! ```text
//!  request ─► access ─► new? ──► a task of its own, which its connection does not end ──► answer, kept
//!                         └────► known: the answer of the first, now or when it is there
//! ```
//!
//! Shells are not asked for here: they keep what they have sent themselves. An answer is one message, also when its request has come
//! again: no messages about the operation go before it, and none keeps the connection alive meanwhile.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use auth::sddl::Origin;
use auth::{Account, Ticket as Delegated};
use http::StatusCode;
use session::access::{Operation, Target};
use session::mapping::Grant;
use session::server::replay::{Begun, Replays, Rules, Sender, Ticket};
use tokio::sync::watch;
use tokio::time::timeout_at;
use wsman::fault::{ErrorCode, Fault};
use wsman::robust::Control;
use wsman::{Charset, Envelope, xml};

use super::{Caller, Content, Refusal, Reply, operation_of};
use crate::peer::Peer;
use crate::service::Core;
use crate::shells::faults;

/// What came of an operation.
type Outcome = Result<Content, Refusal>;

/// Where the outcome of an operation will be.
type Awaited = watch::Receiver<Option<Arc<Outcome>>>;

/// The operations that name themselves, of all accounts.
#[derive(Debug)]
pub(crate) struct Robust(std::sync::Mutex<Replays<Awaited>>);

impl Default for Robust {
    fn default() -> Self {
        Self(std::sync::Mutex::new(Replays::new(Rules::default())))
    }
}

impl Robust {
    fn lock(&self) -> std::sync::MutexGuard<'_, Replays<Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks, for a task that may outlive the connection.
struct Asking {
    account: Account,
    peer: Peer,
    origin: Origin,
    login: [u8; 16],
    grant: Option<Grant>,
    ticket: Option<Arc<Delegated>>,
    charset: Charset,
}

impl Asking {
    fn new(caller: Caller<'_>) -> Self {
        let Caller { account, peer, origin, login, grant, ticket, charset } = caller;
        let (account, grant, ticket) = (account.clone(), grant.cloned(), ticket.cloned());
        Self { account, peer, origin, login, grant, ticket, charset }
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            account: &self.account,
            peer: self.peer,
            origin: self.origin,
            login: self.login,
            grant: self.grant.as_ref(),
            ticket: self.ticket.as_ref(),
            charset: self.charset,
        }
    }
}

/// An operation under way. Dropped before its end it is forgotten, so that it can be asked for anew.
struct UnderWay {
    core: Arc<Core>,
    ticket: Option<Ticket>,
}

impl UnderWay {
    fn finish(mut self, outcome: &Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.core.robust.lock().finish(ticket, octets(outcome), Instant::now());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.core.robust.lock().forget(ticket);
        }
    }
}

impl Core {
    /// Does an operation, or brings what came of it when it was asked for before.
    pub(super) async fn operate_once(
        self: &Arc<Self>,
        caller: Caller<'_>,
        envelope: &mut Envelope,
    ) -> Outcome {
        let header = &envelope.header;
        let uri = header.resource_uri().unwrap_or_default();
        if header.operation_id().is_none() || self.provider(uri).is_none() {
            return self.operate(caller, envelope).await;
        }
        header.check_request()?;
        // Somebody's rights may have ended since: whoever asks again is asked again.
        let operation = operation_of(header.action().unwrap_or_default());
        let operation = operation.unwrap_or(Operation::Invoke);
        self.access(caller, operation, Target::ShellKind(uri))?;
        let deadline = Instant::now() + header.timeout(self.settings().max_timeout());
        let sender = Sender { account: caller.account.id, connection: caller.login };
        let (tell, awaited) = watch::channel(None);
        let begun = self.robust.lock().begin(sender, header, awaited.clone(), Instant::now())?;
        let awaited = match begun {
            Begun::Unnamed => return self.operate(caller, envelope).await,
            Begun::Again(known) => known,
            Begun::New(ticket) => {
                let under_way = UnderWay { core: Arc::clone(self), ticket: Some(ticket) };
                let (asking, mut request) = (Asking::new(caller), envelope.clone());
                tokio::spawn(async move {
                    let outcome = under_way.core.operate(asking.caller(), &mut request).await;
                    under_way.finish(&outcome);
                    tell.send_replace(Some(Arc::new(outcome)));
                });
                awaited
            }
        };
        outcome_of(awaited, deadline).await
    }

    /// Takes a message about an operation, which has no answer but that it has arrived; `None` for every other one.
    pub(super) fn control(&self, caller: Caller<'_>, envelope: &Envelope) -> Option<Reply> {
        let control = Control::from_envelope(envelope)?;
        let header = &envelope.header;
        let uri = header.resource_uri().unwrap_or_default();
        // Who may do nothing learns nothing.
        if let Err(refusal) = self.access(caller, Operation::Invoke, Target::ShellKind(uri)) {
            refusal.tell(caller, header.action().unwrap_or_default());
            return Some(self.fault(Some(header), &refusal.fault));
        }
        let id = header.operation_id().unwrap_or_default();
        if let Control::Acknowledge(last) = control {
            self.robust.lock().acknowledge(caller.account.id, id, last);
        }
        Some(Reply::Bare(StatusCode::NO_CONTENT))
    }
}

async fn outcome_of(mut awaited: Awaited, deadline: Instant) -> Outcome {
    let arrived = timeout_at(deadline.into(), awaited.wait_for(Option::is_some)).await;
    let arrived = arrived.map_err(|_| faults::timed_out())?;
    let outcome = arrived.ok().and_then(|arrived| arrived.clone());
    match outcome {
        Some(outcome) => (*outcome).clone(),
        None => {
            let text = "The operation was given up before its end. ";
            Err(Refusal::from(Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text))))
        }
    }
}

/// Octets that an outcome takes while it is kept, about.
fn octets(outcome: &Outcome) -> usize {
    const OTHER: usize = 1_024;
    match outcome {
        Ok(content) => {
            content.body.iter().map(|element| xml::encode(element).len()).sum::<usize>() + OTHER
        }
        Err(_) => 4 * OTHER,
    }
}
