//! Whether a shell has a client: leaving it, taking it up again, taking it over, [MS-WSMV] 3.1.4.15
//! to 3.1.4.17.
//!
//! ```text
//!             Disconnect                 nothing waits any more
//! Connected ─────────────► Disconnecting ──────────────────────► Disconnected
//!    ▲                                                            │  │  ▲
//!    │ Reconnect of the same session                              │  │  │ handle_connected(Err),
//!    ├────────────────────────────────────────────────────────────┘  │  │ or the client is gone
//!    │ handle_connected(Ok)                                          ▼  │
//!    └─────────────────────────────────────────────────── Connecting ───┘
//!                                                  (Connect of another session)
//! ```

use std::time::Instant;

use super::command::{Command, Waiting};
use super::create::length;
use super::error::{ApiMisuse, Error};
use super::exchange::{Action, CloseReason, Reply, RequestToken, session};
use super::requests::find;
use super::{Shell, faults};
use crate::envelope::same_id;
use crate::fault::Fault;
use crate::selector::OptionSet;
use crate::shell::{
    BufferMode, Connect, ConnectResponse, Disconnect, OutputStream, Reconnect, Request,
};

/// Whether the shell has a client.
#[derive(Debug, Default)]
pub(super) enum Link {
    /// It has one.
    #[default]
    Connected,
    /// The client leaves as soon as nothing else waits. `waiting` is the Disconnect, unless it was
    /// answered with a time-out or its connection is gone.
    Disconnecting { waiting: Option<Waiting> },
    /// It has none.
    Disconnected,
    /// The plug-in decides about a new one. `waiting` is the Connect, unless it was answered with a
    /// time-out or its connection is gone.
    Connecting { waiting: Option<Waiting>, session_id: Option<String> },
}

impl Link {
    /// The request that waits.
    pub(super) const fn waiting(&self) -> Option<&Waiting> {
        match self {
            Self::Connected | Self::Disconnected => None,
            Self::Disconnecting { waiting } | Self::Connecting { waiting, .. } => waiting.as_ref(),
        }
    }

    const fn waiting_mut(&mut self) -> Option<&mut Option<Waiting>> {
        match self {
            Self::Connected | Self::Disconnected => None,
            Self::Disconnecting { waiting } | Self::Connecting { waiting, .. } => Some(waiting),
        }
    }
}

impl Shell {
    /// Whether the shell has been left and waits to be taken up.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self.link, Link::Disconnected | Link::Connecting { .. })
    }

    /// What becomes of output while nobody collects it.
    #[must_use]
    pub const fn buffer_mode(&self) -> BufferMode {
        self.buffer_mode
    }

    /// Answers an [`Action::Connect`]: what the plug-in says, or the fault that says why the session
    /// may not have the shell. From an `Ok` on the shell is that session's.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NothingConnected`].
    pub fn handle_connected(
        &mut self,
        result: Result<Option<Vec<u8>>, Box<Fault>>,
        now: Instant,
    ) -> Result<(), Error> {
        if self.closed.is_some() {
            return Ok(());
        }
        let Link::Connecting { waiting, session_id } = &mut self.link else {
            return Err(ApiMisuse::NothingConnected.into());
        };
        let (waiting, session_id) = (waiting.take(), session_id.take());
        self.link = Link::Disconnected;
        self.last_activity = now;
        let Some(waiting) = waiting else { return Ok(()) };
        match result {
            Ok(connect_response_xml) => {
                self.is_taken_over |=
                    !is_same_session(self.session_id.as_deref(), session_id.as_deref());
                self.session_id = session_id;
                self.link = Link::Connected;
                // What the session before has got is not this one's affair.
                self.commands.values_mut().for_each(|command| command.answered = None);
                let info = self.create_info(now);
                let response = ConnectResponse {
                    input_streams: info.input_streams,
                    output_streams: info.output_streams,
                    connect_response_xml,
                    ..ConnectResponse::default()
                };
                self.out.reply(waiting.token, Reply::connect(response));
            }
            Err(fault) => self.out.fault(waiting.token, fault),
        }
        Ok(())
    }

    /// Ends the shell because what it is made of has failed. Everything that waits is answered with
    /// the fault.
    pub fn handle_failed(&mut self, fault: &Fault) {
        if self.closed.is_none() {
            self.close(CloseReason::Failed, fault);
        }
    }

    /// Whether a request may be made at this moment and by this session.
    pub(super) fn check_link(
        &self,
        request: &Request,
        session_id: Option<&str>,
    ) -> Result<(), Box<Fault>> {
        let is_same = is_same_session(self.session_id.as_deref(), session_id);
        match request {
            Request::Get | Request::Delete | Request::Create { .. } => Ok(()),
            Request::Disconnect(_) | Request::Reconnect(_) | Request::Connect { .. }
                if !self.may_disconnect =>
            {
                Err(faults::cannot_disconnect())
            }
            Request::Disconnect(_) => match self.link {
                Link::Connected if is_same => Ok(()),
                Link::Connected => Err(faults::other_session()),
                Link::Disconnecting { .. } | Link::Disconnected | Link::Connecting { .. } => {
                    Err(faults::disconnected_before())
                }
            },
            Request::Reconnect(reconnect) => match self.link {
                Link::Disconnected if reconnect.command_id.is_some() => {
                    Err(faults::is_disconnected())
                }
                Link::Connected | Link::Disconnected if is_same => Ok(()),
                Link::Connected | Link::Disconnected => Err(faults::other_session()),
                Link::Disconnecting { .. } | Link::Connecting { .. } => Err(faults::link_is_busy()),
            },
            Request::Connect { connect, .. } => match self.link {
                Link::Connected if connect.command_id.is_none() => Err(faults::connected()),
                Link::Connected if is_same => Ok(()),
                Link::Connected => Err(faults::other_session()),
                Link::Disconnected if connect.command_id.is_none() => Ok(()),
                Link::Disconnected => Err(faults::is_disconnected()),
                Link::Disconnecting { .. } | Link::Connecting { .. } => Err(faults::link_is_busy()),
            },
            Request::Command { .. }
            | Request::Send(_)
            | Request::Receive { .. }
            | Request::Signal(_) => match self.link {
                // Only a session that has lost the shell to another one is kept away: there are
                // clients that name no session, or another one each time.
                Link::Connected if self.is_taken_over && !is_same => Err(faults::other_session()),
                Link::Connected => Ok(()),
                Link::Disconnecting { .. } | Link::Disconnected | Link::Connecting { .. } => {
                    Err(faults::is_disconnected())
                }
            },
        }
    }

    pub(super) fn disconnect(
        &mut self,
        waiting: Waiting,
        disconnect: &Disconnect,
    ) -> Result<(), Box<Fault>> {
        if let Some(wish) = &disconnect.idle_timeout {
            let wish = length(self.profile, wish)?;
            self.idle_timeout = self.settings.within(wish);
        }
        self.buffer_mode = disconnect.buffer_mode.unwrap_or(self.buffer_mode);
        let drops = self.buffer_mode == BufferMode::Drop;
        for command in self.commands.values_mut() {
            command.leave(&mut self.out);
            if drops {
                let key = command.key;
                for stream in OutputStream::ALL {
                    let charged = command.buffer_mut(stream).uncharge();
                    self.out.release(key, stream, charged);
                }
            }
        }
        self.link = Link::Disconnecting { waiting: Some(waiting) };
        Ok(())
    }

    pub(super) fn reconnect(
        &mut self,
        token: RequestToken,
        reconnect: &Reconnect,
    ) -> Result<(), Box<Fault>> {
        if let Some(id) = &reconnect.command_id {
            find(&mut self.commands, Some(id))?;
        } else {
            self.link = Link::Connected;
        }
        self.buffer_mode = reconnect.buffer_mode.unwrap_or(self.buffer_mode);
        self.out.reply(token, Reply::reconnect());
        Ok(())
    }

    pub(super) fn connect(
        &mut self,
        waiting: Waiting,
        connect: Box<Connect>,
        options: OptionSet,
        session_id: Option<String>,
    ) -> Result<(), Box<Fault>> {
        if let Some(id) = &connect.command_id {
            find(&mut self.commands, Some(id))?;
            self.out.reply(waiting.token, Reply::connect(ConnectResponse::default()));
            return Ok(());
        }
        self.buffer_mode = connect.buffer_mode.unwrap_or(self.buffer_mode);
        let session_id = session(session_id.as_deref());
        self.link = Link::Connecting { waiting: Some(waiting), session_id };
        self.out.act(Action::Connect { connect, options });
        Ok(())
    }

    /// Whether output beyond the bound is thrown away at this moment.
    pub(super) fn drops(&self) -> bool {
        self.buffer_mode == BufferMode::Drop && !matches!(self.link, Link::Connected)
    }

    /// Completes a Disconnect once nothing else waits.
    pub(super) fn settle_link(&mut self, now: Instant) {
        if let Link::Disconnecting { waiting } = &mut self.link
            && !self.commands.values().any(Command::has_waiting)
        {
            if let Some(waiting) = waiting.take() {
                self.out.reply(waiting.token, Reply::disconnect());
            }
            self.link = Link::Disconnected;
            self.last_activity = now;
        }
    }

    /// Answers what has waited too long for the link to change.
    pub(super) fn expire_link(&mut self, now: Instant) {
        let late = self.link.waiting_mut();
        let late = late.and_then(|waiting| waiting.take_if(|waiting| waiting.deadline <= now));
        if let Some(late) = late {
            self.out.fault(late.token, faults::timed_out());
        }
    }

    /// Forgets a request about the link whose connection is gone. Whether it was one.
    pub(super) fn cancel_link(&mut self, token: RequestToken) -> bool {
        let waiting = self.link.waiting_mut();
        waiting.and_then(|waiting| waiting.take_if(|waiting| waiting.token == token)).is_some()
    }

    /// Ends a request that waits for the link to change.
    pub(super) fn abort_link(&mut self, fault: &Fault) {
        if let Some(waiting) = self.link.waiting_mut().and_then(Option::take) {
            self.out.fault(waiting.token, Box::new(fault.clone()));
        }
    }
}

/// Whether a request is of the session that the shell belongs to.
fn is_same_session(own: Option<&str>, other: Option<&str>) -> bool {
    match (own, other) {
        (Some(own), Some(other)) => same_id(own, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
