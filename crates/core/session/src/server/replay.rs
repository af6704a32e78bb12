//! Answers that are kept for requests that come again: robust connections, [MS-WSMV] 3.1.4.1.39.
//!
//! ```text
//!             begin                    finish
//! (nothing) ────────► under way ──────────────────► kept ──┐ begin again: the same answer
//!                        │   ▲                       │  ▲  │
//!                        └───┘ begin again: wait     │  └──┘
//!                                                    ▼
//!                (nothing) ◄── acknowledged, another request on its connection, too old, no room
//! ```
//!
//! A client that names its operation (`p:OperationID`) may send the request again after its connection broke, marked as one
//! that must be understood. It is then not done a second time. An id that is not known is a new operation, however it is marked;
//! one that is known and not so marked is a mistake. Only the account that began an operation gets its answer.
//!
//! What an answer is, and how one waits for it, is the driver's affair: a handle that can be cloned.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wsman::fault::{ErrorCode, Fault};
use wsman::{Header, HeaderValue, same_id};

/// How much is kept, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service")]
pub struct Rules {
    /// How long an answer is kept: Windows's Response Retention Timer.
    pub retention: Duration,
    /// Octets of the answers that are kept for one account; the oldest give way.
    pub octets: usize,
    /// Operations of one account, those under way among them; of the others the oldest give way.
    pub operations: usize,
    /// Octets of all answers that are kept; the oldest give way.
    pub octets_in_all: usize,
}

impl Default for Rules {
    /// Three minutes and a quarter, 3 MiB and 64 operations of an account, 64 MiB in all.
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(195),
            octets: 3 * 1024 * 1024,
            operations: 64,
            octets_in_all: 64 * 1024 * 1024,
        }
    }
}

/// Names an operation between [`Replays::begin`] and [`Replays::finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What is to be done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every driver must know all of them")]
pub enum Begun<R> {
    /// It names no operation: it is done, and nothing kept.
    Unnamed,
    /// It is new: it is done, and [`Replays::finish`] told.
    New(Ticket),
    /// It has come before: what this handle brings is its answer, and nothing is done.
    Again(R),
}

/// Whose request it is, and how it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service")]
pub struct Sender {
    /// The account's id.
    pub account: [u8; 16],
    /// What names the connection, or the login on it.
    pub connection: [u8; 16],
}

/// The operations that name themselves.
#[derive(Debug)]
pub struct Replays<R> {
    rules: Rules,
    operations: BTreeMap<Ticket, Operation<R>>,
    last: u64,
}

#[derive(Debug)]
struct Operation<R> {
    sender: Sender,
    id: String,
    request: Request,
    answer: R,
    /// When it was done, and the octets of its answer.
    done: Option<(Instant, usize)>,
}

/// What must be the same when a request comes again.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    message_id: String,
    action: String,
    resource_uri: String,
}

impl Request {
    fn of(header: &Header) -> Self {
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            message_id: owned(header.message_id()),
            action: owned(header.action()),
            resource_uri: owned(header.resource_uri()),
        }
    }
}

impl<R: Clone> Replays<R> {
    /// None yet.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { rules, operations: BTreeMap::new(), last: 0 }
    }

    /// Takes a request whose header is in due form. `answer` is the handle by which its answer will be had; the driver keeps
    /// the other end.
    ///
    /// # Errors
    ///
    /// The fault to answer with: the id is in use and the request is not marked as one that comes again, or it is another
    /// request; the account has too many operations under way.
    pub fn begin(
        &mut self,
        sender: Sender,
        header: &Header,
        answer: R,
        now: Instant,
    ) -> Result<Begun<R>, Box<Fault>> {
        self.handle_timeout(now);
        let Some(id) = header.operation_id() else { return Ok(Begun::Unnamed) };
        let request = Request::of(header);
        if let Some(known) =
            self.find(sender.account, id).and_then(|it| self.operations.get_mut(&it))
        {
            if !is_marked(header) {
                return Err(invalid("The OperationID belongs to another operation. "));
            }
            if known.request != request {
                return Err(invalid("The request is not the one that had this OperationID. "));
            }
            known.sender.connection = sender.connection;
            return Ok(Begun::Again(known.answer.clone()));
        }
        // Who goes on has the answers to what was asked before on the same connection.
        let is_over =
            |operation: &Operation<R>| operation.sender == sender && operation.done.is_some();
        self.operations.retain(|_, operation| !is_over(operation));
        self.make_room(sender.account)?;
        self.last = self.last.wrapping_add(1);
        let ticket = Ticket(self.last);
        let operation = Operation { sender, id: id.to_owned(), request, answer, done: None };
        self.operations.insert(ticket, operation);
        Ok(Begun::New(ticket))
    }

    /// An operation is done; its answer has so many octets.
    pub fn finish(&mut self, ticket: Ticket, octets: usize, now: Instant) {
        let Some(operation) = self.operations.get_mut(&ticket) else { return };
        operation.done = Some((now, octets));
        let account = operation.sender.account;
        let own = self.rules.octets;
        self.shrink(own, |operation| operation.sender.account == account);
        let all = self.rules.octets_in_all;
        self.shrink(all, |_| true);
    }

    /// An operation was given up before it was done: it is as if it had not been asked for.
    pub fn forget(&mut self, ticket: Ticket) {
        self.operations.remove(&ticket);
    }

    /// The client has the answers up to this number: there is one for each operation, the first.
    pub fn acknowledge(&mut self, account: [u8; 16], operation_id: &str, last_sequence: u64) {
        let found = self.find(account, operation_id).filter(|_| last_sequence > 0);
        if let Some(ticket) = found
            && self.operations.get(&ticket).is_some_and(|operation| operation.done.is_some())
        {
            self.operations.remove(&ticket);
        }
    }

    /// Forgets the answers that nobody asked for again in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let retention = self.rules.retention;
        let is_old = |operation: &Operation<R>| {
            operation.done.is_some_and(|(at, _)| now.saturating_duration_since(at) >= retention)
        };
        self.operations.retain(|_, operation| !is_old(operation));
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let done = self.operations.values().filter_map(|operation| operation.done);
        done.filter_map(|(at, _)| at.checked_add(self.rules.retention)).min()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    fn find(&self, account: [u8; 16], id: &str) -> Option<Ticket> {
        let is_it = |operation: &Operation<R>| {
            operation.sender.account == account && same_id(&operation.id, id)
        };
        self.operations.iter().find(|(_, operation)| is_it(operation)).map(|(ticket, _)| *ticket)
    }

    fn make_room(&mut self, account: [u8; 16]) -> Result<(), Box<Fault>> {
        let own = |operation: &Operation<R>| operation.sender.account == account;
        while self.operations.values().filter(|operation| own(operation)).count()
            >= self.rules.operations
        {
            let mut all = self.operations.iter();
            let oldest = all.find(|(_, operation)| own(operation) && operation.done.is_some());
            let Some(oldest) = oldest.map(|(ticket, _)| *ticket) else {
                let text = "The user has too many operations under way. ";
                return Err(Box::new(Fault::new(ErrorCode::QUOTA_MAX_OPERATIONS, text)));
            };
            self.operations.remove(&oldest);
        }
        Ok(())
    }

    /// Lets the oldest of some answers go until the rest has at most so many octets.
    fn shrink(&mut self, most: usize, are: impl Fn(&Operation<R>) -> bool) {
        let kept = |operation: &Operation<R>| operation.done.map(|(_, octets)| octets);
        let some = self.operations.values().filter(|operation| are(operation));
        let mut total: usize = some.filter_map(kept).fold(0, usize::saturating_add);
        self.operations.retain(|_, operation| match kept(operation) {
            Some(octets) if total > most && are(operation) => {
                total = total.saturating_sub(octets);
                false
            }
            Some(_) | None => true,
        });
    }
}

/// Whether `p:OperationID` is marked as one that must be understood: the request comes again.
fn is_marked(header: &Header) -> bool {
    header
        .blocks
        .iter()
        .any(|block| block.must_understand() && matches!(block.value, HeaderValue::OperationId(_)))
}

fn invalid(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::INVALID_MESSAGE_INFORMATION_HEADER, text))
}
