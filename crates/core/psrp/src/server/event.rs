//! What the machine tells its caller.

use uuid::Uuid;

use crate::clixml::Value;
use crate::messages::{CreatePipeline, GetCommandMetadata, HostResponse, InitRunspacePool};

/// What the client wants, or said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Another client has taken the pool over.
    Connected,
    /// A pipeline shall run.
    Create {
        /// The pipeline.
        pipeline: Uuid,
        /// What shall run.
        what: Box<CreatePipeline>,
    },
    /// There will be no more input.
    EndOfInput {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// The client's host has answered.
    HostResponse {
        /// The pipeline; `None` for the pool.
        pipeline: Option<Uuid>,
        /// The answer.
        response: Box<HostResponse>,
    },
    /// An object for a pipeline.
    Input {
        /// The pipeline.
        pipeline: Uuid,
        /// The object.
        input: Value,
    },
    /// Which commands are there? The answer is output of this pipeline: their number, then each.
    Metadata {
        /// The pipeline.
        pipeline: Uuid,
        /// The question.
        question: Box<GetCommandMetadata>,
    },
    /// The pool shall be opened: [`accept`](super::Pool::accept) or
    /// [`refuse`](super::Pool::refuse) it.
    Open(Box<InitRunspacePool>),
    /// The client's public key, for [`send_key`](super::Pool::send_key).
    PublicKey(String),
    /// The pool's runspace shall be put back to its beginning;
    /// [`answer`](super::Pool::answer) whether it was.
    Reset {
        /// The question's number.
        call_id: i64,
    },
    /// How many runspaces are free? [`answer`](super::Pool::answer) it.
    RunspacesWanted {
        /// The question's number.
        call_id: i64,
    },
    /// The pool shall have so many runspaces from now on; the client has its answer already.
    RunspacesSet {
        /// The least.
        least: i32,
        /// The most.
        most: i32,
    },
}
