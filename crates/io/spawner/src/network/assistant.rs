//! A process beside the network process, for what the sandbox has no room for: started before it closes, as the same user,
//! by the same program under another hidden name.
//!
//! ```text
//!  network process ──start──► supervisor ──starts, again when it dies──► worker
//!        │                        │ says so                                │
//!        └────────── one SEQPACKET pair, of which both hold the other end ─┘
//! ```
//!
//! What the worker does is not known here. It ends by itself when the network process closes its end; when the network
//! process is killed, so are both. A worker that dies takes the requests with it that it had received; those that wait in
//! the socket are the next one's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, send, socketpair, sockopt,
};
use rustix::process::Signal;

use super::{protect, socket};
use crate::{passing, sys};

/// How long the supervisor waits before it starts the next worker, at first and at most. A worker that lived for a minute
/// was a good one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const GOOD: Duration = Duration::from_secs(60);

/// What a worker ends with when another one is to begin at once; `EX_TEMPFAIL` of sysexits.h.
const AGAIN: u8 = 75;

/// The newest version of Landlock whose rights are asked for; older kernels give what they have.
const LANDLOCK: ABI = ABI::V7;

/// Starts the supervisor: this program with these words. To be called by the thread that lives as long as the process,
/// since the supervisor is bound to its life; our end of the pair comes back, which waits.
///
/// # Errors
/// The system's.
pub fn start<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> io::Result<OwnedFd> {
    let (ours, theirs) = pair()?;
    // Nobody waits for it: it ends when this process does, and whoever reaps this one reaps it.
    let _supervisor = begin(words, theirs)?;
    Ok(ours)
}

/// A `SEQPACKET` pair.
///
/// # Errors
/// The system's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// The first thing that a supervisor or worker does: nobody may look into it, nothing but its three standard descriptors
/// was inherited, and it dies with who started it. Its end of the pair comes back.
///
/// # Errors
/// When it was not started by [`start`] or [`supervise`], and the system's.
pub fn enter() -> io::Result<OwnedFd> {
    protect()?;
    // Nothing was opened yet: whatever has a higher number is a mistake of who started this.
    sys::close_above(2)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    if sockopt::socket_type(&socket)? != SocketType::SEQPACKET {
        let text = "standard input is not the socket of the service's network process";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    rustix::stdio::dup2_stdin(rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?)?;
    Ok(socket)
}

/// The exit code of a worker that has answered everything that it took, and wants another one in its place.
#[must_use]
pub fn again() -> ExitCode {
    ExitCode::from(AGAIN)
}

/// The supervisor's life: starts a worker with these words, and another one when that dies, which `died` puts into a
/// message for the network process. Returns when a worker has ended as it should, or nobody listens any more.
///
/// # Errors
/// The system's, when no worker can be started.
pub fn supervise(
    socket: &OwnedFd,
    words: &[OsString],
    died: impl Fn(ExitStatus) -> Vec<u8>,
) -> io::Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let status = begin(words, socket.try_clone()?)?.wait()?;
        if status.code() == Some(AGAIN.into()) {
            continue;
        }
        if status.success() || send(socket, &died(status), SendFlags::NOSIGNAL).is_err() {
            return Ok(());
        }
        pause = if begun.elapsed() >= GOOD { FIRST_PAUSE } else { pause };
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
    }
}

fn begin<S: AsRef<OsStr>>(
    words: impl IntoIterator<Item = S>,
    socket: OwnedFd,
) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .args(words)
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .spawn()
}

/// Sends one message with a descriptor.
///
/// # Errors
/// The system's.
pub fn send_with(socket: impl AsFd, message: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    Ok(passing::send_with(socket, message, &[descriptor], SendFlags::NOSIGNAL)?)
}

/// Receives one message and the descriptor that came along; 0 is the other side's end.
///
/// # Errors
/// The system's, and `InvalidData` for a message longer than the buffer.
pub fn receive_with(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let (length, descriptors) = socket::receive(socket, buffer, RecvFlags::empty())?;
    Ok((length, descriptors.into_iter().next()))
}

/// What an assistant has to do with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who confines a process must say which")]
pub enum Network {
    /// It connects to others by TCP, and listens on nothing.
    Connects,
    /// It opens TCP ports to listen on, and connects to nobody.
    Listens,
}

/// Confines this thread and every thread that it will start: files can be read below `readable`, read and written below
/// `writable`, nothing can be executed, and of TCP only that can be done which `network` says. Paths that do not exist
/// are left out.
///
/// Says what is missing on this machine, `None` where nothing is.
///
/// # Errors
/// When a rule cannot be made.
pub fn confine(
    readable: &[&Path],
    writable: &[&Path],
    network: Network,
) -> Result<Option<String>, RulesetError> {
    let refused = match network {
        Network::Connects => AccessNet::BindTcp,
        Network::Listens => AccessNet::ConnectTcp,
    };
    let looking = AccessFs::ReadFile | AccessFs::ReadDir;
    let changing = looking
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
        | AccessFs::Truncate;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(refused)?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    for (paths, access) in [(readable, looking), (writable, changing)] {
        for path in paths.iter().filter_map(|path| PathFd::new(path).ok()) {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
    }
    let status = rules.restrict_self()?;
    let in_force =
        matches!(status.ruleset, RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced);
    Ok((!in_force).then(|| "no Landlock in this kernel".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "the run counts what was skipped")]
    fn confined_thread_reads_writes_and_connects_where_it_may_and_executes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["readable", "writable", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("file"), "content").unwrap();
        }
        let single = folder.path().join("other/single");
        fs::write(&single, "content").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let path = |name: &str| folder.path().join(name);
        let missing = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let readable = [path("readable"), single.clone(), path("absent"), "/usr".into()];
                let readable: Vec<&Path> = readable.iter().map(AsRef::as_ref).collect();
                let missing = confine(&readable, &[&path("writable")], Network::Connects).unwrap();
                if missing.is_some() {
                    return missing;
                }
                assert_eq!(fs::read_to_string(path("readable/file")).unwrap(), "content");
                assert_eq!(fs::read_to_string(&single).unwrap(), "content");
                assert!(fs::read(path("other/file")).is_err());
                assert!(fs::write(path("readable/file"), "x").is_err());
                assert!(fs::write(path("other/new"), "x").is_err());
                fs::write(path("writable/new"), "x").unwrap();
                fs::rename(path("writable/new"), path("writable/newer")).unwrap();
                fs::remove_file(path("writable/newer")).unwrap();
                assert!(TcpListener::bind("127.0.0.1:0").is_err());
                TcpStream::connect(address).unwrap();
                let executed = Command::new("/usr/bin/true").status();
                assert_eq!(executed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
                None
            });
            inside.join().unwrap()
        });
        if let Some(missing) = missing {
            println!("SKIPPED assistant::confined_thread: {missing}");
        }
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "the run counts what was skipped")]
    fn confined_listener_listens_and_connects_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let missing = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let missing = confine(&[], &[folder.path()], Network::Listens).unwrap();
                if missing.is_none() {
                    TcpListener::bind("127.0.0.1:0").unwrap();
                    assert!(TcpStream::connect(address).is_err());
                }
                missing
            });
            inside.join().unwrap()
        });
        if let Some(missing) = missing {
            println!("SKIPPED assistant::confined_listener: {missing}");
        }
    }

    #[test]
    fn descriptor_comes_with_its_message() {
        let (ours, theirs) = pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        send_with(&ours, b"here", listener.as_fd()).unwrap();
        let mut buffer = [0; 8];
        let (length, descriptor) = receive_with(&theirs, &mut buffer).unwrap();
        assert_eq!(buffer.get(..length), Some(b"here".as_slice()));
        let received = TcpListener::from(descriptor.unwrap());
        assert_eq!(received.local_addr().unwrap(), listener.local_addr().unwrap());
    }
}
