//! Robust connections, [MS-WSMV] 3.1.4.1.39 and 3.1.4.18 to 3.1.4.20: what is said about operations beside them.
//!
//! A client names its operation; a service that knows the name keeps the answers until the client has them. Both may say so in messages
//! of their own, which have no answer, and a service may send several messages as one answer, the last of which is what was asked for.

use crate::charset::Charset;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::ns::{self, action, resource};
use crate::xml::{self, Element, ErrorKind, Limits};

/// A message about an operation, which its `p:OperationID` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// The peer has the messages up to this number.
    Acknowledge(u64),
    /// The peer wants to know which messages have arrived.
    AcknowledgeRequest,
    /// The operation is given up.
    Cancel,
    /// No more input follows.
    End,
    /// The connection is not idle.
    KeepAlive,
}

impl Control {
    /// What a message says, if it is one of these: the action and the resource must be.
    #[must_use]
    pub fn from_envelope(envelope: &Envelope) -> Option<Self> {
        let uri = envelope.header.resource_uri()?;
        let (control, expected) = match envelope.action()? {
            action::ACKNOWLEDGE => {
                (Self::Acknowledge(last_sequence(&envelope.body)?), resource::ROBUST_CONNECTION)
            }
            action::ACKNOWLEDGE_REQUEST => (Self::AcknowledgeRequest, resource::ROBUST_CONNECTION),
            action::CANCEL => (Self::Cancel, resource::FULL_DUPLEX),
            action::END => (Self::End, resource::FULL_DUPLEX),
            // The service writes it with a capital A.
            name if name.eq_ignore_ascii_case(action::KEEP_ALIVE) => {
                let known = [resource::FULL_DUPLEX, resource::ROBUST_CONNECTION];
                return known.contains(&uri).then_some(Self::KeepAlive);
            }
            _ => return None,
        };
        (uri == expected).then_some(control)
    }
}

/// `p:LastSequenceIdReceived`, by itself or in an element around it.
fn last_sequence(body: &[Element]) -> Option<u64> {
    const NAME: &str = "LastSequenceIdReceived";
    let [element] = body else { return None };
    let found = if element.is(ns::MICROSOFT, NAME) {
        element
    } else {
        element.child(ns::MICROSOFT, NAME)?
    };
    found.trimmed_text().parse().ok()
}

/// Messages that one answer may be.
const MOST_MESSAGES: usize = 64;

/// Reads an answer. Where it is several messages, one after the other, it is the first that is none about the operation alone.
///
/// # Errors
///
/// As [`Envelope::decode_as`].
pub fn decode(bytes: &[u8], declared: Charset, limits: &Limits) -> Result<Envelope, Error> {
    let error = match Envelope::decode_as(bytes, declared, limits) {
        Err(error @ Error::Xml(xml::Error { kind: ErrorKind::SecondRoot, .. })) => error,
        read => return read,
    };
    let text = Charset::of_message(bytes, declared).to_utf8(bytes);
    let mut rest = text.as_slice();
    let mut end = 0;
    for _ in 0..MOST_MESSAGES {
        // The end of an envelope, which may be one inside another.
        let Some(next) = rest.get(end..).and_then(end_of_envelope) else { return Err(error) };
        end += next;
        let Some((message, following)) = rest.split_at_checked(end) else { return Err(error) };
        let read = Envelope::decode_as(message, Charset::Utf8, limits);
        match read {
            Ok(envelope) if Control::from_envelope(&envelope).is_none() => return Ok(envelope),
            Ok(_) => {
                rest = following;
                end = 0;
            }
            Err(_) => {}
        }
    }
    Err(error)
}

/// Where the first end tag with the local name `Envelope` is over.
fn end_of_envelope(text: &[u8]) -> Option<usize> {
    const TAG: &[u8] = b"Envelope>";
    text.windows(TAG.len()).position(|window| window == TAG).map(|at| at + TAG.len())
}
