//! What the pool wants, as requests to the shell.

use std::collections::VecDeque;
use std::time::Duration;

use psrp::client::{Priority, Request as Wish};
use uuid::Uuid;
use wsman::shell::client::{CommandKey, Request};
use wsman::shell::{
    self, CommandLine, CommandOptions, Connect, Disconnect, InputStream, Profile, Reconnect,
    ShellDescription, ShellOptions, SignalCode,
};
use wsman::{OptionItem, OptionSet, guid};

use super::{Error, Pipeline, Pool, Sent};

/// Octets of a Create or a Connect without what the plug-in is told in it: header, ids, names of streams. The rest of a
/// long message follows in Sends, so this may be more than it is.
const SKELETON: usize = 4_096;
/// A finished pipeline keeps its place on the host until it is told that nobody needs it; so many are kept at most.
const ENDED_KEPT: usize = 8;
/// Bytes of answers to calls of the host that wait until it takes them. Beyond that nothing more of the target is asked
/// for: a host could make calls faster than it takes the answers.
const MOST_RESPONSES: usize = 1_048_576;

/// What becomes of a wish.
enum Turn {
    /// There is a request for it.
    Asked,
    /// It needs none.
    Done,
    /// Its time has not come.
    Later(Wish),
}

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
        // In their order, whichever have to wait: what is stopped was started before.
        let mut later = VecDeque::new();
        let mut is_asked = false;
        while !is_asked && let Some(wish) = self.wanted.pop_front() {
            match self.ask_for(wish, message_id, timeout)? {
                Turn::Asked => is_asked = true,
                Turn::Done => {}
                Turn::Later(wish) => later.push_back(wish),
            }
        }
        later.append(&mut self.wanted);
        self.wanted = later;
        if is_asked {
            return Ok(self.shell.poll_request());
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

    /// Makes the request for a wish.
    fn ask_for(&mut self, wish: Wish, message_id: Uuid, timeout: Duration) -> Result<Turn, Error> {
        match wish {
            // An answer that is under way may leave the shell, or take it up.
            Wish::Start { .. } | Wish::ConnectPipeline { .. } if !self.shell.is_open() => {
                return Ok(Turn::Later(wish));
            }
            Wish::Close if self.is_changing() => return Ok(Turn::Later(wish)),
            Wish::Open => self.create(message_id, timeout)?,
            Wish::Connect => return self.connect_shell(message_id, timeout),
            Wish::Start { pipeline } => return self.start(pipeline, message_id, timeout),
            Wish::ConnectPipeline { pipeline } => {
                let command = self.shell.connect_command(message_id, timeout, &guid(pipeline))?;
                self.know(pipeline, command, Vec::new());
            }
            Wish::Stop { pipeline } => return self.signal(pipeline, wish, message_id, timeout),
            Wish::Forget { pipeline } => {
                self.unsent.remove(&Some(pipeline));
                self.again.remove(&Some(pipeline));
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
                return Ok(Turn::Done);
            }
            // A Send is in `unsent`; there are no others.
            Wish::Send { .. } | _ => return Ok(Turn::Done),
        }
        Ok(Turn::Asked)
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

    fn connect_shell(&mut self, message_id: Uuid, timeout: Duration) -> Result<Turn, Error> {
        let Some(known) = self.known.take() else { return Ok(Turn::Done) };
        let data = self.pool.poll_fragments(None, Priority::Default, self.room());
        let connect = Connect { buffer_mode: self.leave.buffer_mode, ..Connect::shell(data) };
        self.shell.connect(message_id, timeout, known, connect, self.options())?;
        Ok(Turn::Asked)
    }

    fn start(
        &mut self,
        pipeline: Uuid,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Turn, Error> {
        let room = self.shell.max_command_payload()?;
        let first = match self.again.remove(&Some(pipeline)) {
            Some(sent) => sent.data,
            None => self.pool.poll_fragments(Some(pipeline), Priority::Default, room),
        };
        if first.is_empty() {
            // It was stopped or forgotten before it began.
            self.pool.handle_pipeline_ended(pipeline);
            self.take_told();
            return Ok(Turn::Done);
        }
        let line = CommandLine::plug_in(Some(guid(pipeline)), &first);
        let command = self.shell.start(message_id, timeout, line, CommandOptions::default())?;
        self.know(pipeline, command, first);
        self.note_unsent(Some(pipeline));
        Ok(Turn::Asked)
    }

    fn know(&mut self, pipeline: Uuid, command: CommandKey, first: Vec<u8>) {
        self.names.insert(command, pipeline);
        self.pipelines.insert(
            pipeline,
            Pipeline { command, first, is_started: false, is_over: false, is_forgotten: false },
        );
    }

    /// Stops a pipeline, or gives it up.
    fn signal(
        &mut self,
        pipeline: Uuid,
        wish: Wish,
        message_id: Uuid,
        timeout: Duration,
    ) -> Result<Turn, Error> {
        // One that the host has refused, or that never began.
        let Some(known) = self.pipelines.get_mut(&pipeline) else {
            // Or whose Command has to be sent again.
            let is_later = self.again.contains_key(&Some(pipeline));
            return Ok(if is_later { Turn::Later(wish) } else { Turn::Done });
        };
        if !known.is_started || !self.shell.is_open() {
            return Ok(Turn::Later(wish));
        }
        let command = known.command;
        let is_done = known.is_over || self.shell.is_done(command);
        let code = match wish {
            Wish::Stop { .. } if is_done => return Ok(Turn::Done),
            Wish::Stop { .. } => SignalCode::PowerShellCtrlC,
            _ => {
                known.is_forgotten = true;
                if is_done {
                    self.ended.push(command);
                    return Ok(Turn::Done);
                }
                SignalCode::Terminate
            }
        };
        self.shell.signal(message_id, timeout, command, code)?;
        Ok(Turn::Asked)
    }

    /// Bytes for the plug-in that a Create or a Connect may bring.
    fn room(&self) -> usize {
        let limit = usize::try_from(self.context.max_envelope_size).unwrap_or(usize::MAX);
        self.context.charset.fits(limit).saturating_sub(SKELETON) / 4 * 3
    }

    fn note_unsent(&mut self, target: Option<Uuid>) {
        let waits = |priority| self.pool.has_fragments(target, priority);
        if self.again.contains_key(&target) {
            return;
        }
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
        if self.sending.contains_key(&target) || !self.shell.is_open() {
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
        if let Some(Sent { stream, data }) = self.again.remove(&target) {
            let copy = data.clone();
            self.shell.send_to(message_id, timeout, command, stream, data, false)?;
            self.sending.insert(target, Sent { stream, data: copy });
            self.note_unsent(target);
            return Ok(true);
        }
        let size = self.shell.max_send_payload(command)?;
        for (priority, stream) in
            [(Priority::Response, InputStream::Priority), (Priority::Default, InputStream::Stdin)]
        {
            let data = self.pool.poll_fragments(target, priority, size);
            if data.is_empty() {
                continue;
            }
            let copy = data.clone();
            self.shell.send_to(message_id, timeout, command, stream, data, false)?;
            self.sending.insert(target, Sent { stream, data: copy });
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
        let is_behind = |target| self.pool.unsent_responses(target) > MOST_RESPONSES;
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
        pool.into_iter()
            .chain(pipelines.map(|(id, _)| Some(*id)))
            .filter(move |target| is_open && !is_behind(*target))
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
