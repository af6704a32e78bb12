//! An out-of-process PowerShell engine for tests: a real `pwsh` where one is on the `PATH`, else the
//! stand-in in `engine/`, a Python program on psrpcore's server half that is not PowerShell.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use crate::outside::{peers_python, root};

/// What starts the real engine, behind its name.
const ARGUMENTS: [&str; 3] = ["-NoLogo", "-NoProfile", "-sshs"];
/// How often it is looked whether an engine has ended.
const LOOK: Duration = Duration::from_millis(10);

/// An engine that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The program and its arguments.
    pub command_line: Vec<OsString>,
    /// What the run's output calls it.
    pub name: String,
    /// Whether it is the stand-in.
    pub is_stand_in: bool,
}

impl Engine {
    /// The engine that this machine has.
    ///
    /// # Panics
    ///
    /// When there is neither `pwsh` nor the Python of the peers.
    #[must_use]
    pub fn find() -> Self {
        let folders = env::var_os("PATH").unwrap_or_default();
        let real =
            env::split_paths(&folders).map(|folder| folder.join("pwsh")).find(|p| p.is_file());
        let Some(program) = real else { return Self::stand_in() };
        let mut command_line = vec![program.into_os_string()];
        command_line.extend(ARGUMENTS.map(OsString::from));
        Self { command_line, name: "pwsh".to_owned(), is_stand_in: false }
    }

    /// The stand-in, whether there is a real engine or not.
    ///
    /// # Panics
    ///
    /// When there is no Python of the peers.
    #[must_use]
    pub fn stand_in() -> Self {
        let script = root().join("crates/dev/testkit/engine/stand_in_engine.py");
        let peers =
            fs::read_to_string(root().join("crates/dev/xtask/peers.txt")).unwrap_or_default();
        let version = peers.lines().find_map(|line| line.strip_prefix("psrpcore=="));
        Self {
            command_line: vec![peers_python().into_os_string(), script.into_os_string()],
            name: format!("psrpcore {}", version.unwrap_or("of unknown version").trim()),
            is_stand_in: true,
        }
    }

    /// The line for the report of a run that used it: `PEER …: <what> in the stand-in engine`.
    #[must_use]
    pub fn peer(&self, what: &str) -> String {
        let role = if self.is_stand_in { "in the stand-in engine, " } else { "as the engine, " };
        let version = if self.is_stand_in { "" } else { " on the PATH" };
        format!("PEER {}{version}: {role}{what}", self.name)
    }

    /// Starts it, with these variables of its environment, at the root of the file system.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn start(&self, variables: &[(&str, &str)]) -> io::Result<Running> {
        let (program, arguments) =
            self.command_line.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut process = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            // The stand-in leaves no files behind.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(PathBuf::from("/"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (to_input, lines) = mpsc::channel::<Vec<u8>>();
        // An engine that does not read must not stop the test.
        std::thread::spawn(move || {
            while let Ok(bytes) = lines.recv() {
                if input.write_all(&bytes).and_then(|()| input.flush()).is_err() {
                    break;
                }
            }
        });
        let mut output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, pieces) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = output.read(&mut piece) {
                let bytes = piece.get(..read).unwrap_or_default().to_vec();
                if sender.send(bytes).is_err() {
                    break;
                }
            }
        });
        Ok(Running { process, input: Some(to_input), pieces })
    }
}

/// An engine that runs, until it is dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    input: Option<Sender<Vec<u8>>>,
    pieces: Receiver<Vec<u8>>,
}

impl Running {
    /// Writes to its standard input, unless that is closed.
    pub fn send(&self, bytes: &[u8]) {
        if let Some(input) = &self.input {
            // An engine that has ended reads no more.
            drop(input.send(bytes.to_vec()));
        }
    }

    /// What it wrote since the last call; waits until there is something. `None` when it has ended its
    /// output, or has written nothing for so long.
    pub fn receive(&mut self, longest: Duration) -> Option<Vec<u8>> {
        self.pieces.recv_timeout(longest).ok()
    }

    /// Closes its standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Its exit status; `None` where a signal ended it, or where it does not end in so long a time.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(&mut self, longest: Duration) -> io::Result<Option<i32>> {
        self.end_input();
        let begun = Instant::now();
        while begun.elapsed() < longest {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_ends_with_its_input_and_says_so() {
        let engine = Engine::find();
        crate::report(&engine.peer("ends with its input"));
        let mut running = engine.start(&[]).unwrap();
        running.end_input();
        let mut said = Vec::new();
        while let Some(bytes) = running.receive(Duration::from_mins(1)) {
            said.extend(bytes);
        }
        assert_eq!(running.wait(Duration::from_mins(1)).unwrap(), Some(160));
        assert!(said.starts_with(b"__NamedPipeError__:"), "{}", String::from_utf8_lossy(&said));
    }
}
