//! A client's walk through an enumeration: Enumerate, then Pull until there is no more.
//!
//! ```text
//!           next                       EnumerateResponse, PullResponse: more
//! Beginning ────► AwaitEnumerateResponse ──────────────────► Between ◄──────────┐
//!                    │ last             release              │     │ next        │
//!                    ▼            ┌──────────────────────────┘     ▼             │
//!                 Finished ◄──────┴─ AwaitReleaseResponse    AwaitPullResponse ──┘
//!                    ▲                                             │ last
//!                    └─────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use uuid::Uuid;

use super::{Batch, Enumerate, EnumerateResponse, Item, Pull, PullResponse, Release};
use crate::envelope::{Envelope, uuid_uri};
use crate::fault::{ErrorCode, Fault};
use crate::ns::action;
use crate::selector::{OptionSet, SelectorSet};
use crate::shell::RequestContext;
use crate::xml::{self, Element};

/// What bounds a walk, since the service alone says when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it field by field")]
pub struct Limits {
    /// Items in all. Default 100,000.
    pub items: usize,
    /// Octets of all items as they are encoded: one could be as long as an envelope. Default 64 MiB.
    pub octets: usize,
    /// Answers in a row without any. Default 100.
    pub empty_answers: usize,
    /// Items that a Pull asks for. Default 32,000, which Windows's service takes as its own limit.
    pub per_pull: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { items: 100_000, octets: 64 * 1024 * 1024, empty_answers: 100, per_pull: 32_000 }
    }
}

/// Why a walk cannot go on. It is final, but for wrong use, which changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asks for more while an answer is under way.
    #[error("a request of the enumeration is under way")]
    UnderWay,
    /// The answer belongs to no request of this walk.
    #[error("the answer relates to no request of this enumeration")]
    Unrelated,
    /// The answer has the action of something else.
    #[error("the answer has the action {0:?}")]
    Action(String),
    /// The body is not what the action says.
    #[error("the answer is malformed: {0}")]
    Malformed(crate::Error),
    /// More follows, and nothing says how to ask for it.
    #[error("the answer has no enumeration context, and does not say that it is the last")]
    NoContext,
    /// More items than the limit.
    #[error("the enumeration has more than {0} items")]
    TooManyItems(usize),
    /// Items of more octets than the limit.
    #[error("the items of the enumeration have more than {0} octets")]
    TooLong(usize),
    /// More answers without an item than the limit.
    #[error("{0} answers in a row brought no item")]
    TooManyEmptyAnswers(usize),
    /// The service refused.
    #[error("{0}")]
    Fault(Box<Fault>),
}

/// A message for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by every driver")]
pub struct Request {
    /// Its id.
    pub message_id: Uuid,
    /// The message. None may be sent twice: a Pull moves the enumeration on.
    pub envelope: Envelope,
}

/// An enumeration as its client sees it.
#[derive(Debug)]
pub struct Walk {
    context: RequestContext,
    options: OptionSet,
    selectors: SelectorSet,
    limits: Limits,
    state: Result<State, Error>,
    items: usize,
    octets: usize,
    empty: usize,
}

#[derive(Debug)]
enum State {
    Beginning(Enumerate),
    AwaitEnumerateResponse { message_id: String },
    Between { context: String },
    AwaitPullResponse { message_id: String, context: String },
    AwaitReleaseResponse { message_id: String },
    Finished,
}

impl Walk {
    /// A walk that has not begun. The context's resource URI is what is enumerated.
    #[must_use]
    pub const fn new(context: RequestContext, enumerate: Enumerate, limits: Limits) -> Self {
        Self {
            context,
            options: OptionSet { options: Vec::new() },
            selectors: SelectorSet { selectors: Vec::new() },
            limits,
            state: Ok(State::Beginning(enumerate)),
            items: 0,
            octets: 0,
            empty: 0,
        }
    }

    /// The walk with options and selectors in its headers.
    #[must_use]
    pub fn with(self, options: OptionSet, selectors: SelectorSet) -> Self {
        Self { options, selectors, ..self }
    }

    /// Whether everything has been told, or given up.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, Ok(State::Finished))
    }

    /// The next request: the Enumerate, then Pulls; `None` when it is finished.
    ///
    /// # Errors
    ///
    /// [`Error::UnderWay`]; after an error of the service, that one again.
    pub fn next(&mut self, message_id: Uuid, timeout: Duration) -> Result<Option<Request>, Error> {
        let (action, body, state) = match self.state.as_ref().map_err(Clone::clone)? {
            State::Finished => return Ok(None),
            State::Beginning(enumerate) => {
                let state = State::AwaitEnumerateResponse { message_id: uuid_uri(message_id) };
                (action::ENUMERATE, enumerate.to_body(), state)
            }
            State::Between { context } => {
                let (context, message) = (context.clone(), uuid_uri(message_id));
                let max_elements = Some(self.limits.per_pull);
                let pull = Pull { context: context.clone(), max_elements, ..Pull::default() };
                let state = State::AwaitPullResponse { message_id: message, context };
                (action::PULL, pull.to_body(), state)
            }
            State::AwaitEnumerateResponse { .. }
            | State::AwaitPullResponse { .. }
            | State::AwaitReleaseResponse { .. } => return Err(Error::UnderWay),
        };
        self.state = Ok(state);
        Ok(Some(self.request(action, message_id, timeout, body)))
    }

    /// Gives the enumeration up: the Release, where the service keeps something of it; `None` where
    /// there is nothing to release.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub fn release(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Option<Request>, Error> {
        match self.state.as_ref().map_err(Clone::clone)? {
            State::Beginning(_) | State::Finished => {
                self.state = Ok(State::Finished);
                Ok(None)
            }
            State::Between { context } => {
                let release = Release { context: context.clone(), ..Release::default() };
                self.state = Ok(State::AwaitReleaseResponse { message_id: uuid_uri(message_id) });
                Ok(Some(self.request(action::RELEASE, message_id, timeout, release.to_body())))
            }
            State::AwaitEnumerateResponse { .. }
            | State::AwaitPullResponse { .. }
            | State::AwaitReleaseResponse { .. } => Err(Error::UnderWay),
        }
    }

    fn request(
        &self,
        action: &str,
        message_id: Uuid,
        timeout: Duration,
        body: Vec<Element>,
    ) -> Request {
        let (options, selectors) = (self.options.clone(), self.selectors.clone());
        let envelope = self.context.request(action, message_id, timeout, options, selectors, body);
        Request { message_id, envelope }
    }

    /// Takes an answer: the items that it brings, maybe none. Then [`Self::is_finished`], or
    /// [`Self::next`].
    ///
    /// # Errors
    ///
    /// Everything but [`Error::UnderWay`]; the walk is over then, and every later call fails with the
    /// same error. A service that had nothing to tell in time is asked again.
    pub fn handle_response(&mut self, envelope: &Envelope) -> Result<Vec<Item>, Error> {
        if let Err(error) = &self.state {
            return Err(error.clone());
        }
        self.take(envelope).inspect_err(|error| self.state = Err(error.clone()))
    }

    /// Gives the walk up because the connection is gone: what an answer has brought is not told
    /// again.
    pub fn handle_lost(&mut self) {
        if self.state.is_ok() {
            self.state = Ok(State::Finished);
        }
    }

    fn take(&mut self, envelope: &Envelope) -> Result<Vec<Item>, Error> {
        let related = envelope.header.relates_to();
        let (message_id, expected) = match self.state.as_ref().map_err(Clone::clone)? {
            State::AwaitEnumerateResponse { message_id } => {
                (message_id, action::ENUMERATE_RESPONSE)
            }
            State::AwaitPullResponse { message_id, .. } => (message_id, action::PULL_RESPONSE),
            State::AwaitReleaseResponse { message_id } => (message_id, action::RELEASE_RESPONSE),
            State::Beginning(_) | State::Between { .. } | State::Finished => {
                return Err(Error::Unrelated);
            }
        };
        if related != Some(message_id.as_str()) {
            return Err(Error::Unrelated);
        }
        if let Some(fault) = Fault::from_envelope(envelope).map_err(Error::Malformed)? {
            return self.take_fault(fault);
        }
        let action = envelope.action().unwrap_or_default();
        if action != expected {
            return Err(Error::Action(action.chars().take(200).collect()));
        }
        let body = &envelope.body;
        match std::mem::replace(&mut self.state, Ok(State::Finished)) {
            Ok(State::AwaitEnumerateResponse { .. }) => {
                let response = EnumerateResponse::from_body(body).map_err(Error::Malformed)?;
                self.advance(&response.batch, response.context)
            }
            Ok(State::AwaitPullResponse { context, .. }) => {
                let response = PullResponse::from_body(body).map_err(Error::Malformed)?;
                let newest = response.context.filter(|context| !context.is_empty());
                self.advance(&response.batch, Some(newest.unwrap_or(context)))
            }
            Ok(
                State::AwaitReleaseResponse { .. }
                | State::Beginning(_)
                | State::Between { .. }
                | State::Finished,
            )
            | Err(_) => Ok(Vec::new()),
        }
    }

    fn advance(&mut self, batch: &Batch, context: Option<String>) -> Result<Vec<Item>, Error> {
        let items: Vec<_> = batch.typed().collect();
        self.items = self.items.saturating_add(items.len());
        if self.items > self.limits.items {
            return Err(Error::TooManyItems(self.limits.items));
        }
        let octets: usize = batch.items.iter().flatten().map(|item| xml::encode(item).len()).sum();
        self.octets = self.octets.saturating_add(octets);
        if self.octets > self.limits.octets {
            return Err(Error::TooLong(self.limits.octets));
        }
        if batch.is_last {
            return Ok(items);
        }
        let context = context.filter(|context| !context.is_empty()).ok_or(Error::NoContext)?;
        self.count_empty(items.is_empty())?;
        self.state = Ok(State::Between { context });
        Ok(items)
    }

    fn count_empty(&mut self, is_empty: bool) -> Result<(), Error> {
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        if self.empty > self.limits.empty_answers {
            return Err(Error::TooManyEmptyAnswers(self.limits.empty_answers));
        }
        Ok(())
    }

    fn take_fault(&mut self, fault: Fault) -> Result<Vec<Item>, Error> {
        let code = fault.error_code();
        let is_late =
            matches!(code, Some(ErrorCode::OPERATION_TIMEDOUT | ErrorCode::ENUMERATE_TIMED_OUT));
        match &self.state {
            Ok(State::AwaitPullResponse { context, .. }) if is_late => {
                let context = context.clone();
                self.count_empty(true)?;
                self.state = Ok(State::Between { context });
                Ok(Vec::new())
            }
            // What was to be released is not there.
            Ok(State::AwaitReleaseResponse { .. })
                if code == Some(ErrorCode::INVALID_ENUMERATION_CONTEXT) =>
            {
                self.state = Ok(State::Finished);
                Ok(Vec::new())
            }
            _ => Err(Error::Fault(Box::new(fault))),
        }
    }
}
