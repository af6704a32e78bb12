//! The framing of out-of-process transports: an engine behind pipes, as `pwsh -sshs` speaks it.
//!
//! ```text
//! one line per packet:
//! <Data Stream='Default' PSGuid='…'>base64 of fragments</Data>       acknowledged by <DataAck …/>
//! <Command PSGuid='…' />   <Close PSGuid='…' />   <Signal PSGuid='…' />     each by its …Ack
//! ```
//!
//! The GUID is zero for the pool, else the pipeline's. What an engine's children write to the same
//! pipe appears as lines that are no packets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use uuid::Uuid;

/// To which of the two streams data belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stream {
    /// Everything but answers of the host.
    #[default]
    Default,
    /// Answers of the host, which overtake the rest.
    PromptResponse,
}

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// The target shall end; a pool that ends is the session.
    Close,
    /// It has ended.
    CloseAck,
    /// A pipeline begins: its data follows once this is acknowledged.
    Command,
    /// Its data may come.
    CommandAck,
    /// Fragments.
    Data(Stream, Vec<u8>),
    /// They were taken.
    DataAck,
    /// A pipeline shall stop.
    Signal,
    /// It has stopped.
    SignalAck,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The pipeline, or zero for the pool.
    pub target: Uuid,
    /// What it says.
    pub verb: Verb,
}

impl Packet {
    /// A packet for a pipeline, or for the pool where there is none.
    #[must_use]
    pub fn new(pipeline: Option<Uuid>, verb: Verb) -> Self {
        Self { target: pipeline.unwrap_or_default(), verb }
    }

    /// The pipeline; `None` for the pool.
    #[must_use]
    pub fn pipeline(&self) -> Option<Uuid> {
        Some(self.target).filter(|target| !target.is_nil())
    }
}

impl fmt::Display for Packet {
    /// The packet's line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target;
        let name = match &self.verb {
            Verb::Close => "Close",
            Verb::CloseAck => "CloseAck",
            Verb::Command => "Command",
            Verb::CommandAck => "CommandAck",
            Verb::Data(stream, data) => {
                let stream = match stream {
                    Stream::Default => "Default",
                    Stream::PromptResponse => "PromptResponse",
                };
                let data = STANDARD.encode(data);
                return write!(f, "<Data Stream='{stream}' PSGuid='{target}'>{data}</Data>");
            }
            Verb::DataAck => "DataAck",
            Verb::Signal => "Signal",
            Verb::SignalAck => "SignalAck",
        };
        write!(f, "<{name} PSGuid='{target}' />")
    }
}

/// What came out of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// A line, or the rest of one, that is no packet: what something else wrote, or what an engine
    /// says about its end.
    Other(String),
    /// A packet.
    Packet(Packet),
}

/// Why what came is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line has no end.
    #[error("a line of the engine has more than {0} bytes")]
    TooLong(usize),
}

/// Takes bytes and makes packets of them.
#[derive(Debug)]
pub struct Lines {
    most: usize,
    waiting: Vec<u8>,
    /// Bytes of `waiting` that hold no end of a line.
    searched: usize,
}

impl Lines {
    /// Takes lines of at most `most` bytes. An engine's own have at most 43,768.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, waiting: Vec::new(), searched: 0 }
    }

    /// Takes bytes as they come, and hands what whole lines hold to `found`.
    ///
    /// # Errors
    ///
    /// [`Error`]: nothing that follows can be read.
    pub fn handle_bytes(
        &mut self,
        bytes: &[u8],
        mut found: impl FnMut(Piece),
    ) -> Result<(), Error> {
        self.waiting.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(rest) = self.waiting.get(self.searched..)
            && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
        {
            let end = self.searched + length;
            let line = self.waiting.get(from..end).unwrap_or_default();
            read_line(&String::from_utf8_lossy(line), &mut found);
            from = end + 1;
            self.searched = from;
        }
        self.waiting.drain(..from);
        self.searched = self.waiting.len();
        if self.waiting.len() > self.most { Err(Error::TooLong(self.most)) } else { Ok(()) }
    }
}

fn read_line(line: &str, found: &mut impl FnMut(Piece)) {
    let line = line.strip_prefix('\u{FEFF}').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut from = 0;
    // What something else writes may end without the end of its line; a packet follows on the same.
    let mut tries = 0;
    while let Some(rest) = line.get(from..).filter(|rest| !rest.is_empty()) {
        let mut reader = Reader::from_str(rest);
        if let Some(packet) = packet(&mut reader) {
            found(Piece::Packet(packet));
            from += usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            continue;
        }
        let next = next_packet(rest).filter(|_| tries < MOST_TRIES);
        let other = next.and_then(|next| rest.get(..next)).unwrap_or(rest);
        found(Piece::Other(other.to_owned()));
        from += other.len();
        tries += 1;
    }
}

/// Beginnings of packets in one line that are tried after something else.
const MOST_TRIES: usize = 8;

/// Where a packet may begin that is not the first thing in its line.
fn next_packet(line: &str) -> Option<usize> {
    let starts = line.match_indices('<').map(|(at, _)| at).skip_while(|at| *at == 0);
    let names = ["<Data", "<Command", "<Close", "<Signal"];
    starts.into_iter().find(|at| {
        line.get(*at..).is_some_and(|rest| names.iter().any(|name| rest.starts_with(name)))
    })
}

/// The next packet of a line, if there is one.
fn packet(reader: &mut Reader<&[u8]>) -> Option<Packet> {
    let (start, is_empty) = match reader.read_event().ok()? {
        Event::Start(start) => (start, false),
        Event::Empty(start) => (start, true),
        _ => return None,
    };
    let name = start.name().into_inner().to_owned();
    let (target, stream) = attributes(&start)?;
    let mut text = String::new();
    if !is_empty {
        loop {
            match reader.read_event().ok()? {
                Event::Text(piece) => text.push_str(&piece.into_inner()),
                Event::End(_) => break,
                _ => return None,
            }
        }
    }
    let verb = match (&*name, stream) {
        ("Data", Some(stream)) => {
            text.retain(|c| !c.is_ascii_whitespace());
            Verb::Data(stream, STANDARD.decode(text).ok()?)
        }
        (_, Some(_)) => return None,
        ("Close", None) => Verb::Close,
        ("CloseAck", None) => Verb::CloseAck,
        ("Command", None) => Verb::Command,
        ("CommandAck", None) => Verb::CommandAck,
        ("DataAck", None) => Verb::DataAck,
        ("Signal", None) => Verb::Signal,
        ("SignalAck", None) => Verb::SignalAck,
        _ => return None,
    };
    Some(Packet { target, verb })
}

/// The target, and the stream where the packet has one.
fn attributes(start: &BytesStart<'_>) -> Option<(Uuid, Option<Stream>)> {
    let (mut target, mut stream) = (None, None);
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        match attribute.key.into_inner() {
            "PSGuid" => target = Some(Uuid::try_parse(&attribute.value).ok()?),
            // An engine takes an unknown name for the default.
            "Stream" if &*attribute.value == "PromptResponse" => {
                stream = Some(Stream::PromptResponse)
            }
            "Stream" => stream = Some(Stream::Default),
            _ => return None,
        }
    }
    Some((target?, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut lines = Lines::new(100_000);
        let mut found = Vec::new();
        for chunk in chunks {
            lines.handle_bytes(chunk, |piece| found.push(piece)).unwrap();
        }
        found
    }

    #[test]
    fn packets_come_back_however_they_are_cut() {
        let id = Uuid::from_u128(7);
        let packets = [
            Packet::new(None, Verb::Data(Stream::Default, b"abc".to_vec())),
            Packet::new(Some(id), Verb::Command),
            Packet::new(Some(id), Verb::Data(Stream::PromptResponse, vec![])),
            Packet::new(Some(id), Verb::SignalAck),
            Packet::new(None, Verb::Close),
        ];
        let text: String = packets.iter().map(|packet| format!("{packet}\n")).collect();
        let wanted: Vec<_> = packets.into_iter().map(Piece::Packet).collect();
        assert_eq!(pieces(&[text.as_bytes()]), wanted);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(pieces(&bytes), wanted);
    }

    #[test]
    fn what_an_engine_takes_is_taken() {
        let id = "00000000-0000-0000-0000-000000000007";
        for line in [
            format!("<DataAck PSGuid='{id}' />\r\n"),
            format!("<DataAck PSGuid=\"{id}\"></DataAck>\n"),
            format!("<DataAck PSGuid='{{{id}}}'/>\n"),
            format!("\u{FEFF}<DataAck PSGuid='{}' />\n", id.to_uppercase()),
        ] {
            let wanted = Packet::new(Some(Uuid::from_u128(7)), Verb::DataAck);
            assert_eq!(pieces(&[line.as_bytes()]), [Piece::Packet(wanted)], "{line}");
        }
        let two = format!("<Close PSGuid='{id}' /><Signal PSGuid='{id}' />\n");
        assert_eq!(pieces(&[two.as_bytes()]).len(), 2);
    }

    #[test]
    fn other_lines_are_no_packets() {
        let glued = b"no end<DataAck PSGuid='00000000-0000-0000-0000-000000000007' />\n";
        let ack = Packet::new(Some(Uuid::from_u128(7)), Verb::DataAck);
        assert_eq!(pieces(&[glued]), [Piece::Other("no end".to_owned()), Piece::Packet(ack)]);
        for line in ["hello", "<Foo PSGuid='x' />", "<Data Stream='Default' />", "<Close"] {
            let text = format!("{line}\n");
            assert_eq!(pieces(&[text.as_bytes()]), [Piece::Other(line.to_owned())]);
        }
        let mut lines = Lines::new(10);
        assert_eq!(lines.handle_bytes(&[b'x'; 11], |_| {}), Err(Error::TooLong(10)));
    }
}
