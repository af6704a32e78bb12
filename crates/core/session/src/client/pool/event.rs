//! What the caller of a pool should know.

use uuid::Uuid;
use wsman::fault::Fault;
use wsman::shell::client::Operation;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// What the remoting protocol tells.
    Told(psrp::client::Event),
    /// The host has taken a pipeline's Command, or a Connect to it.
    Started {
        /// The pipeline.
        pipeline: Uuid,
    },
    /// The host has taken all that was to be sent to a target.
    Sent {
        /// The pipeline; `None` for the pool.
        pipeline: Option<Uuid>,
    },
    /// The service refused a request. After a refused Create there is no pool, after a refused Command no pipeline.
    Refused {
        /// What the request asked for.
        operation: Operation,
        /// The pipeline that it was about; `None` for the pool.
        pipeline: Option<Uuid>,
        /// Why.
        fault: Box<Fault>,
    },
}
