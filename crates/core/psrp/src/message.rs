//! The frame of a message: for whom it is, what it is, and its text, [MS-PSRP] 2.2.1.
//!
//! ```text
//! u32 destination | u32 type | 16 bytes RPID | 16 bytes PID | text in UTF-8       little endian
//! ```

use uuid::Uuid;

use crate::clixml::{self, Value};

/// Bytes before the text.
const HEADER: usize = 40;
/// What hosts write before the text, and clients mostly do not.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Who shall read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no CLIXML.
    #[error("the text of a message is not valid: {0}")]
    Clixml(#[from] clixml::Error),
    /// There is no such destination.
    #[error("a message goes to {0}, which is neither the client nor the server")]
    Destination(u32),
    /// The text is not UTF-8.
    #[error("the text of a message is not UTF-8")]
    NotUtf8,
    /// There are not even the fields of the frame.
    #[error("a message ends in its first {HEADER} bytes")]
    Truncated,
}

/// A message whose text nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who shall read it.
    pub destination: Destination,
    /// The number of its type, of those that [`crate::messages`] lists or another one.
    pub kind: u32,
    /// The pool, `RPID`; zero in messages of a host before the pool is known.
    pub pool: Uuid,
    /// The pipeline, `PID`; zero in messages of the pool.
    pub pipeline: Uuid,
    /// The text, without a byte order mark. Empty it stands for null.
    pub text: String,
}

/// The fields before the text of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who shall read it.
    pub destination: Destination,
    /// The number of its type.
    pub kind: u32,
    /// The pool, `RPID`.
    pub pool: Uuid,
    /// The pipeline, `PID`.
    pub pipeline: Uuid,
}

impl Header {
    /// Reads the fields of a message without a look at its text.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`], [`Error::Destination`].
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let (destination, rest) = data.split_first_chunk().ok_or(Error::Truncated)?;
        let (kind, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (pool, rest) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let (pipeline, _) = rest.split_first_chunk().ok_or(Error::Truncated)?;
        let destination = match u32::from_le_bytes(*destination) {
            1 => Destination::Client,
            2 => Destination::Server,
            other => return Err(Error::Destination(other)),
        };
        let (pool, pipeline) = (Uuid::from_bytes_le(*pool), Uuid::from_bytes_le(*pipeline));
        Ok(Self { destination, kind: u32::from_le_bytes(*kind), pool, pipeline })
    }
}

impl Frame {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`Error`], other than [`Error::Clixml`].
    pub fn decode(mut data: Vec<u8>) -> Result<Self, Error> {
        let Header { destination, kind, pool, pipeline } = Header::decode(&data)?;
        let has_mark = data.get(HEADER..).is_some_and(|text| text.starts_with(BYTE_ORDER_MARK));
        let mark = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        data.drain(..HEADER + mark);
        let text = String::from_utf8(data).map_err(|_| Error::NotUtf8)?;
        Ok(Self { destination, kind, pool, pipeline, text })
    }

    /// Writes the message. Hosts put a byte order mark before a text, clients do not.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(HEADER + BYTE_ORDER_MARK.len() + self.text.len());
        let (destination, mark): (u32, &[u8]) = match self.destination {
            Destination::Client if !self.text.is_empty() => (1, BYTE_ORDER_MARK),
            Destination::Client => (1, &[]),
            Destination::Server => (2, &[]),
        };
        data.extend_from_slice(&destination.to_le_bytes());
        data.extend_from_slice(&self.kind.to_le_bytes());
        data.extend_from_slice(&self.pool.to_bytes_le());
        data.extend_from_slice(&self.pipeline.to_bytes_le());
        data.extend_from_slice(mark);
        data.extend_from_slice(self.text.as_bytes());
        data
    }

    /// The value that the text holds.
    ///
    /// # Errors
    ///
    /// [`clixml::Error`].
    pub fn value(&self, limits: &clixml::Limits) -> Result<Value, clixml::Error> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        clixml::decode(&self.text, limits)
    }
}

/// The text of a value: null is no text at all.
#[must_use]
pub fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { clixml::encode(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_host_begins_with_a_byte_order_mark() {
        let mut frame = Frame {
            destination: Destination::Client,
            kind: 0x0002_1005,
            pool: Uuid::from_u128(1),
            pipeline: Uuid::nil(),
            text: "<S>x</S>".into(),
        };
        let data = frame.encode();
        assert_eq!(&data[..8], [1, 0, 0, 0, 5, 0x10, 2, 0]);
        assert!(data[HEADER..].starts_with(BYTE_ORDER_MARK));
        assert_eq!(Frame::decode(data), Ok(frame.clone()));
        frame.destination = Destination::Server;
        let data = frame.encode();
        assert!(data[HEADER..].starts_with(b"<S>"));
        assert_eq!(Frame::decode(data), Ok(frame));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(Frame::decode(vec![1; 39]), Err(Error::Truncated));
        assert_eq!(Frame::decode(vec![3; 40]), Err(Error::Destination(0x0303_0303)));
        let mut data = vec![1, 0, 0, 0];
        data.resize(HEADER, 0);
        assert_eq!(
            Frame::decode(data.clone()).unwrap().value(&Default::default()),
            Ok(Value::Null)
        );
        data.push(0xFF);
        assert_eq!(Frame::decode(data), Err(Error::NotUtf8));
    }
}
