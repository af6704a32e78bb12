//! One command as its client sees it.
//!
//! ```text
//!          CommandResponse          CommandState Done
//! Starting ───────────────► Running ─────────────────► Done
//!    │ fault                   │ Signal terminate        │ Signal terminate
//!    ▼                         ▼                         ▼
//! (gone)                  Terminating ──SignalResponse──► (gone)
//! ```

use super::error::{ApiMisuse, PeerMisbehaved, shorten};
use super::event::{CommandKey, Event, Output};
use crate::envelope::same_id;
use crate::shell::{OutputStream, ReceiveResponse, State, Stream};

#[derive(Debug, Default)]
pub(super) struct Command {
    /// `CommandId`, once the service has told it. It may differ from the one that was chosen.
    pub(super) id: Option<String>,
    /// Whether it stands for the shell itself, which has no id.
    pub(super) is_shell: bool,
    pub(super) is_sending: bool,
    pub(super) is_receiving: bool,
    pub(super) signals_under_way: usize,
    pub(super) input_ended: bool,
    pub(super) stdout_ended: bool,
    pub(super) stderr_ended: bool,
    pub(super) is_done: bool,
    /// Whether any signal went out: then the end of other requests is no surprise.
    pub(super) is_signaled: bool,
    pub(super) is_terminating: bool,
    /// Whether the service has confirmed the end.
    pub(super) is_terminated: bool,
}

impl Command {
    /// What stands for the shell itself.
    pub(super) fn shell() -> Self {
        Self { is_shell: true, ..Self::default() }
    }

    /// The id, for a request; none for the shell itself.
    pub(super) fn id(&self, key: CommandKey) -> Result<Option<&str>, ApiMisuse> {
        if self.is_terminating {
            return Err(ApiMisuse::Terminated(key));
        }
        if self.id.is_none() && !self.is_shell {
            return Err(ApiMisuse::NotStarted(key));
        }
        Ok(self.id.as_deref())
    }

    /// Whether nothing more can come.
    pub(super) const fn is_gone(&self) -> bool {
        self.is_terminated && !self.is_sending && !self.is_receiving && self.signals_under_way == 0
    }

    /// Takes output and state.
    pub(super) fn take(
        &mut self,
        key: CommandKey,
        response: ReceiveResponse,
        streams: &[OutputStream],
        out: &mut Output,
    ) -> Result<(), PeerMisbehaved> {
        for stream in response.streams {
            self.check_id(stream.command_id.as_deref())?;
            self.take_stream(key, stream, streams, out)?;
        }
        let Some(state) = response.state else { return Ok(()) };
        self.check_id(state.command_id.as_deref())?;
        if state.state == State::Done && !self.is_done {
            // Not every service marks the ends.
            for &stream in streams {
                self.end(key, stream, out);
            }
            self.is_done = true;
            out.events.push_back(Event::Done { command: key, exit_code: state.exit_code });
        }
        Ok(())
    }

    fn take_stream(
        &mut self,
        key: CommandKey,
        stream: Stream,
        streams: &[OutputStream],
        out: &mut Output,
    ) -> Result<(), PeerMisbehaved> {
        let name = OutputStream::from_name(&stream.name)
            .filter(|name| streams.contains(name))
            .ok_or_else(|| PeerMisbehaved::UnknownStream(shorten(&stream.name)))?;
        if !stream.data.is_empty() {
            if *self.ended(name) {
                return Err(PeerMisbehaved::OutputAfterEnd(name));
            }
            out.events.push_back(Event::Output { command: key, stream: name, data: stream.data });
        }
        if stream.end {
            self.end(key, name, out);
        }
        Ok(())
    }

    fn end(&mut self, key: CommandKey, stream: OutputStream, out: &mut Output) {
        if !std::mem::replace(self.ended(stream), true) {
            out.events.push_back(Event::Ended { command: key, stream });
        }
    }

    const fn ended(&mut self, stream: OutputStream) -> &mut bool {
        match stream {
            OutputStream::Stdout => &mut self.stdout_ended,
            OutputStream::Stderr => &mut self.stderr_ended,
        }
    }

    /// OMI leaves ids out; where one stands it must be the right one.
    fn check_id(&self, got: Option<&str>) -> Result<(), PeerMisbehaved> {
        let expected = self.id.as_deref().unwrap_or_default();
        match got {
            Some(got) if !same_id(got, expected) => Err(PeerMisbehaved::WrongCommandId {
                expected: expected.to_owned(),
                got: shorten(got),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
