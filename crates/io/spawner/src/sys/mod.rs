//! What neither nix nor rustix offers safely: the only place of this crate with `unsafe`, one small file per subject.

mod descriptors;
mod fork;
mod keyring;
mod memory;
mod pre_exec;
mod shadow;
mod signals;

pub(crate) use descriptors::{
    close_above, close_except, inherited_socket, leave_as_descriptor_3, refuse_descriptors,
};
pub(crate) use fork::fork;
pub(crate) use keyring::new_session_keyring;
pub(crate) use memory::{join_freed_at_once, trim};
pub(crate) use pre_exec::command_of_its_own_session;
pub(crate) use shadow::account_expires;
pub(crate) use signals::default_dispositions;
