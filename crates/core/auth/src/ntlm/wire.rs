//! Reading the fixed fields, the (length, offset) triples and the UTF-16 text of NTLM messages ([MS-NLMP] 2.2.1).

use std::ops::Range;

use crate::{ApiMisuse, DecodeError, DecodeErrorKind};

/// In front of every message.
pub(crate) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// A message with its name, for errors that tell where they come from.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) message: &'static str,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks signature and message type.
    pub(crate) fn open(
        message: &'static str,
        bytes: &'a [u8],
        kind: u32,
    ) -> Result<Self, DecodeError> {
        let reader = Self { message, bytes };
        if reader.array::<8>("Signature", 0)? != *SIGNATURE {
            return Err(reader.error("Signature", DecodeErrorKind::Invalid));
        }
        if reader.u32("MessageType", 8)? != kind {
            return Err(reader.error("MessageType", DecodeErrorKind::Invalid));
        }
        Ok(reader)
    }

    pub(crate) fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { message: self.message, field, kind }
    }

    pub(crate) fn array<const N: usize>(
        &self,
        field: &'static str,
        at: usize,
    ) -> Result<[u8; N], DecodeError> {
        self.bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or_else(|| self.error(field, DecodeErrorKind::Truncated))
    }

    pub(crate) fn u16(&self, field: &'static str, at: usize) -> Result<u16, DecodeError> {
        self.array(field, at).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&self, field: &'static str, at: usize) -> Result<u32, DecodeError> {
        self.array(field, at).map(u32::from_le_bytes)
    }

    /// The place that the triple at `at` points to, checked against the message's end and against `header`, the
    /// length of the fixed part. Empty for an empty field, whatever its offset says.
    pub(crate) fn place(
        &self,
        field: &'static str,
        at: usize,
        header: usize,
    ) -> Result<Range<usize>, DecodeError> {
        let length = usize::from(self.u16(field, at)?);
        let offset = self.u32(field, at.saturating_add(4))?;
        if length == 0 {
            return Ok(0..0);
        }
        let truncated = || self.error(field, DecodeErrorKind::Truncated);
        let start = usize::try_from(offset).map_err(|_| truncated())?;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())
            .ok_or_else(truncated)?;
        if start < header {
            return Err(self.error(field, DecodeErrorKind::Invalid));
        }
        Ok(start..end)
    }

    pub(crate) fn slice(&self, place: Range<usize>) -> &'a [u8] {
        self.bytes.get(place).unwrap_or_default()
    }

    pub(crate) fn text(
        &self,
        field: &'static str,
        place: Range<usize>,
    ) -> Result<String, DecodeError> {
        decode_utf16(self.slice(place)).ok_or_else(|| self.error(field, DecodeErrorKind::Invalid))
    }
}

/// UTF-16LE, `None` for odd lengths and lone surrogates.
pub(crate) fn decode_utf16(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .collect::<Result<_, _>>()
        .ok()
}

pub(crate) fn encode_utf16(text: &str) -> Vec<u8> {
    // UTF-16 takes at most twice the bytes of UTF-8: with room for all there is no reallocation, which would leave an
    // unwiped copy of a password behind.
    let mut out = Vec::with_capacity(text.len().saturating_mul(2));
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}

/// Builds the fixed part and the payload of a message side by side.
pub(crate) struct Writer {
    head: Vec<u8>,
    payload: Vec<u8>,
    header: usize,
}

impl Writer {
    /// `header` is the length that the fixed part will have when finished.
    pub(crate) fn new(kind: u32, header: usize) -> Self {
        let mut head = Vec::with_capacity(header);
        head.extend_from_slice(SIGNATURE);
        head.extend_from_slice(&kind.to_le_bytes());
        Self { head, payload: Vec::new(), header }
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
    }

    /// Appends to the payload and returns the triple that points there.
    pub(crate) fn store(
        &mut self,
        field: &'static str,
        bytes: &[u8],
    ) -> Result<[u8; 8], ApiMisuse> {
        let length = u16::try_from(bytes.len()).map_err(|_| ApiMisuse::TooLong(field))?;
        let offset =
            u32::try_from(self.header.saturating_add(self.payload.len())).unwrap_or(u32::MAX);
        self.payload.extend_from_slice(bytes);
        let [l0, l1] = length.to_le_bytes();
        let [o0, o1, o2, o3] = offset.to_le_bytes();
        Ok([l0, l1, l0, l1, o0, o1, o2, o3])
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.head.len(), self.header);
        self.head.append(&mut self.payload);
        self.head
    }
}
