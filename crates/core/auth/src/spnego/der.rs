//! The little of DER (X.690) that SPNEGO needs: definite lengths, tags of one byte.

use crate::{DecodeError, DecodeErrorKind};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const SEQUENCE: u8 = 0x30;
/// The wrapping of initial tokens (RFC 2743 3.1).
pub(crate) const APPLICATION_0: u8 = 0x60;

/// An explicit context tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// Reads one structure of a token; knows the token's name for errors.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a> {
    pub(crate) message: &'static str,
    pub(crate) rest: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { message: self.message, field, kind }
    }

    fn within(&self, rest: &'a [u8]) -> Self {
        Self { message: self.message, rest }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag: tag, content, and the whole as it stands.
    pub(crate) fn any(
        &mut self,
        field: &'static str,
    ) -> Result<(u8, &'a [u8], &'a [u8]), DecodeError> {
        let truncated = self.error(field, DecodeErrorKind::Truncated);
        let start = self.rest;
        let [tag, first, after @ ..] = start else { return Err(truncated) };
        let (length, after) = match *first {
            short @ 0..=0x7F => (usize::from(short), after),
            long @ 0x81..=0x84 => {
                let (digits, after) =
                    after.split_at_checked(usize::from(long & 0x7F)).ok_or(truncated)?;
                let length =
                    digits.iter().fold(0_u32, |value, digit| value << 8 | u32::from(*digit));
                (usize::try_from(length).map_err(|_| truncated)?, after)
            }
            // Indefinite, or longer than any token.
            _ => return Err(self.error(field, DecodeErrorKind::Invalid)),
        };
        let (content, after) = after.split_at_checked(length).ok_or(truncated)?;
        self.rest = after;
        let whole = start.get(..start.len().saturating_sub(after.len())).unwrap_or_default();
        Ok((*tag, content, whole))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn content(
        &mut self,
        field: &'static str,
        tag: u8,
    ) -> Result<&'a [u8], DecodeError> {
        let (seen, content, _) = self.any(field)?;
        if seen == tag { Ok(content) } else { Err(self.error(field, DecodeErrorKind::Invalid)) }
    }

    /// Steps into the next element, which must have this tag.
    pub(crate) fn enter(&mut self, field: &'static str, tag: u8) -> Result<Self, DecodeError> {
        let content = self.content(field, tag)?;
        Ok(self.within(content))
    }

    /// The content of the single element inside an explicit tag.
    pub(crate) fn single(self, field: &'static str, tag: u8) -> Result<&'a [u8], DecodeError> {
        let mut inner = self;
        let content = inner.content(field, tag)?;
        inner.end(field)?;
        Ok(content)
    }

    pub(crate) fn end(&self, field: &'static str) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error(field, DecodeErrorKind::TrailingBytes))
        }
    }
}

/// An element around `content`.
pub(crate) fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().saturating_add(6));
    out.push(tag);
    match u8::try_from(content.len()) {
        Ok(short @ 0..=0x7F) => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let digits: Vec<u8> = bytes.into_iter().skip_while(|digit| *digit == 0).collect();
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7F));
            out.extend_from_slice(&digits);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_survive_a_round_trip_and_odd_ones_are_refused() {
        for length in [0, 1, 127, 128, 255, 256, 65_536] {
            let wrapped = wrap(OCTET_STRING, &vec![7; length]);
            let der = Der { message: "test", rest: &wrapped };
            assert_eq!(der.single("f", OCTET_STRING).unwrap().len(), length);
        }
        for bad in [
            &[0x04][..],
            &[0x04, 0x80, 0, 0],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x04, 0x84, 255, 255, 255, 255],
        ] {
            assert!(Der { message: "test", rest: bad }.single("f", OCTET_STRING).is_err());
        }
    }
}
