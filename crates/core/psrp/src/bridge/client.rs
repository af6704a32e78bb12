//! What the client wants: requests in, refused at once or accepted.

use std::time::Instant;

use uuid::Uuid;

use super::check::agreed;
use super::{
    Bridge, BufferMode, Cause, Closing, Event, Opening, Operation, Phase, Pipeline, Refusal, State,
};
use crate::fragment::{Assembler, Fragmenter};
use crate::message::{Destination, Header};
use crate::messages::{Kind, Message, RunspacePoolInitData, SessionCapability};
use crate::out_of_process::Stream;
use crate::version;

/// The type of what a pipeline's host call is answered with.
const PIPELINE_HOST_RESPONSE: u32 = 0x0004_1101;

impl Bridge {
    /// Opens the pool with what the client's Create carries: SESSION_CAPABILITY and mostly
    /// INIT_RUNSPACEPOOL, of which the rest comes with [`Self::handle_data`].
    ///
    /// # Errors
    ///
    /// [`Refusal`]: the Create is refused, and the pool is of no use.
    pub fn open(&mut self, fragments: &[u8], now: Instant) -> Result<(), Refusal> {
        if self.state != State::BeforeOpen {
            self.working()?;
            return Err(Refusal::Unexpected("a second Create"));
        }
        self.state = State::Opening(Opening::default());
        let taken = self.take(None, Stream::Default, fragments, now);
        let is_asked = matches!(&self.state, State::Opening(opening) if opening.is_asked);
        let missing = Refusal::Unexpected("a Create without SESSION_CAPABILITY");
        let result = taken.and(if is_asked { Ok(()) } else { Err(missing) });
        if let Err(refusal) = &result {
            self.break_pool(Cause::Refused(refusal.to_string()));
        }
        self.settle(now);
        result
    }

    /// Takes what a Send carries, for a target and from one of the client's two streams.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. What is refused for a pipeline fails it; for the pool, a message alone is refused
    /// once the pool is open, while fragments that make none, and all mistakes before, break it.
    pub fn handle_data(
        &mut self,
        pipeline: Option<Uuid>,
        stream: Stream,
        fragments: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        self.connected()?;
        let is_over = match pipeline {
            Some(id) => self.known(id)?.is_over,
            None => self.working().map(|()| false)?,
        };
        let lane = match pipeline {
            Some(id) => self.pipelines.get_mut(&id).map(|pipeline| &mut pipeline.target.lane),
            None => Some(&mut self.pool.lane),
        };
        if lane.is_some_and(|lane| lane.is_sending(stream)) {
            return Err(Refusal::Busy);
        }
        if is_over {
            // What was under way when the pipeline ended has no reader.
            self.answered(Operation::Send(pipeline, stream));
            return Ok(());
        }
        let result = self.take(pipeline, stream, fragments, now);
        match (&result, pipeline) {
            (Ok(()), Some(id)) => {
                if let Some(pipeline) = self.pipelines.get_mut(&id) {
                    pipeline.target.lane.begin_send(stream);
                }
            }
            (Ok(()), None) => self.pool.lane.begin_send(stream),
            (Err(refusal), Some(id)) => {
                self.fail_pipeline(id, &Cause::Refused(refusal.to_string()));
            }
            (Err(refusal), None) => {
                if matches!(refusal, Refusal::Fragment(_)) || !self.is_open() {
                    self.break_pool(Cause::Refused(refusal.to_string()));
                }
            }
        }
        self.settle(now);
        result
    }

    /// Starts a pipeline with what a Command carries: CREATE_PIPELINE or GET_COMMAND_METADATA, or the
    /// beginning of it.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: there is no such pipeline.
    pub fn handle_command(
        &mut self,
        id: Uuid,
        fragments: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        self.connected()?;
        self.opened()?;
        if id.is_nil() || self.pipelines.contains_key(&id) {
            return Err(Refusal::PipelineIdInUse(id));
        }
        let most = self.settings.max_pipelines;
        if self.pipelines.len() >= most && !self.forget_finished() {
            return Err(Refusal::TooManyPipelines(most));
        }
        self.pipelines.insert(id, Pipeline::new(&self.settings));
        let result = self.take(Some(id), Stream::Default, fragments, now);
        if result.is_ok() {
            self.answered(Operation::Command(id));
        } else {
            // The engine has not heard of it.
            self.pipelines.remove(&id);
        }
        self.settle(now);
        result
    }

    /// Stops a pipeline; answered once its end is in its output, or at once while so much output waits to be fetched
    /// that the engine is not read.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn handle_signal(&mut self, id: Uuid, now: Instant) -> Result<(), Refusal> {
        self.connected()?;
        self.known(id)?;
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return Ok(()) };
        pipeline.stops = pipeline.stops.saturating_add(1);
        pipeline.target.lane.clear();
        if matches!(pipeline.phase, Phase::Collecting | Phase::Queued) {
            self.stop_pipeline(id);
        }
        self.settle(now);
        Ok(())
    }

    /// Ends a pipeline for good, a running one as well: what it wrote is of no interest, and its id is
    /// unknown from here on. Answered once it is closed in the engine.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn handle_terminate(&mut self, id: Uuid, now: Instant) -> Result<(), Refusal> {
        self.connected()?;
        self.known(id)?;
        self.forget(id, true);
        self.settle(now);
        Ok(())
    }

    /// Closes the pool and everything in it, whoever is connected. Answered once the engine has closed
    /// it or has not in time.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`]: this is happening already.
    pub fn handle_close(&mut self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Closing(_) => return Err(Refusal::Busy),
            State::Closed | State::Broken(_) => self.answered(Operation::Close),
            State::Opened => {
                // A message of which the client has a part goes on.
                while self.pool.output.take_back(|_| true).is_some() {}
                self.pool.lane.clear();
                for id in self.pipelines.keys().copied().collect::<Vec<_>>() {
                    self.forget(id, false);
                }
                self.state = State::Closing(Closing { since: now, is_sent: false, is_told: false });
            }
            State::BeforeOpen | State::Opening(_) => {
                self.finish_close();
                self.answered(Operation::Close);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// The client leaves the pool to be taken up later.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; a client below version 2.2 cannot.
    pub fn handle_disconnect(&mut self, mode: BufferMode, now: Instant) -> Result<(), Refusal> {
        self.connected()?;
        self.opened()?;
        if self.version < version::DISCONNECT {
            return Err(Refusal::Version(self.version));
        }
        (self.is_connected, self.mode) = (false, mode);
        self.settle(now);
        Ok(())
    }

    /// The same client comes back, also to a pool that has ended meanwhile.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotDisconnected`].
    pub fn handle_reconnect(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.is_connected {
            return Err(Refusal::NotDisconnected);
        }
        self.is_connected = true;
        self.settle(now);
        Ok(())
    }

    /// Another client takes the pool over: `fragments` are what its Connect carries, and what is
    /// returned is for the answer. The private data follow as output of the pool.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: nothing has changed.
    pub fn handle_connect(&mut self, fragments: &[u8], now: Instant) -> Result<Vec<u8>, Refusal> {
        if self.is_connected {
            return Err(Refusal::NotDisconnected);
        }
        self.opened()?;
        let version = self.check_connect(fragments)?;
        let (min_runspaces, max_runspaces) = self.runspaces;
        let mut answer = Fragmenter::new();
        for message in [
            Message::SessionCapability(SessionCapability::new(version)),
            Message::RunspacePoolInitData(RunspacePoolInitData { min_runspaces, max_runspaces }),
        ] {
            let frame = message.encode(Destination::Client, self.id, Uuid::nil());
            answer.push(frame.encode());
        }
        let answer = answer.poll_fragments(usize::MAX, &mut self.client_object);

        let events = &mut self.events;
        let mut tell = |id, stream| {
            events.push_back(Event::Answered(Operation::Send(id, stream)));
        };
        self.pool.change_client(&self.settings).for_each(|stream| tell(None, stream));
        for (id, pipeline) in &mut self.pipelines {
            let sends = pipeline.target.change_client(&self.settings);
            sends.for_each(|stream| tell(Some(*id), stream));
        }
        // What the first client has not fetched of the beginning.
        while self.pool.output.take_back(is_greeting).is_some() {}
        if !self.private_data.is_empty() {
            self.pool.output.push(self.private_data.clone());
        }
        self.is_connected = true;
        self.settle(now);
        Ok(answer)
    }

    /// A client that has connected to the pool takes up one of its pipelines.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn handle_connect_pipeline(&self, id: Uuid) -> Result<(), Refusal> {
        self.connected()?;
        self.known(id).map(drop)
    }

    /// The version for the client that sent this.
    fn check_connect(&self, fragments: &[u8]) -> Result<crate::clixml::Version, Refusal> {
        let mut messages = Vec::new();
        let mut assembler = Assembler::new(self.settings.limits.bytes);
        assembler.handle_fragments(fragments, |message| messages.push(message))?;
        let mut messages = messages.into_iter().map(|message| self.read(None, message));
        let version = match messages.next().transpose()? {
            Some(Message::SessionCapability(theirs)) => agreed(&theirs, version::DISCONNECT)?,
            _ => return Err(Refusal::Unexpected("a Connect without SESSION_CAPABILITY")),
        };
        match messages.next().transpose()? {
            Some(Message::ConnectRunspacePool(connect)) => {
                let (least, most) = self.runspaces;
                if connect.runspaces.is_some_and(|wanted| wanted != self.runspaces) {
                    return Err(Refusal::RunspacesDiffer { least, most });
                }
            }
            _ => return Err(Refusal::Unexpected("a Connect without CONNECT_RUNSPACEPOOL")),
        }
        match messages.next().transpose()? {
            None => Ok(version.min(self.version)),
            Some(message) => Err(Refusal::Unexpected(message.name())),
        }
    }

    /// Puts messages together, checks them, and lays them before the engine.
    fn take(
        &mut self,
        pipeline: Option<Uuid>,
        stream: Stream,
        fragments: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        let target = match pipeline {
            None => Some(&mut self.pool),
            Some(id) => self.pipelines.get_mut(&id).map(|pipeline| &mut pipeline.target),
        };
        let Some(target) = target else { return Ok(()) };
        let mut messages = Vec::new();
        let assembler = target.input.of(stream);
        let taken = assembler.handle_fragments(fragments, |message| messages.push(message));
        for data in messages {
            if self.id.is_nil() {
                self.id = Header::decode(&data)?.pool;
            }
            // Clients send answers of the host for a pipeline to the pool, and Windows looks at the message only.
            let header = Header::decode(&data)?;
            let is_answer = pipeline.is_none() && header.kind == PIPELINE_HOST_RESPONSE;
            let pipeline = if is_answer { Some(header.pipeline) } else { pipeline };
            if pipeline.is_some_and(|id| is_answer && !self.pipelines.contains_key(&id)) {
                // It is over.
                continue;
            }
            let message = self.read(pipeline, data.clone())?;
            match pipeline {
                None => self.check_for_pool(&message)?,
                Some(id) => self.check_for_pipeline(id, &message)?,
            }
            if let State::Opening(opening) = &mut self.state {
                opening.since = Some(now);
            }
            match pipeline.map(|id| self.pipelines.get_mut(&id)) {
                None => self.pool.lane.push(stream, data),
                Some(Some(pipeline)) => pipeline.target.lane.push(stream, data),
                Some(None) => {}
            }
        }
        taken?;
        let most = self.settings.max_input;
        if self.waiting() > most.saturating_add(self.settings.limits.bytes) {
            return Err(Refusal::TooMuchInput(most));
        }
        Ok(())
    }

    fn forget(&mut self, id: Uuid, is_terminating: bool) {
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        pipeline.is_terminating |= is_terminating;
        pipeline.is_forgotten = true;
        pipeline.target.output = Fragmenter::new();
        pipeline.end();
    }

    /// Whether a pipeline whose end was told gave way.
    fn forget_finished(&mut self) -> bool {
        let finished = self.pipelines.iter().find(|(_, pipeline)| {
            pipeline.is_told && pipeline.phase == Phase::Closed && !pipeline.is_terminating
        });
        let finished = finished.map(|(id, _)| *id);
        finished.and_then(|id| self.pipelines.remove(&id)).is_some()
    }

    pub(super) fn answered(&mut self, operation: Operation) {
        self.events.push_back(Event::Answered(operation));
    }

    const fn connected(&self) -> Result<(), Refusal> {
        if self.is_connected { Ok(()) } else { Err(Refusal::Disconnected) }
    }

    /// The pool is open, or about to be.
    fn working(&self) -> Result<(), Refusal> {
        match &self.state {
            State::Opening(_) | State::Opened => Ok(()),
            State::Broken(cause) => Err(Refusal::Broken(cause.clone())),
            State::BeforeOpen | State::Closing(_) | State::Closed => Err(Refusal::NotOpen),
        }
    }

    fn opened(&self) -> Result<(), Refusal> {
        self.working()?;
        if self.is_open() { Ok(()) } else { Err(Refusal::NotOpen) }
    }
}

/// Whether a message belongs to the opening of a pool, which a client that connects hears otherwise.
fn is_greeting(message: &[u8]) -> bool {
    let kind = Header::decode(message).ok().and_then(|header| Kind::of(header.kind));
    kind.is_some_and(|kind| matches!(kind.name, "SESSION_CAPABILITY" | "APPLICATION_PRIVATE_DATA"))
}
