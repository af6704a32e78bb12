//! When a Receive is answered and with what, [MS-WSMV] 3.1.4.14.
//!
//! ```text
//! Receive ─► waiting ─┬─ the buffer fills the answer, or is full ──► output, Running
//!                     ├─ output has waited for `gather` ───────────► output, Running
//!                     ├─ both streams ended, exit known ───────────► all that fits; Done with the last
//!                     ├─ OperationTimeout ─────────────────────────► output, else 2150858793
//!                     ├─ another Receive, terminate, Delete ───────► 995
//!                     └─ connection lost ──────────────────────────► nothing, the output stays
//! ```

use std::sync::Arc;
use std::time::Instant;

use super::command::{Command, Waiting};
use super::exchange::{Output, Reply};
use super::faults;
use crate::compression;
use crate::fault::Fault;
use crate::shell::{CommandState, OutputStream, ReceiveResponse, State, Stream};

/// The Receive that waits for a command's output.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) waiting: Waiting,
    pub(super) message_id: String,
    pub(super) desired: Vec<OutputStream>,
    /// Bytes of output that fit the answer.
    pub(super) room: usize,
    pub(super) envelope_limit: usize,
}

/// The last answer to a Receive.
#[derive(Debug)]
pub(super) struct Answered {
    message_id: String,
    envelope_limit: usize,
    response: Arc<ReceiveResponse>,
}

impl Answered {
    /// The same answer again, where the Receive is the identical one.
    pub(super) fn again(
        &self,
        message_id: &str,
        limit: usize,
    ) -> Option<Result<Reply, Box<Fault>>> {
        if self.message_id != message_id {
            return None;
        }
        if limit < self.envelope_limit {
            return Some(Err(faults::envelope_too_small()));
        }
        Some(Ok(Reply::receive(Arc::clone(&self.response))))
    }

    /// Bytes of output that it holds.
    pub(super) fn len(&self) -> usize {
        self.response.streams.iter().map(|stream| stream.data.len()).sum()
    }
}

/// Bytes of output that fit a reply of at most `envelope_limit` octets, when the reply has
/// `empty_reply` octets without its body.
pub(super) const fn room(envelope_limit: usize, empty_reply: usize) -> usize {
    envelope_limit.saturating_sub(empty_reply).saturating_sub(SKELETON) / 4 * 3
}

impl Command {
    /// Answers the waiting Receive if it is time.
    pub(super) fn settle(&mut self, output_buffer: usize, now: Instant, out: &mut Output) {
        let Some(receiving) = &self.receiving else { return };
        let waits = |stream: &OutputStream| self.buffer(*stream).len();
        let there: usize = receiving.desired.iter().map(waits).sum();
        let full = there >= receiving.room
            || receiving.desired.iter().map(waits).any(|len| len >= output_buffer);
        let gathered = self.gather_until.is_none_or(|until| until <= now);
        let late = receiving.waiting.deadline <= now;
        if self.is_over() || (there > 0 && (full || gathered || late)) {
            self.answer(out);
        } else if late && let Some(receiving) = self.receiving.take() {
            out.fault(receiving.waiting.token, faults::timed_out());
        }
    }

    /// Whether output waits that the waiting Receive asks for.
    pub(super) fn has_desired_output(&self) -> bool {
        self.receiving.as_ref().is_some_and(|receiving| {
            receiving.desired.iter().any(|stream| self.buffer(*stream).len() > 0)
        })
    }

    fn answer(&mut self, out: &mut Output) {
        let Some(receiving) = self.receiving.take() else { return };
        if self.profile.is_plug_in {
            self.answer_plug_in(receiving, out);
            return;
        }
        let mut streams = Vec::new();
        let mut room = receiving.room;
        for (position, &stream) in receiving.desired.iter().enumerate() {
            // One busy stream must not shut out the other.
            let others = receiving.desired.iter().skip(position + 1);
            let others: usize = others.map(|stream| self.buffer(*stream).len()).sum();
            let share = room.saturating_sub(others.min(room / 2));
            let before = self.buffer(stream).charged();
            let data = self.take(stream, share);
            room = room.saturating_sub(data.len());
            if !data.is_empty() {
                out.release(self.key, stream, before - self.buffer(stream).charged());
                streams.push(self.stream(stream, data, false));
            }
        }
        let drained = receiving.desired.iter().all(|stream| self.buffer(*stream).is_drained());
        for &stream in &receiving.desired {
            let buffer = self.buffer(stream);
            // A client that asks again after the end is told the end again.
            if buffer.is_drained() && (!buffer.end_told || self.done_told) {
                streams.push(self.stream(stream, Vec::new(), true));
                self.buffer_mut(stream).end_told = true;
            }
        }
        let exit_code = self.exit.filter(|_| drained && self.is_over());
        let state = if exit_code.is_some() { State::Done } else { State::Running };
        self.done_told |= exit_code.is_some();
        if OutputStream::ALL.iter().all(|stream| self.buffer(*stream).len() == 0) {
            self.gather_until = None;
        }
        let state = Some(CommandState::new(&self.id, state, exit_code));
        let response = ReceiveResponse { streams, state, ..ReceiveResponse::default() };
        self.tell(receiving, response, out);
    }

    /// The answer of a plug-in's shell: each chunk is a stream of its own, cut only where no answer
    /// has room for it, since clients look for whole pieces of the plug-in's protocol in one. As on
    /// Windows nothing marks the end of a stream, and only Done is a state worth telling.
    fn answer_plug_in(&mut self, receiving: Receiving, out: &mut Output) {
        let mut streams = Vec::new();
        for &stream in &receiving.desired {
            let before = self.buffer(stream).charged();
            let mut room = receiving.room;
            while let Some(next) = self.buffer(stream).next_len() {
                room = room.saturating_sub(PIECE);
                let most = self.most_output(room);
                if most == 0 || (next > most && !streams.is_empty()) {
                    break;
                }
                let mut data = self.buffer_mut(stream).take(next.min(most));
                if self.is_compressed {
                    data = compression::compress(&data);
                }
                room = room.saturating_sub(data.len());
                streams.push(self.stream(stream, data, false));
            }
            out.release(self.key, stream, before - self.buffer(stream).charged());
        }
        let drained = OutputStream::ALL.iter().all(|stream| self.buffer(*stream).len() == 0);
        if drained {
            self.gather_until = None;
        }
        let exit_code = self.exit.filter(|_| drained && self.is_over());
        self.done_told |= exit_code.is_some();
        let state = exit_code.map(|code| CommandState {
            command_id: self.wire_id(),
            ..CommandState::new("", State::Done, Some(code))
        });
        let response = ReceiveResponse { streams, state, ..ReceiveResponse::default() };
        self.tell(receiving, response, out);
    }

    /// The client leaves the shell: a Receive gets what there is, else it ends.
    pub(super) fn leave(&mut self, out: &mut Output) {
        if self.has_desired_output() || (self.receiving.is_some() && self.is_over()) {
            self.answer(out);
        } else {
            self.abort_receive(&faults::stream_disconnected(), out);
        }
    }

    fn tell(&mut self, receiving: Receiving, response: ReceiveResponse, out: &mut Output) {
        let response = Arc::new(response);
        out.reply(receiving.waiting.token, Reply::receive(Arc::clone(&response)));
        let Receiving { message_id, envelope_limit, .. } = receiving;
        self.answered = Some(Answered { message_id, envelope_limit, response });
    }

    /// Bytes of output that the waiting Receive surely has room for in one piece.
    pub(super) fn wanted(&self) -> Option<usize> {
        let receiving = self.receiving.as_ref()?;
        let is_next = self.buffer(OutputStream::Stdout).len() == 0 && !self.is_over();
        is_next.then(|| self.most_output(receiving.room.saturating_sub(PIECE)))
    }

    /// Whether so much room is enough for some output.
    pub(super) const fn fits_output(&self, room: usize) -> bool {
        let room = if self.profile.is_plug_in { room.saturating_sub(PIECE) } else { room };
        self.most_output(room) > 0
    }

    /// Bytes of output that surely fit so much room.
    const fn most_output(&self, room: usize) -> usize {
        if self.is_compressed { compression::fits(room) } else { room }
    }

    /// `CommandId`, where there is a command.
    fn wire_id(&self) -> Option<String> {
        (!self.is_shell()).then(|| self.id.clone())
    }

    /// Takes output that has at most `room` bytes on the wire. What is compressed leaves room for
    /// more, which is taken as long as it is worth a block.
    fn take(&mut self, stream: OutputStream, room: usize) -> Vec<u8> {
        let is_compressed = self.is_compressed;
        let buffer = self.buffer_mut(stream);
        if !is_compressed {
            return buffer.take(room);
        }
        let mut data = Vec::new();
        loop {
            let most = compression::fits(room.saturating_sub(data.len()));
            let is_small = most < buffer.len() && most < SMALL_BLOCK;
            if most == 0 || buffer.len() == 0 || (is_small && !data.is_empty()) {
                return data;
            }
            data.append(&mut compression::compress(&buffer.take(most)));
        }
    }

    fn stream(&self, stream: OutputStream, data: Vec<u8>, end: bool) -> Stream {
        Stream {
            name: stream.name().to_owned(),
            command_id: self.wire_id(),
            end,
            data,
            ..Stream::default()
        }
    }
}

/// Octets that the body of a ReceiveResponse has beside base64: two streams with output, two end
/// marks, the command's state with an exit code, two paddings, five ids of a GUID's length, and the
/// declaration of the shell's namespace. Counted it is 935.
const SKELETON: usize = 1_000;
/// Bytes of base64 that one more stream costs beside its data: an element with a name, an id of at
/// most 45 characters and padding, 101 octets.
const PIECE: usize = 78;
/// Blocks that are smaller gain little by compression, since each has a table of 256 bytes.
const SMALL_BLOCK: usize = 2_048;
