//! Programs with a terminal of their own.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetpgrp, tcsetwinsize};

use crate::tool;

/// A program with a terminal of its own.
pub(crate) struct Terminal {
    master: File,
    /// Kept open: the terminal's settings can be read after the program's end.
    _slave: File,
    shown: Arc<Mutex<String>>,
    child: Child,
    /// How much of what was shown `then` has gone through.
    read: Mutex<usize>,
}

impl Terminal {
    pub(crate) fn run(command: &Command) -> Self {
        Self::sized(command, 100, 30)
    }

    /// The same in a window of so many columns and lines.
    pub(crate) fn sized(command: &Command, columns: u16, lines: u16) -> Self {
        let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (master, slave) = pair();
        tcsetwinsize(&slave, size).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut session = tool::program("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reader, kept) = (master.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            let mut bytes = Vec::new();
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                bytes.extend(&piece[..length]);
                // A letter may come in two pieces.
                let whole = match str::from_utf8(&bytes) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => bytes.len(),
                };
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..whole]));
                bytes.drain(..whole);
            }
        });
        Self { master, _slave: slave, shown, child, read: Mutex::new(0) }
    }

    pub(crate) fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// What was shown behind so many bytes.
    pub(crate) fn shown_from(&self, from: usize) -> String {
        self.shown.lock().unwrap()[from..].to_owned()
    }

    pub(crate) fn expect(&self, text: &str) {
        tool::until(&format!("{text:?} in {:?}", self.shown()), || self.shown().contains(text));
    }

    /// Waits for a text behind the one that was waited for before, and gives what stands between them.
    #[track_caller]
    pub(crate) fn then(&self, text: &str) -> String {
        let mut read = self.read.lock().unwrap();
        let from = *read;
        let _told = Told { terminal: self, from };
        tool::until(&format!("{text:?}"), || self.shown()[from..].contains(text));
        let shown = self.shown();
        let found = shown[from..].find(text).unwrap();
        *read = from + found + text.len();
        shown[from..from + found].to_owned()
    }

    /// Presses Ctrl-C until a text shows, as somebody who cannot see whether it was too early.
    #[track_caller]
    pub(crate) fn interrupt_until(&self, text: &str) {
        let from = *self.read.lock().unwrap();
        let _told = Told { terminal: self, from };
        tool::until(text, || {
            let is_there = self.shown()[from..].contains(text);
            if !is_there {
                self.type_in("\x03");
                thread::sleep(Duration::from_millis(300));
            }
            is_there
        });
        self.then(text);
    }

    /// Makes the window so large.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    pub(crate) fn type_in(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// What the process does, in the letters of `/proc`: `T` is stopped.
    pub(crate) fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.master).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    pub(crate) fn code(&mut self) -> Option<i32> {
        tool::wait(&mut self.child).code()
    }
}

/// Tells what was shown, where a test gives up.
struct Told<'a> {
    terminal: &'a Terminal,
    from: usize,
}

impl Drop for Terminal {
    /// Nothing that was left at its prompt outlives the test: neither what runs in the foreground, nor who started it. They
    /// may ignore a hang-up, as whoever runs the tests does.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if let Ok(group) = tcgetpgrp(&self.master) {
                let _gone = killpg(Pid::from_raw(group.as_raw_nonzero().get()), Signal::SIGKILL);
            }
            let _gone = self.child.kill();
            tool::wait(&mut self.child);
        }
    }
}

/// The two ends of a terminal. No other program that is started meanwhile inherits one: the terminal would not hang up.
fn pair() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OpenptFlags::NOCTTY.bits().try_into().unwrap());
    (File::from(master), options.open(OsStr::from_bytes(name.to_bytes())).unwrap())
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the terminal shows {:?}", &self.terminal.shown()[self.from..]);
        }
    }
}
