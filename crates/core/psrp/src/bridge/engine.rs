//! What the engine says: packets in, messages for the client and news about itself out.

use std::time::Instant;

use uuid::Uuid;

use super::{Bridge, Cause, Event, Phase, State};
use crate::clixml::Limits;
use crate::message::{Destination, Frame, Header};
use crate::messages::{Availability, Kind, Message, PipelineState, RunspacePoolState, Target};
use crate::out_of_process::{Packet, Piece, Verb};

/// How an engine's line about an error begins.
const ERROR: &str = "__NamedPipeError__:";
/// How its text begins where a message is at fault, and the engine lives on.
const REFUSED: &str = "Remote transport error:";
/// Characters of a line that are kept.
const MOST: usize = 1_000;

impl Bridge {
    /// Takes what the engine wrote, in pieces of any size.
    pub fn handle_engine_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.has_ended {
            return;
        }
        let mut pieces = Vec::new();
        let read = self.lines.handle_bytes(bytes, |piece| pieces.push(piece));
        for piece in pieces {
            match piece {
                Piece::Packet(packet) => self.handle_packet(packet, now),
                Piece::Other(line) => self.handle_other(&line),
            }
        }
        if let Err(error) = read {
            self.break_pool(Cause::EngineMisbehaved(error.to_string()));
        }
        self.settle(now);
    }

    /// The engine has ended, and all that it wrote was handed in; `how` says what is known of it.
    pub fn handle_engine_ended(&mut self, how: &str, now: Instant) {
        let how = match &*self.last_words {
            "" => how.to_owned(),
            words => format!("{how}; it said: {words}"),
        };
        self.break_pool(Cause::EngineEnded(how));
        self.settle(now);
    }

    /// No engine could be started.
    pub fn handle_engine_missing(&mut self, why: &str, now: Instant) {
        self.break_pool(Cause::EngineMissing(why.to_owned()));
        self.settle(now);
    }

    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        if self.has_ended {
            return;
        }
        let target = packet.pipeline();
        match (packet.verb, target) {
            (Verb::Data(_, data), None) => self.handle_pool_data(&data, now),
            (Verb::Data(_, data), Some(id)) => self.handle_pipeline_data(id, &data),
            (Verb::DataAck, None) => self.pool.lane.in_flight = None,
            (Verb::CloseAck, None) => match self.state {
                State::Closing(_) => self.finish_close(),
                _ => self.stray("a CloseAck that nobody waits for"),
            },
            (verb, Some(id)) => self.handle_pipeline_ack(id, &verb),
            (_, None) => self.stray("a packet that has no meaning for the pool"),
        }
    }

    fn handle_pipeline_ack(&mut self, id: Uuid, verb: &Verb) {
        // The engine's acknowledgements come late, also for what is forgotten.
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        match (verb, pipeline.phase) {
            (Verb::DataAck, _) => pipeline.target.lane.in_flight = None,
            (Verb::CommandAck, Phase::Commanded(_)) => pipeline.phase = Phase::Live,
            (Verb::SignalAck, Phase::Signalled(_)) => {
                (pipeline.phase, pipeline.is_stuck) = (Phase::Live, false);
                // One that has had no data is stopped without a word.
                self.stop_pipeline(id);
            }
            (Verb::CloseAck, Phase::Closing(_)) => {
                (pipeline.phase, pipeline.is_stuck) = (Phase::Closed, false);
            }
            _ => {}
        }
    }

    fn handle_other(&mut self, line: &str) {
        let words = line.strip_prefix(ERROR).map(shortened);
        if let Some(words) = &words {
            if let Some(refused) = words.strip_prefix(REFUSED) {
                self.handle_refused(refused.trim());
            } else {
                self.last_words.clone_from(words);
            }
        }
        self.stray(line);
    }

    /// The engine has refused a message; it says so before it acknowledges it.
    fn handle_refused(&mut self, words: &str) {
        let is_unanswered = |id: &Uuid| {
            let pipeline = self.pipelines.get(id);
            pipeline.is_some_and(|pipeline| pipeline.target.lane.in_flight.is_some())
        };
        let starting = self.starting.filter(is_unanswered);
        let mut unanswered = self.pipelines.keys().filter(|id| is_unanswered(id));
        let only = match (unanswered.next(), unanswered.next()) {
            (Some(id), None) if self.pool.lane.in_flight.is_none() => Some(*id),
            _ => None,
        };
        if let Some(id) = starting.or(only) {
            self.fail_pipeline(id, &Cause::EngineRefused(words.to_owned()));
        } else if matches!(self.state, State::Opening(_)) {
            self.break_pool(Cause::EngineRefused(words.to_owned()));
        }
    }

    fn stray(&mut self, line: &str) {
        self.events.push_back(Event::Stray(shortened(line)));
    }

    fn handle_pool_data(&mut self, data: &[u8], now: Instant) {
        let mut messages = Vec::new();
        let taken = self.pool.from_engine.handle_fragments(data, |message| messages.push(message));
        let taken = taken.and_then(|()| self.check_pending());
        for message in messages {
            self.handle_pool_message(message, now);
        }
        if let Err(error) = taken {
            self.break_pool(Cause::EngineMisbehaved(error.to_string()));
        }
    }

    fn handle_pipeline_data(&mut self, id: Uuid, data: &[u8]) {
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        if pipeline.is_over {
            return;
        }
        let mut messages = Vec::new();
        let assembler = &mut pipeline.target.from_engine;
        let taken = assembler.handle_fragments(data, |message| messages.push(message));
        let taken = taken.and_then(|()| self.check_pending());
        for message in messages {
            self.handle_pipeline_message(id, message);
        }
        if let Err(error) = taken {
            self.fail_pipeline(id, &Cause::EngineMisbehaved(error.to_string()));
        }
    }

    /// What a message of the engine is, if it is for this pool and this target.
    fn kind(&mut self, pipeline: Option<Uuid>, data: &[u8]) -> Option<&'static Kind> {
        let header = Header::decode(data).ok();
        let kind = header.and_then(|header| {
            let is_pools = header.pool == self.id || header.pool.is_nil();
            let is_ours = header.destination == Destination::Client && is_pools;
            let kind = Kind::of(header.kind)?;
            let to_client = kind.destination.is_none_or(|to| to == Destination::Client);
            let is_target = match kind.target {
                Target::Pool => pipeline.is_none(),
                Target::Pipeline => pipeline == Some(header.pipeline),
            };
            (is_ours && to_client && is_target).then_some(kind)
        });
        if kind.is_none() {
            self.stray("a message that is not for this pool");
        }
        kind
    }

    fn decode(&self, data: &[u8]) -> Option<Message> {
        let frame = Frame::decode(data.to_vec()).ok()?;
        // The engine may tell more than its client.
        let limits = Limits { bytes: self.settings.max_message, ..self.settings.limits };
        Message::decode(frame, &limits).ok()
    }

    fn handle_pool_message(&mut self, data: Vec<u8>, now: Instant) {
        let Some(kind) = self.kind(None, &data) else { return };
        match kind.name {
            "SESSION_CAPABILITY" => return self.handle_capability(data),
            "RUNSPACEPOOL_STATE" => return self.handle_state(data, now),
            // Kept for whoever connects, as long as the pool lives.
            "APPLICATION_PRIVATE_DATA" if data.len() > self.settings.buffer => {
                let what = "its APPLICATION_PRIVATE_DATA is too long".to_owned();
                return self.break_pool(Cause::EngineMisbehaved(what));
            }
            "APPLICATION_PRIVATE_DATA" => self.private_data.clone_from(&data),
            "RUNSPACE_AVAILABILITY" => self.handle_availability(&data),
            _ => {}
        }
        if !matches!(self.state, State::Closing(_)) {
            self.pool.output.push(data);
        }
    }

    fn handle_capability(&mut self, data: Vec<u8>) {
        let message = self.decode(&data);
        match (&mut self.state, message) {
            (State::Opening(opening), Some(Message::SessionCapability(theirs)))
                if opening.is_asked
                    && !opening.is_negotiated
                    && theirs.protocol_version.major == 2 =>
            {
                opening.is_negotiated = true;
                if !opening.is_init {
                    // It is the client's turn.
                    opening.since = None;
                }
                self.version = self.version.min(theirs.protocol_version);
                self.pool.output.push(data);
            }
            (State::Opening(_), _) => {
                let what = "its SESSION_CAPABILITY cannot be understood".to_owned();
                self.break_pool(Cause::EngineMisbehaved(what));
            }
            _ => self.stray("a second SESSION_CAPABILITY"),
        }
    }

    fn handle_state(&mut self, data: Vec<u8>, now: Instant) {
        let Some(Message::RunspacePoolState(message)) = self.decode(&data) else {
            let what = "its RUNSPACEPOOL_STATE cannot be understood".to_owned();
            return self.break_pool(Cause::EngineMisbehaved(what));
        };
        match (&mut self.state, message.state) {
            (State::Closing(closing), RunspacePoolState::Closed | RunspacePoolState::Broken) => {
                closing.is_told = true;
                self.pool.output.push(data);
            }
            (State::Opening(opening), RunspacePoolState::Opened)
                if opening.is_init && opening.is_negotiated =>
            {
                self.state = State::Opened;
                // The acknowledgement of what opened the pool is due from now on.
                self.read_since = now;
                self.pool.output.push(data);
            }
            (_, RunspacePoolState::Closed) => self.finish_close(),
            (_, RunspacePoolState::Broken) => {
                // The error of the engine says more than ours.
                self.pool.output.push(data);
                let what = message.error.map_or_else(
                    || "its runspace pool is broken".to_owned(),
                    |error| shortened(&error.message().to_string_lossy()),
                );
                self.break_pool(Cause::EngineMisbehaved(what));
            }
            (State::Opening(_), RunspacePoolState::Opened) => {
                self.stray("a pool that is open before it was asked for");
            }
            _ => self.pool.output.push(data),
        }
    }

    fn handle_availability(&mut self, data: &[u8]) {
        let Some(Message::RunspaceAvailability(answer)) = self.decode(data) else { return };
        let change = self.changes.iter().position(|(call_id, ..)| *call_id == answer.call_id);
        let Some((_, least, most)) = change.and_then(|index| self.changes.remove(index)) else {
            return;
        };
        if answer.response == Availability::Done(true) {
            let (old_least, old_most) = self.runspaces;
            self.runspaces = (least.unwrap_or(old_least), most.unwrap_or(old_most));
        }
    }

    fn handle_pipeline_message(&mut self, id: Uuid, data: Vec<u8>) {
        let Some(kind) = self.kind(Some(id), &data) else { return };
        let is_end = kind.name == "PIPELINE_STATE"
            && match self.decode(&data) {
                Some(Message::PipelineState(message)) => matches!(
                    message.state,
                    PipelineState::Completed | PipelineState::Failed | PipelineState::Stopped
                ),
                _ => {
                    let what = "its PIPELINE_STATE cannot be understood".to_owned();
                    return self.fail_pipeline(id, &Cause::EngineMisbehaved(what));
                }
            };
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return };
        if pipeline.is_over {
            return;
        }
        pipeline.target.output.push(data);
        if is_end {
            pipeline.end();
        }
        self.make_room(id);
    }
}

fn shortened(line: &str) -> String {
    line.chars().take(MOST).collect()
}
