//! The spawner process: one thread, one loop, no runtime.
//!
//! ```text
//!            ┌──────────┐ first SIGTERM  ┌──────────┐ network exits with 0
//! start ────►│ serving  ├───────────────►│ draining ├─────────────┐
//!            └────┬─────┘ (Stop is sent) └────┬─────┘             ▼
//!                 │ network dies or talks     │ the same,    ┌─────────┐ all gone
//!                 │ nonsense                  │ second       │ falling ├──────────► exit 0 or 1
//!                 └───────────────────────────┴─────────────►└─────────┘
//!                                               SIGTERM
//! ```
//!
//! The loop waits in `poll` only. Frames that the network process does not fetch are queued, and as long as there are any no
//! request is read: the queue stays short.

mod check;
mod ending;
mod launch;
mod local;
mod log;
mod log_file;
mod members;
mod memory;
mod notify;
mod requests;
mod service;
mod sessions;
mod shells;
mod start;
mod tickets;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use rustix::process::{Pid, WaitOptions, WaitStatus};

use crate::cgroup::Cgroups;
use crate::frames::root::{Event, LENGTH};
use crate::keeper::House;
use crate::registry::Family;
use crate::store::{Lock, Store};
use crate::tickets::Folders;
use crate::{Options, sys, tree};

pub use check::{Finding, Report, Verdict, check};
use log::Log;
use members::LookUp;
use memory::Memory;
use notify::ServiceManager;
use shells::{Helper, Sessions, Shell};
use start::{StartError, system};

/// How many requests one turn of the loop serves.
const REQUESTS_PER_TURN: usize = 32;
/// How long a network process that closed its socket may take to exit by itself.
const NETWORK_EXIT: Duration = Duration::from_secs(1);
/// How long everything together may take to end.
const FALL: Duration = Duration::from_secs(120);
/// How often a state directory is found in use before that is believed; a killed predecessor needs a moment to die.
const LOCK_ATTEMPTS: u32 = 20;
/// `__WALL`: children made by `clone` with another signal than SIGCHLD too.
const ALL_KINDS: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

/// Where the service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Serving,
    Draining,
    Falling { until: Instant, success: bool },
}

/// The network process.
#[derive(Debug)]
struct NetworkProcess {
    pid: Pid,
    socket: Option<OwnedFd>,
    alive: bool,
    kill_at: Option<Instant>,
    ready: bool,
}

/// Everything that the spawner knows.
#[derive(Debug)]
struct Root {
    options: Options,
    state: PathBuf,
    privileged: bool,
    house: House,
    log: Log,
    /// The log file that was opened anew, until the network process has it too.
    log_to_pass: Option<OwnedFd>,
    manager: ServiceManager,
    signals: SignalFd,
    cgroups: Option<Cgroups>,
    memory: Memory,
    tickets: Folders,
    family: Family,
    network: NetworkProcess,
    /// The private socket, until the network process has it.
    local: Option<OwnedFd>,
    life: Life,
    next_shell: u64,
    shells: BTreeMap<u64, Shell>,
    keepers: BTreeMap<i32, u64>,
    helpers: BTreeMap<i32, Helper>,
    look_ups: BTreeMap<i32, LookUp>,
    doomed: VecDeque<u64>,
    sessions: Sessions,
    retry_at: Option<Instant>,
    outgoing: VecDeque<[u8; LENGTH]>,
    _serving: Lock,
}

/// See [`crate::service::enter`].
pub(crate) fn enter(
    store: &Store,
) -> Result<OwnedFd, impl std::error::Error + Send + Sync + 'static> {
    service::enter(store)
}

/// See [`crate::run`].
pub(crate) fn run(options: Options) -> ExitCode {
    let mut log = Log::new(options.log_format);
    match start(options, &mut log) {
        Ok(mut root) => {
            let served = root.serve();
            if let Err(error) = &served {
                root.log.error("the spawner failed", &[("error", error)]);
            }
            if served.is_ok_and(|success| success) {
                return ExitCode::SUCCESS;
            }
            if let Some(path) = root.options.log_file.take() {
                root.log.error("the log says why", &[("log", &path.display())]);
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            match error.hint() {
                Some(hint) => {
                    log.error("the service cannot start", &[("error", &error), ("hint", &hint)]);
                }
                None => log.error("the service cannot start", &[("error", &error)]),
            }
            ExitCode::FAILURE
        }
    }
}

/// The locale of commands: the service's own where that writes UTF-8, from which a shell's code page is converted.
fn language(own: Option<OsString>) -> OsString {
    let writes_utf8 = |locale: &OsString| {
        let (_, charset) =
            locale.to_str().and_then(|text| text.split_once('.')).unwrap_or_default();
        let charset = charset.split('@').next().unwrap_or_default();
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
    };
    own.filter(writes_utf8).unwrap_or_else(|| "C.UTF-8".into())
}

fn start(options: Options, log: &mut Log) -> Result<Root, StartError> {
    let before = start::become_spawner()?;
    sys::join_freed_at_once();
    if let Some(path) = &options.log_file {
        log.move_to(path)?;
    }
    let store = Store::create_for_service(&options.state, before.privileged)?;
    let serving = lock(&store)?;
    let service = service::choose(&store, options.service_user.as_deref(), before.privileged)?;
    service::make_folder(&store, service)?;
    let foreign = tree::own_children().map_err(system("look at /proc"))?;
    let family = Family::new(foreign).map_err(system("make the list of children"))?;
    let signals = watch_signals().map_err(|error| system("watch signals")(error.into()))?;
    let (state, own) = start::identity(&store)?;
    let mut memory = Memory::new(options.memory_per_shell);
    let cgroups = start::cgroups(&options, &state, &own, &mut memory, log);
    let tickets = Folders::new(before.privileged, state, own);
    let house = House {
        privileged: before.privileged,
        service_uid: service.uid.as_raw(),
        limits: before.limits,
        processes: (!cgroups.as_ref().is_some_and(|groups| groups.counts_processes))
            .then_some(options.processes_per_shell),
        language: language(std::env::var_os("LANG")),
        zone: std::env::var_os("TZ").unwrap_or_else(|| ":/etc/localtime".into()),
    };
    let local = local::open(&store, before.privileged, log);
    let mut family = family;
    let network = launch(&options, &mut family, service, before.privileged)?;
    log.info(
        "the service starts",
        &[
            ("state", &store.path().display()),
            ("service_uid", &service.uid),
            ("network", &network.pid),
            ("root", &before.privileged),
            ("cgroups", &cgroups.is_some()),
        ],
    );
    let mut root = Root {
        state: store.path().to_owned(),
        privileged: before.privileged,
        house,
        log: std::mem::replace(log, Log::new(options.log_format)),
        log_to_pass: None,
        manager: ServiceManager::from_environment(),
        signals,
        cgroups,
        memory,
        family,
        network,
        local,
        life: Life::Serving,
        next_shell: 1,
        shells: BTreeMap::new(),
        keepers: BTreeMap::new(),
        helpers: BTreeMap::new(),
        look_ups: BTreeMap::new(),
        doomed: VecDeque::new(),
        sessions: Sessions::new(),
        retry_at: None,
        outgoing: VecDeque::new(),
        options,
        tickets,
        _serving: serving,
    };
    root.empty_left_over();
    Ok(root)
}

fn lock(store: &Store) -> Result<Lock, StartError> {
    for _ in 1..LOCK_ATTEMPTS {
        if let Ok(lock) = store.lock_for_service() {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(store.lock_for_service()?)
}

fn watch_signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        mask.add(signal);
    }
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

fn launch(
    options: &Options,
    family: &mut Family,
    service: service::Service,
    privileged: bool,
) -> Result<NetworkProcess, StartError> {
    let (ours, theirs) = pair().map_err(|error| system("make a socket pair")(error.into()))?;
    let spawner = rustix::process::getpid();
    let format = options.log_format;
    let network = launch::Network {
        socket: theirs,
        service,
        privileged,
        spawner,
        command: options.network_command.clone(),
        arguments: options.network_args.clone(),
    };
    let pid = family.fork(move || {
        let (action, error) = launch::execute(network);
        Log::new(format)
            .error("the network process cannot start", &[("action", &action), ("error", &error)]);
        127
    });
    let pid = pid.map_err(system("start the network process"))?;
    Ok(NetworkProcess { pid, socket: Some(ours), alive: true, kill_at: None, ready: false })
}

/// A `SEQPACKET` pair: our end takes no descriptors and never waits, the other one has room for the longest frame.
fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    sys::refuse_descriptors(ours.as_fd());
    Ok((ours, theirs))
}

impl Root {
    /// The loop; the answer is whether the service ended as it should.
    fn serve(&mut self) -> io::Result<bool> {
        loop {
            self.wait()?;
            self.handle_signals()?;
            self.reap()?;
            self.handle_requests();
            self.handle_reports();
            self.handle_look_ups();
            self.handle_time();
            self.start_helpers();
            self.settle();
            self.flush();
            if let Life::Falling { until, success } = self.life {
                let gone = self.shells.is_empty()
                    && self.helpers.is_empty()
                    && !self.network.alive
                    && self.retry_at.is_none();
                if gone || Instant::now() >= until {
                    return Ok(self.finish(gone && success));
                }
            }
        }
    }

    fn finish(&mut self, success: bool) -> bool {
        if let Some(groups) = self.cgroups.take() {
            groups.remove();
        }
        self.tickets.end();
        local::remove(&self.state);
        self.log.info(
            "the service has ended",
            &[("shells_left", &self.shells.len()), ("success", &success)],
        );
        success
    }

    /// Waits until something happens.
    fn wait(&self) -> io::Result<()> {
        let timeout = self.next_time().map(|time| time.saturating_duration_since(Instant::now()));
        let timeout = timeout.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            // Rounded up, so that the time is over when the wait is.
            tv_nsec: i64::from(time.subsec_nanos()).saturating_add(1_000).min(999_999_999),
        });
        let mut descriptors = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(socket) = &self.network.socket {
            let interest = if self.is_behind() { PollFlags::OUT } else { PollFlags::IN };
            descriptors.push(PollFd::new(socket, interest));
        }
        let reports = self.reports().chain(self.look_up_reports());
        descriptors.extend(reports.map(|report| PollFd::from_borrowed_fd(report, PollFlags::IN)));
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When something is to be done although nothing happens.
    fn next_time(&self) -> Option<Instant> {
        let falling = match self.life {
            Life::Falling { until, .. } => Some(until),
            Life::Serving | Life::Draining => None,
        };
        let opening = [self.next_deadline(), self.next_late_look_up()];
        [falling, self.network.kill_at, self.retry_at].into_iter().chain(opening).flatten().min()
    }

    fn handle_time(&mut self) {
        let now = Instant::now();
        if self.network.kill_at.is_some_and(|time| now >= time) {
            self.kill_network();
        }
        if self.retry_at.is_some_and(|time| now >= time) {
            self.retry_at = None;
        }
        self.expire(now);
        self.expire_look_ups(now);
    }

    fn handle_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.read_signal()? {
            if signal.ssi_signo == Signal::SIGCHLD as u32 {
                continue;
            }
            // A terminal that goes away takes what was started in it along; otherwise it is about the log.
            if signal.ssi_signo == Signal::SIGHUP as u32 && !log::terminal_is_gone() {
                self.reopen_log();
                continue;
            }
            match self.life {
                Life::Serving => {
                    self.log.info("the service is to stop", &[("signal", &signal.ssi_signo)]);
                    self.life = Life::Draining;
                    self.tell_manager("STOPPING=1");
                    self.send(0, Event::Stop);
                }
                Life::Draining => {
                    self.log
                        .warn("the service is to stop at once", &[("signal", &signal.ssi_signo)]);
                    self.kill_network();
                    self.fall(false);
                }
                Life::Falling { .. } => {}
            }
        }
        Ok(())
    }

    /// Opens the log file anew: the old one was renamed, and nothing of it may be missing in the new one.
    fn reopen_log(&mut self) {
        let Some(path) = self.options.log_file.clone() else {
            return self.log.info("SIGHUP opens the log file anew, and there is none", &[]);
        };
        let opened = log_file::open(&path).map_err(|error| error.to_string());
        let opened = opened.and_then(|file| {
            rustix::stdio::dup2_stderr(&file).map_err(|error| error.to_string())?;
            Ok(file)
        });
        match opened {
            Ok(file) => {
                self.log.info("the log goes on here", &[("log", &path.display())]);
                self.log_to_pass = self.network.socket.is_some().then_some(file);
                self.flush();
            }
            Err(error) => {
                let what = "the log file cannot be opened anew, and the log goes on in the old one";
                self.log.error(what, &[("error", &error)]);
            }
        }
    }

    fn tell_manager(&mut self, state: &str) {
        if let Err(error) = self.manager.say(state) {
            self.log.warn(
                "the service manager cannot be told",
                &[("state", &state), ("error", &error)],
            );
        }
    }

    /// Ends everything.
    fn fall(&mut self, success: bool) {
        if let Life::Falling { .. } = self.life {
            return;
        }
        self.life = Life::Falling { until: Instant::now() + FALL, success };
        self.outgoing.clear();
        self.log_to_pass = None;
        self.network.socket = None;
        if self.network.alive && self.network.kill_at.is_none() {
            self.network.kill_at = Some(Instant::now() + NETWORK_EXIT);
        }
        self.end_look_ups();
        self.doom_all();
    }

    /// The number is the network process's until it is reaped, which only this process does.
    fn kill_network(&mut self) {
        self.network.kill_at = None;
        if self.network.alive
            && let Err(error) =
                rustix::process::kill_process(self.network.pid, rustix::process::Signal::KILL)
        {
            self.log.error("the network process cannot be killed", &[("error", &error)]);
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        let mut reaped = Vec::new();
        loop {
            match rustix::process::wait(WaitOptions::NOHANG | ALL_KINDS) {
                Ok(Some((pid, status))) => {
                    reaped.push(pid.as_raw_pid());
                    self.dead(pid, status);
                }
                Ok(None) | Err(Errno::CHILD) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.family.forget(&reaped)
    }

    fn dead(&mut self, pid: Pid, status: WaitStatus) {
        let number = pid.as_raw_pid();
        if pid == self.network.pid {
            self.network.alive = false;
            self.network.kill_at = None;
            let clean = status.exit_status() == Some(0);
            // Its socket may have been seen to close before its exit was.
            let drained = match &mut self.life {
                Life::Serving => false,
                Life::Draining => clean,
                Life::Falling { success, .. } => {
                    *success = *success && clean;
                    *success
                }
            };
            if drained {
                self.log.info("the network process has drained", &[]);
            } else {
                self.log.error("the network process ended", &[("status", &Status(status))]);
            }
            self.fall(drained);
        } else if let Some(shell) = self.keepers.remove(&number) {
            self.keeper_dead(shell, status);
        } else if let Some(helper) = self.helpers.remove(&number) {
            self.helper_done(helper, status);
        } else {
            // Of a look-up that was given up nobody wants to know more.
            self.look_up_dead(number, status);
        }
    }

    fn handle_requests(&mut self) {
        for _ in 0..REQUESTS_PER_TURN {
            if self.is_behind() {
                return;
            }
            let Some(socket) = &self.network.socket else { return };
            // Without a control buffer the kernel discards descriptors that come along.
            let mut frame = [0; LENGTH];
            match recv(socket, &mut frame, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                // A reset is an end with frames that were not fetched.
                Ok((_, 0)) | Err(Errno::CONNRESET) => {
                    self.log.warn("the network process closed its socket", &[]);
                    // It may be exiting in good order; its exit status will say.
                    let draining = self.life == Life::Draining;
                    return self.fall(draining);
                }
                Ok((_, length)) => self.handle(if length == LENGTH { &frame } else { &[] }, length),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(error) => {
                    self.log.error("the network process's socket failed", &[("error", &error)]);
                    return self.fall(false);
                }
            }
        }
    }

    /// Sends an event, now or when the network process has made room.
    fn send(&mut self, sequence: u32, event: Event) {
        if self.network.socket.is_some() {
            self.outgoing.push_back(event.encode(sequence));
            self.flush();
        }
    }

    fn flush(&mut self) {
        while let (Some(frame), Some(socket)) = (self.outgoing.front(), &self.network.socket) {
            match send(socket, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => drop(self.outgoing.pop_front()),
                Err(Errno::AGAIN | Errno::INTR) => return,
                // The end is read from the socket too.
                Err(_) => return self.outgoing.clear(),
            }
        }
        let Some(file) = self.log_to_pass.take() else { return };
        match self.send_with(0, Event::Log, &file) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::INTR) => self.log_to_pass = Some(file),
            Err(error) => {
                let what = "the network process goes on in the old log file: send SIGHUP again";
                self.log.error(what, &[("error", &error)]);
            }
        }
    }

    /// Whether something is still to be sent.
    fn is_behind(&self) -> bool {
        !self.outgoing.is_empty() || self.log_to_pass.is_some()
    }

    /// Sends an event with a descriptor, or says why not. Never behind queued frames, which would mean keeping it open.
    fn send_with(&self, sequence: u32, event: Event, descriptor: &OwnedFd) -> Result<(), Errno> {
        let socket = self
            .network
            .socket
            .as_ref()
            .filter(|_| self.outgoing.is_empty())
            .ok_or(Errno::AGAIN)?;
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        crate::passing::send_with(socket, &event.encode(sequence), &[descriptor.as_fd()], flags)
    }
}

/// How a child ended, for the log.
struct Status(WaitStatus);

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(code), _) => write!(formatter, "exit code {code}"),
            (None, Some(signal)) => write!(formatter, "signal {signal}"),
            (None, None) => formatter.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_write_utf_8_whatever_the_service_was_started_with() {
        let language = |own: &str| language(Some(own.into())).into_string().unwrap();
        for own in ["de_DE.UTF-8", "C.utf8", "ca_ES.UTF-8@valencia"] {
            assert_eq!(language(own), own);
        }
        for own in ["", "C", "POSIX", "de_DE", "de_DE.ISO-8859-1", "de_DE@euro"] {
            assert_eq!(language(own), "C.UTF-8");
        }
        assert_eq!(super::language(None), "C.UTF-8");
    }
}
