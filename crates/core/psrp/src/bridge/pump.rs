//! What follows from what has happened: packets that may be sent now, requests that can be answered,
//! and what is due.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Bridge, Cause, Closing, Event, Opening, Operation, Phase, State};
use crate::out_of_process::{Packet, Verb};

/// Something that the engine owes.
#[derive(Debug, Clone, Copy)]
enum Debt {
    /// The pool's CloseAck.
    Close,
    /// CommandAck.
    Command,
    /// DataAck.
    Data,
    /// SignalAck or CloseAck of a pipeline.
    Ending(Uuid),
    /// The answer to the first messages.
    Opening,
}

impl Bridge {
    /// When to call [`Self::handle_timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.debts().into_iter().map(|(due, _)| due).min()
    }

    /// Time has passed: what the engine owes for too long, it is not waited for any more.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (due, debt) in self.debts() {
            if due > now {
                continue;
            }
            match debt {
                Debt::Close => self.finish_close(),
                Debt::Command => self.break_pool(Cause::EngineSilent("a command")),
                Debt::Data => self.break_pool(Cause::EngineSilent("data")),
                Debt::Opening => self.break_pool(Cause::EngineSilent("the opening of the pool")),
                Debt::Ending(id) => {
                    self.fail_pipeline(id, &Cause::EngineSilent("a stop"));
                    if let Some(pipeline) = self.pipelines.get_mut(&id) {
                        pipeline.is_stuck = true;
                    }
                }
            }
        }
        self.settle(now);
    }

    fn debts(&self) -> Vec<(Instant, Debt)> {
        let mut debts = Vec::new();
        if self.has_ended {
            return debts;
        }
        let mut owe = |since: Instant, patience: Duration, debt| {
            debts.extend(since.checked_add(patience).map(|due| (due, debt)));
        };
        let settings = &self.settings;
        match &self.state {
            State::Closing(closing) => owe(closing.since, settings.stop_timeout, Debt::Close),
            State::Opening(Opening { since: Some(since), .. }) => {
                owe(*since, settings.open_timeout, Debt::Opening);
            }
            _ => {}
        }
        for (id, pipeline) in &self.pipelines {
            if let Phase::Signalled(since) | Phase::Closing(since) = pipeline.phase
                && !pipeline.is_stuck
            {
                owe(since, settings.stop_timeout, Debt::Ending(*id));
            }
        }
        // What lies in a pipe that is not read cannot be missed. While the pool opens the engine owes
        // that, not the acknowledgement, which comes after it.
        if !self.was_read || !matches!(self.state, State::Opened | State::Closing(_)) {
            return debts;
        }
        let mut owe_ack = |since: Instant, debt| {
            owe(since.max(self.read_since), settings.ack_timeout, debt);
        };
        if let Some((_, since)) = self.pool.lane.in_flight {
            owe_ack(since, Debt::Data);
        }
        for pipeline in self.pipelines.values() {
            if let Some((_, since)) = pipeline.target.lane.in_flight {
                owe_ack(since, Debt::Data);
            }
            if let Phase::Commanded(since) = pipeline.phase {
                owe_ack(since, Debt::Command);
            }
        }
        debts
    }

    /// Does what can be done now. Called at the end of everything that happens.
    pub(super) fn settle(&mut self, now: Instant) {
        self.send_packets(now);
        self.answer();
        let reads = self.reads_engine();
        if reads && !self.was_read {
            self.read_since = now;
        }
        self.was_read = reads;
    }

    fn send_packets(&mut self, now: Instant) {
        if self.has_ended || self.state == State::BeforeOpen {
            return;
        }
        if let Some((stream, data)) = self.pool.lane.next(&mut self.engine_object, now) {
            self.send(None, Verb::Data(stream, data));
        }
        self.start_next(now);
        for id in self.pipelines.keys().copied().collect::<Vec<_>>() {
            self.send_for_pipeline(id, now);
        }
        self.close_pool();
    }

    /// Starts the pipeline whose turn it is.
    fn start_next(&mut self, now: Instant) {
        if let Some(pipeline) = self.starting.and_then(|id| self.pipelines.get(&id)) {
            let is_starting = match pipeline.phase {
                Phase::Commanded(_) => true,
                Phase::Live => !pipeline.target.lane.is_idle(),
                _ => false,
            };
            if is_starting {
                return;
            }
        }
        self.starting = None;
        while let Some(id) = self.starts.pop_front() {
            if let Some(pipeline) = self.pipelines.get_mut(&id)
                && pipeline.phase == Phase::Queued
            {
                pipeline.phase = Phase::Commanded(now);
                self.starting = Some(id);
                self.send(Some(id), Verb::Command);
                return;
            }
        }
    }

    fn send_for_pipeline(&mut self, id: Uuid, now: Instant) {
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        let lane = &mut pipeline.target.lane;
        if pipeline.phase != Phase::Live || lane.in_flight.is_some() {
            return;
        }
        let verb = if pipeline.is_over {
            pipeline.phase = Phase::Closing(now);
            Verb::Close
        } else if pipeline.stops > 0 {
            pipeline.phase = Phase::Signalled(now);
            Verb::Signal
        } else if let Some((stream, data)) = lane.next(&mut self.engine_object, now) {
            Verb::Data(stream, data)
        } else {
            return;
        };
        self.send(Some(id), verb);
    }

    /// Closes the pool in the engine once it has no pipelines any more.
    fn close_pool(&mut self) {
        let State::Closing(Closing { is_sent: false, .. }) = self.state else { return };
        let is_busy = self.pipelines.values().any(|pipeline| !pipeline.has_ended());
        if is_busy || self.pool.lane.in_flight.is_some() {
            return;
        }
        if self.pipelines.values().any(|pipeline| pipeline.is_stuck) {
            // The engine would wait for it for ever.
            return self.finish_close();
        }
        if let State::Closing(closing) = &mut self.state {
            closing.is_sent = true;
            self.send(None, Verb::Close);
        }
    }

    fn send(&mut self, pipeline: Option<Uuid>, verb: Verb) {
        self.packets.push_back(format!("{}\n", Packet::new(pipeline, verb)));
    }

    /// Answers what can be answered, and forgets what nobody needs.
    fn answer(&mut self) {
        // A client may want to send everything before it fetches what comes of it. Until it does, the
        // engine is not read, its acknowledgements included.
        let is_blocked = !self.reads_engine();
        let is_ahead = is_blocked && self.waiting() <= self.settings.max_input;
        let events = &mut self.events;
        let mut answer = |operation| events.push_back(Event::Answered(operation));
        for stream in self.pool.lane.finished_sends(is_ahead) {
            answer(Operation::Send(None, stream));
        }
        for (id, pipeline) in &mut self.pipelines {
            for stream in pipeline.target.lane.finished_sends(is_ahead) {
                answer(Operation::Send(Some(*id), stream));
            }
            let has_ended = pipeline.has_ended();
            // A client that waits for the answer before it fetches output would wait for ever.
            if pipeline.is_over || has_ended || is_blocked {
                (0..std::mem::take(&mut pipeline.stops)).for_each(|_| answer(Operation::Stop(*id)));
            }
            if has_ended && std::mem::take(&mut pipeline.is_terminating) {
                answer(Operation::Terminate(*id));
            }
        }
        self.pipelines.retain(|_, pipeline| !pipeline.is_gone());
    }
}
