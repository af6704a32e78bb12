//! What each request does to the shell.

use std::time::Instant;

use uuid::Uuid;

use super::command::{Command, Input, Phase, Waiting};
use super::exchange::{Action, CloseReason, CommandKey, Incoming, Reply, RequestToken};
use super::receive::{Receiving, room};
use super::{Shell, faults};
use crate::compression;
use crate::envelope::{guid, same_id};
use crate::fault::{ErrorCode, Fault};
use crate::shell::{
    CommandLine, CommandOptions, OutputStream, Receive, Request, Send, Signal, SignalCode,
    stream_name,
};

impl Shell {
    /// Takes a request. It gets exactly one [`Response`](super::Response), now or later, unless
    /// [`Self::handle_cancel`] comes first.
    pub fn handle_request(&mut self, incoming: Incoming, now: Instant) {
        let Incoming { token, message_id, request, deadline, envelope_limit, .. } = incoming;
        if self.closed.is_some() {
            self.out.fault(token, faults::shell_is_gone());
            return;
        }
        self.last_activity = now;
        let waiting = Waiting { token, deadline };
        let done = match request {
            Request::Command { command, options } => {
                self.command(waiting, command, options, incoming.command_id)
            }
            Request::Delete => {
                self.delete(token);
                Ok(())
            }
            Request::Get => {
                let info = self.info(now);
                self.out.reply(token, Reply::get(info));
                Ok(())
            }
            Request::Receive { receive, .. } => {
                let room = room(envelope_limit, incoming.empty_reply);
                let desired = Vec::new();
                let receiving = Receiving { waiting, message_id, desired, room, envelope_limit };
                self.receive(receiving, &receive, now)
            }
            Request::Send(send) => self.send(waiting, send),
            Request::Signal(signal) => self.signal(waiting, &signal),
            Request::Disconnect(_) | Request::Reconnect(_) | Request::Connect { .. } => {
                Err(faults::cannot_disconnect())
            }
            Request::Create { .. } => Err(faults::fault(
                ErrorCode::ACTION_NOT_SUPPORTED,
                "A shell cannot be created inside a shell. ",
            )),
        };
        if let Err(fault) = done {
            self.out.fault(token, fault);
        }
    }

    fn command(
        &mut self,
        waiting: Waiting,
        line: CommandLine,
        options: CommandOptions,
        fresh: Uuid,
    ) -> Result<(), Box<Fault>> {
        let id = match &line.command_id {
            None => guid(fresh),
            Some(id) if Uuid::try_parse(id).is_err() => {
                let text = "The CommandId of the request is not a GUID. ";
                return Err(faults::fault(ErrorCode::SHELLCOMMAND_CLIENTID_NOT_VALID, text));
            }
            Some(id) => id.clone(),
        };
        if self.commands.values().any(|command| same_id(&command.id, &id)) {
            let text = "The shell has a command of this CommandId already. ";
            return Err(faults::fault(ErrorCode::SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT, text));
        }
        let running = self.commands.values().filter(|command| command.exit.is_none()).count();
        if running >= self.settings.max_processes {
            return Err(faults::too_many_processes(running));
        }
        if self.commands.len() >= self.settings.max_commands && !self.forget_finished() {
            let text =
                format!("The shell runs {} commands, and may not run more. ", self.commands.len());
            return Err(faults::fault(ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL, &text));
        }
        self.last_key += 1;
        let key = CommandKey(self.last_key);
        let chosen = line.command_id.is_some();
        let mut command = Command::new(key, id, chosen, full_line(&line), waiting);
        command.is_compressed = self.is_compressed;
        self.commands.insert(key, command);
        self.out.act(Action::Start { command: key, line, options });
        Ok(())
    }

    /// Frees the place of the oldest command whose end the client knows. Whether there was one.
    fn forget_finished(&mut self) -> bool {
        let finished = self.commands.values().find(|command| command.may_give_way());
        let Some(key) = finished.map(|command| command.key) else { return false };
        self.forget(key);
        true
    }

    pub(super) fn forget(&mut self, key: CommandKey) {
        if self.commands.remove(&key).is_some() {
            self.out.act(Action::Forget { command: key });
        }
    }

    fn receive(
        &mut self,
        mut receiving: Receiving,
        receive: &Receive,
        now: Instant,
    ) -> Result<(), Box<Fault>> {
        let id = one_command(receive.desired.iter().map(|desired| desired.command_id.as_deref()))?;
        for name in receive.desired.iter().flat_map(|desired| &desired.streams) {
            let stream = OutputStream::from_name(name).ok_or_else(|| {
                faults::invalid_parameter("a command shell has no output stream of this name")
            })?;
            // A stream that the Create did not name is left out, [MS-WSMV] 3.1.4.14.
            if self.output_streams.contains(&stream) && !receiving.desired.contains(&stream) {
                receiving.desired.push(stream);
            }
        }
        if receive.desired.iter().all(|desired| desired.streams.is_empty()) {
            return Err(faults::invalid_parameter("the request names no stream"));
        }
        let command = find(&mut self.commands, id)?;
        let out = &mut self.out;
        if let Some(answered) = &command.answered {
            let (id, limit) = (&receiving.message_id, receiving.envelope_limit);
            if let Some(reply) = answered.again(id, limit) {
                out.reply(receiving.waiting.token, reply?);
                return Ok(());
            }
        }
        if command.is_ending() {
            return Err(faults::aborted());
        }
        if !command.fits_output(receiving.room) {
            return Err(faults::envelope_too_small());
        }
        // The answer before has arrived, else the client would ask for it once more.
        command.answered = None;
        command.abort_receive(&faults::aborted(), out);
        command.receiving = Some(receiving);
        command.settle(self.settings.output_buffer, now, out);
        Ok(())
    }

    fn send(&mut self, waiting: Waiting, send: Send) -> Result<(), Box<Fault>> {
        let id = one_command(send.streams.iter().map(|stream| stream.command_id.as_deref()))?;
        let command = find(&mut self.commands, id)?;
        let mut data = Vec::new();
        let mut end = false;
        for stream in send.streams {
            if !stream.name.eq_ignore_ascii_case(stream_name::STDIN) {
                let text = "a command shell has no input stream of this name";
                return Err(faults::invalid_parameter(text));
            }
            if end && !stream.data.is_empty() {
                return Err(faults::invalid_parameter("there is input after its end"));
            }
            end |= stream.end;
            let piece = if self.is_compressed {
                let left = self.settings.max_input.saturating_sub(data.len());
                compression::decompress(&stream.data, left).map_err(|error| {
                    faults::invalid_parameter(&format!("the input cannot be decompressed: {error}"))
                })?
            } else {
                stream.data
            };
            if data.is_empty() {
                data = piece;
            } else {
                data.extend_from_slice(&piece);
            }
        }
        // A process that has ended, or is to end, takes no input: it is discarded.
        if command.exit.is_some() || command.is_ending() {
            self.out.reply(waiting.token, Reply::send());
            return Ok(());
        }
        match command.input {
            Input::Held { .. } | Input::Writing { .. } => Err(faults::busy()),
            Input::Ended if data.is_empty() => {
                self.out.reply(waiting.token, Reply::send());
                Ok(())
            }
            Input::Ended => Err(faults::invalid_parameter("the command's input has ended")),
            Input::Open => {
                let waiting = Some(waiting);
                command.input = if matches!(command.phase, Phase::Starting(_)) {
                    Input::Held { waiting, data, end }
                } else {
                    self.out.act(Action::Write { command: command.key, data, end });
                    Input::Writing { waiting, end }
                };
                Ok(())
            }
        }
    }

    fn signal(&mut self, waiting: Waiting, signal: &Signal) -> Result<(), Box<Fault>> {
        let id = one_command(std::iter::once(signal.command_id.as_deref()))?;
        let command = find(&mut self.commands, id)?;
        let key = command.key;
        let out = &mut self.out;
        match &signal.code {
            SignalCode::Terminate if command.exit.is_some() => {
                command.abort(&faults::aborted(), out);
                out.reply(waiting.token, Reply::signal());
                self.forget(key);
            }
            SignalCode::Terminate => command.terminate(waiting, out),
            SignalCode::CtrlC | SignalCode::CtrlBreak => {
                command.answered = None;
                match &mut command.phase {
                    Phase::Starting(starting) => starting.interrupt = Some(signal.code.clone()),
                    Phase::Running if command.exit.is_none() => {
                        out.act(Action::Signal { command: key, code: signal.code.clone() });
                    }
                    Phase::Running | Phase::Pending(_) => {}
                }
                out.reply(waiting.token, Reply::signal());
            }
            SignalCode::PowerShellCtrlC | SignalCode::Other(_) => {
                return Err(faults::invalid_parameter("a command shell has no such signal"));
            }
        }
        Ok(())
    }

    fn delete(&mut self, token: RequestToken) {
        self.close(CloseReason::Deleted, &faults::aborted());
        self.out.reply(token, Reply::delete());
    }

    /// Ends everything. What waits is answered with `fault`.
    pub(super) fn close(&mut self, reason: CloseReason, fault: &Fault) {
        for command in self.commands.values_mut() {
            command.abort(fault, &mut self.out);
        }
        self.commands.clear();
        self.closed = Some(reason);
        self.out.act(Action::Close { reason });
    }
}

/// The command that every part of a request names. A request to the shell itself means nothing to
/// a command shell; Windows answers it with 87.
fn one_command<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Result<&'a str, Box<Fault>> {
    let mut found: Option<&str> = None;
    for id in ids {
        let id = id.ok_or_else(|| faults::invalid_parameter("the request has no CommandId"))?;
        if found.is_some_and(|found| !same_id(found, id)) {
            return Err(faults::invalid_parameter("the request names more than one CommandId"));
        }
        found = Some(id);
    }
    found.ok_or_else(|| faults::invalid_parameter("the request names no stream"))
}

fn find<'a>(
    commands: &'a mut std::collections::BTreeMap<CommandKey, Command>,
    id: &str,
) -> Result<&'a mut Command, Box<Fault>> {
    commands
        .values_mut()
        .find(|command| same_id(&command.id, id))
        .ok_or_else(faults::unknown_command)
}

/// The whole command line: quoting was the client's job, [MS-WSMV] 2.2.4.7.
fn full_line(line: &CommandLine) -> String {
    let arguments = line.arguments.iter().map(String::as_str);
    std::iter::once(line.command.as_str()).chain(arguments).collect::<Vec<_>>().join(" ")
}
