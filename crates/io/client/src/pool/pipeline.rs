//! A running pipeline: what it tells, and the way to it.

use std::collections::VecDeque;

use psrp::client::Record;
use psrp::clixml::Value;
use psrp::messages::{ErrorRecord, HostCall, HostResponse, PipelineState};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Way;
use super::actor::{Channels, Order};
use crate::error::Error;

/// What a pipeline tells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PipelineEvent {
    /// It wrote something.
    Record(Record),
    /// It asks this side's host for something. Unless the call's number is
    /// [`NO_ANSWER`](psrp::host::NO_ANSWER), it waits for [`PipelineInput::respond`].
    HostCall(Box<HostCall>),
    /// It is over: nothing follows.
    Ended {
        /// How.
        state: PipelineState,
        /// Why it failed or was stopped.
        error: Option<Box<ErrorRecord>>,
    },
}

/// A running pipeline. Dropping it makes the host end it.
#[derive(Debug)]
pub struct Pipeline {
    input: PipelineInput,
    _begun: Begun,
    batches: mpsc::Receiver<Vec<PipelineEvent>>,
    failure: oneshot::Receiver<Error>,
    ready: VecDeque<PipelineEvent>,
    is_over: bool,
}

/// A pipeline that somebody wants, from before its start: dropping this makes the host end it.
#[derive(Debug)]
pub(super) struct Begun {
    way: Way,
    id: Uuid,
    /// It shall go on without anybody here.
    is_left: bool,
}

/// The way to a running pipeline. Clones reach the same one.
#[derive(Debug, Clone)]
pub struct PipelineInput {
    way: Way,
    id: Uuid,
}

impl Begun {
    pub(super) fn new(way: &Way, id: Uuid, is_left: bool) -> Self {
        Self { way: way.clone(), id, is_left }
    }
}

impl Pipeline {
    pub(super) fn of(begun: Begun, channels: Channels) -> Self {
        let Channels { batches, failure } = channels;
        let input = PipelineInput { way: begun.way.clone(), id: begun.id };
        Self { input, _begun: begun, batches, failure, ready: VecDeque::new(), is_over: false }
    }

    /// The pipeline's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.input.id
    }

    /// The next thing that the pipeline tells; `None` after its end. While the caller looks at what came, the host is
    /// asked for the next piece, and never for more than one.
    ///
    /// # Errors
    ///
    /// [`Error`]: nothing more comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<PipelineEvent>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.is_over |= matches!(event, PipelineEvent::Ended { .. });
                return Ok(Some(event));
            }
            if self.is_over {
                return Ok(None);
            }
            if let Some(batch) = self.batches.recv().await {
                self.ready.extend(batch);
                continue;
            }
            // The pool's task tells the cause before it gives the pipeline up.
            self.is_over = true;
            return Err(match self.failure.try_recv() {
                Ok(error) => error,
                Err(_) => self.input.way.gone("Receive"),
            });
        }
    }

    /// The way to the pipeline: its input, its signals, the answers of this side's host.
    #[must_use]
    pub fn input(&self) -> PipelineInput {
        self.input.clone()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_left {
            self.way.tell(Order::Forget(self.id));
        }
    }
}

impl PipelineInput {
    /// Gives the pipeline an object; returns when the host has taken it.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn write(&self, object: Value) -> Result<(), Error> {
        self.way.ask("Send", |reply| Order::Input(self.id, object, reply)).await
    }

    /// Says that there is no more input.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn end(&self) -> Result<(), Error> {
        self.way.ask("Send", |reply| Order::EndInput(self.id, reply)).await
    }

    /// Asks the host to stop the pipeline; [`PipelineEvent::Ended`] follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn stop(&self) -> Result<(), Error> {
        self.way.ask("Signal", |reply| Order::Stop(self.id, reply)).await
    }

    /// Answers a call of the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn respond(&self, response: HostResponse) -> Result<(), Error> {
        self.way.ask("Send", |reply| Order::Respond(Some(self.id), response, reply)).await
    }
}
