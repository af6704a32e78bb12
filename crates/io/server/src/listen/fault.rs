//! What a client is told when a listener cannot be as it wants.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever has no number of its own is an internal error"
)]

use std::io;

use wsman::fault::{ErrorCode, Fault};

use crate::RunError;
use crate::certificates::CertificatesError;

/// The fault for settings whose listeners cannot be opened.
pub(super) fn of(error: &RunError) -> Box<Fault> {
    match error {
        RunError::Listen { listener, source } => {
            let text = format!("The service cannot listen on {listener}: {source}. ");
            let code = match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorCode::ACCESS_DENIED,
                io::ErrorKind::AddrNotAvailable => ErrorCode::LISTENER_ADDRESS_INVALID,
                _ => ErrorCode::INTERNAL_ERROR,
            };
            Box::new(Fault::new(code, text))
        }
        RunError::Certificate { listener, source } => {
            let text = format!("No certificate for {listener}: {source}. ");
            let code = match **source {
                CertificatesError::Nothing(_) => ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED,
                CertificatesError::Unknown(_) => ErrorCode::CERT_NOT_FOUND,
                _ => ErrorCode::CERT_THUMBPRINT_BLANK,
            };
            Box::new(Fault::new(code, text))
        }
        other => Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, format!("{other}. "))),
    }
}
