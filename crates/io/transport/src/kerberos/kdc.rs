//! A question to a KDC that needs no key: whether it is there, and what its clock says (RFC 4120 3.1, 7.2).
//!
//! Asked is for a ticket to a service that no realm has; the refusal is a KRB-ERROR with the KDC's time. Nothing of it
//! counts as a try with a password.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use auth::kerberos::KrbError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The longest answer that is read: hints on encryption types are short.
const MAX_ANSWER: usize = 64 * 1024;
/// The service that no realm has.
const NOBODY: [&str; 2] = ["transom-doctor", "clock"];

/// What a KDC answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KdcAnswer {
    /// How long it took.
    pub took: Duration,
    /// What it says; `None` where it answered something else.
    pub error: Option<KrbError>,
    /// When it was here, in seconds since 1970-01-01 00:00 UTC by our clock.
    pub received: i64,
}

impl KdcAnswer {
    /// By how many seconds the KDC's clock is ahead of ours; negative where it is behind.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        self.error.as_ref().map(|error| error.service_time.saturating_sub(self.received))
    }
}

/// Asks a KDC over TCP, or by one datagram. `client` is the user in whose name is asked, without a realm.
///
/// # Errors
/// The system's; `TimedOut` after `limit`, `InvalidInput` for a realm or user that no message can have.
pub async fn ask_kdc(
    address: SocketAddr,
    by_datagram: bool,
    realm: &str,
    client: &str,
    limit: Duration,
) -> io::Result<KdcAnswer> {
    let question = question(realm, client).ok_or(io::ErrorKind::InvalidInput)?;
    let start = Instant::now();
    let asked = async {
        if by_datagram {
            datagram(address, &question).await
        } else {
            stream(address, &question).await
        }
    };
    let answer = timeout(limit, asked).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(KdcAnswer {
        took: start.elapsed(),
        error: KrbError::decode(&answer).ok(),
        received: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
    })
}

async fn stream(address: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u32::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > MAX_ANSWER {
        return Err(io::Error::other("the answer is too long for a KDC's"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn datagram(address: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let own: SocketAddr = if address.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(address).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MAX_ANSWER];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

/// AS-REQ (RFC 4120 5.4.1) without preauthentication.
fn question(realm: &str, client: &str) -> Option<Vec<u8>> {
    let is_usable = |text: &str| !text.is_empty() && text.len() <= 255 && text.is_ascii();
    if !is_usable(realm) || !is_usable(client) {
        return None;
    }
    // NT-PRINCIPAL (1) for the client, NT-SRV-INST (2) for the service.
    let name = |kind: u8, parts: &[&str]| {
        let parts: Vec<u8> = parts.iter().flat_map(|part| der(0x1B, part.as_bytes())).collect();
        der(0x30, &[der(0xA0, &der(0x02, &[kind])), der(0xA1, &der(0x30, &parts))].concat())
    };
    let kinds: Vec<u8> =
        [18_u8, 17, 20, 19, 23].iter().flat_map(|kind| der(0x02, &[*kind])).collect();
    let body = [
        der(0xA0, &der(0x03, &[0, 0, 0, 0, 0])),
        der(0xA1, &name(1, &[client])),
        der(0xA2, &der(0x1B, realm.as_bytes())),
        der(0xA3, &name(2, &NOBODY)),
        der(0xA5, &der(0x18, b"19700101000000Z")),
        der(0xA7, &der(0x02, &[1])),
        der(0xA8, &der(0x30, &kinds)),
    ];
    let message = [
        der(0xA1, &der(0x02, &[5])),
        der(0xA2, &der(0x02, &[10])),
        der(0xA4, &der(0x30, &body.concat())),
    ];
    Some(der(0x6A, &der(0x30, &message.concat())))
}

/// A value of DER of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..=0x7F) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// How the ticket in a client's token is encrypted: the type's number, and the version of the service's key, which a
/// keytab must have (RFC 4120 5.3, 5.5.1). Both stand there for everybody to read.
#[must_use]
pub fn encryption_of(token: &[u8]) -> Option<(i32, Option<u32>)> {
    const OID_AND_TOKEN: [u8; 13] = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2, 1, 0];
    let (_, framed, _) = value(token).filter(|(tag, ..)| *tag == 0x60)?;
    let (_, message, _) = value(framed.strip_prefix(&OID_AND_TOKEN)?)?;
    let ticket = field(value(message)?.1, 0xA3)?;
    let ticket = value(value(ticket)?.1)?.1;
    let encrypted = value(field(ticket, 0xA3)?)?.1;
    let kind = integer(field(encrypted, 0xA0)?)?;
    let version = field(encrypted, 0xA1).and_then(integer);
    Some((i32::try_from(kind).ok()?, version.and_then(|version| u32::try_from(version).ok())))
}

/// Tag, content and rest.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The content of a field of a sequence.
fn field(mut sequence: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (tag, content, rest) = value(sequence)?;
        if tag == wanted {
            return Some(content);
        }
        sequence = rest;
    }
}

fn integer(bytes: &[u8]) -> Option<i64> {
    let (_, content, _) = value(bytes).filter(|(tag, ..)| *tag == 0x02)?;
    let (first, rest) = content.split_first()?;
    if rest.len() > 7 {
        return None;
    }
    let start = i64::from(first.cast_signed());
    Some(rest.iter().fold(start, |number, digit| number << 8 | i64::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encryption_stands_in_the_token() {
        let encrypted = |version: Option<&[u8]>| {
            let version = version.map(|bytes| der(0xA1, &der(0x02, bytes))).unwrap_or_default();
            let cipher = der(0xA2, &der(0x04, &[9; 300]));
            let encrypted = [der(0xA0, &der(0x02, &[18])), version, cipher].concat();
            let ticket = [
                der(0xA0, &der(0x02, &[5])),
                der(0xA1, &der(0x1B, b"R")),
                der(0xA2, &der(0x30, b"")),
                der(0xA3, &der(0x30, &encrypted)),
            ];
            let ticket = der(0x61, &der(0x30, &ticket.concat()));
            let message = [der(0xA0, &der(0x02, &[5])), der(0xA3, &ticket)].concat();
            let message = der(0x6E, &der(0x30, &message));
            let start = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2, 1, 0];
            der(0x60, &[start.as_slice(), &message].concat())
        };
        assert_eq!(encryption_of(&encrypted(Some(&[3]))), Some((18, Some(3))));
        assert_eq!(encryption_of(&encrypted(Some(&[0, 255]))), Some((18, Some(255))));
        assert_eq!(encryption_of(&encrypted(None)), Some((18, None)));
        let token = encrypted(Some(&[3]));
        for end in 0..token.len() {
            assert_eq!(encryption_of(&token[..end]), None);
        }
    }

    #[test]
    fn nobody_is_asked_in_a_name_that_no_message_can_have() {
        for (realm, client) in [("", "a"), ("R", ""), ("R", "ä"), (&*"R".repeat(256), "a")] {
            assert!(question(realm, client).is_none());
        }
        assert!(question("R", "a").is_some_and(|message| message.starts_with(&[0x6A])));
    }
}
