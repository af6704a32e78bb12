//! Programs under test: started with a known environment, and never waited for without end.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything under test may take; a test that meets it fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The program `winrs` without a password in its environment or a settings file.
pub(crate) fn winrs() -> Command {
    program(env!("CARGO_BIN_EXE_winrs"))
}

/// The program `winrm`.
pub(crate) fn winrm() -> Command {
    program(env!("CARGO_BIN_EXE_winrm"))
}

/// The program `pssession`.
pub(crate) fn pssession() -> Command {
    program(env!("CARGO_BIN_EXE_pssession"))
}

/// The program `transom`.
pub(crate) fn transom() -> Command {
    program(env!("CARGO_BIN_EXE_transom"))
}

/// A program in an environment that does not depend on whoever runs the tests.
pub(crate) fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    command.env_remove("TRANSOM_PASSWORD");
    // No test writes into the list of sessions of whoever runs it.
    command.env("XDG_STATE_HOME", "/dev/null").env_remove("LC_ALL").env("LANG", "C.UTF-8");
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("COLUMNS", "100").env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// A folder for `XDG_CONFIG_HOME` with these settings of the client.
pub(crate) fn client_settings(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("transom")).unwrap();
    fs::write(folder.path().join("transom/client.toml"), text).unwrap();
    folder
}

/// The same without a controlling terminal.
pub(crate) fn without_terminal(command: &Command) -> Command {
    let mut detached = program("setsid");
    detached.arg("--wait").arg(command.get_program()).args(command.get_args());
    detached
}

/// Puts a copy of `transom` into a folder, for users who cannot reach the build folder.
#[track_caller]
pub(crate) fn copy_of_transom(folder: &Path) -> PathBuf {
    let copy = folder.join("transom");
    // Another process writes it: a file that is open for writing here would be so in every child that another test
    // starts meanwhile, and could not be executed.
    let mut install = program("install");
    run(install.args(["-m", "755", env!("CARGO_BIN_EXE_transom")]).arg(&copy)).ended(0);
    copy
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit code; -1 after a signal.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Fails unless the program ended with this exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self:#?}");
        self
    }

    /// For snapshots: exit code and both streams.
    pub(crate) fn snapshot(&self) -> String {
        format!("exit code {}\n--- stdout\n{}--- stderr\n{}", self.code(), self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs to the end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    finish(spawn(command))
}

/// Runs with these bytes as its whole stdin.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read must not hold up the test.
    thread::spawn(move || stdin.write_all(&input));
    finish(child)
}

/// Starts with both output streams piped.
#[track_caller]
pub(crate) fn spawn(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for the end, which must come within [`LIMIT`].
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Ran {
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ran {
        status,
        stdout: stdout.recv_timeout(LIMIT).unwrap(),
        stderr: stderr.recv_timeout(LIMIT).unwrap(),
    }
}

/// Waits for a child, which must end within [`LIMIT`].
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("process {} did not end within {LIMIT:?}", child.id());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is worth showing.
        let _partial = stream.read_to_end(&mut bytes);
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    receiver
}

/// Waits until something holds, at most [`LIMIT`].
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a log says: what happened may be written down a moment after whoever it happened to has heard of it.
pub(crate) fn settled(read: impl Fn() -> String) -> String {
    const MOMENT: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + MOMENT * 20;
    let mut said = read();
    loop {
        thread::sleep(MOMENT);
        let now = read();
        // Some never fall silent.
        if now == said || Instant::now() > deadline {
            return now;
        }
        said = now;
    }
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

/// A number that no other test's commands have: `sleep MARK` sleeps longer than any test, and is found by it.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("86400.{}{:03}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes with `mark` in their command line, apart from the `winrs` that sent it; zombies have none.
pub(crate) fn processes_with(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while we look.
        let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline);
        if cmdline.contains(mark) && !cmdline.contains("winrs") {
            found.push(id);
        }
    }
    found
}

/// A port of loopback where nobody listens: below those that the system gives out, so that no other test comes there.
pub(crate) const CLOSED_PORT: u16 = 20_017;
