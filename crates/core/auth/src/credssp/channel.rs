//! [`Channel`]: what CredSSP needs of the TLS session inside the login.

use std::fmt::Debug;

use crate::{DecodeError, DecodeErrorKind};

/// Bytes of a record's header (RFC 8446 5.1).
const RECORD_HEADER: usize = 5;
/// The most that a record holds: 2^14 bytes and what encryption may add (RFC 5246 6.2.3).
const RECORD_MAX: usize = 16_384 + 2_048;
/// Content types of records: `change_cipher_spec` to `application_data`.
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;
/// The most bytes that one token of a login may have: two tickets of 64 KiB would already be absurd.
const TOKEN_MAX: usize = 128 * 1024;

/// A TLS session without a socket: records in, records out.
///
/// An error is final.
pub trait Channel: Send + Debug {
    /// Takes whole records of the peer and hands out the data in them; takes the handshake further where they belong to it.
    ///
    /// # Errors
    /// When the session ends with them: records that are not the peer's, or a handshake that leads nowhere.
    fn receive(&mut self, records: &[u8]) -> Result<Vec<u8>, ChannelError>;

    /// Encrypts data, at most 16,384 bytes of it into one record.
    ///
    /// # Errors
    /// While the handshake is under way, and after the session's end.
    fn send(&mut self, data: &[u8]) -> Result<(), ChannelError>;

    /// The records that are to be sent; a new client has its first ones at once. After an error there may be an alert.
    fn take_records(&mut self) -> Vec<u8>;

    /// Whether the handshake is under way.
    fn is_handshaking(&self) -> bool;

    /// The service's key: the bits of `subjectPublicKey` in its certificate (RFC 5280 4.1), which for RSA are a
    /// PKCS#1 `RSAPublicKey`. A client knows it after the handshake.
    fn server_key(&self) -> Option<Vec<u8>>;

    /// How many bytes encryption adds behind so many bytes of data: tag, or code and padding.
    fn trailer(&self, length: usize) -> usize;
}

/// Why a TLS session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// No version, suite or group is common to both sides.
    #[error("both sides have no TLS version or cipher suite in common")]
    Incompatible,
    /// The peer says that it gives up (RFC 8446 6).
    #[error("the other side ended it with alert {0}")]
    Alert(u8),
    /// The service's certificate or its signature cannot be used.
    #[error("the certificate or its signature cannot be used")]
    Certificate,
    /// A record was changed, repeated or left out.
    #[error("a record was changed, repeated or is out of order")]
    Tampered,
    /// The records are not those of TLS.
    #[error("the bytes are no TLS records")]
    Malformed,
    /// Everything else.
    #[error("the session failed")]
    Failed,
}

/// Checks that the bytes are whole records, so that none of them waits for what somebody else puts behind it.
pub(super) fn check_records(message: &'static str, bytes: &[u8]) -> Result<(), DecodeError> {
    let error = |field, kind| DecodeError { message, field, kind };
    if bytes.len() > TOKEN_MAX {
        return Err(error("token", DecodeErrorKind::TooLong));
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((&[content, 3, _, high, low], after)) = rest.split_first_chunk::<RECORD_HEADER>()
        else {
            return Err(error("TLS record", DecodeErrorKind::Invalid));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !CONTENT_TYPES.contains(&content) || length > RECORD_MAX {
            return Err(error("TLS record", DecodeErrorKind::Invalid));
        }
        rest =
            after.get(length..).ok_or_else(|| error("TLS record", DecodeErrorKind::Truncated))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_records_pass() {
        let check = |bytes: &[u8]| check_records("token", bytes).map_err(|error| error.kind);
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[22, 3, 1, 0, 1, 1, 23, 3, 3, 0, 0]), Ok(()));
        assert_eq!(check(&[22, 3, 1, 0, 2, 1]), Err(DecodeErrorKind::Truncated));
        assert_eq!(check(&[22, 3, 1, 0]), Err(DecodeErrorKind::Invalid));
        assert_eq!(check(&[0x60, 3, 1, 0, 0]), Err(DecodeErrorKind::Invalid));
        assert_eq!(check(&[23, 3, 3, 0x50, 0]), Err(DecodeErrorKind::Invalid));
        assert_eq!(check(&vec![0; TOKEN_MAX + 1]), Err(DecodeErrorKind::TooLong));
    }
}
