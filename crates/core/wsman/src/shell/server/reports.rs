//! What the driver reports of processes, and what each report does to the shell.

use std::time::Instant;

use super::Shell;
use super::command::{Command, Input, Phase};
use super::error::{ApiMisuse, Error};
use super::exchange::{CommandKey, Reply, Response};
use crate::fault::Fault;
use crate::shell::OutputStream;

impl Shell {
    /// Tells that the process of an [`Action::Start`](super::Action::Start) runs, or the fault that
    /// says why it does not.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::UnknownCommand`], [`ApiMisuse::StartedTwice`].
    pub fn handle_started(
        &mut self,
        command: CommandKey,
        result: Result<(), Box<Fault>>,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.find(command)? else { return Ok(()) };
        if !matches!(known.phase, Phase::Starting(_)) {
            return Err(ApiMisuse::StartedTwice(command).into());
        }
        self.last_activity = now;
        let Some(known) = self.commands.get_mut(&command) else { return Ok(()) };
        match result {
            Ok(()) => known.start(&mut self.out),
            Err(fault) => {
                known.fail(&fault, &mut self.out);
                self.commands.remove(&command);
            }
        }
        self.settle_link(now);
        Ok(())
    }

    /// Takes what a command has written.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::OutputBeyondCredit`] where the stream then held more than
    /// [`Settings::output_buffer`](super::Settings::output_buffer) (what
    /// [`Action::Release`](super::Action::Release) gave back counts no more),
    /// [`ApiMisuse::OutputAfterEnd`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_output(
        &mut self,
        command: CommandKey,
        stream: OutputStream,
        data: Vec<u8>,
        now: Instant,
    ) -> Result<(), Error> {
        let limit = self.settings.output_buffer;
        let wanted = self.output_streams.contains(&stream);
        let gather = self.settings.gather;
        let drops = self.drops();
        let Some(known) = self.started(command)? else { return Ok(()) };
        let wanted = wanted && !matches!(known.phase, Phase::Pending(_));
        let buffer = known.buffer_mut(stream);
        if buffer.is_ended() {
            return Err(ApiMisuse::OutputAfterEnd { command, stream }.into());
        }
        let credit = limit.saturating_sub(buffer.charged());
        if data.len() > credit {
            let got = data.len();
            return Err(ApiMisuse::OutputBeyondCredit { command, stream, got, credit }.into());
        }
        if !wanted {
            self.out.release(command, stream, data.len());
            return Ok(());
        }
        if !data.is_empty() {
            buffer.push(data);
            if drops {
                let charged = buffer.uncharge();
                buffer.drop_oldest(limit);
                self.out.release(command, stream, charged);
            } else if known.gather_until.is_none() {
                known.gather_until = now.checked_add(gather);
            }
        }
        self.settle(command, now);
        Ok(())
    }

    /// The targets of a plug-in's shell whose Receive waits for output, and how many bytes of it have room in one piece.
    /// A plug-in that hands out output only for these, by [`Self::handle_piece`], keeps whole whatever nobody collects.
    pub fn wanted(&self) -> impl Iterator<Item = (CommandKey, usize)> + '_ {
        self.commands.values().filter_map(|command| Some((command.key, command.wanted()?)))
    }

    /// Takes a piece of a plug-in's output, which answers the Receive that waits for it at once; `is_last` says that
    /// the command is over, or the shell.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::OutputAfterEnd`], [`ApiMisuse::ExitedTwice`], [`ApiMisuse::NotStarted`],
    /// [`ApiMisuse::UnknownCommand`].
    pub fn handle_piece(
        &mut self,
        command: CommandKey,
        data: Vec<u8>,
        is_last: bool,
        now: Instant,
    ) -> Result<(), Error> {
        let stream = OutputStream::Stdout;
        let Some(known) = self.started(command)? else { return Ok(()) };
        let buffer = known.buffer_mut(stream);
        if buffer.is_ended() {
            return Err(ApiMisuse::OutputAfterEnd { command, stream }.into());
        }
        buffer.push(data);
        known.gather_until = Some(now);
        if is_last {
            known.buffer_mut(stream).end();
            return self.handle_exit(command, 0, now);
        }
        self.settle(command, now);
        Ok(())
    }

    /// Takes the end of one of a command's streams. Further ends of the same stream are ignored.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_end(
        &mut self,
        command: CommandKey,
        stream: OutputStream,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        known.buffer_mut(stream).end();
        self.settle(command, now);
        Ok(())
    }

    /// Takes the exit of a command's process, or the end of what a plug-in's shell is made of. Its streams may still have something to bring; where
    /// another process has inherited them and keeps them open, it is for the driver to decide how
    /// long to wait before it ends them.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::ExitedTwice`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_exit(
        &mut self,
        command: CommandKey,
        exit_code: u32,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        if known.exit.is_some() {
            return Err(ApiMisuse::ExitedTwice(command).into());
        }
        let was_told_to_end = matches!(known.phase, Phase::Pending(_));
        let had_waiting = known.has_waiting();
        let Some(known) = self.commands.get_mut(&command) else { return Ok(()) };
        known.exit(exit_code, &mut self.out);
        if had_waiting {
            self.last_activity = now;
        }
        if was_told_to_end {
            self.forget(command);
        } else {
            self.settle(command, now);
        }
        self.settle_link(now);
        Ok(())
    }

    /// Tells that a plug-in's command has taken an [`Action::Signal`](super::Action::Signal) that stops it: its end is in
    /// what it has to say. [MS-PSRP] 3.2.5.1.3 answers the Signal then. A command that
    /// [`handle_exit`](Self::handle_exit) ends needs no such call.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_stopped(&mut self, command: CommandKey, now: Instant) -> Result<(), Error> {
        if let Some(known) = self.started(command)?
            && !known.stops.is_empty()
        {
            self.last_activity = now;
            if let Some(known) = self.commands.get_mut(&command) {
                known.stop(&mut self.out);
            }
        }
        self.settle_link(now);
        Ok(())
    }

    /// Tells that an [`Action::Write`](super::Action::Write) is done, or the fault that says why it
    /// failed. A process that has closed its input is no failure: what it has not taken is
    /// discarded, [MS-WSMV] 3.1.4.13.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NothingWritten`], [`ApiMisuse::NotStarted`], [`ApiMisuse::UnknownCommand`].
    pub fn handle_written(
        &mut self,
        command: CommandKey,
        result: Result<(), Box<Fault>>,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(known) = self.started(command)? else { return Ok(()) };
        let Input::Writing { waiting, end } = known.input else {
            return Err(ApiMisuse::NothingWritten(command).into());
        };
        known.input = if end { Input::Ended } else { Input::Open };
        if let Some(waiting) = waiting {
            self.last_activity = now;
            let result = result.map(|()| Reply::send());
            self.out.responses.push_back(Response { token: waiting.token, result });
        }
        self.settle_link(now);
        Ok(())
    }

    fn settle(&mut self, command: CommandKey, now: Instant) {
        if let Some(known) = self.commands.get_mut(&command)
            && known.receiving.is_some()
        {
            known.settle(self.settings.output_buffer, now, &mut self.out);
            if known.receiving.is_none() {
                self.last_activity = now;
            }
        }
    }

    /// The command, unless it is forgotten: what its process still brings is late, not wrong.
    fn find(&mut self, command: CommandKey) -> Result<Option<&mut Command>, Error> {
        let is_own = command == CommandKey::SHELL && self.profile.is_plug_in;
        if !is_own && (command.0 == 0 || command.0 > self.last_key) {
            return Err(ApiMisuse::UnknownCommand(command).into());
        }
        Ok(self.commands.get_mut(&command))
    }

    fn started(&mut self, command: CommandKey) -> Result<Option<&mut Command>, Error> {
        match self.find(command)? {
            Some(known) if matches!(known.phase, Phase::Starting(_)) => {
                Err(ApiMisuse::NotStarted(command).into())
            }
            known => Ok(known),
        }
    }
}
