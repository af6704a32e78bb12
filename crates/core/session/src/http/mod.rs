//! What WinRM puts into HTTP: authorization headers and sealed bodies.

pub mod authorization;
pub mod sealed;

/// What is wrong with an HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The text after the scheme is not base64.
    #[error("the token after the scheme {0} is not base64")]
    NotBase64(&'static str),
    /// A header, or a part of one, that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header that may be there once is there several times.
    #[error("the header {0} is repeated")]
    Repeated(&'static str),
    /// The peer uses something that only another login can carry.
    #[error("{0} is not supported with this login")]
    Unsupported(&'static str),
}
