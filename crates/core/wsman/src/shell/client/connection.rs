//! Leaving a shell and taking it up again, [MS-WSMV] 3.1.4.15 to 3.1.4.17.

use std::time::Duration;

use uuid::Uuid;

use super::command::Command;
use super::error::{ApiMisuse, Error};
use super::event::CommandKey;
use super::{Shell, State};
use crate::selector::OptionSet;
use crate::shell::{self, Connect, Disconnect, Reconnect, ShellInfo};

/// A shell that another session has made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it field by field")]
pub struct KnownShell {
    /// Its id.
    pub shell_id: String,
    /// Whether its Create asked for compressed streams: that holds as long as the shell lives.
    pub compression: bool,
}

impl KnownShell {
    /// The shell that an enumeration has listed; `None` for one without an id.
    #[must_use]
    pub fn listed(info: &ShellInfo) -> Option<Self> {
        let mode = info.compression_mode.as_deref().unwrap_or_default();
        let compression = mode.eq_ignore_ascii_case("XpressCompression");
        Some(Self { shell_id: info.shell_id.clone()?, compression })
    }
}

impl Shell {
    /// Leaves the shell running on the service; [`Event::Disconnected`](super::Event::Disconnected)
    /// follows. What is outstanding ends with an answer or with
    /// [`Event::Aborted`](super::Event::Aborted); the commands stay known.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::CommandShell`], [`ApiMisuse::MessageIdInUse`].
    pub fn disconnect(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        disconnect: Disconnect,
    ) -> Result<(), Error> {
        self.plug_in_only()?;
        let shell_id = self.opened()?.to_owned();
        let request = shell::Request::Disconnect(disconnect);
        self.queue(message_id, timeout, None, &request)?;
        self.state = Ok(State::AwaitDisconnectResponse { shell_id });
        self.times_left += 1;
        Ok(())
    }

    /// Takes up the shell that this session has left, or lost without knowing whether the service
    /// has noticed; [`Event::Reconnected`](super::Event::Reconnected) follows. Then receive again.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::CommandShell`], [`ApiMisuse::MessageIdInUse`].
    pub fn reconnect(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        reconnect: Reconnect,
    ) -> Result<(), Error> {
        self.plug_in_only()?;
        let (shell_id, is_disconnected) = self.reachable()?;
        let shell_id = shell_id.to_owned();
        let request = shell::Request::Reconnect(reconnect);
        self.queue(message_id, timeout, None, &request)?;
        self.state = Ok(State::AwaitReconnectResponse { shell_id, is_disconnected });
        Ok(())
    }

    /// Takes up a command after [`Self::reconnect`], for services that want to be asked;
    /// [`Event::CommandReconnected`](super::Event::CommandReconnected) follows. Windows goes on with
    /// a command as soon as its output is asked for.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotStarted`], [`ApiMisuse::Terminated`], [`ApiMisuse::UnknownCommand`],
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::CommandShell`], [`ApiMisuse::MessageIdInUse`].
    pub fn reconnect_command(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command: CommandKey,
    ) -> Result<(), Error> {
        self.plug_in_only()?;
        self.opened()?;
        let Some(command_id) = self.known(command)?.id(command)?.map(str::to_owned) else {
            return Err(ApiMisuse::UnknownCommand(command).into());
        };
        let reconnect = Reconnect { command_id: Some(command_id), ..Reconnect::default() };
        let request = shell::Request::Reconnect(reconnect);
        self.queue(message_id, timeout, Some(command), &request)?;
        Ok(())
    }

    /// Takes up a shell that another session has made and left;
    /// [`Event::Connected`](super::Event::Connected) follows. `options` are those of the plug-in,
    /// such as [`shell::PROTOCOL_VERSION`]. The session id of the context must not be the other's.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::OpenAfterOpen`] unless the machine is new or its last attempt was refused,
    /// [`ApiMisuse::CommandShell`], [`ApiMisuse::MessageIdInUse`].
    pub fn connect(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        known: KnownShell,
        connect: Connect,
        options: OptionSet,
    ) -> Result<(), Error> {
        self.plug_in_only()?;
        self.before_open()?;
        let KnownShell { shell_id, compression } = known;
        let before = std::mem::replace(
            &mut self.state,
            Ok(State::AwaitConnectResponse { shell_id: shell_id.clone() }),
        );
        let request = shell::Request::Connect { connect: Box::new(connect), options };
        match self.queue(message_id, timeout, None, &request) {
            Ok(waiting) => waiting.chosen = Some(shell_id),
            Err(error) => {
                self.state = before;
                return Err(error);
            }
        }
        self.is_compressed = compression;
        Ok(())
    }

    /// Takes up a command of a connected shell, by its id;
    /// [`Event::CommandConnected`](super::Event::CommandConnected) follows: receive its output then.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`], [`ApiMisuse::CommandShell`], [`ApiMisuse::MessageIdInUse`].
    pub fn connect_command(
        &mut self,
        message_id: Uuid,
        timeout: Duration,
        command_id: &str,
    ) -> Result<CommandKey, Error> {
        self.plug_in_only()?;
        self.opened()?;
        let key = CommandKey(self.last_key + 1);
        let connect = Box::new(Connect::command(command_id));
        let request = shell::Request::Connect { connect, options: OptionSet::default() };
        let waiting = self.queue(message_id, timeout, Some(key), &request)?;
        waiting.chosen = Some(command_id.to_owned());
        self.last_key += 1;
        self.commands.insert(key, Command::default());
        Ok(key)
    }

    const fn plug_in_only(&self) -> Result<(), Error> {
        if self.profile.is_plug_in {
            Ok(())
        } else {
            Err(Error::ApiMisuse(ApiMisuse::CommandShell))
        }
    }
}
