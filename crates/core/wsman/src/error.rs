//! What can be wrong with a message, and the fault that says so on the wire.

use crate::fault::{ErrorCode, Fault};
use crate::xml::{self, ErrorKind, Limit, Name};

/// Why bytes are not a message of this protocol. The peer sent them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The envelope has no `s:Body`.
    #[error("the envelope has no body")]
    NoBody,
    /// The root element is not an envelope.
    #[error("the root element is {0}, not an envelope")]
    NotAnEnvelope(Name),
    /// The envelope is of another version of SOAP; the text is its namespace.
    #[error("the envelope's namespace {0:?} is not SOAP 1.2")]
    SoapVersion(String),
    /// An element where none may stand, or one that stands twice.
    #[error("unexpected element {0}")]
    UnexpectedElement(Name),
    /// An element or attribute that must be there is missing.
    #[error("{name} is missing in {parent}")]
    Missing {
        /// The element that lacks it.
        parent: &'static str,
        /// What is missing.
        name: &'static str,
    },
    /// A value that is not of its type.
    #[error("the value of {0} is not of its type")]
    Value(&'static str),
    /// The document is not XML as this protocol allows it.
    #[error(transparent)]
    Xml(#[from] xml::Error),
}

impl From<&Error> for Fault {
    /// The fault that a service answers with when it cannot read a request.
    fn from(error: &Error) -> Self {
        let code = match error {
            Error::SoapVersion(_) => ErrorCode::SOAP_VERSION_MISMATCH,
            Error::Xml(xml::Error { kind, .. }) => match kind {
                ErrorKind::NotUtf8 | ErrorKind::NotUtf16 | ErrorKind::Encoding(_) => {
                    ErrorCode::CHARACTER_SET
                }
                ErrorKind::LimitExceeded { limit: Limit::Bytes, .. } => {
                    ErrorCode::SERVER_ENVELOPE_LIMIT
                }
                ErrorKind::LimitExceeded { .. } => ErrorCode::ENCODING_LIMIT,
                ErrorKind::DuplicateAttribute(_)
                | ErrorKind::IllegalCharacter(_)
                | ErrorKind::IllegalName(_)
                | ErrorKind::DocumentType
                | ErrorKind::NoElement
                | ErrorKind::ProcessingInstruction
                | ErrorKind::SecondRoot
                | ErrorKind::Syntax(_)
                | ErrorKind::Truncated
                | ErrorKind::UnboundPrefix(_)
                | ErrorKind::UnknownEntity(_) => ErrorCode::SCHEMA_VALIDATION_ERROR,
            },
            Error::Value("w:EnumerationMode") => ErrorCode::ENUMERATION_MODE_UNSUPPORTED,
            Error::NoBody
            | Error::NotAnEnvelope(_)
            | Error::UnexpectedElement(_)
            | Error::Missing { .. }
            | Error::Value(_) => ErrorCode::SCHEMA_VALIDATION_ERROR,
        };
        Self::new(code, format!("The message cannot be read: {error}. "))
    }
}
