//! The frames between the network process and a keeper: one `SEQPACKET` message of at most 192 KiB each, all numbers
//! little-endian.
//!
//! ```text
//! 0 version u8   1
//! 1 kind    u8   1 Start, 2 Signal, 3 Ticket; 129 Started, 130 Failed, 131 Exited, 132 Stored
//! 2 zeros   2
//! 4 command u32  chosen by the network process, unique among the shell's running commands; 0 in Ticket,
//!                in its Failed and in Stored
//!
//! Start    arguments u32, variables u32, flags u32 (1 a directory, 2 expand), then the strings: u32 length and bytes
//!          each; a variable is two strings, name and value
//! Signal   u32: 1 interrupt, 2 terminate
//! Ticket   u32 length and bytes
//! Started  u32 process id; three descriptors come with it: stdin's write end, stdout's and stderr's read ends
//! Failed   u32 stage, i32 errno
//! Exited   u32: 1 exited, 2 killed; i32 code or signal; u32 others (0 or 1); u64 user time, u64 system time in microseconds
//! ```

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// Most bytes of a frame.
pub const MAX_LENGTH: usize = 192 * 1024;
/// Most characters of a command line, each argument counted with one separator; the environment has the same limit.
/// A byte that is not part of a UTF-8 character counts as one.
pub const MAX_CHARACTERS: usize = 32_767;
/// Most bytes of a ticket.
pub const MAX_TICKET: usize = 64 * 1024;
/// Most bytes of a directory's name.
pub const MAX_DIRECTORY: usize = 4_096;
/// Bytes of the longest frame that a keeper sends.
pub const MAX_EVENT_LENGTH: usize = 36;
/// The version in the first byte.
pub const VERSION: u8 = 1;
/// Bytes before what a kind has of its own.
const HEADER_LENGTH: usize = 8;

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by the callers; the wire has no other field")]
pub struct Start {
    /// The program, looked up in `PATH` unless it holds a slash, and its arguments.
    pub argv: Vec<OsString>,
    /// Variables that are put over `USER LOGNAME HOME SHELL PATH LANG TZ`, in order; the last of a name holds.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether `%NAME%` in the variables' values stands for what NAME is by then: the variables before it and those that
    /// every command has, by the name as it is or else without regard to case. What names no variable stays as it is.
    pub expand: bool,
    /// The working directory, relative to the user's home; `None`: the home, or `/` where there is none.
    pub directory: Option<PathBuf>,
}

/// What a command can be told. Both go to the whole process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGINT`: what Ctrl-C does.
    Interrupt,
    /// `SIGKILL`.
    Terminate,
}

/// The content of a credential cache's file: wiped when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(Zeroizing<Vec<u8>>);

impl Ticket {
    /// A copy of the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes: a secret, for whoever stores them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// What the network process asks of a keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the kinds of one protocol version; a new one must break every match"
)]
pub enum Request {
    /// Start a command. Answer: Started and later Exited, or Failed.
    Start {
        /// The command's number.
        command: u32,
        /// What to start.
        start: Start,
    },
    /// Signal a command's group. No answer.
    Signal {
        /// The command's number.
        command: u32,
        /// Which signal.
        signal: Signal,
    },
    /// A Kerberos ticket for the commands of the shell that start from now on, as a file has it; once in a shell. Answer:
    /// Stored or Failed.
    Ticket(Ticket),
}

/// What a keeper tells the network process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the kinds of one protocol version; a new one must break every match"
)]
pub enum Event {
    /// The command runs; its pipes come with the frame.
    Started {
        /// The command's number.
        command: u32,
        /// Its process id, which is also its session's and its group's.
        process: u32,
    },
    /// The command does not run.
    Failed {
        /// The command's number.
        command: u32,
        /// What failed.
        stage: Stage,
        /// The system's error number.
        errno: i32,
    },
    /// The command has ended. Others of its session may still run.
    Exited {
        /// The command's number.
        command: u32,
        /// How.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
        /// Whether the keeper has children that are no commands: what an ended command left behind.
        others: bool,
    },
    /// The ticket is where commands find it.
    Stored,
}

/// What failed when a command was to start. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// 1: the number is taken by a running command.
    Command,
    /// 2: the pipes could not be made.
    Pipes,
    /// 3: the working directory cannot be entered.
    Directory,
    /// 4: the program cannot be executed.
    Execute,
    /// 5: the ticket cannot be stored.
    Ticket,
}

impl Stage {
    /// Every stage in the order of the numbers on the wire.
    pub const ALL: [Self; 5] =
        [Self::Command, Self::Pipes, Self::Directory, Self::Execute, Self::Ticket];

    fn code(self) -> u32 {
        match self {
            Self::Command => 1,
            Self::Pipes => 2,
            Self::Directory => 3,
            Self::Execute => 4,
            Self::Ticket => 5,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Command => "the command's number is taken",
            Self::Pipes => "the pipes cannot be made",
            Self::Directory => "the working directory cannot be entered",
            Self::Execute => "the program cannot be executed",
            Self::Ticket => "the ticket cannot be stored",
        })
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With an exit code of 0-255.
    Code(i32),
    /// By a signal, 1-64.
    Signal(i32),
    /// Unknown: the keeper died first. Never on the wire.
    Lost,
}

/// What a command used, with the children that it waited for; microseconds on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
}

/// Why bytes are no frame, or a request fits in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than [`MAX_LENGTH`].
    #[error("a frame of {0} bytes; at most {MAX_LENGTH} are allowed")]
    TooLong(usize),
    /// Another version.
    #[error("frame version {0} instead of {VERSION}")]
    Version(u8),
    /// A kind that does not exist or does not travel in this direction.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// The frame ends before, or goes on after, what it announces.
    #[error("the frame's length does not fit its content (at {0})")]
    Length(&'static str),
    /// A value that the field cannot have.
    #[error("impossible value in `{0}`")]
    Field(&'static str),
    /// A command line or environment of more than [`MAX_CHARACTERS`].
    #[error("{0} has more than {MAX_CHARACTERS} characters")]
    Characters(&'static str),
    /// A NUL byte, which no argument, variable or path can hold.
    #[error("{0} holds a NUL")]
    Nul(&'static str),
}

const EXECUTABLE: &str = "command line";
const ENVIRONMENT: &str = "environment";
const DIRECTORY: &str = "working directory";
const FLAGS: &str = "flags";
const FLAG_DIRECTORY: u32 = 1;
const FLAG_EXPAND: u32 = 2;

/// Reads from the front of a frame.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FrameError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(FrameError::Length(field))?;
        self.0 = tail;
        Ok(*head)
    }

    fn number(&mut self, field: &'static str) -> Result<u32, FrameError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    fn long(&mut self, field: &'static str) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FrameError> {
        let length = usize::try_from(self.number(field)?).map_err(|_| FrameError::Length(field))?;
        let (head, tail) = self.0.split_at_checked(length).ok_or(FrameError::Length(field))?;
        self.0 = tail;
        Ok(head)
    }

    fn string(&mut self, field: &'static str) -> Result<OsString, FrameError> {
        Ok(OsString::from_vec(self.bytes(field)?.to_vec()))
    }

    fn header(&mut self) -> Result<(u8, u32), FrameError> {
        let [version, kind, a, b] = self.array("header")?;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        if [a, b] != [0, 0] {
            return Err(FrameError::Field("zeros"));
        }
        Ok((kind, self.number("command")?))
    }

    fn end(&self) -> Result<(), FrameError> {
        if self.0.is_empty() { Ok(()) } else { Err(FrameError::Length("end")) }
    }
}

fn header(kind: u8, command: u32) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind, 0, 0];
    bytes.extend(command.to_le_bytes());
    bytes
}

fn push_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    // A value longer than u32 makes a frame longer than MAX_LENGTH, which `Request::encode` refuses.
    bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(value);
}

pub(crate) fn characters(value: &OsStr) -> usize {
    // Each invalid sequence counts by its bytes, so that the count never falls below what execve's limit sees by much.
    value
        .as_bytes()
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

fn check<'a>(
    values: impl Iterator<Item = &'a OsStr>,
    what: &'static str,
) -> Result<(), FrameError> {
    let mut total = 0_usize;
    for value in values {
        if value.as_bytes().contains(&0) {
            return Err(FrameError::Nul(what));
        }
        total = total.saturating_add(characters(value)).saturating_add(1);
    }
    if total > MAX_CHARACTERS { Err(FrameError::Characters(what)) } else { Ok(()) }
}

impl Start {
    /// Checks what a keeper would refuse: an empty command line, NULs, names with `=`, too many characters.
    ///
    /// # Errors
    /// [`FrameError`] that names the culprit.
    pub fn check(&self) -> Result<(), FrameError> {
        if self.argv.first().is_none_or(|program| program.is_empty()) {
            return Err(FrameError::Field(EXECUTABLE));
        }
        check(self.argv.iter().map(OsString::as_os_str), EXECUTABLE)?;
        for (name, _) in &self.environment {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(FrameError::Field(ENVIRONMENT));
            }
        }
        check(
            self.environment.iter().flat_map(|(name, value)| [name.as_os_str(), value.as_os_str()]),
            ENVIRONMENT,
        )?;
        if let Some(directory) = &self.directory {
            let bytes = directory.as_os_str().as_bytes();
            if bytes.is_empty() || bytes.len() > MAX_DIRECTORY {
                return Err(FrameError::Field(DIRECTORY));
            }
            check(std::iter::once(directory.as_os_str()), DIRECTORY)?;
        }
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        let arguments = reader.number(EXECUTABLE)?;
        let variables = reader.number(ENVIRONMENT)?;
        let flags = reader.number(FLAGS)?;
        if flags & !(FLAG_DIRECTORY | FLAG_EXPAND) != 0 {
            return Err(FrameError::Field(FLAGS));
        }
        // The vectors grow with what the frame holds, never with what it announces.
        let argv = (0..arguments).map(|_| reader.string(EXECUTABLE)).collect::<Result<_, _>>()?;
        let environment = (0..variables)
            .map(|_| Ok((reader.string(ENVIRONMENT)?, reader.string(ENVIRONMENT)?)))
            .collect::<Result<_, FrameError>>()?;
        let directory = if flags & FLAG_DIRECTORY != 0 {
            Some(PathBuf::from(reader.string(DIRECTORY)?))
        } else {
            None
        };
        let start = Self { argv, environment, expand: flags & FLAG_EXPAND != 0, directory };
        start.check()?;
        Ok(start)
    }

    fn push(&self, bytes: &mut Vec<u8>) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend(count(self.argv.len()));
        bytes.extend(count(self.environment.len()));
        let directory = if self.directory.is_some() { FLAG_DIRECTORY } else { 0 };
        let expand = if self.expand { FLAG_EXPAND } else { 0 };
        bytes.extend((directory | expand).to_le_bytes());
        self.argv.iter().for_each(|argument| push_bytes(bytes, argument.as_bytes()));
        for (name, value) in &self.environment {
            push_bytes(bytes, name.as_bytes());
            push_bytes(bytes, value.as_bytes());
        }
        if let Some(directory) = &self.directory {
            push_bytes(bytes, directory.as_os_str().as_bytes());
        }
    }
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`FrameError`] for everything that [`Request::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_LENGTH {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let mut reader = Reader(bytes);
        let (kind, command) = reader.header()?;
        let request = match kind {
            1 => Self::Start { command, start: Start::decode(&mut reader)? },
            2 => {
                let signal = match reader.number("signal")? {
                    1 => Signal::Interrupt,
                    2 => Signal::Terminate,
                    _ => return Err(FrameError::Field("signal")),
                };
                Self::Signal { command, signal }
            }
            3 => {
                let ticket = reader.bytes("ticket")?;
                if command != 0 || ticket.is_empty() || ticket.len() > MAX_TICKET {
                    return Err(FrameError::Field("ticket"));
                }
                Self::Ticket(Ticket::new(ticket))
            }
            other => return Err(FrameError::Kind(other)),
        };
        reader.end()?;
        Ok(request)
    }

    /// Writes the request.
    ///
    /// # Errors
    /// [`FrameError`] for a request that [`Request::decode`] would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let bytes = match self {
            Self::Start { command, start } => {
                start.check()?;
                let mut bytes = header(1, *command);
                start.push(&mut bytes);
                bytes
            }
            Self::Signal { command, signal } => {
                let mut bytes = header(2, *command);
                let code = match signal {
                    Signal::Interrupt => 1_u32,
                    Signal::Terminate => 2,
                };
                bytes.extend(code.to_le_bytes());
                bytes
            }
            Self::Ticket(Ticket(ticket)) => {
                if ticket.is_empty() || ticket.len() > MAX_TICKET {
                    return Err(FrameError::Field("ticket"));
                }
                // As long as it will be, so that no part of it is left where the vector was before.
                let mut bytes = Vec::with_capacity(HEADER_LENGTH + 4 + ticket.len());
                bytes.extend(header(3, 0));
                push_bytes(&mut bytes, ticket);
                bytes
            }
        };
        if bytes.len() > MAX_LENGTH { Err(FrameError::TooLong(bytes.len())) } else { Ok(bytes) }
    }
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`FrameError`] for everything that [`Event::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(bytes);
        let (kind, command) = reader.header()?;
        let event = match kind {
            129 => {
                let process = reader.number("process")?;
                if process < 2 || i32::try_from(process).is_err() {
                    return Err(FrameError::Field("process"));
                }
                Self::Started { command, process }
            }
            130 => {
                let code = reader.number("stage")?;
                let stage = Stage::ALL.into_iter().find(|stage| stage.code() == code);
                let stage = stage.ok_or(FrameError::Field("stage"))?;
                Self::Failed { command, stage, errno: i32::from_le_bytes(reader.array("errno")?) }
            }
            131 => {
                let how = reader.number("outcome")?;
                let value = i32::from_le_bytes(reader.array("outcome")?);
                let outcome = match (how, value) {
                    (1, 0..=255) => Outcome::Code(value),
                    (2, 1..=64) => Outcome::Signal(value),
                    _ => return Err(FrameError::Field("outcome")),
                };
                let others = match reader.number("others")? {
                    0 => false,
                    1 => true,
                    _ => return Err(FrameError::Field("others")),
                };
                let user = Duration::from_micros(reader.long("usage")?);
                let system = Duration::from_micros(reader.long("usage")?);
                Self::Exited { command, outcome, usage: Usage { user, system }, others }
            }
            132 if command == 0 => Self::Stored,
            132 => return Err(FrameError::Field("command")),
            other => return Err(FrameError::Kind(other)),
        };
        reader.end()?;
        Ok(event)
    }

    /// Writes the event. [`Outcome::Lost`] is written as an exit with code 255, since a keeper always knows the outcome.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Started { command, process } => {
                let mut bytes = header(129, command);
                bytes.extend(process.to_le_bytes());
                bytes
            }
            Self::Failed { command, stage, errno } => {
                let mut bytes = header(130, command);
                bytes.extend(stage.code().to_le_bytes());
                bytes.extend(errno.to_le_bytes());
                bytes
            }
            Self::Exited { command, outcome, usage, others } => {
                let mut bytes = header(131, command);
                let (how, value) = match outcome {
                    Outcome::Code(code) => (1_u32, code),
                    Outcome::Signal(signal) => (2, signal),
                    Outcome::Lost => (1, 255),
                };
                bytes.extend(how.to_le_bytes());
                bytes.extend(value.to_le_bytes());
                bytes.extend(u32::from(others).to_le_bytes());
                for time in [usage.user, usage.system] {
                    bytes.extend(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
                }
                bytes
            }
            Self::Stored => header(132, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(argv: &[&str]) -> Request {
        let argv = argv.iter().map(OsString::from).collect();
        Request::Start { command: 3, start: Start { argv, ..Start::default() } }
    }

    #[test]
    fn a_start_survives_the_wire() {
        let request = Request::Start {
            command: 8,
            start: Start {
                argv: vec!["sh".into(), "-c".into(), OsString::from_vec(vec![0xff, b'x'])],
                environment: vec![("A".into(), "b=c".into()), ("E".into(), "".into())],
                expand: true,
                directory: Some("/tmp".into()),
            },
        };
        assert_eq!(Request::decode(&request.encode().unwrap()), Ok(request));
    }

    #[test]
    fn an_announced_count_beyond_the_frame_is_refused() {
        let mut bytes = start(&["true"]).encode().unwrap();
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Request::decode(&bytes), Err(FrameError::Length(EXECUTABLE)));
    }

    #[test]
    fn limits_name_their_culprit() {
        assert_eq!(start(&[]).encode(), Err(FrameError::Field(EXECUTABLE)));
        assert_eq!(start(&["a\0b"]).encode(), Err(FrameError::Nul(EXECUTABLE)));
        assert!(start(&[&"x".repeat(MAX_CHARACTERS - 1)]).encode().is_ok());
        assert_eq!(
            start(&[&"x".repeat(MAX_CHARACTERS)]).encode(),
            Err(FrameError::Characters(EXECUTABLE))
        );
        assert_eq!(
            start(&[&"\u{20ac}".repeat(MAX_CHARACTERS)]).encode(),
            Err(FrameError::Characters(EXECUTABLE))
        );
        assert!(start(&[&"\u{20ac}".repeat(MAX_CHARACTERS - 1)]).encode().is_ok());
    }

    #[test]
    fn a_process_id_that_cannot_be_is_refused() {
        let frame = Event::Started { command: 1, process: 1 }.encode();
        assert_eq!(Event::decode(&frame), Err(FrameError::Field("process")));
    }
}
