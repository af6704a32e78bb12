//! What a client decides: where the service is, whether to believe it, and how a login goes on.

pub mod endpoint;
pub mod login;
pub mod pool;
pub mod proxy;
pub mod redirection;
pub mod timing;
pub mod trusted_hosts;
