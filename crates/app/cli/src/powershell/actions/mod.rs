//! What the cmdlets do.

mod configurations;
mod confirm;
mod enter;
mod instances;
mod invoke_command;
mod items;
mod new_item;
mod objects;
mod receive_session;
mod session_option;
mod sessions;
mod setup;
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
        Action::GetItem => items::get(bound, context, sink),
        Action::GetChildItem => items::children(bound, context, sink),
        Action::SetItem => items::set(bound, context),
        Action::NewItem => new_item::run(bound, context, sink),
        Action::RemoveItem => items::remove(bound, context),
        Action::GetInstance => instances::get(bound, context, sink),
        Action::SetInstance => instances::set(bound, context, sink),
        Action::NewInstance => instances::new(bound, context, sink),
        Action::RemoveInstance => instances::remove(bound, context),
        Action::InvokeMethod => instances::invoke(bound, context, sink),
        Action::ConnectWsman => setup::connect(bound, context),
        Action::DisconnectWsman => setup::disconnect(bound, context),
        Action::NewConnectionOption => {
            sink.put(session_option::connection(bound, &mut context.waiter)?)
        }
        Action::QuickConfig => setup::quick_config(bound, context, sink),
        Action::EnableCredSsp => setup::enable_credssp(bound, context, sink),
        Action::DisableCredSsp => setup::disable_credssp(bound, context),
        Action::GetCredSsp => setup::credssp(context, sink),
        Action::EnableRemoting => setup::enable_remoting(bound, context, sink),
        Action::DisableRemoting => setup::disable_remoting(bound, context),
        Action::GetConfiguration => configurations::get(bound, context, sink),
        Action::RegisterConfiguration => configurations::register(bound, context, sink),
        Action::SetConfiguration => configurations::set(bound, context),
        Action::UnregisterConfiguration => configurations::unregister(bound, context),
        Action::EnableConfiguration => configurations::switch(bound, context, true),
        Action::DisableConfiguration => configurations::switch(bound, context, false),
        Action::NewTransportOption => sink.put(objects::transport_option(bound)),
        Action::ToSecureString => sink.put(objects::secure_string(bound)?),
        Action::NewObject => sink.put(objects::new(bound)?),
    }
}
