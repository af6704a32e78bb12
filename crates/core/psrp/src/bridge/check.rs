//! What a client's message must be before the engine sees it, since the engine answers mistakes with
//! silence, [MS-PSRP] 3.2.5.

use uuid::Uuid;

use super::{Bridge, MOST_CHANGES, Phase, Refusal, State};
use crate::clixml::Version;
use crate::message::{Destination, Frame};
use crate::messages::{self, Kind, Message, SessionCapability, Target};
use crate::version;

/// The first generation of what is spoken here.
const OLDEST: Version = Version::new(2, 0);

impl Bridge {
    /// Reads a message for a target; it must be for this pool and this target, and well-formed.
    pub(super) fn read(&self, pipeline: Option<Uuid>, data: Vec<u8>) -> Result<Message, Refusal> {
        let frame = Frame::decode(data)?;
        let kind = Kind::of(frame.kind).ok_or(Refusal::UnknownKind(frame.kind))?;
        let is_ours = frame.destination == Destination::Server
            && kind.destination.is_none_or(|destination| destination == Destination::Server);
        let target = match kind.target {
            Target::Pool => None,
            Target::Pipeline => Some(frame.pipeline),
        };
        let is_target = target == pipeline && (target.is_some() || frame.pipeline.is_nil());
        let is_pools = frame.pool == self.id && !frame.pool.is_nil();
        if !is_ours || !is_target || !is_pools {
            return Err(Refusal::WrongAddress(kind.name));
        }
        Ok(Message::decode(frame, &self.settings.limits)?)
    }

    /// Judges a message for the pool by the state it comes in, and keeps what Connect will need.
    pub(super) fn check_for_pool(&mut self, message: &Message) -> Result<(), Refusal> {
        let unexpected = Refusal::Unexpected(message.name());
        match (&mut self.state, message) {
            (State::Opening(opening), Message::SessionCapability(theirs)) if !opening.is_asked => {
                self.version = agreed(theirs, OLDEST)?;
                opening.is_asked = true;
            }
            (State::Opening(opening), Message::InitRunspacePool(init))
                if opening.is_asked && !opening.is_init =>
            {
                let runspaces = (init.min_runspaces, init.max_runspaces);
                if runspaces.0 < 1 || runspaces.1 < runspaces.0 {
                    return Err(Refusal::Runspaces(runspaces.0, runspaces.1));
                }
                opening.is_init = true;
                self.runspaces = runspaces;
            }
            (State::Opening(opening), Message::RunspacePoolHostResponse(_)) if opening.is_init => {}
            (State::Opened, Message::SetMaxRunspaces(set)) => {
                self.changes.push_back((set.call_id, None, Some(set.max_runspaces)));
            }
            (State::Opened, Message::SetMinRunspaces(set)) => {
                self.changes.push_back((set.call_id, Some(set.min_runspaces), None));
            }
            (
                State::Opened,
                Message::GetAvailableRunspaces(_)
                | Message::ResetRunspaceState(_)
                | Message::PublicKey(_)
                | Message::RunspacePoolHostResponse(_),
            ) => {}
            _ => return Err(unexpected),
        }
        if self.changes.len() > MOST_CHANGES {
            self.changes.pop_front();
        }
        Ok(())
    }

    /// Judges a message for a pipeline. The first one starts it.
    pub(super) fn check_for_pipeline(
        &mut self,
        id: Uuid,
        message: &Message,
    ) -> Result<(), Refusal> {
        let pipeline = self.pipelines.get_mut(&id).ok_or(Refusal::UnknownPipeline(id))?;
        match (pipeline.phase, message) {
            (Phase::Collecting, Message::CreatePipeline(create))
                if create.power_shell.statements.iter().any(Vec::is_empty) =>
            {
                let (message, property) = ("CREATE_PIPELINE", "Cmds");
                Err(messages::Error::Property { message, property }.into())
            }
            (Phase::Collecting, Message::CreatePipeline(_) | Message::GetCommandMetadata(_)) => {
                pipeline.phase = Phase::Queued;
                self.starts.push_back(id);
                Ok(())
            }
            (Phase::Collecting, _) => Err(Refusal::Unexpected(message.name())),
            (
                _,
                Message::PipelineInput(_)
                | Message::EndOfPipelineInput(_)
                | Message::PipelineHostResponse(_),
            ) => Ok(()),
            _ => Err(Refusal::Unexpected(message.name())),
        }
    }
}

/// The version that is spoken with a client; it must have the second generation, and be no older
/// than `oldest`.
pub(super) fn agreed(theirs: &SessionCapability, oldest: Version) -> Result<Version, Refusal> {
    let theirs = theirs.protocol_version;
    let is_spoken = theirs.major == 2 && theirs >= oldest;
    let refusal = Refusal::Version(theirs);
    is_spoken.then(|| theirs.min(version::NEWEST)).ok_or(refusal)
}
