//! What comes from the client: fragments for the pool or a pipeline, put together, read, and judged
//! by the state they come in, [MS-PSRP] 3.2.5.

use uuid::Uuid;

use super::{Error, Event, PeerMisbehaved, Pipeline, Pool, State};
use crate::client::Priority;
use crate::clixml::Version;
use crate::message::{Destination, Frame};
use crate::messages::{Availability, Kind, Message, SessionCapability, Target};
use crate::version;

impl Pool {
    /// Takes whole fragments that came for a target, over one of its two streams; `None` is the pool. The first ones for
    /// a pipeline make it.
    ///
    /// # Errors
    ///
    /// [`Error::PeerMisbehaved`]: the pool is unusable from here on.
    pub fn handle_fragments(
        &mut self,
        pipeline: Option<Uuid>,
        stream: Priority,
        data: &[u8],
    ) -> Result<(), Error> {
        if matches!(self.state()?, State::Closed | State::Broken) {
            // What was under way when the pool ended has no reader.
            return Ok(());
        }
        if pipeline.is_some() && !self.is_open() {
            // Nothing is kept for pipelines of a pool that nobody has opened.
            return Err(self.broken(PeerMisbehaved::Unexpected("a fragment for a pipeline")));
        }
        let most = self.limits.bytes;
        let arriving = match pipeline {
            None => &mut self.arriving,
            Some(id) => {
                &mut self.pipelines.entry(id).or_insert_with(|| Pipeline::new(most)).arriving
            }
        };
        let mut messages = Vec::new();
        let taken = arriving.of(stream).handle_fragments(data, |message| messages.push(message));
        let result = taken.map_err(PeerMisbehaved::from).and_then(|()| {
            messages.into_iter().try_for_each(|message| self.handle_message(pipeline, message))
        });
        result.map_err(|error| self.broken(error))
    }

    fn broken(&mut self, error: PeerMisbehaved) -> Error {
        self.state = Err(error.clone());
        self.pipelines.clear();
        error.into()
    }

    fn handle_message(
        &mut self,
        pipeline: Option<Uuid>,
        data: Vec<u8>,
    ) -> Result<(), PeerMisbehaved> {
        let frame = Frame::decode(data)?;
        let Some(kind) = Kind::of(frame.kind) else {
            // A later version may know it.
            return Ok(());
        };
        let is_ours = frame.destination == Destination::Server
            && kind.destination.is_none_or(|destination| destination == Destination::Server);
        let target = match kind.target {
            Target::Pool => None,
            Target::Pipeline => Some(frame.pipeline),
        };
        if !is_ours || frame.pool != self.id || target != pipeline {
            return Err(PeerMisbehaved::WrongAddress(kind.name));
        }
        let message = Message::decode(frame, &self.limits)?;
        match pipeline {
            Some(id) => self.handle_for_pipeline(id, message),
            None => self.handle_for_pool(message),
        }
    }

    fn handle_for_pipeline(&mut self, id: Uuid, message: Message) -> Result<(), PeerMisbehaved> {
        let unexpected = PeerMisbehaved::Unexpected(message.name());
        let Some(pipeline) = self.pipelines.get_mut(&id) else { return Ok(()) };
        let event = match message {
            Message::CreatePipeline(what) if !pipeline.is_known => {
                pipeline.is_known = true;
                pipeline.takes_input = !what.no_input;
                Event::Create { pipeline: id, what }
            }
            Message::GetCommandMetadata(question) if !pipeline.is_known => {
                pipeline.is_known = true;
                Event::Metadata { pipeline: id, question: Box::new(question) }
            }
            _ if !pipeline.is_known => return Err(unexpected),
            // What was under way when it ended has no reader.
            _ if !pipeline.is_running() => return Ok(()),
            // PowerShell ignores input that nobody asked for.
            Message::PipelineInput(_) | Message::EndOfPipelineInput(_) if !pipeline.takes_input => {
                return Ok(());
            }
            Message::PipelineInput(input) => Event::Input { pipeline: id, input: input.0 },
            Message::EndOfPipelineInput(_) => {
                pipeline.takes_input = false;
                Event::EndOfInput { pipeline: id }
            }
            Message::PipelineHostResponse(response) => {
                Event::HostResponse { pipeline: Some(id), response: Box::new(response) }
            }
            _ => return Err(unexpected),
        };
        self.events.push_back(event);
        Ok(())
    }

    fn handle_for_pool(&mut self, message: Message) -> Result<(), PeerMisbehaved> {
        let unexpected = PeerMisbehaved::Unexpected(message.name());
        let Ok(state) = self.state.clone() else { return Ok(()) };
        match (state, message) {
            (State::BeforeOpen, Message::SessionCapability(theirs)) => {
                self.version = self.agreed(&theirs, version::OLDEST)?;
                self.state = Ok(State::Negotiated);
                self.tell_capability();
            }
            (State::Disconnected, Message::SessionCapability(theirs)) => {
                self.version = self.agreed(&theirs, version::DISCONNECT)?;
                self.state = Ok(State::Connecting);
                self.tell_capability();
            }
            (State::Connecting, Message::ConnectRunspacePool(connect)) => {
                if let Some(runspaces) = connect.runspaces {
                    check(runspaces)?;
                    self.runspaces = runspaces;
                }
                self.state = Ok(State::Opened);
                self.greet();
                self.events.push_back(Event::Connected);
            }
            (State::Negotiated, Message::InitRunspacePool(init)) => {
                check((init.min_runspaces, init.max_runspaces))?;
                self.opening(init);
            }
            (State::Opened, message) => self.handle_open(message, unexpected)?,
            _ => return Err(unexpected),
        }
        Ok(())
    }

    fn handle_open(
        &mut self,
        message: Message,
        unexpected: PeerMisbehaved,
    ) -> Result<(), PeerMisbehaved> {
        match message {
            Message::SetMaxRunspaces(set) => {
                self.set_runspaces(set.call_id, (self.runspaces.0, set.max_runspaces));
            }
            Message::SetMinRunspaces(set) => {
                self.set_runspaces(set.call_id, (set.min_runspaces, self.runspaces.1));
            }
            Message::GetAvailableRunspaces(get) => {
                self.events.push_back(Event::RunspacesWanted { call_id: get.call_id });
            }
            Message::ResetRunspaceState(reset) if self.version >= version::RESET => {
                self.events.push_back(Event::Reset { call_id: reset.call_id });
            }
            Message::PublicKey(key) => {
                let text = key.public_key.to_string_lossy().into_owned();
                self.events.push_back(Event::PublicKey(text));
            }
            Message::RunspacePoolHostResponse(response) => {
                let response = Box::new(response);
                self.events.push_back(Event::HostResponse { pipeline: None, response });
            }
            _ => return Err(unexpected),
        }
        Ok(())
    }

    /// Numbers that cannot be change nothing, and the client is told so.
    fn set_runspaces(&mut self, call_id: i64, runspaces: (i32, i32)) {
        let done = check(runspaces).is_ok();
        if done {
            self.runspaces = runspaces;
            let (least, most) = runspaces;
            self.events.push_back(Event::RunspacesSet { least, most });
        }
        // The pool is open, which is all that an answer needs.
        drop(self.answer(call_id, Availability::Done(done)));
    }

    fn agreed(
        &self,
        theirs: &SessionCapability,
        oldest: Version,
    ) -> Result<Version, PeerMisbehaved> {
        let theirs = theirs.protocol_version;
        let agreed = version::agreed(version::NEWEST, theirs).filter(|version| *version >= oldest);
        agreed.ok_or(PeerMisbehaved::Version(theirs))
    }
}

const fn check((least, most): (i32, i32)) -> Result<(), PeerMisbehaved> {
    if least < 1 || most < least {
        return Err(PeerMisbehaved::Runspaces(least, most));
    }
    Ok(())
}
