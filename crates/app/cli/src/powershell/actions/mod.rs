//! What the cmdlets do.

mod confirm;
mod enter;
mod invoke_command;
mod receive_session;
mod session_option;
mod sessions;
mod test_wsman;

use super::binder::Bound;
use super::context::Context;
use super::show::Sink;
use super::table::Action;
use crate::command_error::CommandError;

/// Runs a cmdlet: the objects that it makes go into the sink as soon as they are there.
///
/// # Errors
/// The work failed; the error does not name the cmdlet.
pub(super) fn run(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    match bound.cmdlet.action {
        Action::InvokeCommand => invoke_command::run(bound, context, sink),
        Action::NewSessionOption => sink.put(session_option::run(bound, &mut context.waiter)?),
        Action::ConnectSession => sessions::connect(bound, context, sink),
        Action::DisconnectSession => sessions::disconnect(bound, context, sink),
        Action::EnterSession => enter::run(bound, context),
        Action::ExitSession => Ok(()),
        Action::GetSession => sessions::get(bound, context, sink),
        Action::NewSession => sessions::new(bound, context, sink),
        Action::ReceiveSession => receive_session::run(bound, context, sink),
        Action::RemoveSession => sessions::remove(bound, context),
        Action::TestWsman => sink.put(test_wsman::run(bound, &mut context.waiter)?),
    }
}
