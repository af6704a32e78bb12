//! The pool or a pipeline as it lies between client and engine, and how far the engine is with a
//! pipeline.

use std::time::Instant;

use crate::fragment::{Assembler, Fragmenter, OUT_OF_PROCESS};
use crate::message::Header;
use crate::messages::{self, Kind};
use crate::out_of_process::Stream;

use super::Settings;

/// Both directions of one target.
pub(super) struct Target {
    /// What the client sends, not complete yet.
    pub(super) input: Streams<Assembler>,
    /// Checked messages on their way to the engine.
    pub(super) lane: Lane,
    /// What the engine sends, not complete yet.
    pub(super) from_engine: Assembler,
    /// Messages for the client.
    pub(super) output: Fragmenter,
}

/// One thing for each stream.
pub(super) struct Streams<T> {
    default: T,
    response: T,
}

impl<T> Streams<T> {
    pub(super) const fn of(&mut self, stream: Stream) -> &mut T {
        match stream {
            Stream::Default => &mut self.default,
            Stream::PromptResponse => &mut self.response,
        }
    }
}

impl Target {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            input: input(settings),
            lane: Lane::default(),
            from_engine: Assembler::new(settings.max_message),
            output: Fragmenter::new(),
        }
    }

    /// Bytes that wait for the engine or for their message.
    pub(super) fn waiting(&self) -> usize {
        self.lane.len() + self.input.default.pending() + self.input.response.pending()
    }

    /// Another client reads and writes from here on, with numbers of its own. The Sends of the former
    /// one, which are not answered, are returned.
    pub(super) fn change_client(
        &mut self,
        settings: &Settings,
    ) -> impl Iterator<Item = Stream> + use<> {
        self.input = input(settings);
        self.output.restart();
        let sends = std::mem::take(&mut self.lane.sends);
        STREAMS.into_iter().zip(sends).filter_map(|(stream, sends)| sends.then_some(stream))
    }
}

const fn input(settings: &Settings) -> Streams<Assembler> {
    let most = settings.limits.bytes;
    Streams { default: Assembler::new(most), response: Assembler::new(most) }
}

/// Messages on their way to the engine: one packet at a time, answers of the host first.
#[derive(Default)]
pub(super) struct Lane {
    default: Fragmenter,
    response: Fragmenter,
    /// The packet that is not acknowledged, and since when.
    pub(super) in_flight: Option<(Stream, Instant)>,
    /// Sends that are not answered.
    sends: [bool; 2],
}

const STREAMS: [Stream; 2] = [Stream::Default, Stream::PromptResponse];

impl Lane {
    const fn of(&mut self, stream: Stream) -> &mut Fragmenter {
        match stream {
            Stream::Default => &mut self.default,
            Stream::PromptResponse => &mut self.response,
        }
    }

    pub(super) fn push(&mut self, stream: Stream, message: Vec<u8>) {
        self.of(stream).push(message);
    }

    /// Nothing waits and everything is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.default.is_empty() && self.response.is_empty() && self.in_flight.is_none()
    }

    /// Bytes that wait.
    pub(super) const fn len(&self) -> usize {
        self.default.len() + self.response.len()
    }

    /// What was not sent yet has no reader.
    pub(super) fn clear(&mut self) {
        (self.default, self.response) = (Fragmenter::new(), Fragmenter::new());
    }

    /// The engine has ended: all that is left are Sends to answer.
    pub(super) fn abandon(&mut self) {
        *self = Self { sends: self.sends, ..Self::default() };
    }

    /// What the next packet carries, if one may be sent: as many fragments as an engine takes.
    pub(super) fn next(
        &mut self,
        next_object: &mut u64,
        now: Instant,
    ) -> Option<(Stream, Vec<u8>)> {
        if self.in_flight.is_some() {
            return None;
        }
        let stream =
            if self.response.is_empty() { Stream::Default } else { Stream::PromptResponse };
        let data = self.of(stream).poll_fragments(OUT_OF_PROCESS, next_object);
        if data.is_empty() {
            return None;
        }
        self.in_flight = Some((stream, now));
        Some((stream, data))
    }

    pub(super) const fn is_sending(&self, stream: Stream) -> bool {
        match stream {
            Stream::Default => self.sends[0],
            Stream::PromptResponse => self.sends[1],
        }
    }

    pub(super) const fn begin_send(&mut self, stream: Stream) {
        match stream {
            Stream::Default => self.sends[0] = true,
            Stream::PromptResponse => self.sends[1] = true,
        }
    }

    /// The Sends that can be answered, each of which is named once: the engine has everything, or the
    /// client may send ahead.
    pub(super) fn finished_sends(
        &mut self,
        is_ahead: bool,
    ) -> impl Iterator<Item = Stream> + use<> {
        let finished = STREAMS.map(|stream| {
            let is_gone = self.in_flight.is_none_or(|(under_way, _)| under_way != stream);
            let is_finished = is_ahead || (is_gone && self.of(stream).is_empty());
            (self.is_sending(stream) && is_finished).then_some(stream)
        });
        for (send, stream) in self.sends.iter_mut().zip(finished) {
            *send &= stream.is_none();
        }
        finished.into_iter().flatten()
    }
}

/// A pipeline.
pub(super) struct Pipeline {
    pub(super) target: Target,
    pub(super) phase: Phase,
    /// It did not stop or close in time, and nobody waits for it any more. The engine may still.
    pub(super) is_stuck: bool,
    /// Whether the client's last message is in the output, or nobody wants any.
    pub(super) is_over: bool,
    /// Whether the client has it.
    pub(super) is_told: bool,
    /// Stops that are not answered.
    pub(super) stops: u32,
    /// The client has no interest any more; the pipeline is unknown to it.
    pub(super) is_forgotten: bool,
    /// Whether the client waits to hear that the pipeline is gone.
    pub(super) is_terminating: bool,
}

/// How far the engine is with a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// CREATE_PIPELINE is not complete: the engine knows nothing.
    Collecting,
    /// It is checked, and waits until others have started.
    Queued,
    /// Command is sent.
    Commanded(Instant),
    /// The engine takes data.
    Live,
    /// Signal is sent.
    Signalled(Instant),
    /// Close is sent.
    Closing(Instant),
    /// The engine knows nothing of it.
    Closed,
}

impl Pipeline {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            target: Target::new(settings),
            phase: Phase::Collecting,
            is_stuck: false,
            is_over: false,
            is_told: false,
            stops: 0,
            is_forgotten: false,
            is_terminating: false,
        }
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_forgotten && self.phase == Phase::Closed
    }

    /// Whether nothing more is expected of the engine.
    pub(super) const fn has_ended(&self) -> bool {
        self.is_stuck || matches!(self.phase, Phase::Closed)
    }

    /// Whether somebody waits until it has stopped or closed.
    pub(super) const fn is_ending(&self) -> bool {
        (self.stops > 0 || self.is_forgotten) && !self.has_ended()
    }
}

/// Whether a message may give way to newer ones: everything that a pipeline writes, but not what
/// the client must know or answer.
pub(super) fn is_droppable(message: &[u8]) -> bool {
    let kind = Header::decode(message).ok().and_then(|header| Kind::of(header.kind));
    kind.is_some_and(|kind| {
        kind.target == messages::Target::Pipeline
            && !matches!(kind.name, "PIPELINE_STATE" | "PIPELINE_HOST_CALL")
    })
}
