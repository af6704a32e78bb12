//! What comes of the host's answers, and of those that never come: who waits is told.

use std::time::Instant;

use psrp::client::Event as Told;
use psrp::host::NO_ANSWER;
use psrp::messages::{
    ErrorCategory, ErrorRecord, HostCall, HostResponse, HostResult, RunspacePoolState,
};
use session::client::pool::{self as machine, Event};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::client::{Operation, Request};

use super::{Actor, Opened, Running};
use crate::error::{Error, ErrorKind, PoolError};
use crate::pool::PoolState;
use crate::pool::pipeline::PipelineEvent;
use crate::shell::name;

impl Actor {
    /// No answer to a request came, and none will.
    pub(super) fn lost(&mut self, request: &Request, target: Option<Uuid>, error: Error) {
        if error.is_unsent() {
            self.machine.handle_unsent(request.message_id, request.operation, target);
        } else {
            self.machine.handle_lost(request.message_id, request.operation, target);
        }
        self.is_cut |= request.operation == Operation::Receive && self.machine.is_open();
        match (request.operation, target) {
            // Whether the pool or the pipeline is there, a Receive tells.
            (Operation::Create, None) if !error.is_unsent() => self.lost = Some(error),
            (Operation::Command, Some(id)) if !error.is_unsent() => {
                if let Some(running) = self.pipelines.get_mut(&id) {
                    running.lost = Some(error);
                }
            }
            (Operation::Signal, _) => tracing::debug!(%error, "Signal lost"),
            // It goes on where it is.
            (Operation::Receive, Some(id)) if self.is_cut => {
                self.tell_failure(id, error);
            }
            (_, Some(id)) => self.give_up(id, error),
            (Operation::Reconnect, None) => self.not_returned(error),
            // The pool is there; without its key strings would wait for ever.
            (Operation::Send, None) if !self.is_exchanging => {
                self.drop_questions(&PoolError::Failed(error.to_string()));
            }
            (Operation::Disconnect, None) => {
                if let Some(leaving) = self.leaving.take() {
                    drop(leaving.send(Err(error)));
                }
            }
            (Operation::Delete, None) => {
                if let Some(closing) = self.closing.take() {
                    drop(closing.send(Err(error)));
                }
                self.is_over = true;
            }
            (_, None) => {
                if let Some(opening) = self.opening.take() {
                    drop(opening.send(Err(error)));
                } else {
                    tracing::debug!(%error, "Pool lost");
                }
                self.end(&PoolError::Failed("the connection to the pool was lost".to_owned()));
            }
        }
    }

    /// A Receive was answered: what it was about is there, whatever became of its Create or Command.
    pub(super) fn found(&mut self, request: &Request, target: Option<Uuid>) {
        if request.operation != Operation::Receive {
            return;
        }
        match target {
            None => self.lost = None,
            Some(id) => {
                let running = self.pipelines.get_mut(&id);
                if running.is_some_and(|running| running.lost.take().is_some()) {
                    self.started(id);
                }
            }
        }
    }

    /// Hands on what the machine tells.
    pub(super) fn tell(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Started { pipeline } => self.started(pipeline),
                Event::Sent { pipeline: Some(id) } => {
                    let running = self.pipelines.get_mut(&id);
                    for reply in running
                        .map(|running| std::mem::take(&mut running.sending))
                        .unwrap_or_default()
                    {
                        drop(reply.send(Ok(())));
                    }
                }
                Event::Refused { operation, pipeline, fault } => {
                    self.refused(operation, pipeline, *fault)
                }
                Event::Told(told) => self.told(told),
                Event::Sent { pipeline: None } | _ => {}
            }
        }
    }

    fn started(&mut self, id: Uuid) {
        if let Some((reply, channels)) =
            self.pipelines.get_mut(&id).and_then(|running| running.starting.take())
            && reply.send(Ok(channels)).is_err()
        {
            // Who started it is gone.
            self.forget(id);
        }
    }

    fn refused(&mut self, operation: Operation, pipeline: Option<Uuid>, fault: Fault) {
        let is_missing = fault.error_code() == Some(ErrorCode::UNEXPECTED_SELECTORS);
        let mut error = self.calls.named_error(fault, name(operation));
        let lost = match pipeline {
            Some(id) => self.pipelines.get_mut(&id).and_then(|running| running.lost.take()),
            None => self.lost.take(),
        };
        let was_lost = lost.is_some();
        if let Some(lost) = lost.filter(|_| is_missing) {
            // It never arrived, which is what the user should hear.
            error = lost;
        }
        match pipeline {
            Some(_) if operation == Operation::Signal => tracing::debug!(%error, "Signal refused"),
            Some(id) => {
                self.give_up(id, error);
                // What a Command does not find is the pool.
                if operation == Operation::Command && is_missing && !was_lost {
                    self.end(&PoolError::Broken(None));
                }
            }
            None if operation == Operation::Disconnect => {
                if let Some(leaving) = self.leaving.take() {
                    drop(leaving.send(Err(error)));
                }
            }
            None if operation == Operation::Reconnect && !is_missing => self.not_returned(error),
            None => {
                if let Some(Some(returning)) = self.returning.take() {
                    let again = PoolError::Failed(error.to_string());
                    drop(returning.send(Err(self.calls.named_error(again, "Reconnect"))));
                }
                let waiting = match operation {
                    Operation::Delete => {
                        self.closing.take().map(|reply| reply.send(Err(error))).is_some()
                    }
                    _ => self.opening.take().map(|reply| reply.send(Err(error))).is_some(),
                };
                if !waiting {
                    tracing::debug!(operation = name(operation), "The pool's request was refused");
                }
                let is_wished = operation == Operation::Delete;
                let cause = if is_wished { PoolError::Closed } else { PoolError::Broken(None) };
                self.end(&cause);
            }
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Opened { version } => {
                let (id, max_runspaces) = (self.machine.id(), self.machine.max_runspaces());
                let opened = Opened { id, version, max_runspaces };
                if let Some(opening) = self.opening.take() {
                    drop(opening.send(Ok(opened)));
                }
            }
            Told::PrivateData(data) => drop(self.told.private_data.send_replace(data)),
            Told::Availability { call_id, response } => {
                if let Some(reply) = self.questions.remove(&call_id) {
                    drop(reply.send(Ok(response)));
                }
            }
            Told::KeyExchanged => {
                self.is_exchanging = false;
                for (text, reply) in std::mem::take(&mut self.encrypting) {
                    let encrypted = self.machine.encrypt(&text);
                    drop(reply.send(encrypted.map_err(|error| self.error(&error, "Send"))));
                }
            }
            Told::KeyWanted => {
                if let Err(error) = self.exchange_keys() {
                    tracing::debug!(%error, "The host wants a key, and there is none");
                }
            }
            Told::Record { pipeline, record } => {
                self.event(pipeline, PipelineEvent::Record(record))
            }
            Told::HostCall { pipeline: Some(id), call } => {
                self.event(id, PipelineEvent::HostCall(call))
            }
            Told::PipelineState { pipeline, state, error } => {
                if state.is_final() {
                    self.event(pipeline, PipelineEvent::Ended { state, error });
                }
            }
            Told::PipelineLost { pipeline } => {
                let lost = PoolError::Ended;
                let error = self.calls.named_error(lost, "Receive");
                self.give_up(pipeline, error);
            }
            Told::Closed => {
                if let Some(closing) = self.closing.take() {
                    drop(closing.send(Ok(())));
                }
                self.end(&PoolError::Closed);
            }
            Told::PoolState { state: RunspacePoolState::Broken, error } => {
                let error = PoolError::Broken(error.map(|error| reason(&error)));
                if let Some(opening) = self.opening.take() {
                    drop(opening.send(Err(self.calls.named_error(error.clone(), "Create"))));
                }
                self.end(&error);
            }
            Told::HostCall { pipeline: None, call } => self.refuse(&call),
            Told::Disconnected => self.disconnected(),
            Told::Reconnected => {
                self.told.state.send_replace(PoolState::Open);
                if let Some(Some(returning)) = self.returning.take() {
                    drop(returning.send(Ok(())));
                }
            }
            Told::PoolState { .. } | Told::User(_) | _ => {}
        }
    }

    /// The pool waits on the host. Where nobody wanted that, the host has noticed a cut that is over: we come back.
    fn disconnected(&mut self) {
        self.told.state.send_replace(PoolState::Disconnected);
        if let Some(leaving) = self.leaving.take() {
            drop(leaving.send(Ok(())));
            return;
        }
        let (at, received) = self.returns.last;
        let has_news = self.machine.received() > received;
        let stayed = at.elapsed().saturating_sub(self.returns.pause);
        self.returns.pause = self.returns.pace.after(has_news, stayed);
        self.returns.last = (Instant::now(), self.machine.received());
        match self.machine.reconnect() {
            Ok(()) => self.returning = Some(None),
            Err(error) => self.fail(&error),
        }
    }

    /// The pool could not be taken up again, and may be another time.
    fn not_returned(&mut self, error: Error) {
        match self.returning.take().flatten() {
            Some(returning) => drop(returning.send(Err(error))),
            // Nobody asked, so that nobody would ask again.
            None => self.end(&PoolError::Failed(error.to_string())),
        }
    }

    /// Answers a call of the pool itself, which no caller of this client takes: the host must not wait for ever.
    fn refuse(&mut self, call: &HostCall) {
        if call.call_id == NO_ANSWER {
            return;
        }
        let error = ErrorRecord::new(
            "System.Management.Automation.Host.HostException",
            "The client's host takes calls of pipelines only.",
            "HostFunctionNotImplemented",
            ErrorCategory::NotImplemented,
        );
        let result = HostResult::Error(Box::new(error));
        let response = HostResponse { call_id: call.call_id, method: call.method, result };
        if let Err(error) = self.machine.respond(None, response) {
            tracing::debug!(%error, "A call of the pool stays without an answer");
        }
    }

    fn event(&mut self, id: Uuid, event: PipelineEvent) {
        if let Some(running) = self.pipelines.get_mut(&id) {
            running.ready.push(event);
        }
    }

    /// Gives a pipeline up that has sent more than it may.
    pub(super) fn count(&mut self, id: Uuid, bytes: u64) {
        let Some(running) = self.pipelines.get_mut(&id) else { return };
        running.received = running.received.saturating_add(bytes);
        let Some(most) = self.max_data_per_command.filter(|most| running.received > *most) else {
            return;
        };
        let problem = format!(
            "The total data received from the remote client exceeded the allowed maximum. The allowed maximum is {most}."
        );
        let error = self.calls.named_error(PoolError::Failed(problem), "Receive");
        self.give_up(id, error);
    }

    /// Gives up the pipeline that was told to stop long enough ago, if it has not ended.
    pub(super) fn give_up_stopping(&mut self) {
        let Some((_, id)) = self.stopping.pop_front() else { return };
        let error = self.calls.named_error(ErrorKind::Timeout(self.cancel_timeout), "Signal");
        self.give_up(id, error);
    }

    /// Ends a pipeline that tells nothing more.
    fn give_up(&mut self, id: Uuid, error: Error) {
        if self.tell_failure(id, error) {
            drop(self.machine.forget(id));
        }
    }

    /// Tells whoever waits for a pipeline that nothing more comes of it; false where nobody does.
    fn tell_failure(&mut self, id: Uuid, error: Error) -> bool {
        let Some(running) = self.pipelines.remove(&id) else { return false };
        let Running { failure, starting, sending, .. } = running;
        let again =
            |operation| self.calls.named_error(PoolError::Failed(error.to_string()), operation);
        for reply in sending {
            drop(reply.send(Err(again("Send"))));
        }
        match (starting, failure) {
            (Some((reply, _)), _) => drop(reply.send(Err(error))),
            (None, Some(failure)) => drop(failure.send(error)),
            (None, None) => {}
        }
        true
    }

    /// Tells whoever asked the pool something that no answer comes.
    fn drop_questions(&mut self, cause: &PoolError) {
        for (_, reply) in std::mem::take(&mut self.questions) {
            drop(reply.send(Err(self.calls.named_error(cause.clone(), "Send"))));
        }
    }

    /// Ends everything because the machine cannot go on.
    pub(super) fn fail(&mut self, error: &machine::Error) {
        let error = PoolError::Failed(error.to_string());
        if let Some(opening) = self.opening.take() {
            drop(opening.send(Err(self.calls.named_error(error.clone(), "Create"))));
        }
        self.end(&error);
    }

    /// Ends everything: whoever waits is told.
    fn end(&mut self, cause: &PoolError) {
        self.is_over = true;
        self.told.state.send_replace(match cause {
            PoolError::Closed => PoolState::Closed,
            PoolError::Broken(_) | PoolError::Ended | PoolError::Failed(_) => PoolState::Broken,
        });
        for id in self.pipelines.keys().copied().collect::<Vec<_>>() {
            let error = self.calls.named_error(cause.clone(), "Receive");
            self.give_up(id, error);
        }
        self.drop_questions(cause);
        for (_, reply) in std::mem::take(&mut self.encrypting) {
            drop(reply.send(Err(self.calls.named_error(cause.clone(), "Send"))));
        }
        if let Some(opening) = self.opening.take() {
            drop(opening.send(Err(self.calls.named_error(cause.clone(), "Create"))));
        }
        for waiting in [self.leaving.take(), self.returning.take().flatten()] {
            let Some(waiting) = waiting else { continue };
            drop(waiting.send(Err(self.calls.named_error(cause.clone(), "Disconnect"))));
        }
    }
}

/// What an error of the host says.
fn reason(error: &ErrorRecord) -> String {
    error.message().to_string_lossy().into_owned()
}
