//! What the machine tells its caller, and what it asks of the transport.

use uuid::Uuid;

use crate::clixml::{Value, Version};
use crate::messages::{
    Availability, ErrorRecord, HostCall, InformationRecord, InformationalRecord, PipelineState,
    ProgressRecord, RunspacePoolState, UserEvent,
};

/// What the transport shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Close the pool, then call [`handle_closed`](super::Pool::handle_closed).
    Close,
    /// Take over the pool, with what waits for it.
    Connect,
    /// Take up a pipeline of a pool that was taken over.
    ConnectPipeline {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// Leave the pool, then call [`handle_disconnected`](super::Pool::handle_disconnected).
    Disconnect,
    /// Tell the host that a pipeline is of no interest any more.
    Forget {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// Open the pool, with what waits for it.
    Open,
    /// Come back to the pool, then call [`handle_reconnected`](super::Pool::handle_reconnected).
    Reconnect,
    /// Send what waits for the target.
    Send {
        /// The pipeline; `None` for the pool.
        pipeline: Option<Uuid>,
    },
    /// Start a pipeline, with what waits for it.
    Start {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// Send the signal that stops a pipeline.
    Stop {
        /// The pipeline.
        pipeline: Uuid,
    },
}

/// Which messages overtake which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Priority {
    /// Everything else: `stdin` over WS-Management.
    Default,
    /// Answers of the host: `pr` over WS-Management.
    Response,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a question about runspaces.
    Availability {
        /// The question's number.
        call_id: i64,
        /// The answer.
        response: Availability,
    },
    /// The pool is closed.
    Closed,
    /// The pool goes on without this client.
    Disconnected,
    /// The client's host shall do something. Unless the call's number is
    /// [`NO_ANSWER`](crate::host::NO_ANSWER), the host waits for [`respond`](super::Pool::respond).
    HostCall {
        /// The pipeline; `None` for the pool.
        pipeline: Option<Uuid>,
        /// What shall be done.
        call: Box<HostCall>,
    },
    /// SecureStrings can be encrypted and decrypted.
    KeyExchanged,
    /// The host wants a public key, and waits for
    /// [`exchange_keys`](super::Pool::exchange_keys).
    KeyWanted,
    /// The pool takes pipelines.
    Opened {
        /// The version of the protocol that both sides speak.
        version: Version,
    },
    /// The transport brought a pipeline's end without the pipeline's own word.
    PipelineLost {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// A pipeline is in another state.
    PipelineState {
        /// The pipeline.
        pipeline: Uuid,
        /// The state.
        state: PipelineState,
        /// Why it is so.
        error: Option<Box<ErrorRecord>>,
    },
    /// The pool is in a state that is no good.
    PoolState {
        /// The state.
        state: RunspacePoolState,
        /// Why it is so.
        error: Option<Box<ErrorRecord>>,
    },
    /// What the host tells of itself: a dictionary.
    PrivateData(Value),
    /// The client has come back to the pool.
    Reconnected,
    /// A pipeline wrote something.
    Record {
        /// The pipeline.
        pipeline: Uuid,
        /// What it wrote.
        record: Record,
    },
    /// An event that somebody registered for with `-Forward`.
    User(Box<UserEvent>),
}

/// What a pipeline wrote, and to which of its streams.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// The debug stream.
    Debug(InformationalRecord),
    /// The error stream.
    Error(Box<ErrorRecord>),
    /// The information stream.
    Information(Box<InformationRecord>),
    /// Output: any object.
    Output(Value),
    /// Progress.
    Progress(Box<ProgressRecord>),
    /// The verbose stream.
    Verbose(InformationalRecord),
    /// The warning stream.
    Warning(InformationalRecord),
}
