//! What every test here needs: a running service, a plug-in, clients.

mod client;
mod plugin;
mod running;

pub(crate) use client::{
    Http, Response, Session, basic, bound, credssp, envelope_of, negotiate, receive,
};
pub(crate) use plugin::Pipes;
pub(crate) use running::{PASSWORD, Service, https, kerberos_process, settings};
