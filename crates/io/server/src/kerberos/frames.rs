//! The messages between the network process and the Kerberos process: one `SEQPACKET` message each, numbers little-endian.
//!
//! ```text
//!  0 version  u8   1
//!  1 verb     u8   1 Accept, 2 Buy; 129 Ready, 130 Unusable, 131 Died, 132 Accepted, 133 NotAccepted, 134 Bought,
//!                  135 NotBought
//!  2 number   u32  chosen by who asks, echoed by the answer; 0 in what nobody asked for
//!  6 the verb's fields: u8, u64, and bytes or texts with their length in front (u32)
//! ```
//!
//! Both ends bound every length before they keep anything: the Kerberos process reads what strangers sent, and runs a
//! library that is not ours, so what it says is believed no more than it must be.

use auth::kerberos::{Context, EncryptionType, Role};
use auth::{ChannelBinding, KerberosRefusal, Secret, Ticket};
use transport::kerberos::{Accepted, Entry, NotAccepted};
use zeroize::Zeroizing;

/// The longest message: a token and a ticket of 64 KiB each, and what belongs to them.
pub const MAX: usize = 160 * 1024;
/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 64 * 1024;
/// The longest principal or password, in bytes.
const MAX_NAME: usize = 4096;
/// The longest text for the log, in bytes.
const MAX_TEXT: usize = 2048;
/// The most keys that are told.
const MAX_ENTRIES: usize = 256;
/// The longest key of messages, in bytes.
const MAX_KEY: usize = 64;
/// The longest hash of a certificate: SHA-512.
const MAX_HASH: usize = 64;

const VERSION: u8 = 1;
/// What stands in front of the hash in a binding's application data (RFC 5929 4).
const BINDING: &[u8] = b"tls-server-end-point:";

/// What the network process asks.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the verbs of one version")]
pub enum Request {
    /// A verdict on a client's token. Answer: Accepted or NotAccepted.
    Accept {
        /// AP-REQ with its header.
        token: Vec<u8>,
        /// What it must be bound to.
        binding: Option<ChannelBinding>,
    },
    /// A ticket for a password. Answer: Bought or NotBought.
    Buy {
        /// `user@REALM`.
        principal: String,
        /// Its password.
        password: Secret,
    },
}

/// What the Kerberos process says.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the verbs of one version")]
pub enum Event {
    /// It is there.
    Ready {
        /// The keys of the keytab; none where it has no keytab and was started for its other work.
        entries: Vec<Entry>,
        /// What is missing of its confinement.
        unconfined: Option<String>,
    },
    /// It is there, and cannot judge tokens.
    Unusable {
        /// Why.
        reason: Unusable,
        /// In words.
        text: String,
    },
    /// The worker died; what it had been asked stays without answer.
    Died {
        /// How.
        text: String,
    },
    /// A token is right.
    Accepted(Box<Accepted>),
    /// A token is not.
    NotAccepted(NotAccepted),
    /// A password bought a ticket.
    Bought(Ticket),
    /// It did not.
    NotBought {
        /// Why.
        text: String,
    },
}

/// Why tokens cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the reasons of one version")]
pub enum Unusable {
    /// The system has no Kerberos library.
    NoLibrary,
    /// The keytab cannot be used.
    Keytab,
    /// The keytab has keys of the host, and the settings do not allow that.
    HostKey,
}

/// Bytes that are no message of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a malformed message between the service and its Kerberos process")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to tell")]
pub struct Malformed;

/// A message that is being written; wiped when it is done with.
struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn new(verb: u8, number: u32) -> Self {
        // Room for everything at once: what grows leaves copies behind.
        let mut writer = Self(Zeroizing::new(Vec::with_capacity(MAX)));
        writer.0.extend([VERSION, verb]);
        writer.0.extend(number.to_le_bytes());
        writer
    }

    fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn long(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Bytes, cut where they are longer than `most`.
    fn bytes(&mut self, bytes: &[u8], most: usize) -> &mut Self {
        let bytes = bytes.get(..bytes.len().min(most)).unwrap_or_default();
        self.0.extend(u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
        self.0.extend(bytes);
        self
    }

    fn text(&mut self, text: &str, most: usize) -> &mut Self {
        let text = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
        self.bytes(text.as_bytes(), most)
    }

    fn maybe(&mut self, bytes: Option<&[u8]>, most: usize) -> &mut Self {
        match bytes {
            Some(bytes) => self.byte(1).bytes(bytes, most),
            None => self.byte(0),
        }
    }
}

/// A message that is being read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    fn word(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    fn bytes(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.word()?).map_err(|_| Malformed)?;
        if length > most {
            return Err(Malformed);
        }
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn text(&mut self, most: usize) -> Result<String, Malformed> {
        std::str::from_utf8(self.bytes(most)?).map(str::to_owned).map_err(|_| Malformed)
    }

    fn maybe(&mut self, most: usize) -> Result<Option<&'a [u8]>, Malformed> {
        if self.flag()? { self.bytes(most).map(Some) } else { Ok(None) }
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Version, verb and number, and the fields behind them.
fn open(bytes: &[u8]) -> Result<(u8, u32, Reader<'_>), Malformed> {
    if bytes.len() > MAX {
        return Err(Malformed);
    }
    let mut reader = Reader(bytes);
    let [version, verb] = reader.take()?;
    let number = reader.word()?;
    if version == VERSION { Ok((verb, number, reader)) } else { Err(Malformed) }
}

impl Request {
    /// Reads a request and its number.
    ///
    /// # Errors
    /// [`Malformed`] for everything that [`Request::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), Malformed> {
        let (verb, number, mut reader) = open(bytes)?;
        let request = match verb {
            1 => {
                let hash = reader.maybe(MAX_HASH)?;
                let binding = hash.map(ChannelBinding::from_tls_server_end_point);
                Self::Accept { token: reader.bytes(MAX_TOKEN)?.to_vec(), binding }
            }
            2 => Self::Buy {
                principal: reader.text(MAX_NAME)?,
                password: Secret::new(reader.text(MAX_NAME)?),
            },
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok((number, request))
    }

    /// Writes the request. A token, a principal or a password that is longer than may be is [`None`].
    #[must_use]
    pub fn encode(&self, number: u32) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Accept { token, binding } => {
                let data = binding.as_ref().map(ChannelBinding::application_data);
                let hash = data.as_deref().and_then(|data| data.strip_prefix(BINDING));
                let mut writer = Writer::new(1, number);
                writer.maybe(hash, MAX_HASH).bytes(token, MAX_TOKEN);
                (token.len() <= MAX_TOKEN).then_some(writer.0)
            }
            Self::Buy { principal, password } => {
                let password = password.expose();
                let mut writer = Writer::new(2, number);
                writer.text(principal, MAX_NAME).text(password, MAX_NAME);
                (principal.len() <= MAX_NAME && password.len() <= MAX_NAME).then_some(writer.0)
            }
        }
    }
}

impl Event {
    /// Reads an event and the number of the request that it answers.
    ///
    /// # Errors
    /// [`Malformed`] for everything that [`Event::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), Malformed> {
        let (verb, number, mut reader) = open(bytes)?;
        let event = match verb {
            129 => {
                let unconfined = reader.flag()?.then(|| reader.text(MAX_TEXT)).transpose()?;
                let count = usize::try_from(reader.word()?).map_err(|_| Malformed)?;
                if count > MAX_ENTRIES {
                    return Err(Malformed);
                }
                let entries = (0..count).map(|_| entry(&mut reader)).collect::<Result<_, _>>()?;
                Self::Ready { entries, unconfined }
            }
            130 => Self::Unusable {
                reason: match reader.byte()? {
                    0 => Unusable::NoLibrary,
                    1 => Unusable::Keytab,
                    2 => Unusable::HostKey,
                    _ => return Err(Malformed),
                },
                text: reader.text(MAX_TEXT)?,
            },
            131 => Self::Died { text: reader.text(MAX_TEXT)? },
            132 => Self::Accepted(Box::new(accepted(&mut reader)?)),
            133 => Self::NotAccepted(NotAccepted {
                refusal: refusal_of(reader.byte()?)?,
                text: reader.text(MAX_TEXT)?,
                token: reader.maybe(MAX_TOKEN)?.map(<[u8]>::to_vec),
            }),
            134 => Self::Bought(ticket(reader.bytes(Ticket::MAX)?)?),
            135 => Self::NotBought { text: reader.text(MAX_TEXT)? },
            _ => return Err(Malformed),
        };
        reader.end()?;
        Ok((number, event))
    }

    /// Writes the event; texts that are longer than may be are cut.
    #[must_use]
    pub fn encode(&self, number: u32) -> Zeroizing<Vec<u8>> {
        let mut writer;
        match self {
            Self::Ready { entries, unconfined } => {
                writer = Writer::new(129, number);
                match unconfined {
                    Some(text) => writer.byte(1).text(text, MAX_TEXT),
                    None => writer.byte(0),
                };
                let count = entries.len().min(MAX_ENTRIES);
                writer.0.extend(u32::try_from(count).unwrap_or_default().to_le_bytes());
                for Entry { principal, version, encryption_type } in entries.iter().take(count) {
                    // 256 of these fit into a message.
                    writer.text(principal, MAX_TEXT / 4);
                    writer.0.extend(version.to_le_bytes());
                    writer.0.extend(encryption_type.to_le_bytes());
                }
            }
            Self::Unusable { reason, text } => {
                writer = Writer::new(130, number);
                let reason = match reason {
                    Unusable::NoLibrary => 0,
                    Unusable::Keytab => 1,
                    Unusable::HostKey => 2,
                };
                writer.byte(reason).text(text, MAX_TEXT);
            }
            Self::Died { text } => {
                writer = Writer::new(131, number);
                writer.text(text, MAX_TEXT);
            }
            Self::Accepted(accepted) => {
                writer = Writer::new(132, number);
                write_accepted(&mut writer, accepted);
            }
            Self::NotAccepted(NotAccepted { refusal, text, token }) => {
                writer = Writer::new(133, number);
                let token = token.as_deref().filter(|token| token.len() <= MAX_TOKEN);
                writer.byte(number_of(*refusal)).text(text, MAX_TEXT).maybe(token, MAX_TOKEN);
            }
            Self::Bought(ticket) => {
                writer = Writer::new(134, number);
                writer.bytes(ticket.expose(), Ticket::MAX);
            }
            Self::NotBought { text } => {
                writer = Writer::new(135, number);
                writer.text(text, MAX_TEXT);
            }
        }
        writer.0
    }
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    Ok(Entry {
        principal: reader.text(MAX_TEXT)?,
        version: reader.word()?,
        encryption_type: i32::from_le_bytes(reader.take()?),
    })
}

fn ticket(bytes: &[u8]) -> Result<Ticket, Malformed> {
    Ticket::new(bytes.to_vec()).ok_or(Malformed)
}

fn accepted(reader: &mut Reader<'_>) -> Result<Accepted, Malformed> {
    let principal = reader.text(MAX_NAME)?;
    let reply = reader.maybe(MAX_TOKEN)?.map(<[u8]>::to_vec);
    let number = i32::from_le_bytes(reader.take()?);
    let encryption_type = EncryptionType::from_number(number).ok_or(Malformed)?;
    let key = Zeroizing::new(reader.bytes(MAX_KEY)?.to_vec());
    if key.len() != encryption_type.key_length() {
        return Err(Malformed);
    }
    let context = Context {
        role: Role::Acceptor,
        encryption_type,
        key,
        acceptor_subkey: reader.flag()?,
        sending_sequence: reader.long()?,
        receiving_sequence: reader.long()?,
    };
    Ok(Accepted {
        principal,
        reply,
        context,
        confidential: reader.flag()?,
        channel_bound: reader.flag()?,
        delegated: reader.maybe(Ticket::MAX)?.map(ticket).transpose()?,
    })
}

fn write_accepted(writer: &mut Writer, accepted: &Accepted) {
    let Accepted { principal, reply, context, confidential, channel_bound, delegated } = accepted;
    writer.text(principal, MAX_NAME).maybe(reply.as_deref(), MAX_TOKEN);
    writer.0.extend(context.encryption_type.number().to_le_bytes());
    writer
        .bytes(&context.key, MAX_KEY)
        .byte(u8::from(context.acceptor_subkey))
        .long(context.sending_sequence)
        .long(context.receiving_sequence)
        .byte(u8::from(*confidential))
        .byte(u8::from(*channel_bound))
        .maybe(delegated.as_ref().map(Ticket::expose), Ticket::MAX);
}

/// The reasons with their numbers; those that this version does not know are the last one.
const REFUSALS: [KerberosRefusal; 10] = [
    KerberosRefusal::Replayed,
    KerberosRefusal::Skew,
    KerberosRefusal::Expired,
    KerberosRefusal::NotYetValid,
    KerberosRefusal::NoKey,
    KerberosRefusal::EncryptionType,
    KerberosRefusal::Integrity,
    KerberosRefusal::Unmapped,
    KerberosRefusal::NoKeytab,
    KerberosRefusal::Other,
];

fn number_of(refusal: KerberosRefusal) -> u8 {
    let at = REFUSALS.iter().position(|one| *one == refusal);
    u8::try_from(at.unwrap_or(REFUSALS.len() - 1)).unwrap_or_default()
}

fn refusal_of(number: u8) -> Result<KerberosRefusal, Malformed> {
    REFUSALS.get(usize::from(number)).copied().ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Accepted {
        Accepted {
            principal: "alice@LAB.TEST".to_owned(),
            reply: Some(vec![0x60, 1, 2]),
            context: Context {
                role: Role::Acceptor,
                encryption_type: EncryptionType::Aes256Sha384,
                key: Zeroizing::new(vec![7; 32]),
                acceptor_subkey: true,
                sending_sequence: 5,
                receiving_sequence: u64::MAX,
            },
            confidential: true,
            channel_bound: false,
            delegated: Ticket::new(vec![9; Ticket::MAX]),
        }
    }

    fn requests() -> Vec<Request> {
        let binding = Some(ChannelBinding::from_tls_server_end_point(&[3; 64]));
        vec![
            Request::Accept { token: vec![1; MAX_TOKEN], binding },
            Request::Accept { token: Vec::new(), binding: None },
            Request::Buy { principal: "a@B".to_owned(), password: Secret::new("geheim") },
        ]
    }

    fn events() -> Vec<Event> {
        let key = |principal: &str| Entry {
            principal: principal.to_owned(),
            version: 3,
            encryption_type: -18,
        };
        let text = "why".to_owned();
        vec![
            Event::Ready { entries: vec![key("HTTP/a@B"), key("")], unconfined: None },
            Event::Ready { entries: Vec::new(), unconfined: Some(text.clone()) },
            Event::Unusable { reason: Unusable::HostKey, text: text.clone() },
            Event::Died { text: text.clone() },
            Event::Accepted(Box::new(accepted())),
            Event::Accepted(Box::new(Accepted { reply: None, delegated: None, ..accepted() })),
            Event::NotAccepted(NotAccepted {
                refusal: KerberosRefusal::Skew,
                text: text.clone(),
                token: Some(vec![1]),
            }),
            Event::Bought(Ticket::new(vec![4]).unwrap()),
            Event::NotBought { text },
        ]
    }

    #[test]
    fn what_was_written_is_read_and_fits() {
        for request in requests() {
            let bytes = request.encode(77).unwrap();
            let (number, read) = Request::decode(&bytes).unwrap();
            assert_eq!((number, read.encode(77).unwrap()), (77, bytes));
        }
        for event in events() {
            let bytes = event.encode(u32::MAX);
            assert!(bytes.len() <= MAX);
            let (number, read) = Event::decode(&bytes).unwrap();
            assert_eq!((number, read.encode(number)), (u32::MAX, bytes), "{event:?}");
        }
        let entry = Entry { principal: "x".repeat(4000), version: 1, encryption_type: 18 };
        let many = Event::Ready { entries: vec![entry; 300], unconfined: None }.encode(0);
        assert!(many.len() <= MAX, "{}", many.len());
        Event::decode(&many).unwrap();
    }

    #[test]
    fn shortened_lengthened_and_foreign_messages_are_malformed() {
        let all = requests().into_iter().map(|request| request.encode(1).unwrap());
        for bytes in all.chain(events().iter().map(|event| event.encode(1))) {
            for end in (0..bytes.len()).rev().take(200).chain(0..bytes.len().min(200)) {
                assert!(Request::decode(&bytes[..end]).is_err());
                assert!(Event::decode(&bytes[..end]).is_err());
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(Request::decode(&longer).is_err() && Event::decode(&longer).is_err());
            let other = [&[2], &bytes[1..]].concat();
            assert!(Request::decode(&other).is_err() && Event::decode(&other).is_err());
            // What one side says is nothing that the other one could have said.
            assert!(Request::decode(&bytes).is_err() || Event::decode(&bytes).is_err());
        }
    }

    #[test]
    fn too_long_requests_are_not_written_and_keys_have_their_length() {
        let token = vec![0; MAX_TOKEN + 1];
        assert!(Request::Accept { token, binding: None }.encode(1).is_none());
        let password = Secret::new("x".repeat(MAX_NAME + 1));
        assert!(Request::Buy { principal: String::new(), password }.encode(1).is_none());
        let mut wrong = accepted();
        wrong.context.key = Zeroizing::new(vec![7; 16]);
        assert!(Event::decode(&Event::Accepted(Box::new(wrong)).encode(1)).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let buy = Request::Buy { principal: "a@B".to_owned(), password: Secret::new("geheim") };
        assert!(!format!("{buy:?}").contains("geheim"));
        assert!(!format!("{:?}", accepted()).contains("7, 7"));
    }
}
