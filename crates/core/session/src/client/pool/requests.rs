//! What the pool wants, as requests to the shell.

use std::time::Duration;

use psrp::client::{Priority, Request as Wish};
use uuid::Uuid;
use wsman::shell::client::{CommandKey, Request};
use wsman::shell::{
    self, CommandLine, CommandOptions, Connect, Disconnect, InputStream, Profile, Reconnect,
    ShellDescription, ShellOptions, SignalCode,
};
use wsman::{OptionItem, OptionSet, guid};

use super::{Error, Pipeline, Pool};

/// Octets of a Create or a Connect without what the plug-in is told in it: header, ids, names of streams. The rest of a
/// long message follows in Sends, so this may be more than it is.
const SKELETON: usize = 4_096;
/// A finished pipeline keeps its place on the host until it is told that nobody needs it; so many are kept at most.
const ENDED_KEPT: usize = 8;

impl Pool {
    /// The next message for the service; `message_id` and `timeout`, its OperationTimeout, are used where there is one.
    ///
    /// # Errors
    ///
    /// [`Error`]: the pool is unusable.
    pub fn poll_request(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Option<Request>, Error> {
        for _ in 0..self.wanted.len() {
            let Some(wish) = self.wanted.pop_front() else { break };
            if self.ask_for(wish, message_id, timeout)? {
                return Ok(self.shell.poll_request());
            }
        }
        for target in self.unsent.clone() {
            if self.send(target, message_id, timeout)? {
                return Ok(self.shell.poll_request());
            }
        }
        if self.ended.len() > ENDED_KEPT { self.poll_ended(message_id, timeout) } else { Ok(None) }
    }

    /// Whether the host keeps places of finished pipelines.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shell.is_open() && !self.ended.is_empty()
    }

    /// Tells the host of a finished pipeline that nobody needs it, where there is one: a request for idle moments.
    ///
    /// # Errors
    ///
    /// [`Error`]: the pool is unusable.
    pub fn poll_ended(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Option<Request>, Error> {
        if !self.shell.is_open() {
            return Ok(None);
        }
        let Some(command) = self.ended.pop() else { return Ok(None) };
        self.shell.signal(message_id, timeout, command, SignalCode::Terminate)?;
        Ok(self.shell.poll_request())
    }

    /// Makes the request for a wish, or puts it back where its time has not come. Whether there is a request.
    fn ask_for(&mut self, wish: Wish, message_id: Uuid, timeout: Duration) -> Result<bool, Error> {
        match wish {
            Wish::Open => self.create(message_id, timeout)?,
            Wish::Connect => return self.connect_shell(message_id, timeout),
            Wish::Start { pipeline } => return self.start(pipeline, message_id, timeout),
            Wish::ConnectPipeline { pipeline } => {
                let command = self.shell.connect_command(message_id, timeout, &guid(pipeline))?;
                self.know(pipeline, command);
            }
            Wish::Stop { pipeline } => return self.signal(pipeline, wish, message_id, timeout),
            Wish::Forget { pipeline } => {
                self.unsent.remove(&Some(pipeline));
                return self.signal(pipeline, wish, message_id, timeout);
            }
            Wish::Disconnect => {
                let idle_timeout = self.leave.idle_timeout.map(wsman::Duration::seconds);
                let buffer_mode = self.leave.buffer_mode;
                let leave = Disconnect { idle_timeout, buffer_mode, ..Disconnect::default() };
                self.shell.disconnect(message_id, timeout, leave)?;
            }
            Wish::Reconnect => self.shell.reconnect(message_id, timeout, Reconnect::default())?,
            Wish::Close if self.has_shell() => self.shell.close(message_id, timeout)?,
            Wish::Close => {
                self.pool.handle_closed();
                self.take_told();
                return Ok(false);
            }
            // A Send is in `unsent`; there are no others.
            Wish::Send { .. } | _ => return Ok(false),
        }
        Ok(true)
    }

    fn options(&self) -> OptionSet {
        OptionSet { options: vec![self.version_option()] }
    }

    fn version_option(&self) -> OptionItem {
        OptionItem::required(shell::PROTOCOL_VERSION, self.pool.version().to_string())
    }

    fn create(&mut self, message_id: Uuid, timeout: Duration) -> Result<(), Error> {
        let creation = self.pool.poll_fragments(None, Priority::Default, self.room());
        let description = ShellDescription {
            shell_id: Some(guid(self.pool.id())),
            name: self.how.name.clone(),
            idle_timeout: self.how.idle_timeout.map(wsman::Duration::seconds),
            input_streams: Profile::POWERSHELL.input_names(),
            output_streams: Profile::POWERSHELL.output_names(),
            creation_xml: Some(creation),
            ..ShellDescription::default()
        };
        let options = ShellOptions {
            no_profile: self.how.no_profile.then_some(true),
            code_page: None,
            compression: self.how.compression,
            other: vec![self.version_option()],
        };
        self.shell.open(message_id, timeout, description, options)?;
        self.note_unsent(None);
        Ok(())
    }

    fn connect_shell(&mut self, message_id: Uuid, timeout: Duration) -> Result<bool, Error> {
        let Some(known) = self.known.take() else { return Ok(false) };
        let data = self.pool.poll_fragments(None, Priority::Default, self.room());
        let connect = Connect { buffer_mode: self.leave.buffer_mode, ..Connect::shell(data) };
        self.shell.connect(message_id, timeout, known, connect, self.options())?;
        Ok(true)
    }

    fn start(
        &mut self,
        pipeline: Uuid,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<bool, Error> {
        let room = self.shell.max_command_payload()?;
        let first = self.pool.poll_fragments(Some(pipeline), Priority::Default, room);
        if first.is_empty() {
            // It was forgotten before it began.
            return Ok(false);
        }
        let line = CommandLine::plug_in(Some(guid(pipeline)), &first);
        let command = self.shell.start(message_id, timeout, line, CommandOptions::default())?;
        self.know(pipeline, command);
        self.note_unsent(Some(pipeline));
        Ok(true)
    }

    fn know(&mut self, pipeline: Uuid, command: CommandKey) {
        self.names.insert(command, pipeline);
        self.pipelines.insert(
            pipeline,
            Pipeline { command, is_started: false, is_over: false, is_forgotten: false },
        );
    }

    /// Stops a pipeline, or gives it up.
    fn signal(
        &mut self,
        pipeline: Uuid,
        wish: Wish,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<bool, Error> {
        // One that the host has refused, or that never began.
        let Some(known) = self.pipelines.get_mut(&pipeline) else { return Ok(false) };
        if !known.is_started || !self.shell.is_open() {
            self.wanted.push_back(wish);
            return Ok(false);
        }
        let command = known.command;
        let is_done = known.is_over || self.shell.is_done(command);
        let code = match wish {
            Wish::Stop { .. } if is_done => return Ok(false),
            Wish::Stop { .. } => SignalCode::PowerShellCtrlC,
            _ => {
                known.is_forgotten = true;
                if is_done {
                    self.ended.push(command);
                    return Ok(false);
                }
                SignalCode::Terminate
            }
        };
        self.shell.signal(message_id, timeout, command, code)?;
        Ok(true)
    }

    /// Bytes for the plug-in that a Create or a Connect may bring.
    fn room(&self) -> usize {
        let limit = usize::try_from(self.context.max_envelope_size).unwrap_or(usize::MAX);
        self.context.charset.fits(limit).saturating_sub(SKELETON) / 4 * 3
    }

    fn note_unsent(&mut self, target: Option<Uuid>) {
        let waits = |priority| self.pool.has_fragments(target, priority);
        if [Priority::Response, Priority::Default].into_iter().any(waits) {
            self.unsent.insert(target);
        } else {
            self.unsent.remove(&target);
        }
    }

    /// Sends what waits for a target, answers of the host first. Whether there is a request.
    fn send(
        &mut self,
        target: Option<Uuid>,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<bool, Error> {
        if self.sending.contains(&target) || !self.shell.is_open() {
            return Ok(false);
        }
        let command = match target {
            None => CommandKey::SHELL,
            Some(id) => match self.pipelines.get(&id) {
                Some(known) if known.is_started && !known.is_forgotten => known.command,
                // Its Command is on its way, or still to be made.
                _ => return Ok(false),
            },
        };
        let size = self.shell.max_send_payload(command)?;
        for (priority, stream) in
            [(Priority::Response, InputStream::Priority), (Priority::Default, InputStream::Stdin)]
        {
            let data = self.pool.poll_fragments(target, priority, size);
            if data.is_empty() {
                continue;
            }
            self.shell.send_to(message_id, timeout, command, stream, data, false)?;
            self.sending.insert(target);
            self.note_unsent(target);
            return Ok(true);
        }
        self.unsent.remove(&target);
        Ok(false)
    }

    /// The targets that have something to tell and no Receive: pipelines that run, and the pool as long as it opens or
    /// something of it is awaited.
    pub fn receivable(&self) -> impl Iterator<Item = Option<Uuid>> + '_ {
        let is_open = self.shell.is_open();
        let awaits = !self.pool.is_open() || self.questions > 0 || self.awaits_data;
        let pool = (awaits
            && !self.shell.is_done(CommandKey::SHELL)
            && !self.shell.is_receiving(CommandKey::SHELL))
        .then_some(None);
        let waits = |known: &Pipeline| {
            known.is_started
                && !known.is_forgotten
                && !known.is_over
                && !self.shell.is_receiving(known.command)
                && !self.shell.is_done(known.command)
        };
        let pipelines = self.pipelines.iter().filter(move |(_, known)| waits(known));
        pool.into_iter().chain(pipelines.map(|(id, _)| Some(*id))).filter(move |_| is_open)
    }

    /// Asks a target for what it has to tell; one of [`Self::receivable`].
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn receive(
        &mut self,
        target: Option<Uuid>,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Option<Request>, Error> {
        let command = match target {
            None => CommandKey::SHELL,
            Some(id) => match self.pipelines.get(&id) {
                Some(known) => known.command,
                None => return Ok(None),
            },
        };
        self.shell.receive(message_id, timeout, command)?;
        Ok(self.shell.poll_request())
    }
}
