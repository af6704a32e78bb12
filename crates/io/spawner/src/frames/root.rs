//! The frames between the network process and the spawner: 64 bytes each, all numbers little-endian.
//!
//! ```text
//!  0 version   u8    1
//!  1 verb      u8    1-11 a request, 129-135 an event
//!  2 zeros     2
//!  4 sequence  u32   chosen by the requester, echoed by the answer; 0 in an event that nobody asked for
//!  8 shell     u64   chosen by the spawner, never reused
//! 16 account   16    Open, Opened, Members; in Bind the IPv6 address (IPv4 mapped)
//! 32 login     16    Open: reserved for the process that will register logins; not judged yet
//! 48 argument  u64   Open: 1 when a ticket will come; KillSession: session id; Bind: port; MemberOf: a bit for each group, the
//!                    first one's the lowest; Refused: code, and errno in the upper half
//! 56 memory    u64  Open: most memory of the shell in bytes, from [`LEAST_MEMORY`] to [`MOST_MEMORY`]; 0: the network process sets
//!                    no limit
//! ```
//!
//! Each field that a verb does not use is zero. Anything else is malformed, and a malformed frame ends the service.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU64;

use crate::AccountId;

/// Bytes in a frame.
pub const LENGTH: usize = 64;
/// The version in the first byte.
pub const VERSION: u8 = 1;
/// The smallest limit of a shell's memory in bytes: one unit of `MaxMemoryPerShellMB`.
pub const LEAST_MEMORY: u64 = 1024 * 1024;
/// The largest one, which every value of that setting fits below.
pub const MOST_MEMORY: u64 = LEAST_MEMORY << 31;

/// What the network process asks of the spawner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the verbs of one protocol version; a new one must break every match"
)]
pub enum Request {
    /// The listeners accept; the service manager is told. No answer.
    Ready,
    /// A read-only descriptor of `accounts`. Answer: File or Refused.
    Accounts,
    /// A read-only descriptor of `clients`. Answer: File or Refused.
    Clients,
    /// A read-only descriptor of `principals`. Answer: File or Refused.
    Principals,
    /// The private socket, which listens. Answer: File, or Refused from the second time on.
    Local,
    /// A read-only descriptor of `users`. Answer: File or Refused.
    Users,
    /// Which of the groups that root's configuration names an account belongs to by its local user. Answer: MemberOf or
    /// Refused.
    Members {
        /// Whose groups.
        account: AccountId,
    },
    /// A shell for an account. Answer: Opened or Refused.
    Open {
        /// Whose shell.
        account: AccountId,
        /// Reserved: the login that a verifier registered.
        login: [u8; 16],
        /// Whether its keeper will be given a Kerberos ticket, which needs a place in memory.
        ticket: bool,
        /// Most memory of the shell in bytes, as the network process wants it.
        memory: Option<NonZeroU64>,
    },
    /// Ends a shell with every process of it. Answer: Ended, or Refused for an unknown shell.
    Close {
        /// Which shell.
        shell: u64,
    },
    /// Kills the processes of one session below a shell's keeper. Refused for an unknown shell, else no answer.
    KillSession {
        /// Which shell.
        shell: u64,
        /// The session's id, which is the process id of the command that began it.
        session: u32,
    },
    /// A listening socket on a port below 1024. Answer: File or Refused.
    Bind {
        /// One of the addresses that root-owned configuration lists.
        address: SocketAddr,
    },
}

/// What the spawner tells the network process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the events of one protocol version; a new one must break every match"
)]
pub enum Event {
    /// The shell exists; its keeper's socket comes with the frame.
    Opened {
        /// The shell's number.
        shell: u64,
        /// Whose shell.
        account: AccountId,
    },
    /// The request was not fulfilled.
    Refused {
        /// Why.
        reason: Reason,
        /// The system's error number, 0 if there is none.
        errno: i32,
    },
    /// The shell and every process of it are gone.
    Ended {
        /// Which shell.
        shell: u64,
    },
    /// The descriptor asked for comes with the frame.
    File,
    /// The groups that were asked for.
    MemberOf {
        /// A bit for each group in the order of root's configuration; the first one's is the lowest.
        groups: u64,
    },
    /// The service is to drain and to exit.
    Stop,
    /// The log goes on in the file whose descriptor comes with the frame.
    Log,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// Why the spawner refused a request. The numbers are those of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> u32 {
                match self { $(Self::$name => $code,)+ }
            }

            /// The reason of a number.
            #[must_use]
            pub fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }

        impl std::fmt::Display for Reason {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(match self { $(Self::$name => $text,)+ })
            }
        }
    };
}

reasons! {
    /// `users` has no line for the account.
    NotMapped = 1, "the account is not mapped to a local user";
    /// `users` cannot be trusted or read.
    UsersFile = 2, "the file of local users cannot be used";
    /// `accounts` is absent, or cannot be trusted or read.
    AccountsFile = 3, "the file of accounts cannot be used";
    /// The account has as many shells as it may.
    AccountLimit = 4, "the account has too many shells";
    /// The service has as many shells as it may.
    TotalLimit = 5, "the service has too many shells";
    /// As many shells are being opened as may be.
    PendingLimit = 6, "too many shells are being opened";
    /// The keeper was not ready in time.
    TimedOut = 7, "the local user's process was not ready in time";
    /// The system has no process or descriptor left, or the requester does not read.
    Resources = 8, "the system is out of processes or descriptors";
    /// The service runs as one user and already serves another account.
    SecondAccount = 9, "the service does not run as root and serves one account only";
    /// The service runs as one user, and the account is mapped to another.
    OtherUser = 10, "the service does not run as root and cannot become another user";
    /// The service stops.
    Stopping = 11, "the service is stopping";
    /// No such shell, or it has ended.
    NoSuchShell = 12, "there is no such shell";
    /// The address is not among those that root may bind.
    NotListed = 13, "the address is not listed as a privileged listener";
    /// The system refused the address.
    BindFailed = 14, "the address cannot be bound";
    /// `clients` is absent, or cannot be trusted or read.
    ClientsFile = 15, "the file of client certificates cannot be used";
    /// `principals` is absent, or cannot be trusted or read.
    PrincipalsFile = 16, "the file of Kerberos principals cannot be used";
    /// There is no private socket, or it was handed out before.
    NoSocket = 17, "there is no private socket";
    /// The local user does not exist (any longer).
    NoSuchUser = 20, "the local user does not exist";
    /// The local user has another uid than when the account was mapped.
    UidChanged = 21, "the local user's uid is not the recorded one";
    /// The local user is uid 0, and the mapping does not allow that.
    RootNotAllowed = 22, "the local user is root, which the account does not allow";
    /// The local user is the service's.
    ServiceUser = 23, "the local user is the service's own";
    /// The local user's account has expired.
    Expired = 24, "the local user's account has expired";
    /// `/etc/nologin` exists.
    NoLogin = 25, "logins are disabled on this system (/etc/nologin)";
    /// The keeper could not become the user.
    Identity = 26, "the change to the local user failed";
    /// The keeper, or who looked a user up, died before its report.
    KeeperDied = 27, "the local user's process died";
    /// The system cannot say which groups the local user is in.
    Groups = 28, "the groups of the local user cannot be looked up";
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not 64 bytes.
    #[error("a frame of {0} bytes instead of {LENGTH}")]
    Length(usize),
    /// Another version.
    #[error("frame version {0} instead of {VERSION}")]
    Version(u8),
    /// A verb that does not exist or does not travel in this direction.
    #[error("unknown verb {0}")]
    Verb(u8),
    /// A field that the verb does not use is not zero, or one that it uses has a value that it cannot have.
    #[error("verb {verb} with an impossible field `{field}`")]
    Field {
        /// The verb.
        verb: u8,
        /// The field's name in the module's table.
        field: &'static str,
    },
}

/// The fields of a frame, before they mean anything.
#[derive(Debug, Clone, Copy, Default)]
struct Fields {
    verb: u8,
    sequence: u32,
    shell: u64,
    account: [u8; 16],
    login: [u8; 16],
    argument: u64,
    memory: u64,
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    // The callers hand over 64 bytes and take 64, so the fallback is never seen.
    let Some((head, tail)) = bytes.split_first_chunk::<N>() else { return [0; N] };
    *bytes = tail;
    *head
}

impl Fields {
    fn decode(bytes: &[u8]) -> Result<(Self, u16), FrameError> {
        if bytes.len() != LENGTH {
            return Err(FrameError::Length(bytes.len()));
        }
        let mut rest = bytes;
        let [version, verb] = take::<2>(&mut rest);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let gap = u16::from_le_bytes(take(&mut rest));
        let fields = Self {
            verb,
            sequence: u32::from_le_bytes(take(&mut rest)),
            shell: u64::from_le_bytes(take(&mut rest)),
            account: take(&mut rest),
            login: take(&mut rest),
            argument: u64::from_le_bytes(take(&mut rest)),
            memory: u64::from_le_bytes(take(&mut rest)),
        };
        Ok((fields, gap))
    }

    fn encode(&self) -> [u8; LENGTH] {
        let mut frame = [0; LENGTH];
        let parts: [&[u8]; 7] = [
            &[VERSION, self.verb, 0, 0],
            &self.sequence.to_le_bytes(),
            &self.shell.to_le_bytes(),
            &self.account,
            &self.login,
            &self.argument.to_le_bytes(),
            &self.memory.to_le_bytes(),
        ];
        for (to, from) in frame.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        frame
    }

    /// Checks that only the named fields are used.
    fn only(&self, used: &[&'static str]) -> Result<(), FrameError> {
        let fields = [
            ("shell", self.shell == 0),
            ("account", self.account == [0; 16]),
            ("login", self.login == [0; 16]),
            ("argument", self.argument == 0),
            ("memory", self.memory == 0),
        ];
        for (field, zero) in fields {
            if !zero && !used.contains(&field) {
                return Err(self.impossible(field));
            }
        }
        Ok(())
    }

    fn impossible(&self, field: &'static str) -> FrameError {
        FrameError::Field { verb: self.verb, field }
    }

    fn shell(&self) -> Result<u64, FrameError> {
        if self.shell == 0 { Err(self.impossible("shell")) } else { Ok(self.shell) }
    }
}

fn fields(bytes: &[u8]) -> Result<Fields, FrameError> {
    let (fields, gap) = Fields::decode(bytes)?;
    if gap == 0 { Ok(fields) } else { Err(fields.impossible("zeros")) }
}

impl Request {
    /// Reads a request and its sequence number.
    ///
    /// # Errors
    /// [`FrameError`] for everything that [`Request::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), FrameError> {
        let fields = fields(bytes)?;
        let (request, used): (_, &[&'static str]) = match fields.verb {
            1 => (Self::Ready, &[]),
            2 => (Self::Accounts, &[]),
            3 => {
                let ticket = match fields.argument {
                    0 => false,
                    1 => true,
                    _ => return Err(fields.impossible("argument")),
                };
                let memory = NonZeroU64::new(fields.memory);
                if memory.is_some_and(|bytes| !(LEAST_MEMORY..=MOST_MEMORY).contains(&bytes.get()))
                {
                    return Err(fields.impossible("memory"));
                }
                let (account, login) = (fields.account, fields.login);
                let used = &["account", "login", "argument", "memory"];
                (Self::Open { account, login, ticket, memory }, used)
            }
            4 => (Self::Close { shell: fields.shell()? }, &["shell"]),
            5 => {
                // Session ids are process ids, which are positive i32 numbers; 1 is init's.
                let session = i32::try_from(fields.argument).ok().filter(|session| *session > 1);
                let session = session.ok_or_else(|| fields.impossible("argument"))?.unsigned_abs();
                (Self::KillSession { shell: fields.shell()?, session }, &["shell", "argument"])
            }
            6 => {
                let port =
                    u16::try_from(fields.argument).map_err(|_| fields.impossible("argument"))?;
                let address = Ipv6Addr::from(fields.account).to_canonical();
                (Self::Bind { address: SocketAddr::new(address, port) }, &["account", "argument"])
            }
            7 => (Self::Clients, &[]),
            8 => (Self::Principals, &[]),
            9 => (Self::Local, &[]),
            10 => (Self::Users, &[]),
            11 => (Self::Members { account: fields.account }, &["account"]),
            other => return Err(FrameError::Verb(other)),
        };
        fields.only(used)?;
        Ok((fields.sequence, request))
    }

    /// Writes the request.
    #[must_use]
    pub fn encode(&self, sequence: u32) -> [u8; LENGTH] {
        let none = Fields { sequence, ..Fields::default() };
        match *self {
            Self::Ready => Fields { verb: 1, ..none },
            Self::Accounts => Fields { verb: 2, ..none },
            Self::Clients => Fields { verb: 7, ..none },
            Self::Principals => Fields { verb: 8, ..none },
            Self::Local => Fields { verb: 9, ..none },
            Self::Users => Fields { verb: 10, ..none },
            Self::Members { account } => Fields { verb: 11, account, ..none },
            Self::Open { account, login, ticket, memory } => {
                let memory = memory.map_or(0, NonZeroU64::get);
                Fields { verb: 3, account, login, argument: ticket.into(), memory, ..none }
            }
            Self::Close { shell } => Fields { verb: 4, shell, ..none },
            Self::KillSession { shell, session } => {
                Fields { verb: 5, shell, argument: session.into(), ..none }
            }
            Self::Bind { address } => {
                let octets = match address.ip() {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                Fields { verb: 6, account: octets, argument: address.port().into(), ..none }
            }
        }
        .encode()
    }
}

impl Event {
    /// Reads an event and the sequence number of the request that it answers.
    ///
    /// # Errors
    /// [`FrameError`] for everything that [`Event::encode`] does not make.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self), FrameError> {
        let fields = fields(bytes)?;
        let (event, used): (_, &[&'static str]) = match fields.verb {
            129 => (
                Self::Opened { shell: fields.shell()?, account: fields.account },
                &["shell", "account"],
            ),
            130 => {
                let [a, b, c, d, errno @ ..] = fields.argument.to_le_bytes();
                let reason = Reason::from_code(u32::from_le_bytes([a, b, c, d]));
                let reason = reason.ok_or_else(|| fields.impossible("argument"))?;
                (Self::Refused { reason, errno: i32::from_le_bytes(errno) }, &["argument"])
            }
            131 => (Self::Ended { shell: fields.shell()? }, &["shell"]),
            132 => (Self::File, &[]),
            133 => (Self::Stop, &[]),
            134 => (Self::Log, &[]),
            135 => (Self::MemberOf { groups: fields.argument }, &["argument"]),
            other => return Err(FrameError::Verb(other)),
        };
        fields.only(used)?;
        Ok((fields.sequence, event))
    }

    /// Writes the event.
    #[must_use]
    pub fn encode(&self, sequence: u32) -> [u8; LENGTH] {
        let none = Fields { sequence, ..Fields::default() };
        match *self {
            Self::Opened { shell, account } => Fields { verb: 129, shell, account, ..none },
            Self::Refused { reason, errno } => {
                let argument = u64::from(reason.code()) | (u64::from(errno.cast_unsigned()) << 32);
                Fields { verb: 130, argument, ..none }
            }
            Self::Ended { shell } => Fields { verb: 131, shell, ..none },
            Self::File => Fields { verb: 132, ..none },
            Self::Stop => Fields { verb: 133, ..none },
            Self::Log => Fields { verb: 134, ..none },
            Self::MemberOf { groups } => Fields { verb: 135, argument: groups, ..none },
        }
        .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_the_verb_does_not_use_is_refused() {
        let mut frame = Request::Ready.encode(7);
        assert_eq!(Request::decode(&frame), Ok((7, Request::Ready)));
        frame[8] = 1;
        assert_eq!(Request::decode(&frame), Err(FrameError::Field { verb: 1, field: "shell" }));
        let mut frame = Request::Ready.encode(7);
        frame[63] = 1;
        assert_eq!(Request::decode(&frame), Err(FrameError::Field { verb: 1, field: "memory" }));
    }

    #[test]
    fn a_limit_of_memory_is_none_or_within_its_bounds() {
        let open = |bytes| {
            let memory = NonZeroU64::new(bytes);
            Request::Open { account: [1; 16], login: [2; 16], ticket: true, memory }
        };
        for bytes in [0, LEAST_MEMORY, LEAST_MEMORY + 1, 157_286_400, MOST_MEMORY] {
            assert_eq!(Request::decode(&open(bytes).encode(5)), Ok((5, open(bytes))), "{bytes}");
        }
        for bytes in [1, LEAST_MEMORY - 1, MOST_MEMORY + 1, u64::MAX] {
            let refused = Err(FrameError::Field { verb: 3, field: "memory" });
            assert_eq!(Request::decode(&open(bytes).encode(5)), refused, "{bytes}");
        }
    }

    #[test]
    fn an_event_is_no_request() {
        assert_eq!(Request::decode(&Event::Stop.encode(0)), Err(FrameError::Verb(133)));
        assert_eq!(Event::decode(&Request::Accounts.encode(0)), Err(FrameError::Verb(2)));
    }

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::ALL {
            let event = Event::Refused { reason: *reason, errno: -24 };
            assert_eq!(Event::decode(&event.encode(9)), Ok((9, event)));
        }
    }
}
