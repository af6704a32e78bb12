//! Why a pool over WS-Management cannot do what it was asked for.

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The remoting protocol: a wrong call, or the host broke a rule.
    #[error(transparent)]
    Pool(#[from] psrp::client::Error),
    /// WS-Management: a wrong call, or the host broke a rule.
    #[error(transparent)]
    Shell(#[from] wsman::shell::client::Error),
}
