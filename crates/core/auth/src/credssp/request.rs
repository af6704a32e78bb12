//! [`TsRequest`]: what both sides say inside the TLS session ([MS-CSSP] 2.2.1).

use super::NtStatus;
use crate::{
    DecodeError, DecodeErrorKind,
    spnego::der::{Der, INTEGER, OCTET_STRING, SEQUENCE, context, wrap},
};

/// The one message of CredSSP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "[MS-CSSP] 2.2.1 fixes the fields")]
pub struct TsRequest {
    /// The newest version that the sender speaks.
    pub version: u32,
    /// `negoTokens`: the next token of SPNEGO. An empty one counts as none, since pyspnego sends such.
    pub nego_token: Option<Vec<u8>>,
    /// `authInfo`: sealed [`TsCredentials`](super::TsCredentials).
    pub auth_info: Option<Vec<u8>>,
    /// `pubKeyAuth`: a sealed word about the service's key.
    pub pub_key_auth: Option<Vec<u8>>,
    /// `errorCode`: why the service ends the login; from version 3 on.
    pub error_code: Option<NtStatus>,
    /// `clientNonce`: from version 5 on.
    pub client_nonce: Option<[u8; 32]>,
}

impl TsRequest {
    const MESSAGE: &str = "TSRequest";

    /// Reads a message. Fields that a later version may have added at the end are passed over.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Der { message: Self::MESSAGE, rest: bytes };
        let mut fields = outer.enter("TSRequest", SEQUENCE)?;
        outer.end("TSRequest")?;
        let version = fields.enter("version", context(0))?.single("version", INTEGER)?;
        let version =
            integer(version).ok_or_else(|| fields.error("version", DecodeErrorKind::Invalid))?;
        let mut request = Self { version, ..Self::default() };
        if fields.peek() == Some(context(1)) {
            let token = nego_token(fields.enter("negoTokens", context(1))?)?;
            request.nego_token = token.filter(|token| !token.is_empty());
        }
        let octets = |fields: &mut Der<'_>, field, number| {
            if fields.peek() != Some(context(number)) {
                return Ok(None);
            }
            fields
                .enter(field, context(number))?
                .single(field, OCTET_STRING)
                .map(|octets| Some(octets.to_vec()))
        };
        request.auth_info = octets(&mut fields, "authInfo", 2)?;
        request.pub_key_auth = octets(&mut fields, "pubKeyAuth", 3)?;
        if fields.peek() == Some(context(4)) {
            let code = fields.enter("errorCode", context(4))?.single("errorCode", INTEGER)?;
            let code = integer(code);
            let code = code.ok_or_else(|| fields.error("errorCode", DecodeErrorKind::Invalid))?;
            request.error_code = Some(NtStatus(code));
        }
        if let Some(nonce) = octets(&mut fields, "clientNonce", 5)? {
            let nonce = nonce.try_into();
            let nonce = nonce.map_err(|_| fields.error("clientNonce", DecodeErrorKind::Invalid))?;
            request.client_nonce = Some(nonce);
        }
        while let Some(tag) = fields.peek() {
            if tag <= context(5) {
                return Err(fields.error("TSRequest", DecodeErrorKind::Invalid));
            }
            fields.any("TSRequest")?;
        }
        Ok(request)
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = wrap(context(0), &encode_integer(self.version));
        if let Some(token) = &self.nego_token {
            let token = wrap(SEQUENCE, &wrap(context(0), &wrap(OCTET_STRING, token)));
            fields.extend(wrap(context(1), &wrap(SEQUENCE, &token)));
        }
        let octets = |number, octets: &[u8]| wrap(context(number), &wrap(OCTET_STRING, octets));
        if let Some(info) = &self.auth_info {
            fields.extend(octets(2, info));
        }
        if let Some(proof) = &self.pub_key_auth {
            fields.extend(octets(3, proof));
        }
        if let Some(NtStatus(code)) = self.error_code {
            // As Windows writes it: 32 bits, the highest of which is the sign.
            fields.extend(wrap(context(4), &wrap(INTEGER, &code.to_be_bytes())));
        }
        if let Some(nonce) = &self.client_nonce {
            fields.extend(octets(5, nonce));
        }
        wrap(SEQUENCE, &fields)
    }
}

/// `NegoData`: one token is ever sent; of several the first counts.
fn nego_token(mut field: Der<'_>) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut list = field.enter("negoTokens", SEQUENCE)?;
    field.end("negoTokens")?;
    if list.rest.is_empty() {
        return Ok(None);
    }
    let mut first = list.enter("negoTokens", SEQUENCE)?;
    let token = first.enter("negoToken", context(0))?.single("negoToken", OCTET_STRING)?;
    first.end("negoToken")?;
    Ok(Some(token.to_vec()))
}

/// The low 32 bits of an INTEGER of at most five bytes: statuses are written with and without their sign.
pub(super) fn integer(content: &[u8]) -> Option<u32> {
    let (first, rest) = content.split_first()?;
    let digits = if content.len() == 5 && matches!(first, 0 | 0xFF) { rest } else { content };
    if digits.len() > 4 {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value << 8 | u32::from(*digit)))
}

/// A small positive INTEGER.
pub(super) fn encode_integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut digits: Vec<u8> = bytes.into_iter().skip_while(|digit| *digit == 0).collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    wrap(INTEGER, &digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_survives_a_round_trip() {
        let request = TsRequest {
            version: 6,
            nego_token: Some(vec![1; 200]),
            auth_info: Some(vec![2]),
            pub_key_auth: Some(vec![3; 40]),
            error_code: Some(NtStatus::LOGON_FAILURE),
            client_nonce: Some([4; 32]),
        };
        assert_eq!(TsRequest::decode(&request.encode()), Ok(request.clone()));
        let small = TsRequest { version: 2, ..TsRequest::default() };
        assert_eq!(small.encode(), [0x30, 5, 0xA0, 3, 2, 1, 2]);
        assert_eq!(TsRequest::decode(&small.encode()), Ok(small));
    }

    #[test]
    fn odd_forms_are_read_or_refused() {
        let read = TsRequest::decode;
        // An empty token, an empty list, a field of tomorrow.
        for bytes in [
            &[0x30, 15, 0xA0, 3, 2, 1, 6, 0xA1, 8, 0x30, 6, 0x30, 4, 0xA0, 2, 4, 0][..],
            &[0x30, 9, 0xA0, 3, 2, 1, 6, 0xA1, 2, 0x30, 0],
            &[0x30, 8, 0xA0, 3, 2, 1, 6, 0xA6, 1, 0],
        ] {
            assert_eq!(read(bytes), Ok(TsRequest { version: 6, ..TsRequest::default() }));
        }
        // Two versions, a field out of order, a nonce of one byte, a version of six bytes, something behind the end.
        for bytes in [
            &[0x30, 10, 0xA0, 3, 2, 1, 6, 0xA0, 3, 2, 1, 6][..],
            &[0x30, 13, 0xA0, 3, 2, 1, 6, 0xA3, 2, 4, 0, 0xA2, 2, 4, 0],
            &[0x30, 10, 0xA0, 3, 2, 1, 6, 0xA5, 3, 4, 1, 0],
            &[0x30, 10, 0xA0, 8, 2, 6, 1, 1, 1, 1, 1, 1],
            &[0x30, 5, 0xA0, 3, 2, 1, 6, 0],
            &[0x30, 4, 0xA0, 2, 2, 0],
        ] {
            assert!(read(bytes).is_err(), "{bytes:02X?}");
        }
        assert_eq!(integer(&[0, 0xC0, 0, 0, 0x6D]), Some(0xC000_006D));
        assert_eq!(integer(&[0xFF, 0xC0, 0, 0, 0x6D]), Some(0xC000_006D));
        assert_eq!(encode_integer(0x80), [2, 2, 0, 0x80]);
        assert_eq!(encode_integer(0), [2, 1, 0]);
    }
}
