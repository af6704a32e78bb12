//! The sandbox from inside: each attempt is a process of its own, which closes the sandbox first.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use nix::unistd::{Pid, Uid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use spawner::network::sandbox;

use crate::runner::{Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "what_an_intruder_wants_ends_the_process_in_the_sandbox",
        needs: Needs::Nothing,
        run: |_| deadly(),
    },
    Test {
        name: "what_the_service_does_not_need_is_unknown_in_the_sandbox",
        needs: Needs::Nothing,
        run: |_| unknown(),
    },
    Test {
        name: "files_are_read_below_one_folder_only_in_the_sandbox",
        needs: Needs::Nothing,
        run: |_| files(),
    },
    Test {
        name: "what_the_service_needs_works_in_the_sandbox",
        needs: Needs::Nothing,
        run: |_| needed(),
    },
    Test {
        name: "abort_in_the_sandbox_is_an_abort",
        needs: Needs::Nothing,
        run: |_| assert_signal(&attempt("abort", Path::new("/nonexistent")), Signal::SIGABRT),
    },
    Test { name: "sandbox_says_when_threads_are_outside", needs: Needs::Nothing, run: |_| late() },
];

/// Attempts whose answer is printed.
type Attempt = fn(&Open<'_>) -> io::Result<()>;

/// What was open before.
struct Open<'a> {
    folder: &'a Path,
    listener: TcpListener,
    /// Sockets that are neither bound nor connected.
    tcp: std::os::fd::OwnedFd,
    datagram: UnixDatagram,
}

const DEADLY: &[(&str, Attempt)] = &[
    ("execute", |_| Err(Command::new("/bin/true").exec())),
    ("start a process", |_| Command::new("/bin/true").spawn().map(drop)),
    ("trace", |_| Ok(nix::sys::ptrace::attach(parent())?)),
    ("read another's memory", |_| {
        let mut local = [0; 8];
        let remote = nix::sys::uio::RemoteIoVec { base: 0x1000, len: 8 };
        nix::sys::uio::process_vm_readv(
            parent(),
            &mut [io::IoSliceMut::new(&mut local)],
            &[remote],
        )?;
        Ok(())
    }),
    ("change user", |_| {
        let own = Uid::current();
        Ok(nix::unistd::setresuid(own, own, own)?)
    }),
    ("change root", |_| Ok(rustix::process::chroot("/")?)),
];

const UNKNOWN: &[(&str, Attempt)] = &[
    ("netlink", |_| made(AddressFamily::NETLINK, SocketType::RAW)),
    ("packets", |_| made(AddressFamily::PACKET, SocketType::RAW)),
    ("new TCP socket", |_| made(AddressFamily::INET, SocketType::STREAM)),
    ("new local socket", |_| made(AddressFamily::UNIX, SocketType::STREAM)),
    ("connect", |open| Ok(rustix::net::connect(&open.tcp, &open.listener.local_addr()?)?)),
    ("bind", |open| Ok(rustix::net::bind(&open.tcp, &SocketAddr::from(([127, 0, 0, 1], 0)))?)),
    ("connect locally", |open| open.datagram.connect("/run/systemd/notify")),
    ("signal", |_| Ok(nix::sys::signal::kill(parent(), None)?)),
    ("executable memory", |_| memmap2::MmapMut::map_anon(4096)?.make_exec().map(drop)),
    ("make a file", |open| File::create(open.folder.join("new")).map(drop)),
    ("append", |open| File::options().append(true).open(open.folder.join("file")).map(drop)),
    ("remove", |open| fs::remove_file(open.folder.join("file"))),
    ("rename", |open| fs::rename(open.folder.join("file"), open.folder.join("new"))),
    ("make a folder", |open| fs::create_dir(open.folder.join("new"))),
    ("link", |open| fs::hard_link(open.folder.join("file"), open.folder.join("new"))),
    ("change folder", |_| std::env::set_current_dir("/")),
    ("raise a limit", |_| {
        let resource = rustix::process::Resource::Core;
        let limit = rustix::process::getrlimit(resource);
        Ok(rustix::process::setrlimit(resource, limit)?)
    }),
    ("become dumpable", |_| {
        let dumpable = rustix::process::DumpableBehavior::Dumpable;
        Ok(rustix::process::set_dumpable_behavior(dumpable)?)
    }),
];

const FILES: &[(&str, Attempt)] = &[
    ("passwd", |_| fs::read("/etc/passwd").map(drop)),
    ("proc", |_| fs::read("/proc/self/status").map(drop)),
    ("folder above", |open| fs::read_dir(open.folder.join("..")).map(drop)),
    ("way out", |open| fs::read(open.folder.join("../outside")).map(drop)),
    ("link out", |open| fs::read(open.folder.join("link")).map(drop)),
];

fn made(family: AddressFamily, kind: SocketType) -> io::Result<()> {
    Ok(socket(family, kind, None).map(drop)?)
}

fn parent() -> Pid {
    Pid::parent()
}

/// Closes the sandbox, makes one attempt and prints what came of it.
pub(crate) fn role(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (name, folder) = (arguments.next().unwrap(), arguments.next().unwrap());
    let open = Open {
        folder: Path::new(&folder),
        listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        tcp: socket(AddressFamily::INET, SocketType::STREAM, None).unwrap(),
        datagram: UnixDatagram::unbound().unwrap(),
    };
    if name == "late" {
        let _waiting = std::thread::spawn(std::thread::park);
        println!("{}", sandbox::close(open.folder));
        return ExitCode::SUCCESS;
    }
    let closed = sandbox::close(open.folder);
    if !closed.is_complete() {
        println!("incomplete: {closed}");
        return ExitCode::SUCCESS;
    }
    match name.as_str() {
        "abort" => std::process::abort(),
        "needed" => work(&open),
        name => {
            let mut all = DEADLY.iter().chain(UNKNOWN).chain(FILES);
            let attempt = all.find(|(known, _)| *known == name).unwrap().1;
            match attempt(&open) {
                Ok(()) => println!("done"),
                Err(error) => println!("errno {}", error.raw_os_error().unwrap_or_default()),
            }
        }
    }
    ExitCode::SUCCESS
}

/// What the service does between two requests.
fn work(open: &Open<'_>) {
    println!("{}", open.listener.local_addr().unwrap());
    let (mut connection, _) = open.listener.accept().unwrap();
    connection.set_nodelay(true).unwrap();
    let mut question = [0; 4];
    connection.read_exact(&mut question).unwrap();
    assert!(Instant::now().elapsed() < Duration::MAX && SystemTime::now() > SystemTime::UNIX_EPOCH);
    let names: Vec<_> = fs::read_dir(open.folder).unwrap().flatten().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(fs::read(open.folder.join("file")).unwrap(), b"content");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(3).build();
    runtime.unwrap().block_on(async {
        let slept = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
        let (one, other) = tokio::net::UnixStream::pair().unwrap();
        one.writable().await.unwrap();
        assert_eq!(one.try_write(&[7; 3]).unwrap(), 3);
        other.readable().await.unwrap();
        let waited = tokio::task::spawn_blocking(|| {
            let memory = vec![1_u8; 64 << 20];
            memory.iter().map(|byte| usize::from(*byte)).sum::<usize>()
        });
        assert_eq!(waited.await.unwrap(), 64 << 20);
        slept.await.unwrap();
    });
    let panicked =
        std::thread::Builder::new().name("named".to_owned()).spawn(|| panic!("on purpose"));
    assert!(panicked.unwrap().join().is_err());
    let (one, other) = UnixStream::pair().unwrap();
    rustix::io::fcntl_dupfd_cloexec(&one, 0).unwrap();
    drop(other);
    connection.write_all(&question).unwrap();
}

fn start(name: &str, folder: &Path) -> std::process::Child {
    let mut command = Command::new("/proc/self/exe");
    command.args(["role-sandbox", name]).arg(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn attempt(name: &str, folder: &Path) -> Output {
    start(name, folder).wait_with_output().unwrap()
}

/// A folder with something to read, and something beside it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "content").unwrap();
    fs::write(place.path().join("outside"), "secret").unwrap();
    std::os::unix::fs::symlink(place.path().join("outside"), folder.join("link")).unwrap();
    place
}

/// Says so when this machine has no whole sandbox to look at.
fn is_absent(test: &str) -> bool {
    let sandbox = sandbox::look();
    if !sandbox.is_complete() {
        println!("SKIPPED {test}: {sandbox}");
    }
    !sandbox.is_complete()
}

#[track_caller]
fn assert_signal(output: &Output, signal: Signal) {
    assert_eq!(output.status.signal(), Some(signal as i32), "{output:?}");
}

fn deadly() {
    if is_absent("what_an_intruder_wants_ends_the_process_in_the_sandbox") {
        return;
    }
    for (name, _) in DEADLY {
        let output = attempt(name, Path::new("/nonexistent"));
        assert_eq!(output.status.signal(), Some(Signal::SIGSYS as i32), "{name}: {output:?}");
    }
}

fn unknown() {
    if is_absent("what_the_service_does_not_need_is_unknown_in_the_sandbox") {
        return;
    }
    let place = place();
    for (name, _) in UNKNOWN {
        assert_errno(name, &place, Errno::NOSYS);
    }
    let left = fs::read_dir(place.path().join("folder")).unwrap().count();
    assert_eq!(left, 2);
    assert_eq!(fs::read(place.path().join("folder/file")).unwrap(), b"content");
}

fn files() {
    if is_absent("files_are_read_below_one_folder_only_in_the_sandbox") {
        return;
    }
    let place = place();
    for (name, _) in FILES {
        assert_errno(name, &place, Errno::ACCESS);
    }
}

#[track_caller]
fn assert_errno(name: &str, place: &tempfile::TempDir, errno: Errno) {
    let output = attempt(name, &place.path().join("folder"));
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(answer, format!("errno {}\n", errno.raw_os_error()), "{name}: {output:?}");
}

fn needed() {
    if is_absent("what_the_service_needs_works_in_the_sandbox") {
        return;
    }
    let place = place();
    let mut child = start("needed", &place.path().join("folder"));
    let mut address = String::new();
    let mut stdout = io::BufReader::new(child.stdout.take().unwrap());
    io::BufRead::read_line(&mut stdout, &mut address).unwrap();
    let mut connection = TcpStream::connect(address.trim()).unwrap();
    connection.write_all(b"ping").unwrap();
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((read.unwrap(), answer.as_slice()), (4, b"ping".as_slice()));
}

fn late() {
    let output = attempt("late", Path::new("/nonexistent"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("; threads outside it: 1\n"), "{output:?}");
}
