//! What a service decides: how a login goes on, to which connection it belongs, and when it must
//! wait.

pub mod login;
pub mod throttle;
