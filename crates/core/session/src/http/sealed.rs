//! Sealed bodies: the `multipart/encrypted` frame around one sealed message, written and read.
//!
//! ```text
//! --Encrypted Boundary
//!   Content-Type: application/HTTP-SPNEGO-session-encrypted
//!   OriginalContent: type=application/soap+xml;charset=UTF-8;Length=N
//! --Encrypted Boundary
//!   Content-Type: application/octet-stream
//! <u32 L, little endian><L bytes of header><N bytes of ciphertext>--Encrypted Boundary--
//! ```
//!
//! CredSSP has its messages in pieces of 16 KiB, each in a pair of parts of its own, and `multipart/x-multi-encrypted`
//! where there are several; behind the number are whole records of TLS, whatever it says (`pieces`).
//!
//! Programs write the part headers in two dialects, with and without a leading tab, and some of
//! them fail on the other one: a service answers in the dialect of the request, a client takes
//! both. [MS-WSMV] 2.2.9.1.

mod pieces;

use auth::{Scheme, Sealer};

use super::HeaderError;

/// The value of `boundary` that every known program uses, compared case-sensitively.
const BOUNDARY: &str = "Encrypted Boundary";
/// The longest boundary that RFC 2046 5.1.1 allows.
const MAX_BOUNDARY: usize = 70;
/// The longest part header that is read before the payload.
const MAX_PART_HEADERS: usize = 1024;
/// No mechanism needs more: a Kerberos header with AES-SHA2 has 72 bytes, 88 with filler.
const MAX_SEAL_HEADER: usize = 1024;
/// Bytes that a mechanism may leave with the data: Kerberos with RC4 adds 1, and with AES all but the header of 16 bytes
/// where it rotates nothing, which RFC 4121 4.2.5 leaves to the sender.
const MAX_PADDING: usize = 72;

/// The protocol that a sealed body names. It follows the HTTP scheme of the login, not the
/// mechanism inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// `application/HTTP-CredSSP-session-encrypted`.
    CredSsp,
    /// `application/HTTP-Kerberos-session-encrypted`.
    Kerberos,
    /// `application/HTTP-SPNEGO-session-encrypted`.
    Spnego,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::CredSsp, Self::Kerberos, Self::Spnego];

    /// The media type that names the protocol.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::CredSsp => "application/HTTP-CredSSP-session-encrypted",
            Self::Kerberos => "application/HTTP-Kerberos-session-encrypted",
            Self::Spnego => "application/HTTP-SPNEGO-session-encrypted",
        }
    }

    /// The protocol for a login by `scheme`.
    #[must_use]
    pub const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::CredSsp => Self::CredSsp,
            Scheme::Kerberos => Self::Kerberos,
            Scheme::Basic | Scheme::Certificate | Scheme::Negotiate | Scheme::Ntlm | _ => {
                Self::Spnego
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.media_type().eq_ignore_ascii_case(text))
    }
}

/// How the part headers are indented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// No indent: Windows's own client, WinRb, OMI.
    Bare,
    /// A leading tab: pywinrm, pypsrp and most others, some of which read nothing else.
    #[default]
    Tab,
}

/// How a sealed body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The protocol named in the headers.
    pub protocol: Protocol,
    /// The indent of the part headers.
    pub dialect: Dialect,
}

/// A sealed body, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The value of the HTTP header `Content-Type`.
    pub content_type: String,
    /// The HTTP body.
    pub body: Vec<u8>,
}

/// What was inside a sealed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// How the peer wrote it.
    pub frame: Frame,
    /// The media type of the message inside, parameters included.
    pub content_type: String,
    /// The message.
    pub body: Vec<u8>,
}

/// Why a sealed body could not be read. The context is lost: the connection must be dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The header `Content-Type` is not that of a sealed body.
    #[error("the Content-Type is not that of a sealed message: {0}")]
    ContentType(#[from] HeaderError),
    /// The multipart frame around the message is broken.
    #[error("the sealed message's frame is broken: {0}")]
    Frame(&'static str),
    /// The sealing context refused.
    #[error(transparent)]
    Seal(#[from] auth::Error),
}

/// True when a `Content-Type` announces a sealed body.
#[must_use]
pub fn is_sealed(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("multipart/encrypted")
        || media.eq_ignore_ascii_case("multipart/x-multi-encrypted")
}

/// What the frame may add to a message of so many bytes, at most.
#[must_use]
pub fn overhead(message: usize) -> usize {
    // Two delimiters, four part headers, and what mechanisms add; CredSSP has them for each piece.
    const FRAME: usize = 4 * 1024;
    let per_piece = MAX_PART_HEADERS + pieces::RECORDS;
    (message / pieces::PIECE).saturating_mul(per_piece).saturating_add(FRAME)
}

/// Seals `message`, whose media type is `original`.
///
/// # Errors
///
/// [`SealedError::Seal`] when the context cannot seal.
pub fn seal(
    sealer: &mut dyn Sealer,
    frame: Frame,
    original: &str,
    mut message: Vec<u8>,
) -> Result<Sealed, SealedError> {
    if frame.protocol == Protocol::CredSsp && message.len() > pieces::PIECE {
        return pieces::seal(sealer, frame, original, &message);
    }
    let plain = message.len();
    let sealed = sealer.seal(&mut message)?;
    // Long messages are framed where they are, not in a second buffer.
    let mut body = message;
    let before = front(frame, original, plain + sealed.padding, &sealed.header)?;
    let end = format!("--{BOUNDARY}--\r\n");
    body.reserve(before.len() + end.len());
    body.splice(..0, before);
    body.extend_from_slice(end.as_bytes());
    Ok(Sealed { content_type: content_type("multipart/encrypted", frame), body })
}

fn content_type(media: &str, frame: Frame) -> String {
    let protocol = frame.protocol.media_type();
    format!("{media};protocol=\"{protocol}\";boundary=\"{BOUNDARY}\"")
}

/// What stands in front of the ciphertext: both parts' headers, and the mechanism's.
fn front(
    frame: Frame,
    original: &str,
    length: usize,
    header: &[u8],
) -> Result<Vec<u8>, SealedError> {
    let indent = match frame.dialect {
        Dialect::Bare => "",
        Dialect::Tab => "\t",
    };
    let media = frame.protocol.media_type();
    let head = format!(
        "--{BOUNDARY}\r\n{indent}Content-Type: {media}\r\n\
         {indent}OriginalContent: type={original};Length={length}\r\n\
         --{BOUNDARY}\r\n{indent}Content-Type: application/octet-stream\r\n"
    );
    let size = u32::try_from(header.len())
        .map_err(|_| SealedError::Frame("the mechanism's header is too long"))?;
    Ok([head.as_bytes(), &size.to_le_bytes(), header].concat())
}

/// Opens a sealed body.
///
/// # Errors
///
/// [`SealedError`] when the frame or the seal is broken; the sealing context must not be used
/// any more.
pub fn open(
    sealer: &mut dyn Sealer,
    content_type: &str,
    mut body: Vec<u8>,
) -> Result<Opened, SealedError> {
    let announced = Announced::parse(content_type)?;
    let (dialect, content_type, mut message) = if announced.protocol == Protocol::CredSsp {
        pieces::open(sealer, &announced, &body)?
    } else {
        let parts = Parts::parse(&body, &announced)?;
        let header = body
            .get(parts.header_start..parts.data_start)
            .ok_or(SealedError::Frame("the mechanism's header is missing"))?
            .to_vec();
        body.truncate(parts.data_end);
        body.drain(..parts.data_start);
        sealer.unseal(&header, &mut body)?;
        (parts.dialect, parts.original, body)
    };
    // OMI and pwsh pad the plaintext with NULs and count them.
    let text = message.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    // The last letter of UTF-16 may end in one that is not padding.
    let is_utf16 = matches!(*message, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, ..]);
    message.truncate(if is_utf16 { text.next_multiple_of(2) } else { text });
    let frame = Frame { protocol: announced.protocol, dialect };
    Ok(Opened { frame, content_type, body: message })
}

/// What the HTTP header says of a sealed body.
struct Announced {
    protocol: Protocol,
    boundary: String,
    /// Whether there may be several pieces.
    is_multi: bool,
}

impl Announced {
    fn parse(content_type: &str) -> Result<Self, SealedError> {
        let mut fields = content_type.split(';');
        let media = fields.next().unwrap_or_default().trim();
        let is_multi = media.eq_ignore_ascii_case("multipart/x-multi-encrypted");
        if !is_multi && !media.eq_ignore_ascii_case("multipart/encrypted") {
            return Err(HeaderError::Missing("multipart/encrypted").into());
        }
        let (mut protocol, mut boundary) = (None, None);
        for field in fields {
            let Some((name, value)) = field.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "protocol" => protocol = Protocol::parse(value),
                "boundary" if value.len() <= MAX_BOUNDARY => boundary = Some(value.to_owned()),
                _ => {}
            }
        }
        let protocol = protocol.ok_or(HeaderError::Missing("protocol"))?;
        if is_multi && protocol != Protocol::CredSsp {
            return Err(HeaderError::Unsupported("multipart/x-multi-encrypted").into());
        }
        let boundary =
            boundary.filter(|text| !text.is_empty()).ok_or(HeaderError::Missing("boundary"))?;
        Ok(Self { protocol, boundary, is_multi })
    }
}

/// Where things are in the body of one sealed message.
struct Parts {
    dialect: Dialect,
    original: String,
    header_start: usize,
    data_start: usize,
    data_end: usize,
}

impl Parts {
    fn parse(body: &[u8], announced: &Announced) -> Result<Self, SealedError> {
        let mut lines = Lines::from(body, 0);
        let (original, dialect) = lines.part_headers(announced)?;
        Self::payload(body, lines.at, announced.boundary.as_bytes(), original, dialect)
    }

    fn payload(
        body: &[u8],
        start: usize,
        boundary: &[u8],
        original: Original,
        dialect: Dialect,
    ) -> Result<Self, SealedError> {
        let size = header_size(body.get(start..).unwrap_or_default())?;
        let header_start = start + 4;
        let data_start = header_start + size;
        let data_end = closing(body, boundary)
            .filter(|&end| end >= data_start)
            .ok_or(SealedError::Frame("the closing delimiter is missing"))?;
        let data = data_end - data_start;
        if data < original.length || data > original.length + MAX_PADDING {
            return Err(SealedError::Frame("Length does not agree with the sealed data"));
        }
        Ok(Self { dialect, original: original.media, header_start, data_start, data_end })
    }
}

/// The number in front of the mechanism's header.
fn header_size(payload: &[u8]) -> Result<usize, SealedError> {
    payload
        .first_chunk::<4>()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .and_then(|size| usize::try_from(size).ok())
        .filter(|&size| size <= MAX_SEAL_HEADER)
        .ok_or(SealedError::Frame("the mechanism's header is longer than any known one"))
}

/// `OriginalContent: type=…;charset=…;Length=N`.
struct Original {
    media: String,
    length: usize,
}

impl Original {
    fn parse(value: &str) -> Result<Self, SealedError> {
        let broken = SealedError::Frame("OriginalContent is not type=…;Length=…");
        let (media, length) = value.trim().rsplit_once(';').ok_or_else(|| broken.clone())?;
        let media = media.trim().strip_prefix("type=").ok_or_else(|| broken.clone())?;
        let length = length
            .trim()
            .strip_prefix("Length=")
            .and_then(|digits| digits.trim().parse().ok())
            .ok_or(broken)?;
        Ok(Self { media: media.to_owned(), length })
    }
}

/// Reads the part headers line by line, never more than [`MAX_PART_HEADERS`].
struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    until: usize,
}

impl<'a> Lines<'a> {
    fn from(body: &'a [u8], at: usize) -> Self {
        let until = at.saturating_add(MAX_PART_HEADERS).min(body.len());
        Self { body, at, until }
    }

    /// Both parts' headers, up to the payload.
    fn part_headers(&mut self, announced: &Announced) -> Result<(Original, Dialect), SealedError> {
        let boundary = announced.boundary.as_bytes();
        self.delimiter(boundary)?;
        let (mut named, mut original, mut dialect) = (None, None, Dialect::Bare);
        while !self.at_delimiter(boundary) {
            let line = self.next()?;
            if line.starts_with(['\t', ' ']) {
                dialect = Dialect::Tab;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(SealedError::Frame("a part header has no colon"));
            };
            match name.trim() {
                "Content-Type" => named = Protocol::parse(value.trim()),
                "OriginalContent" => original = Some(Original::parse(value)?),
                _ => {}
            }
        }
        if named != Some(announced.protocol) {
            return Err(SealedError::Frame("the first part names another protocol"));
        }
        let original = original.ok_or(SealedError::Frame("OriginalContent is missing"))?;
        self.delimiter(boundary)?;
        let octets = self.next()?;
        let is_octets = octets.split_once(':').is_some_and(|(name, value)| {
            name.trim() == "Content-Type" && value.trim() == "application/octet-stream"
        });
        if is_octets {
            Ok((original, dialect))
        } else {
            Err(SealedError::Frame("the second part is not application/octet-stream"))
        }
    }

    fn next(&mut self) -> Result<&'a str, SealedError> {
        let rest = self.body.get(self.at..self.until).unwrap_or_default();
        let end = rest
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .ok_or(SealedError::Frame("a part header has no end"))?;
        self.at += end + 2;
        rest.get(..end)
            .and_then(|line| std::str::from_utf8(line).ok())
            .ok_or(SealedError::Frame("a part header is not text"))
    }

    fn at_delimiter(&self, boundary: &[u8]) -> bool {
        delimiter_end(self.body.get(self.at..).unwrap_or_default(), boundary).is_some()
    }

    fn delimiter(&mut self, boundary: &[u8]) -> Result<(), SealedError> {
        let line = self.next()?;
        let whole = line.as_bytes();
        if delimiter_end(whole, boundary) == Some(whole.len()) {
            Ok(())
        } else {
            Err(SealedError::Frame("a delimiter is missing"))
        }
    }
}

/// The end of `--boundary` at the start of `text`. Exchange writes a space after the hyphens.
fn delimiter_end(text: &[u8], boundary: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"--")?;
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    rest.get(spaces..)?.starts_with(boundary).then_some(2 + spaces + boundary.len())
}

/// Where the closing delimiter starts: it ends the body, one more line end may follow.
fn closing(body: &[u8], boundary: &[u8]) -> Option<usize> {
    let mut rest = body.strip_suffix(b"\r\n").unwrap_or(body);
    rest = rest.strip_suffix(b"\r\n").unwrap_or(rest);
    rest = rest.strip_suffix(b"--")?.strip_suffix(boundary)?;
    let spaces = rest.iter().rev().take_while(|&&byte| byte == b' ').count();
    // Ciphertext may end in a space: the hyphens decide how many spaces belong to the delimiter.
    (0..=spaces)
        .rev()
        .filter_map(|count| rest.get(..rest.len() - count)?.strip_suffix(b"--"))
        .map(<[u8]>::len)
        .next()
}
