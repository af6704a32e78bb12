//! What the host answers, as events of the pool.

use psrp::client::{Event as Told, Request as Wish};
use uuid::Uuid;
use wsman::Envelope;
use wsman::fault::Fault;
use wsman::shell::client::{CommandKey, Event as ShellEvent, Operation};
use wsman::shell::{InputStream, SignalCode};

use super::{Error, Event, Pool, Sent};

impl Pool {
    /// Takes the answer to a request.
    ///
    /// # Errors
    ///
    /// [`Error`]: the host broke a rule, and the pool is unusable.
    pub fn handle_response(&mut self, envelope: &Envelope) -> Result<(), Error> {
        self.shell.handle_response(envelope)?;
        self.take_answers()
    }

    /// Takes a fault that does not say to which request it belongs.
    ///
    /// # Errors
    ///
    /// As [`Self::handle_response`].
    pub fn handle_fault(&mut self, message_id: Uuid, fault: Fault) -> Result<(), Error> {
        self.shell.handle_fault(message_id, fault)?;
        self.take_answers()
    }

    /// Gives a request up: whether the host acted on it is unknown. `target` is the pipeline that it was about, and
    /// `operation` what it asked for.
    ///
    /// A lost Command may have started its pipeline: whether it did, a Receive shows. A lost Send cannot be sent again,
    /// since the host would take its fragments twice: the pipeline, or the pool, is of no use any more.
    pub fn handle_lost(&mut self, message_id: Uuid, operation: Operation, target: Option<Uuid>) {
        self.shell.handle_lost(message_id);
        self.sending.remove(&target);
        if operation == Operation::Command
            && let Some(known) = target.and_then(|id| self.pipelines.get_mut(&id))
        {
            known.is_started = true;
            known.first = Vec::new();
        }
        if operation == Operation::Send {
            self.unsent.remove(&target);
        }
    }

    /// Gives a request up that has not reached the host.
    pub fn handle_unsent(&mut self, message_id: Uuid, operation: Operation, target: Option<Uuid>) {
        self.shell.handle_unsent(message_id);
        self.sending.remove(&target);
        if operation == Operation::Command
            && let Some(id) = target
        {
            self.drop_pipeline(id);
        }
    }

    /// The next thing that the caller should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The pipeline of a request.
    #[must_use]
    pub fn target(&self, command: Option<CommandKey>) -> Option<Uuid> {
        command.and_then(|command| self.names.get(&command).copied())
    }

    fn take_answers(&mut self) -> Result<(), Error> {
        while let Some(event) = self.shell.poll_event() {
            self.take_answer(event)?;
            self.take_told();
        }
        self.take_wishes();
        Ok(())
    }

    fn take_answer(&mut self, event: ShellEvent) -> Result<(), Error> {
        match event {
            ShellEvent::Started { command }
            | ShellEvent::CommandConnected { command }
            | ShellEvent::CommandReconnected { command } => {
                if let Some(known) =
                    self.names.get(&command).and_then(|id| self.pipelines.get_mut(id))
                {
                    known.is_started = true;
                    known.first = Vec::new();
                }
                if let Some(id) = self.names.get(&command) {
                    self.events.push_back(Event::Started { pipeline: *id });
                }
            }
            ShellEvent::Output { command, data, .. } => {
                self.received = self.received.saturating_add(data.len() as u64);
                match self.names.get(&command) {
                    Some(&id) => self.pool.handle_fragments(Some(id), &data)?,
                    None if command == CommandKey::SHELL => {
                        self.pool.handle_fragments(None, &data)?;
                    }
                    None => {}
                }
            }
            ShellEvent::Done { command, .. } => match self.names.get(&command) {
                Some(&id) => self.pool.handle_pipeline_ended(id),
                // The pool is over, whatever it said of itself.
                None => self.pool.handle_closed(),
            },
            ShellEvent::Sent { command } => {
                let target = self.names.get(&command).copied();
                self.sending.remove(&target);
                if !self.unsent.contains(&target) {
                    self.events.push_back(Event::Sent { pipeline: target });
                }
            }
            ShellEvent::Signaled { command, code: SignalCode::Terminate } => {
                if let Some(id) = self.names.get(&command).copied() {
                    self.drop_pipeline(id);
                }
            }
            ShellEvent::Connected { response, .. } => {
                let data = response.connect_response_xml.unwrap_or_default();
                self.pool.handle_fragments(None, &data)?;
            }
            ShellEvent::NotTaken { operation, command } => self.make_again(operation, command),
            ShellEvent::Disconnected => self.pool.handle_disconnected(),
            ShellEvent::Reconnected => self.pool.handle_reconnected(),
            ShellEvent::Closed => self.pool.handle_closed(),
            ShellEvent::Faulted { operation, command, fault } => {
                self.refused(operation, command, fault)
            }
            // Nothing that the remoting protocol knows: the caller goes on receiving.
            ShellEvent::Opened { .. }
            | ShellEvent::Ended { .. }
            | ShellEvent::TimedOut { .. }
            | ShellEvent::Signaled { .. }
            | ShellEvent::Aborted { .. }
            | ShellEvent::Info { .. }
            | _ => {}
        }
        Ok(())
    }

    /// A request found the pool left, which the host has noticed before us or we have wished at the same moment: it is
    /// made again once the pool is taken up.
    fn make_again(&mut self, operation: Operation, command: CommandKey) {
        let target = self.target(Some(command));
        match (operation, target) {
            (Operation::Send, _) => {
                if let Some(sent) = self.sending.remove(&target) {
                    self.again.insert(target, sent);
                    self.unsent.insert(target);
                }
            }
            (Operation::Command, Some(id)) => {
                self.names.remove(&command);
                let known = self.pipelines.remove(&id);
                // One that was forgotten meanwhile is not wanted any more.
                let Some(known) = known.filter(|_| self.pool.is_running(id)) else { return };
                let first = Sent { stream: InputStream::Stdin, data: known.first };
                self.again.insert(target, first);
                self.wanted.push_front(Wish::Start { pipeline: id });
            }
            (_, Some(id)) => {
                let is_forgotten = self.pipelines.get(&id).is_some_and(|known| known.is_forgotten);
                self.wanted.push_back(if is_forgotten {
                    Wish::Forget { pipeline: id }
                } else {
                    Wish::Stop { pipeline: id }
                });
            }
            (_, None) => {}
        }
    }

    fn refused(&mut self, operation: Operation, command: Option<CommandKey>, fault: Box<Fault>) {
        let pipeline = self.target(command);
        self.sending.remove(&pipeline);
        if let (Operation::Command | Operation::Connect, Some(id)) = (operation, pipeline) {
            self.drop_pipeline(id);
        }
        self.events.push_back(Event::Refused { operation, pipeline, fault });
    }

    /// Forgets a pipeline that is not there any more.
    fn drop_pipeline(&mut self, id: Uuid) {
        if let Some(known) = self.pipelines.remove(&id) {
            self.names.remove(&known.command);
        }
        self.unsent.remove(&Some(id));
        self.sending.remove(&Some(id));
        self.again.remove(&Some(id));
    }

    fn is_over(&mut self, pipeline: Uuid) {
        if let Some(known) = self.pipelines.get_mut(&pipeline) {
            known.is_over = true;
        }
    }

    /// Hands on what the pool tells.
    pub(super) fn take_told(&mut self) {
        while let Some(told) = self.pool.poll_event() {
            match &told {
                Told::PipelineState { pipeline, state, .. } if state.is_final() => {
                    self.is_over(*pipeline)
                }
                Told::PipelineLost { pipeline } => self.is_over(*pipeline),
                Told::Availability { .. } | Told::KeyExchanged => {
                    self.questions = self.questions.saturating_sub(1)
                }
                Told::PrivateData(_) => self.awaits_data = false,
                Told::Closed => {
                    self.pipelines.clear();
                    self.names.clear();
                    self.unsent.clear();
                    self.again.clear();
                    self.questions = 0;
                }
                _ => {}
            }
            self.events.push_back(Event::Told(told));
        }
    }
}
