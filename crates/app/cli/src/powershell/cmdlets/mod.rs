//! The cmdlets: one table each.

mod connection;
mod enter;
mod invoke;
mod option;
mod receive;
mod session;
mod test;

pub(super) use option::NEW_SESSION_OPTION;

use super::table::{Cmdlet, FromPipeline, Kind, NAMED, Parameter};

/// Every cmdlet that there is.
pub(crate) const CMDLETS: &[Cmdlet] = &[
    session::CONNECT_SESSION,
    session::DISCONNECT_SESSION,
    enter::ENTER_SESSION,
    enter::EXIT_SESSION,
    session::GET_SESSION,
    invoke::INVOKE_COMMAND,
    session::NEW_SESSION,
    NEW_SESSION_OPTION,
    receive::RECEIVE_SESSION,
    session::REMOVE_SESSION,
    test::TEST_WSMAN,
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
