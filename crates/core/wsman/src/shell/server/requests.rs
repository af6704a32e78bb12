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
    CommandLine, CommandOptions, InputStream, OutputStream, Profile, Receive, Request, Send,
    Signal, SignalCode,
};

impl Shell {
    /// Takes a request. It gets exactly one [`Response`](super::Response), now or later, unless
    /// [`Self::handle_cancel`] comes first.
    pub fn handle_request(&mut self, incoming: Incoming, now: Instant) {
        let Incoming { token, message_id, session_id, request, deadline, envelope_limit, .. } =
            incoming;
        if self.closed.is_some() {
            self.out.fault(token, faults::shell_is_gone());
            return;
        }
        if let Err(fault) = self.check_link(&request, session_id.as_deref()) {
            self.out.fault(token, fault);
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
            Request::Disconnect(disconnect) => self.disconnect(waiting, &disconnect),
            Request::Reconnect(reconnect) => self.reconnect(token, &reconnect),
            Request::Connect { connect, options } => {
                self.connect(waiting, connect, options, session_id)
            }
            Request::Create { .. } => Err(faults::fault(
                ErrorCode::ACTION_NOT_SUPPORTED,
                "A shell cannot be created inside a shell. ",
            )),
        };
        if let Err(fault) = done {
            self.out.fault(token, fault);
        }
        self.settle_link(now);
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
        let mut commands = self.commands.values().filter(|command| !command.is_shell());
        if commands.any(|command| same_id(&command.id, &id)) {
            let text = "The shell has a command of this CommandId already. ";
            return Err(faults::fault(ErrorCode::SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT, text));
        }
        let commands = self.commands.values().filter(|command| !command.is_shell());
        let running = commands.clone().filter(|command| command.exit.is_none()).count();
        if running >= self.settings.max_processes {
            return Err(faults::too_many_processes(running));
        }
        let count = commands.count();
        if count >= self.settings.max_commands && !self.forget_finished() {
            let text = format!("The shell runs {count} commands, and may not run more. ");
            return Err(faults::fault(ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL, &text));
        }
        self.last_key += 1;
        let key = CommandKey(self.last_key);
        let chosen = line.command_id.is_some();
        let text = if self.profile.is_plug_in { line.command.clone() } else { full_line(&line) };
        let mut command = Command::new(key, id, chosen, text, self.profile, waiting);
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
        let profile = self.profile;
        let ids = receive.desired.iter().map(|desired| desired.command_id.as_deref());
        let id = one_target(profile, ids)?;
        for name in receive.desired.iter().flat_map(|desired| &desired.streams) {
            let stream = OutputStream::from_name(name);
            let stream = stream.filter(|stream| profile.outputs.contains(stream));
            let stream = stream.ok_or_else(|| {
                faults::invalid_parameter(profile, "the shell has no output stream of this name")
            })?;
            // A stream that the Create did not name is left out, [MS-WSMV] 3.1.4.14.
            if self.output_streams.contains(&stream) && !receiving.desired.contains(&stream) {
                receiving.desired.push(stream);
            }
        }
        if receive.desired.iter().all(|desired| desired.streams.is_empty()) {
            return Err(faults::invalid_parameter(profile, "the request names no stream"));
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
        let profile = self.profile;
        let invalid = |what: &str| faults::invalid_parameter(profile, what);
        let id = one_target(profile, send.streams.iter().map(|s| s.command_id.as_deref()))?;
        let command = find(&mut self.commands, id)?;
        let mut target = None;
        let mut data = Vec::new();
        let mut end = false;
        for stream in send.streams {
            let name = InputStream::from_name(&stream.name);
            let name = name.filter(|name| profile.inputs.contains(name));
            let name = name.ok_or_else(|| invalid("the shell has no input stream of this name"))?;
            if *target.get_or_insert(name) != name {
                return Err(invalid("the request names more than one input stream"));
            }
            if end && !stream.data.is_empty() {
                return Err(invalid("there is input after its end"));
            }
            end |= stream.end;
            let piece = if self.is_compressed {
                let left = self.settings.max_input.saturating_sub(data.len());
                compression::decompress(&stream.data, left).map_err(|error| {
                    invalid(&format!("the input cannot be decompressed: {error}"))
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
            Input::Ended => Err(invalid("the command's input has ended")),
            Input::Open => {
                let (waiting, stream) = (Some(waiting), target.unwrap_or_default());
                command.input = if matches!(command.phase, Phase::Starting(_)) {
                    Input::Held { waiting, stream, data, end }
                } else {
                    self.out.act(Action::Write { command: command.key, stream, data, end });
                    Input::Writing { waiting, end }
                };
                Ok(())
            }
        }
    }

    fn signal(&mut self, waiting: Waiting, signal: &Signal) -> Result<(), Box<Fault>> {
        let profile = self.profile;
        let Some(id) = one_target(profile, std::iter::once(signal.command_id.as_deref()))? else {
            return Err(faults::invalid_parameter(profile, "the request has no CommandId"));
        };
        let command = find(&mut self.commands, Some(id))?;
        let key = command.key;
        let out = &mut self.out;
        let code = if profile.is_plug_in && signal.code.is_powershell_ctrl_c() {
            &SignalCode::PowerShellCtrlC
        } else {
            &signal.code
        };
        let is_known = match code {
            SignalCode::CtrlC | SignalCode::CtrlBreak | SignalCode::Terminate => true,
            SignalCode::PowerShellCtrlC => profile.is_plug_in,
            SignalCode::Other(_) => false,
        };
        if !is_known {
            return Err(faults::invalid_parameter(profile, "the shell has no such signal"));
        }
        match code {
            SignalCode::Terminate if command.exit.is_some() => {
                command.abort(&faults::aborted(), out);
                out.reply(waiting.token, Reply::signal());
                self.forget(key);
            }
            SignalCode::Terminate => command.terminate(waiting, out),
            SignalCode::CtrlC
            | SignalCode::CtrlBreak
            | SignalCode::PowerShellCtrlC
            | SignalCode::Other(_) => {
                command.answered = None;
                let has_effect = match &mut command.phase {
                    Phase::Starting(starting) => {
                        starting.interrupt = Some(code.clone());
                        true
                    }
                    Phase::Running if command.exit.is_none() => {
                        out.act(Action::Signal { command: key, code: code.clone() });
                        true
                    }
                    Phase::Running | Phase::Pending(_) => false,
                };
                // A plug-in's command says when it has stopped, a process does not.
                if profile.is_plug_in && has_effect {
                    command.stops.push(waiting);
                } else {
                    out.reply(waiting.token, Reply::signal());
                }
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
        self.abort_link(fault);
        self.commands.clear();
        self.closed = Some(reason);
        self.out.act(Action::Close { reason });
    }
}

/// The command that every part of a request names; `None` for the shell itself, which means nothing
/// to a command shell: Windows answers that with 87.
fn one_target<'a>(
    profile: Profile,
    ids: impl Iterator<Item = Option<&'a str>>,
) -> Result<Option<&'a str>, Box<Fault>> {
    let invalid = |what| faults::invalid_parameter(profile, what);
    let mut found: Option<Option<&str>> = None;
    for id in ids {
        if id.is_none() && !profile.is_plug_in {
            return Err(invalid("the request has no CommandId"));
        }
        let is_same = |found: Option<&str>| match (found, id) {
            (Some(found), Some(id)) => same_id(found, id),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if found.is_some_and(|found| !is_same(found)) {
            return Err(invalid("the request names more than one CommandId"));
        }
        found = Some(id);
    }
    found.ok_or_else(|| invalid("the request names no stream"))
}

pub(super) fn find<'a>(
    commands: &'a mut std::collections::BTreeMap<CommandKey, Command>,
    id: Option<&str>,
) -> Result<&'a mut Command, Box<Fault>> {
    let is_it = |command: &&mut Command| match id {
        Some(id) => !command.is_shell() && same_id(&command.id, id),
        None => command.is_shell(),
    };
    commands.values_mut().find(is_it).ok_or_else(faults::unknown_command)
}

/// The whole command line: quoting was the client's job, [MS-WSMV] 2.2.4.7.
fn full_line(line: &CommandLine) -> String {
    let arguments = line.arguments.iter().map(String::as_str);
    std::iter::once(line.command.as_str()).chain(arguments).collect::<Vec<_>>().join(" ")
}
