//! What a service decides: how a login goes on, and to which connection it belongs.

pub mod login;
