//! What a service decides: how a login goes on, to which connection it belongs, when it must wait, and what is not
//! done twice.

pub mod login;
pub mod readings;
pub mod replay;
pub mod throttle;
