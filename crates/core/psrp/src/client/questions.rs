//! What a client asks the pool itself: how many runspaces there may be and are, and a fresh beginning.

use super::{ApiMisuse, Error, Pool, Request, State, version};
use crate::messages::{
    GetAvailableRunspaces, Message, ResetRunspaceState, SetMaxRunspaces, SetMinRunspaces,
};

impl Pool {
    /// Changes the most runspaces; [`Event::Availability`](super::Event::Availability) with the number that is returned follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn set_max_runspaces(&mut self, max_runspaces: i32) -> Result<i64, Error> {
        self.ask(|call_id| Message::SetMaxRunspaces(SetMaxRunspaces { max_runspaces, call_id }))
    }

    /// Changes the least runspaces; [`Event::Availability`](super::Event::Availability) with the number that is returned follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn set_min_runspaces(&mut self, min_runspaces: i32) -> Result<i64, Error> {
        self.ask(|call_id| Message::SetMinRunspaces(SetMinRunspaces { min_runspaces, call_id }))
    }

    /// Asks how many runspaces are free; [`Event::Availability`](super::Event::Availability) with the number that is returned
    /// follows.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn get_available_runspaces(&mut self) -> Result<i64, Error> {
        self.ask(|call_id| Message::GetAvailableRunspaces(GetAvailableRunspaces { call_id }))
    }

    /// Puts the pool's one runspace back to its beginning; [`Event::Availability`](super::Event::Availability) with the number
    /// that is returned follows.
    ///
    /// # Errors
    ///
    /// [`Error`]; a host below version 2.3 cannot.
    pub fn reset_runspace_state(&mut self) -> Result<i64, Error> {
        if self.version < version::RESET {
            return Err(ApiMisuse::NotInThisVersion(self.version).into());
        }
        self.ask(|call_id| Message::ResetRunspaceState(ResetRunspaceState { call_id }))
    }

    fn ask(&mut self, message: impl FnOnce(i64) -> Message) -> Result<i64, Error> {
        self.expect(State::Opened, ApiMisuse::NotOpen)?;
        let call_id = self.next_call;
        self.next_call += 1;
        self.send(message(call_id));
        self.requests.push_back(Request::Send { pipeline: None });
        Ok(call_id)
    }
}
