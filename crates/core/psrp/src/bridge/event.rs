//! What the machine is told once, what it tells its driver, and what it hands out.

use std::time::Duration;

use uuid::Uuid;

use crate::clixml::Limits;
use crate::out_of_process::Stream;

/// Bounds and patience of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its configuration")]
pub struct Settings {
    /// Bounds of each message of the client.
    pub limits: Limits,
    /// Pipelines that may exist at once (`MaxConcurrentCommandsPerShell`). Finished ones whose end
    /// was told give way to new ones. Default 1,000.
    pub max_pipelines: usize,
    /// Bytes of the engine's messages that may be under way at once, over all targets. A pipeline
    /// that writes a larger object fails. Default 64 MiB.
    pub max_message: usize,
    /// Bytes that a client may send in advance, over all targets, while output that nobody fetches
    /// keeps the engine from taking them (`MaximumReceivedDataSizePerCommandMB`). Beyond that Sends are
    /// not answered; one message more is taken. Default 50 MiB.
    pub max_input: usize,
    /// Bytes of output that may wait for the client, over all targets, before the engine is not read
    /// any more or, while disconnected, output is dropped. One message more may wait; a stop that is
    /// under way has four times as much. Default 1 MiB.
    pub buffer: usize,
    /// How long the engine may take for its answer to the client's first messages, and to open the
    /// pool. Default 180 s.
    pub open_timeout: Duration,
    /// How long the engine may take to acknowledge a packet. Default 60 s.
    pub ack_timeout: Duration,
    /// How long a pipeline may take to stop or to close, and the pool to close. Default 60 s.
    pub stop_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_pipelines: 1_000,
            max_message: 64 * 1024 * 1024,
            max_input: 50 * 1024 * 1024,
            buffer: 1024 * 1024,
            open_timeout: Duration::from_secs(180),
            ack_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(60),
        }
    }
}

/// What becomes of output that nobody fetches while the pool is disconnected, `BufferMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BufferMode {
    /// The pipelines wait.
    #[default]
    Block,
    /// The oldest output gives way.
    Drop,
}

/// A request of the client that was accepted, and is answered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// [`handle_close`](super::Bridge::handle_close): the pool's Delete.
    Close,
    /// [`handle_command`](super::Bridge::handle_command): the pipeline's Command.
    Command(Uuid),
    /// [`handle_data`](super::Bridge::handle_data): a Send, to the pool where there is no pipeline.
    Send(Option<Uuid>, Stream),
    /// [`handle_signal`](super::Bridge::handle_signal): the Signal that stops a pipeline.
    Stop(Uuid),
    /// [`handle_terminate`](super::Bridge::handle_terminate): the Signal that ends it for good.
    Terminate(Uuid),
}

/// What the driver shall do or know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The request can be answered; each accepted one is, once.
    Answered(Operation),
    /// The engine is of no use any more: end its input, and the process itself where that does not
    /// help. Comes once, also when the engine has ended already.
    EndEngine,
    /// The engine or its children wrote something that is no packet, or not for this pool: for the
    /// log. At most 1,000 characters.
    Stray(String),
}

/// What a Receive is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by the driver")]
pub struct Output {
    /// Whole fragments; none when nothing waits.
    pub fragments: Vec<u8>,
    /// Whether nothing follows: `CommandState` Done.
    pub is_last: bool,
}
