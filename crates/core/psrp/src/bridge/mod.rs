//! Between a client that sends and receives fragments (over WS-Management, say) and an engine behind
//! pipes that speaks the framing of [`out_of_process`](crate::out_of_process): one pool, one engine.
//!
//! ```text
//!            open            INIT_RUNSPACEPOOL,              handle_close
//!                            RUNSPACEPOOL_STATE Opened       Close to pipelines, then to the pool
//! BeforeOpen ────► Opening ──────────────────────► Opened ───────────────────────────► Closing
//!                     │   handle_disconnect: nobody │ │ the engine closes the pool        │ CloseAck,
//!                     │   listens, until            │ └─────────────────────────────► Closed ◄ time-out
//!                     │   handle_reconnect or       │
//!                     │   handle_connect            ▼
//!                     └──────────────────────────► Broken: the engine is missing, ended, silent or wrong
//!
//! a pipeline, as the engine sees it (`Phase`):
//!            CREATE_PIPELINE      its turn                 CommandAck        Signal
//! Collecting ──────────────► Queued ──────► Commanded ─────────────► Live ◄────────► Signalled
//!      └─────────────────────┴─ stopped or failed ──► Closed ◄─── Closing ◄─┘ Close
//!                                                       CloseAck
//! ```
//!
//! A pipeline that is not closed or has not stopped in time is stuck: its client is answered, while the
//! engine may still do what it was asked to.
//!
//! # The driver
//!
//! Each request of the client is a `handle_*` (or [`Bridge::open`]): refused with a [`Refusal`], or
//! accepted and answered when [`Event::Answered`] names it. Receives are answered with
//! [`Bridge::poll_output`] as soon as [`Bridge::has_output`]. The engine's output goes to
//! [`Bridge::handle_engine_bytes`], but only while [`Bridge::reads_engine`]: else the engine waits,
//! and memory stays what [`Settings`] allows. After every call that takes `&mut self`, write what
//! [`Bridge::poll_engine`] gives to the engine, drain [`Bridge::poll_event`], and ask
//! [`Bridge::poll_timeout`].
//!
//! What [`Bridge::poll_output`] gives is given once: an answer that may not have reached the client is
//! the driver's to repeat.
//!
//! # What is adapted between the two
//!
//! Messages pass byte for byte, put together and cut anew, with object numbers that count up for each
//! side, over all clients of the pool. Apart from that:
//!
//! - The real engine loses what is not awaited. Each packet waits for the acknowledgement of the one
//!   before on its target, data for CommandAck, pipelines for the Opened pool and, one at a time, for
//!   the start of the one before; Close and Signal for the DataAck. Acknowledgements may come late.
//! - It answers a bad message with silence or `__NamedPipeError__:Remote transport error`, so messages
//!   are checked first. What it refuses all the same fails the pipeline that was under way.
//! - It is silent after versions that are not 2.x, so they are refused here. Newer minor ones it
//!   answers with its own.
//! - Its SESSION_CAPABILITY has no RPID, as Windows's in a new pool. In the answer to a Connect
//!   Windows sets it.
//! - It knows no Connect. The answer is made here, from what the engine said when the pool was opened,
//!   in the older version of both clients. What a former client has of a message is sent again from
//!   its beginning. SecureStrings stay as the engine writes them: encrypted with a key that the new
//!   client gets by PUBLIC_KEY, or in the clear where the first client spoke 2.4.
//! - Its pool closes only when all pipelines were closed, which happens here. The process does not end
//!   by itself: [`Event::EndEngine`].
//! - A pipeline that had no data yet is stopped without a word; PIPELINE_STATE Stopped comes from here.
//! - What Windows's host would say of a lost engine is said here: RUNSPACEPOOL_STATE Broken and
//!   PIPELINE_STATE Failed, with an error that names the cause.

mod check;
mod client;
mod engine;
mod error;
mod event;
mod pump;
mod target;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Instant;

use uuid::Uuid;

pub use error::{Cause, Refusal};
pub use event::{BufferMode, Event, Operation, Output, Settings};

use crate::clixml::Version;
use crate::fragment::{self, Fragmenter};
use crate::message::Destination;
use crate::messages::{
    ErrorCategory, ErrorRecord, Message, PipelineState, PipelineStateMessage, RunspacePoolState,
    RunspacePoolStateMessage,
};
use crate::out_of_process::Lines;
use crate::version;

use target::{Phase, Pipeline, Target, is_droppable};

/// The longest line of the engine that is read; its own have at most 43,768 bytes, its children's
/// end somewhere.
const LONGEST_LINE: usize = 256 * 1024;
/// Changes of the numbers of runspaces that wait for their answer.
const MOST_CHANGES: usize = 64;

/// One pool between its client and its engine.
pub struct Bridge {
    /// Nil until the client has said it.
    id: Uuid,
    settings: Settings,
    state: State,
    is_connected: bool,
    mode: BufferMode,
    /// The version that the first client and the engine speak.
    version: Version,
    runspaces: (i32, i32),
    /// SET_MAX_RUNSPACES and SET_MIN_RUNSPACES that are not answered: number, least, most.
    changes: VecDeque<(i64, Option<i32>, Option<i32>)>,
    /// APPLICATION_PRIVATE_DATA as it came.
    private_data: Vec<u8>,
    pool: Target,
    pipelines: BTreeMap<Uuid, Pipeline>,
    /// Pipelines in [`Phase::Queued`], in their order.
    starts: VecDeque<Uuid>,
    /// The pipeline whose CREATE_PIPELINE the engine has not taken yet.
    starting: Option<Uuid>,
    /// The number of the next message to the client.
    client_object: u64,
    /// The number of the next message to the engine.
    engine_object: u64,
    lines: Lines,
    /// What the engine said last that was an error.
    last_words: String,
    /// Since when the engine is read; what it owes is waited for from then on.
    read_since: Instant,
    was_read: bool,
    packets: VecDeque<String>,
    events: VecDeque<Event>,
    has_ended: bool,
    /// Bytes of the engine's messages that there is room for, whatever the settings allow.
    room: usize,
}

/// How far the pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    BeforeOpen,
    Opening(Opening),
    Opened,
    Closing(Closing),
    Closed,
    Broken(Cause),
}

/// What has been said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Opening {
    /// The client's SESSION_CAPABILITY is here, and went to the engine.
    is_asked: bool,
    /// The engine's is here.
    is_negotiated: bool,
    /// INIT_RUNSPACEPOOL is here, and went to the engine.
    is_init: bool,
    /// Since when the engine owes something.
    since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closing {
    since: Instant,
    /// The pool's Close is sent.
    is_sent: bool,
    /// The engine has said that the pool is closed.
    is_told: bool,
}

impl Bridge {
    /// A pool that is not open yet, beside an engine that was just started.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            id: Uuid::nil(),
            settings,
            state: State::BeforeOpen,
            is_connected: true,
            mode: BufferMode::Block,
            version: version::NEWEST,
            runspaces: (1, 1),
            changes: VecDeque::new(),
            private_data: Vec::new(),
            pool: Target::new(&settings),
            pipelines: BTreeMap::new(),
            starts: VecDeque::new(),
            starting: None,
            client_object: 1,
            engine_object: 1,
            lines: Lines::new(LONGEST_LINE),
            last_words: String::new(),
            read_since: now,
            was_read: true,
            packets: VecDeque::new(),
            events: VecDeque::new(),
            has_ended: false,
            room: usize::MAX,
        }
    }

    /// The pool's id, which the client's first message has: the id of its shell, except for clients
    /// that let the service choose that one.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        Some(self.id).filter(|id| !id.is_nil())
    }

    /// Whether pipelines can run, whether somebody listens or not.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Opened)
    }

    /// Whether a client is connected.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// What broke the pool.
    #[must_use]
    pub const fn cause(&self) -> Option<&Cause> {
        match &self.state {
            State::Broken(cause) => Some(cause),
            _ => None,
        }
    }

    /// The version of the protocol that the first client and the engine speak, once it is known.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The least and the most runspaces.
    #[must_use]
    pub const fn runspaces(&self) -> (i32, i32) {
        self.runspaces
    }

    /// The pipelines that the client knows, and whether each still runs.
    pub fn pipelines(&self) -> impl Iterator<Item = (Uuid, bool)> {
        let known = self.pipelines.iter().filter(|(_, pipeline)| !pipeline.is_forgotten);
        known.map(|(id, pipeline)| (*id, !pipeline.is_over))
    }

    /// Bytes of the client's that wait for the engine, or for their message.
    #[must_use]
    pub fn held_input(&self) -> usize {
        self.waiting() + self.packets.iter().map(String::len).sum::<usize>()
    }

    /// Bytes of the engine's that wait for the client, or for their message.
    #[must_use]
    pub fn held_output(&self) -> usize {
        self.held() + self.pending() + self.private_data.len()
    }

    /// Says how much room there is for the engine's messages, where that is less than the settings allow: beyond it the
    /// engine is not read, and a pipeline fails whose message does not fit. At least as much as an engine's packet has
    /// should be left.
    pub fn limit_output(&mut self, bytes: usize, now: Instant) {
        self.room = bytes;
        self.settle(now);
    }

    /// Whether the engine may be read. While it may not, it waits for room in its pipe, and what it
    /// owes is not due.
    #[must_use]
    pub fn reads_engine(&self) -> bool {
        let held = self.held();
        let buffer = self.settings.buffer.min(self.room);
        // A stop is under way behind output that nobody fetches.
        let is_ending = self.pipelines.values().any(Pipeline::is_ending);
        held < buffer || (is_ending && held < buffer.saturating_mul(4))
    }

    /// The next packet for the engine, with the end of its line.
    pub fn poll_engine(&mut self) -> Option<String> {
        self.packets.pop_front()
    }

    /// The next thing that the driver should do or know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether a Receive for a target can be answered: with fragments, its end or a refusal.
    #[must_use]
    pub fn has_output(&self, pipeline: Option<Uuid>) -> bool {
        match self.output(pipeline) {
            Ok((output, is_over)) => self.is_connected && (is_over || !output.is_empty()),
            Err(_) => true,
        }
    }

    /// Fragments for the client that wait at a target, as many whole ones as fit `size` bytes, and
    /// whether they are the last. A fragment needs 22 bytes. Nothing while disconnected.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownPipeline`].
    pub fn poll_output(
        &mut self,
        pipeline: Option<Uuid>,
        size: usize,
        now: Instant,
    ) -> Result<Output, Refusal> {
        let (_, is_over) = self.output(pipeline)?;
        if !self.is_connected {
            return Ok(Output::default());
        }
        let next_object = &mut self.client_object;
        let output = match pipeline {
            None => &mut self.pool.output,
            Some(id) => {
                let pipeline = self.pipelines.get_mut(&id).ok_or(Refusal::UnknownPipeline(id))?;
                &mut pipeline.target.output
            }
        };
        let fragments = output.poll_fragments(size, next_object);
        let is_last = is_over && output.is_empty();
        if let Some(pipeline) = pipeline.and_then(|id| self.pipelines.get_mut(&id)) {
            pipeline.is_told |= is_last;
        }
        self.settle(now);
        Ok(Output { fragments, is_last })
    }

    fn output(&self, pipeline: Option<Uuid>) -> Result<(&Fragmenter, bool), Refusal> {
        let Some(id) = pipeline else {
            let is_over = matches!(self.state, State::Closed | State::Broken(_));
            return Ok((&self.pool.output, is_over));
        };
        let pipeline = self.known(id)?;
        Ok((&pipeline.target.output, pipeline.is_over))
    }

    fn known(&self, id: Uuid) -> Result<&Pipeline, Refusal> {
        let known = self.pipelines.get(&id).filter(|pipeline| !pipeline.is_forgotten);
        known.ok_or(Refusal::UnknownPipeline(id))
    }

    /// Bytes that wait for the engine.
    fn waiting(&self) -> usize {
        let pipelines = self.pipelines.values().map(|pipeline| pipeline.target.waiting());
        self.pool.waiting() + pipelines.sum::<usize>()
    }

    /// Bytes that wait for the client.
    fn held(&self) -> usize {
        let pipelines = self.pipelines.values().map(|pipeline| pipeline.target.output.len());
        self.pool.output.len() + pipelines.sum::<usize>()
    }

    /// Bytes of the engine's messages that are not complete.
    fn pending(&self) -> usize {
        let pipelines =
            self.pipelines.values().map(|pipeline| pipeline.target.from_engine.pending());
        self.pool.from_engine.pending() + pipelines.sum::<usize>()
    }

    /// Whether the engine's messages that are not complete are more than there is room for.
    fn check_pending(&self) -> Result<(), fragment::Error> {
        let most = self.settings.max_message.min(self.room);
        if self.pending() > most { Err(fragment::Error::TooLarge(most)) } else { Ok(()) }
    }

    /// Lets old output give way where it should: while disconnected so, and of pipelines that are to
    /// stop. `newest` has just written.
    fn make_room(&mut self, newest: Uuid) {
        let drops = !self.is_connected && self.mode == BufferMode::Drop;
        if !drops && self.pipelines.values().all(|pipeline| pipeline.stops == 0) {
            return;
        }
        let mut held = self.held();
        if held < self.settings.buffer {
            return;
        }
        let order = [newest].into_iter().chain(self.pipelines.keys().copied());
        for id in order.collect::<Vec<_>>() {
            let Some(pipeline) = self.pipelines.get_mut(&id) else { continue };
            if !drops && pipeline.stops == 0 {
                continue;
            }
            while held >= self.settings.buffer {
                let Some(length) = pipeline.target.output.drop_oldest(is_droppable) else { break };
                held = held.saturating_sub(length);
            }
        }
    }

    fn tell_pool(&mut self, state: RunspacePoolState, error: Option<ErrorRecord>) {
        let error = error.map(Box::new);
        let message = Message::RunspacePoolState(RunspacePoolStateMessage { state, error });
        let frame = message.encode(Destination::Client, self.id, Uuid::nil());
        self.pool.output.push(frame.encode());
    }

    /// Ends a pipeline for the client; one that has told its end stays as it is.
    fn end_pipeline(&mut self, id: Uuid, state: PipelineState, error: Option<ErrorRecord>) {
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        if pipeline.is_over {
            return;
        }
        let error = error.map(Box::new);
        let message = Message::PipelineState(PipelineStateMessage { state, error });
        let frame = message.encode(Destination::Client, self.id, id);
        pipeline.target.output.push(frame.encode());
        pipeline.end();
    }

    fn fail_pipeline(&mut self, id: Uuid, cause: &Cause) {
        self.end_pipeline(id, PipelineState::Failed, Some(cause.record()));
    }

    fn stop_pipeline(&mut self, id: Uuid) {
        let record = ErrorRecord::new(
            "System.Management.Automation.PipelineStoppedException",
            "The pipeline has been stopped.",
            "PipelineStopped",
            ErrorCategory::OperationStopped,
        );
        self.end_pipeline(id, PipelineState::Stopped, Some(record));
    }

    /// The pool cannot go on; client and driver are told.
    fn break_pool(&mut self, cause: Cause) {
        match self.state {
            State::Closed | State::Broken(_) => return,
            // Whatever happens to the engine now, the pool is closed.
            State::Closing(_) => return self.finish_close(),
            State::BeforeOpen | State::Opening(_) | State::Opened => {}
        }
        for id in self.pipelines.keys().copied().collect::<Vec<_>>() {
            self.fail_pipeline(id, &cause);
        }
        self.tell_pool(RunspacePoolState::Broken, Some(cause.record()));
        self.state = State::Broken(cause);
        self.end_engine();
    }

    /// The pool is closed, for the client as well.
    fn finish_close(&mut self) {
        for id in self.pipelines.keys().copied().collect::<Vec<_>>() {
            self.stop_pipeline(id);
        }
        let is_told = match self.state {
            State::Closing(Closing { is_told, .. }) => {
                self.events.push_back(Event::Answered(Operation::Close));
                is_told
            }
            _ => false,
        };
        if !is_told {
            self.tell_pool(RunspacePoolState::Closed, None);
        }
        self.state = State::Closed;
        self.end_engine();
    }

    /// Nothing more is asked of the engine, and nothing it still says is heard.
    fn end_engine(&mut self) {
        self.packets.clear();
        self.starts.clear();
        self.starting = None;
        for pipeline in self.pipelines.values_mut() {
            (pipeline.phase, pipeline.is_stuck) = (Phase::Closed, false);
            pipeline.target.lane.abandon();
        }
        self.pool.lane.abandon();
        if !self.has_ended {
            self.has_ended = true;
            self.events.push_back(Event::EndEngine);
        }
    }
}

impl fmt::Debug for Bridge {
    /// Without the messages: they hold what users type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("is_connected", &self.is_connected)
            .field("pipelines", &self.pipelines.len())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    fn end(&mut self) {
        self.is_over = true;
        self.target.lane.clear();
        self.target.from_engine.clear();
        if matches!(self.phase, Phase::Collecting | Phase::Queued) {
            self.phase = Phase::Closed;
        }
    }
}
