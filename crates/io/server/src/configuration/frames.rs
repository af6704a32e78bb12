//! The messages between the network process and the process that keeps the configuration: `SEQPACKET`, all numbers
//! little-endian.
//!
//! ```text
//!  request   verb u8, number u32, then
//!   1 Store       total u32, offset u32, a part of the text: parts come in their order
//!   2 Bind        IPv6 address (IPv4 mapped) 16, port u16
//!   3 Interfaces
//!  event     verb u8, number u32 (0 where nobody asked), then
//!   1 Ready       what is missing of the confinement, or nothing
//!   2 Done                                     the answer to the last part of a Store
//!   3 Failed      errno u32, or 0 and a text   to any request, and to a part that does not fit
//!   4 Bound       the socket comes along
//!   5 Interfaces  each: address 16, has a MAC u8, MAC 6, length of the name u8, name
//!   6 Died        a text: another process begins
//! ```

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use transport::InterfaceAddress;

use super::storage::MAX_TEXT;

/// The most bytes of the text in one message: far below what a socket takes by default.
pub const PART: usize = 32 * 1024;
/// The longest message: 1,024 addresses with names of at most 15 bytes, or a part.
pub const MAX: usize = 64 * 1024;
/// The longest text of an error.
const MAX_WORDS: usize = 1024;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both ends are of one version")]
pub enum Request {
    /// Keep a text. Answer: Done, to its last part.
    Store {
        /// The bytes of the whole text.
        total: usize,
        /// Where in it the part begins.
        offset: usize,
        /// The part, of at most [`PART`] bytes.
        part: Vec<u8>,
    },
    /// Listen on an address. Answer: Bound.
    Bind(SocketAddr),
    /// Tell the addresses of this machine. Answer: Interfaces.
    Interfaces,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both ends are of one version")]
pub enum Event {
    /// The process is there.
    Ready {
        /// What is missing of its confinement.
        unconfined: Option<String>,
    },
    /// The text is kept.
    Done,
    /// A request was not done.
    Failed(Failure),
    /// The socket listens, and comes along.
    Bound,
    /// The addresses of this machine.
    Interfaces(Vec<InterfaceAddress>),
    /// The process died, as the text says, and another one begins.
    Died(String),
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    errno: u32,
    text: String,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        match error.raw_os_error().and_then(|code| u32::try_from(code).ok()) {
            Some(errno) => Self { errno, text: String::new() },
            None => Self { errno: 0, text: error.to_string() },
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match i32::try_from(failure.errno) {
            Ok(errno) if errno != 0 => Self::from_raw_os_error(errno),
            _ => Self::other(failure.text),
        }
    }
}

/// A message that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a malformed message of the process that keeps the configuration")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to tell")]
pub struct Malformed;

/// Takes fixed pieces off the front of a message.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    fn size(&mut self) -> Result<usize, Malformed> {
        let size = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if size > MAX_TEXT { Err(Malformed) } else { Ok(size) }
    }

    fn ip(&mut self) -> Result<IpAddr, Malformed> {
        self.take().map(|octets| Ipv6Addr::from(octets).to_canonical())
    }

    fn words(&mut self) -> Result<String, Malformed> {
        let text = std::str::from_utf8(std::mem::take(&mut self.0)).map_err(|_| Malformed)?;
        if text.len() > MAX_WORDS { Err(Malformed) } else { Ok(text.to_owned()) }
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn words(text: &str) -> &[u8] {
    text.get(..text.floor_char_boundary(MAX_WORDS)).unwrap_or_default().as_bytes()
}

fn frame(verb: u8, number: u32) -> Vec<u8> {
    let mut frame = vec![verb];
    frame.extend_from_slice(&number.to_le_bytes());
    frame
}

/// The parts of a text, at least one.
pub fn parts(text: &str) -> impl Iterator<Item = Request> {
    let (total, bytes) = (text.len(), text.as_bytes());
    (0..total.max(1)).step_by(PART).map(move |offset| {
        let end = offset.saturating_add(PART).min(total);
        let part = bytes.get(offset..end).unwrap_or_default().to_vec();
        Request::Store { total, offset, part }
    })
}

impl Request {
    /// Reads a message: the number that the answer will have, and what is asked.
    ///
    /// # Errors
    ///
    /// It is none, or longer than it may be.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), Malformed> {
        let mut reader = Reader(bytes);
        let (verb, number) = (reader.u8()?, reader.u32()?);
        let request = match verb {
            1 => {
                let (total, offset) = (reader.size()?, reader.size()?);
                let part = std::mem::take(&mut reader.0);
                let fits = part.len() <= PART && offset.saturating_add(part.len()) <= total;
                if !fits {
                    return Err(Malformed);
                }
                Self::Store { total, offset, part: part.to_vec() }
            }
            2 => {
                let ip = reader.ip()?;
                Self::Bind(SocketAddr::new(ip, u16::from_le_bytes(reader.take()?)))
            }
            3 => Self::Interfaces,
            _ => return Err(Malformed),
        };
        reader.end().map(|()| (number, request))
    }

    /// Writes it as a message.
    #[must_use]
    pub fn encode(&self, number: u32) -> Vec<u8> {
        match self {
            Self::Store { total, offset, part } => {
                let mut frame = frame(1, number);
                for size in [total, offset] {
                    // Both are at most `MAX_TEXT`.
                    let size = u32::try_from(*size).unwrap_or(u32::MAX);
                    frame.extend_from_slice(&size.to_le_bytes());
                }
                frame.extend_from_slice(part);
                frame
            }
            Self::Bind(address) => {
                let mut frame = frame(2, number);
                frame.extend_from_slice(&octets(address.ip()));
                frame.extend_from_slice(&address.port().to_le_bytes());
                frame
            }
            Self::Interfaces => frame(3, number),
        }
    }
}

impl Event {
    /// Reads a message: the number of what it answers, 0 where nobody asked, and what it says.
    ///
    /// # Errors
    ///
    /// It is none, or longer than it may be.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), Malformed> {
        let mut reader = Reader(bytes);
        let (verb, number) = (reader.u8()?, reader.u32()?);
        let event = match verb {
            1 => {
                let missing = reader.words()?;
                Self::Ready { unconfined: Some(missing).filter(|text| !text.is_empty()) }
            }
            2 => Self::Done,
            3 => Self::Failed(Failure { errno: reader.u32()?, text: reader.words()? }),
            4 => Self::Bound,
            5 => {
                let mut all = Vec::new();
                while !reader.0.is_empty() {
                    all.push(interface(&mut reader)?);
                }
                Self::Interfaces(all)
            }
            6 => Self::Died(reader.words()?),
            _ => return Err(Malformed),
        };
        reader.end().map(|()| (number, event))
    }

    /// Writes it as a message.
    #[must_use]
    pub fn encode(&self, number: u32) -> Vec<u8> {
        match self {
            Self::Ready { unconfined } => {
                let mut frame = frame(1, number);
                frame.extend_from_slice(words(unconfined.as_deref().unwrap_or_default()));
                frame
            }
            Self::Done => frame(2, number),
            Self::Failed(failure) => {
                let mut frame = frame(3, number);
                frame.extend_from_slice(&failure.errno.to_le_bytes());
                frame.extend_from_slice(words(&failure.text));
                frame
            }
            Self::Bound => frame(4, number),
            Self::Interfaces(all) => {
                let mut frame = frame(5, number);
                for one in all {
                    // The kernel's names have at most 15 bytes.
                    let Ok(length) = u8::try_from(one.interface.len()) else { continue };
                    frame.extend_from_slice(&octets(one.address));
                    frame.push(one.mac.is_some().into());
                    frame.extend_from_slice(&one.mac.unwrap_or_default());
                    frame.push(length);
                    frame.extend_from_slice(one.interface.as_bytes());
                }
                frame
            }
            Self::Died(text) => {
                let mut frame = frame(6, number);
                frame.extend_from_slice(words(text));
                frame
            }
        }
    }
}

fn interface(reader: &mut Reader<'_>) -> Result<InterfaceAddress, Malformed> {
    let address = reader.ip()?;
    let (has_mac, mac) = (reader.u8()?, reader.take::<6>()?);
    let length = usize::from(reader.u8()?);
    let (name, rest) = reader.0.split_at_checked(length).ok_or(Malformed)?;
    reader.0 = rest;
    let interface = std::str::from_utf8(name).map_err(|_| Malformed)?.to_owned();
    Ok(InterfaceAddress { interface, address, mac: (has_mac != 0).then_some(mac) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_survives_the_wire_and_nothing_longer_or_shorter_does() {
        let text = "x".repeat(PART + 1);
        let bind = Request::Bind("[::1]:80".parse().unwrap());
        for request in parts(&text).chain(parts("")).chain([bind, Request::Interfaces]) {
            let frame = request.encode(7);
            assert!(frame.len() <= MAX);
            assert_eq!(Request::decode(&frame), Ok((7, request)));
            assert_eq!(Request::decode(&frame[..4]), Err(Malformed));
        }
        let v4 = |mac| InterfaceAddress {
            interface: "eth0".to_owned(),
            address: "10.0.0.1".parse().unwrap(),
            mac,
        };
        for event in [
            Event::Ready { unconfined: None },
            Event::Ready { unconfined: Some("no Landlock".to_owned()) },
            Event::Done,
            Event::Failed((&io::Error::from_raw_os_error(98)).into()),
            Event::Failed((&io::Error::other("why")).into()),
            Event::Bound,
            Event::Interfaces(vec![v4(None), v4(Some([1, 2, 3, 4, 5, 6]))]),
            Event::Died("signal 9".to_owned()),
        ] {
            assert_eq!(Event::decode(&event.encode(9)), Ok((9, event)));
        }
        assert_eq!(parts(&text).count(), 2);
        let mut done = Event::Done.encode(1);
        done.push(0);
        assert_eq!(Event::decode(&done), Err(Malformed));
    }

    #[test]
    fn part_that_is_longer_than_the_whole_is_none() {
        let whole = Request::Store { total: 3, offset: 0, part: b"abc".to_vec() };
        for (total, offset) in [(2, 0), (3, 1), (MAX_TEXT + 1, 0)] {
            let Request::Store { part, .. } = whole.clone() else { unreachable!() };
            let frame = Request::Store { total, offset, part }.encode(1);
            assert_eq!(Request::decode(&frame), Err(Malformed), "{total} {offset}");
        }
    }
}
