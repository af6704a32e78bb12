//! What every task of a shell has, whatever its commands are: the mailbox, the machine, the requests that wait for the
//! machine's answers, and the end, at which each of them gets one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, error};
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::shell::server::{self, CloseReason, Incoming, Reply, RequestToken, Shell};

use super::budget::Memory;
use super::operations::Operation;
use super::{Registration, faults};
use crate::audit;
use crate::metrics::{self, Metrics, Present};

/// The longest wait for the end of a shell's processes before its Delete is answered.
const MOST_CLOSE: Duration = Duration::from_secs(5);

/// Where the answer to a request goes.
pub(super) type Answer = oneshot::Sender<Result<Reply, Box<Fault>>>;

/// What a task is sent.
#[derive(Debug)]
pub(super) enum Message {
    /// A request, and for a Command the place that the command takes.
    Request(Box<Incoming>, Option<Operation>, Answer),
    /// The connection of a request is gone.
    Cancel(RequestToken),
    /// Somebody wants to see what the shell is.
    Look(Look),
    /// The service stops.
    Stop,
}

/// A look at a shell's machine.
pub(super) struct Look(pub(super) Box<dyn FnOnce(&Shell) + Send>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look(..)")
    }
}

/// Why a task ends.
pub(super) enum End {
    Closed(CloseReason),
    /// What ran the commands is gone.
    HostGone,
    Stopped,
}

impl End {
    /// For the log, for the figures, and for whoever waits.
    fn told(&self) -> (&'static str, metrics::End, Box<Fault>) {
        use metrics::End as Counted;
        let gone = faults::no_such_shell;
        match self {
            Self::Closed(CloseReason::Deleted) => ("deleted", Counted::Deleted, gone()),
            Self::Closed(CloseReason::Idle) => ("idle", Counted::Idle, gone()),
            Self::Closed(CloseReason::Lifetime) => ("lifetime", Counted::Other, gone()),
            Self::Closed(_) => ("closed", Counted::Other, gone()),
            Self::HostGone => ("its processes are gone", Counted::HostGone, faults::host_gone()),
            Self::Stopped => ("the service stops", Counted::Stopped, faults::stopping()),
        }
    }
}

/// One shell's desk.
pub(super) struct Desk {
    pub(super) id: Uuid,
    pub(super) user: String,
    pub(super) machine: Shell,
    pub(super) mailbox: mpsc::UnboundedReceiver<Message>,
    pub(super) metrics: Arc<Metrics>,
    /// The memory of the shell's owner.
    pub(super) memory: Memory,
    /// The place of the command that the request at hand may start.
    pub(super) operation: Option<Operation>,
    /// The id that a command gets whose client chose none.
    pub(super) fresh_id: Uuid,
    /// Why the machine wants the shell to end.
    pub(super) closing: Option<CloseReason>,
    waiting: BTreeMap<RequestToken, Answer>,
    /// Keeps the shell in the table.
    registration: Registration,
    /// Counts the shell while it is open.
    _present: Present,
}

impl Desk {
    pub(super) fn new(
        machine: Shell,
        mailbox: mpsc::UnboundedReceiver<Message>,
        registration: Registration,
        user: String,
        memory: Memory,
        (metrics, present): (Arc<Metrics>, Present),
    ) -> Self {
        Self {
            id: registration.id,
            user,
            machine,
            mailbox,
            metrics,
            memory,
            operation: None,
            fresh_id: Uuid::nil(),
            closing: None,
            waiting: BTreeMap::new(),
            registration,
            _present: present,
        }
    }

    /// Once what the machine asked for is done: hands out its answers, or says that the shell is over.
    pub(super) fn settled(&mut self) -> Option<End> {
        // A command that was refused gives its place back.
        self.operation = None;
        if let Some(reason) = self.closing {
            return Some(End::Closed(reason));
        }
        self.answer();
        None
    }

    /// Waits until the machine wants to know what time it is.
    pub(super) fn timer(&self) -> impl Future<Output = ()> + use<> {
        let deadline = self.machine.poll_timeout();
        async move {
            match deadline {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Takes what came; the end where the service stops.
    pub(super) fn take(&mut self, message: Option<Message>) -> Option<End> {
        match message {
            Some(Message::Request(incoming, operation, answer)) => {
                self.operation = operation;
                self.fresh_id = incoming.command_id;
                self.waiting.insert(incoming.token, answer);
                self.machine.handle_request(*incoming, Instant::now());
            }
            Some(Message::Cancel(token)) => {
                self.waiting.remove(&token);
                self.machine.handle_cancel(token, Instant::now());
            }
            Some(Message::Look(look)) => (look.0)(&self.machine),
            Some(Message::Stop) | None => return Some(End::Stopped),
        }
        None
    }

    /// What the machine says to a report; a misuse is a fault of ours.
    pub(super) fn told(&self, result: Result<(), server::Error>) {
        if let Err(misuse) = result {
            error!(shell = %self.id, error = %misuse, "shell driver out of step");
        }
    }

    /// Hands out the machine's answers.
    fn answer(&mut self) {
        while let Some(response) = self.machine.poll_response() {
            if let Some(answer) = self.waiting.remove(&response.token) {
                // Nobody waits where the connection was lost meanwhile.
                drop(answer.send(response.result));
            }
        }
    }

    /// From here on nobody finds the shell; what is in the mailbox already is answered at the end.
    pub(super) fn withdraw(&mut self) {
        self.registration.remove();
        self.mailbox.close();
    }

    /// Waits for the end of the shell's processes, and answers everybody who waits.
    pub(super) async fn end(mut self, end: &End, close: impl Future<Output = ()>) {
        let (reason, counted, fault) = end.told();
        audit::shell_ended(&self.user, self.id, reason);
        self.metrics.shells_ended.add(counted, 1);
        if timeout(MOST_CLOSE, close).await.is_err() {
            debug!(shell = %self.id, "the processes of the shell end late");
        }
        self.answer();
        for (_, answer) in std::mem::take(&mut self.waiting) {
            drop(answer.send(Err(fault.clone())));
        }
        while let Some(message) = self.mailbox.recv().await {
            if let Message::Request(_, _, answer) = message {
                drop(answer.send(Err(fault.clone())));
            }
        }
    }
}
