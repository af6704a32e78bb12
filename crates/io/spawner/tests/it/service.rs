//! A service for one test: a place, users, the spawner as a process of its own, and the conversation with its network role.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use spawner::Options;
use tempfile::TempDir;

pub(crate) const ALICE: u32 = 60_001;
pub(crate) const BOB: u32 = 60_002;
pub(crate) const EXPIRED: u32 = 60_003;
pub(crate) const SERVICE: u32 = 60_009;
const NOBODY: u32 = 65_534;
/// No test's scenario takes longer, hung machines aside.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whom the service runs as, and how shells are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    None,
    Root,
    RootBySweep,
    Nobody,
    Own,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no process",
            Self::Root => "root",
            Self::RootBySweep => "root, no cgroups",
            Self::Nobody => "nobody",
            Self::Own => "current user",
        }
    }

    pub(crate) fn is_root(self) -> bool {
        matches!(self, Self::Root | Self::RootBySweep)
    }

    /// The uid of the account that every test has.
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Root | Self::RootBySweep => ALICE,
            Self::Nobody => NOBODY,
            Self::Own | Self::None => Uid::effective().as_raw(),
        }
    }
}

/// The spawner as its own process: `key=value` arguments up to `--`, then the network role's.
pub(crate) fn spawner_role(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut options = Options::new("");
    for argument in arguments.by_ref() {
        match argument.split_once('=') {
            Some(("state", path)) => options.state = path.into(),
            Some(("service", name)) => options.service_user = Some(name.into()),
            Some(("cgroups", on)) => options.cgroups = on == "true",
            Some(("per-account", most)) => options.shells_per_account = most.parse().unwrap(),
            Some(("group", local)) => {
                options.groups.push(local.split(',').map(str::to_owned).collect())
            }
            Some(("memory", bytes)) => options.memory_per_shell = Some(bytes.parse().unwrap()),
            Some(("shells", most)) => options.shells = most.parse().unwrap(),
            Some(("listen", address)) => {
                options.privileged_listeners.push(address.parse().unwrap())
            }
            _ => break,
        }
    }
    options.network_args = arguments.map(Into::into).collect();
    spawner::run(options)
}

/// A place with users, for one service.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) mode: Mode,
}

pub(crate) fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("99{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    pub(crate) fn new(mode: Mode) -> Self {
        let folder = tempfile::Builder::new().prefix("transom-it-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self { folder, mode };
        fs::create_dir(place.path("ack")).unwrap();
        fs::create_dir(place.path("state")).unwrap();
        fs::set_permissions(place.path("state"), fs::Permissions::from_mode(0o711)).unwrap();
        fs::create_dir(place.path("home")).unwrap();
        if mode.is_root() {
            chown(place.path("home"), Some(ALICE), Some(ALICE)).unwrap();
            place.make_etc();
        }
        let own = own_name(mode);
        let mut lines = format!("{} {} - {}\n", "01".repeat(16), mode.uid(), own);
        if mode.is_root() {
            lines += &format!("{} {BOB} - tm-bob\n", "02".repeat(16));
            lines += &format!("{} {EXPIRED} - tm-expired\n", "03".repeat(16));
            lines += &format!("{} 0 allow-root root\n", "04".repeat(16));
            lines += &format!("{} 0 - root\n", "05".repeat(16));
            lines += &format!("{} 60100 - tm-bob\n", "07".repeat(16));
            lines += &format!("{} 60101 - tm-absent\n", "08".repeat(16));
        } else {
            lines += &format!("{} {} - {}\n", "02".repeat(16), mode.uid(), own);
        }
        place.write_users(&lines);
        place.write_private("accounts", b"secret hashes");
        if mode == Mode::Nobody {
            for name in ["", "ack", "state", "home", "state/users", "state/accounts"] {
                chown(place.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().into() } else { self.folder.path().join(name) }
    }

    pub(crate) fn write_users(&self, lines: &str) {
        self.write_private("users", format!("transom-users 1\n{lines}").as_bytes());
    }

    fn write_private(&self, name: &str, content: &[u8]) {
        let path = self.path("state").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A copy of `/etc` with users of our own, which the spawner sees instead of the real one.
    fn make_etc(&self) {
        let etc = self.path("etc");
        assert!(Command::new("cp").args(["-a", "/etc"]).arg(&etc).status().unwrap().success());
        let append = |name: &str, lines: &str| {
            let text = fs::read_to_string(etc.join(name)).unwrap();
            fs::write(etc.join(name), text + lines).unwrap();
        };
        let home = self.path("home");
        append(
            "passwd",
            &format!(
                "tm-alice:x:{ALICE}:{ALICE}::{}:/bin/sh\ntm-bob:x:{BOB}:{BOB}::/nonexistent:/bin/sh\n\
                 tm-expired:x:{EXPIRED}:{EXPIRED}::/:/bin/sh\ntm-service:x:{SERVICE}:{SERVICE}::/:/bin/sh\n",
                home.display()
            ),
        );
        append(
            "group",
            &format!(
                "tm-alice:x:{ALICE}:\ntm-bob:x:{BOB}:\ntm-service:x:{SERVICE}:\ntm-one:x:60011:tm-alice\ntm-two:x:60012:tm-alice\n"
            ),
        );
        append(
            "shadow",
            "tm-alice:!:19000::::::\ntm-bob:!:19000:::::99999:\ntm-expired:!:19000:::::1:\n",
        );
    }

    /// The command that starts the spawner in this place.
    pub(crate) fn command(&self, role: &str, options: &[&str], scenario: &str) -> Command {
        let program = std::env::current_exe().unwrap();
        let mut command = match self.mode {
            Mode::Root | Mode::RootBySweep => {
                let mut command = Command::new("unshare");
                let script =
                    "mount --make-rprivate / && mount --bind \"$1\" /etc && shift && exec \"$@\"";
                command.args(["-m", "sh", "-c", script, "sh"]).arg(self.path("etc")).arg(program);
                command
            }
            Mode::Nobody => {
                let mut command = Command::new(program);
                command.args(["role-as", &NOBODY.to_string()]);
                command
            }
            Mode::Own | Mode::None => Command::new(program),
        };
        command.arg(role).arg(format!("state={}", self.path("state").display()));
        command.arg(format!("cgroups={}", self.mode == Mode::Root)).args(options).arg("--");
        command.arg(scenario).arg(self.folder.path()).arg(if self.mode.is_root() {
            "root"
        } else {
            "user"
        });
        command.arg(marker());
        command
    }

    pub(crate) fn start(&self, scenario: &str, options: &[&str]) -> Service<'_> {
        self.start_command(self.command("role-spawner", options, scenario))
    }

    pub(crate) fn start_command(&self, mut command: Command) -> Service<'_> {
        let marker = command.get_args().last().unwrap().to_str().unwrap().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = child.stdout.take().unwrap();
        let errors = child.stderr.take().unwrap();
        let other = sender.clone();
        drop(std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(Line::Out(line))));
        }));
        drop(std::thread::spawn(move || {
            BufReader::new(errors)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(other.send(Line::Error(line))));
        }));
        Service {
            place: self,
            child,
            lines,
            log: Vec::new(),
            marker,
            until: Instant::now() + PATIENCE,
        }
    }
}

pub(crate) fn own_name(mode: Mode) -> String {
    if mode.is_root() {
        return "tm-alice".into();
    }
    nix::unistd::User::from_uid(Uid::from_raw(mode.uid())).unwrap().unwrap().name
}

enum Line {
    Out(String),
    Error(String),
}

/// A running service.
pub(crate) struct Service<'a> {
    pub(crate) place: &'a Place,
    child: Child,
    lines: Receiver<Line>,
    pub(crate) log: Vec<String>,
    pub(crate) marker: String,
    until: Instant,
}

impl Service<'_> {
    pub(crate) fn spawner(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// The next line of the network role, `None` at the end.
    fn line(&mut self) -> Option<String> {
        loop {
            match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
                Ok(Line::Out(line)) => return Some(line),
                Ok(Line::Error(line)) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    drop(self.child.kill());
                    panic!("the scenario hangs; log:\n{}", self.log.join("\n"));
                }
            }
        }
    }

    /// Serves the scenario's questions until it says how it went.
    pub(crate) fn result(&mut self, mut act: impl FnMut(&Place, Pid, &str)) {
        while let Some(line) = self.line() {
            if let Some(asked) = line.strip_prefix("ASK ") {
                let (number, action) = asked.split_once(' ').unwrap();
                act(self.place, self.spawner(), action);
                fs::write(self.place.path("ack").join(number), "").unwrap();
            } else if line == "RESULT ok" {
                return;
            } else {
                panic!("{line}; log:\n{}", self.log.join("\n"));
            }
        }
        panic!("the network process ended without a result; log:\n{}", self.log.join("\n"));
    }

    /// Waits for the end of the spawner; returns its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        while self.line().is_some() {}
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.spawner(), signal).unwrap();
    }

    /// Stops in good order, and checks that nothing is left.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let code = self.exit_code();
        assert_eq!(code, Some(0), "log:\n{}", self.log.join("\n"));
        self.assert_nothing_left();
        std::mem::take(&mut self.log)
    }

    /// No process has the test's marker in its command line, nor as a network process.
    pub(crate) fn assert_nothing_left(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !marked(&self.marker).is_empty() {
            assert!(
                Instant::now() < until,
                "left: {:?}; log:\n{}",
                marked(&self.marker),
                self.log.join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Living processes with a text in their command line.
pub(crate) fn marked(marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path: &Path = &entry.path();
        let Ok(line) = fs::read(path.join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(marker) {
            found.push(format!("{} {line}", path.display()));
        }
    }
    found
}

/// Waits until a spawner has no more descriptors than when it started: the standard ones, the lock, signals, the family's
/// list, the network process's socket, the private socket, for which the network process of these tests does not ask, and
/// what this process hands on to any child.
pub(crate) fn assert_descriptors(process: Pid) {
    let handed_on = fs::read_dir("/proc/self/fdinfo").unwrap().flatten().filter(|entry| {
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .map(str::trim)
            .unwrap_or("02000000");
        number > 2 && u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 == 0
    });
    let most = 8 + handed_on.count();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let now = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        if now <= most {
            return;
        }
        assert!(Instant::now() < until, "{now} descriptors, at most {most} are expected");
        std::thread::sleep(Duration::from_millis(10));
    }
}
