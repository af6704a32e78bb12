//! The cmdlets: one table each.

mod configuration;
mod connection;
mod enter;
mod instance;
mod invoke;
mod item;
mod object;
mod option;
mod receive;
mod session;
mod test;
mod wsman;

pub(super) use configuration::NEW_TRANSPORT_OPTION;
pub(super) use option::NEW_SESSION_OPTION;
pub(super) use wsman::NEW_CONNECTION_OPTION;

use super::table::{Cmdlet, FromPipeline, Kind, NAMED, Parameter};

/// Every cmdlet that there is.
pub(crate) const CMDLETS: &[Cmdlet] = &[
    session::CONNECT_SESSION,
    wsman::CONNECT_WSMAN,
    object::TO_SECURE_STRING,
    configuration::DISABLE_CONFIGURATION,
    wsman::DISABLE_REMOTING,
    wsman::DISABLE_CREDSSP,
    session::DISCONNECT_SESSION,
    wsman::DISCONNECT_WSMAN,
    configuration::ENABLE_CONFIGURATION,
    wsman::ENABLE_REMOTING,
    wsman::ENABLE_CREDSSP,
    enter::ENTER_SESSION,
    enter::EXIT_SESSION,
    item::GET_CHILD_ITEM,
    item::GET_ITEM,
    session::GET_SESSION,
    configuration::GET_CONFIGURATION,
    wsman::GET_CREDSSP,
    instance::GET_INSTANCE,
    invoke::INVOKE_COMMAND,
    instance::INVOKE_ACTION,
    item::NEW_ITEM,
    object::NEW_OBJECT,
    session::NEW_SESSION,
    NEW_SESSION_OPTION,
    NEW_TRANSPORT_OPTION,
    instance::NEW_INSTANCE,
    NEW_CONNECTION_OPTION,
    receive::RECEIVE_SESSION,
    configuration::REGISTER_CONFIGURATION,
    item::REMOVE_ITEM,
    session::REMOVE_SESSION,
    instance::REMOVE_INSTANCE,
    item::SET_ITEM,
    configuration::SET_CONFIGURATION,
    instance::SET_INSTANCE,
    wsman::QUICK_CONFIG,
    test::TEST_WSMAN,
    configuration::UNREGISTER_CONFIGURATION,
];

/// The cmdlet of this name or alias, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Cmdlet> {
    let is_called = |cmdlet: &&Cmdlet| {
        cmdlet.name.eq_ignore_ascii_case(name)
            || cmdlet.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    CMDLETS.iter().find(is_called)
}

/// A parameter by its name, optional, in each set.
const fn named(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter {
        name,
        aliases: &[],
        kind,
        is_list: false,
        about,
        memberships: NAMED,
        pipeline: FromPipeline::NOTHING,
    }
}

const fn aliased(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    about: &'static str,
) -> Parameter {
    Parameter { aliases, ..named(name, kind, about) }
}
