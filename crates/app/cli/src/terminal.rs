//! The terminal in front of the user: asking questions, and keeping answers off the screen.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auth::Secret;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use tokio::sync::oneshot;

use crate::command_error::CommandError;
use crate::signals::Signals;

/// The longest answer, in bytes.
const ANSWER_LIMIT: u64 = 4096;

/// What the echo of a terminal was, and which terminal that is.
#[derive(Debug)]
struct Silenced {
    terminal: OwnedFd,
    before: Termios,
}

impl Silenced {
    fn hide(&self) -> io::Result<()> {
        let mut quiet = self.before.clone();
        quiet
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK | LocalFlags::ECHONL);
        Ok(termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &quiet)?)
    }

    fn show(&self) {
        // A terminal that is gone needs no echo.
        let _gone = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// The terminal whose echo is off, if one is: while the process is stopped it shows what is typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quiet(Arc<Mutex<Option<Silenced>>>);

impl Quiet {
    /// Shows what is typed, until [`Quiet::hide`].
    pub(crate) fn show(&self) {
        if let Some(silenced) = &*self.lock() {
            silenced.show();
        }
    }

    /// Hides it again.
    pub(crate) fn hide(&self) {
        if let Some(silenced) = &*self.lock() {
            let _gone = silenced.hide();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Silenced>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it lives, the terminal does not show what is typed.
#[derive(Debug)]
pub(crate) struct EchoOff(Quiet);

impl EchoOff {
    /// Switches the echo of `terminal` off; where the program is stopped meanwhile, it is on again.
    ///
    /// # Errors
    /// It is no terminal, or it went away.
    pub(crate) fn new(terminal: &impl AsFd, signals: &Signals) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = termios::tcgetattr(&terminal)?;
        let silenced = Silenced { terminal, before };
        silenced.hide()?;
        let quiet = signals.quiet.clone();
        *quiet.lock() = Some(silenced);
        Ok(Self(quiet))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(silenced) = self.0.lock().take() {
            silenced.show();
        }
    }
}

/// Whether the answer may be seen while it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A name.
    Shown,
    /// A password.
    Hidden,
}

/// Asks on the controlling terminal, whatever stdin is; `None` where there is no terminal.
///
/// # Errors
/// The terminal fails, the answer is no text or has no end, or a signal ends the program meanwhile.
pub(crate) async fn ask(
    question: &str,
    answer: Answer,
    signals: &mut Signals,
) -> Result<Option<Secret>, CommandError> {
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::Interrupted {
            return CommandError::interrupted("interrupted at a question on the terminal");
        }
        CommandError::caused("asking on the terminal", &error)
    };
    let echo_off = match answer {
        Answer::Shown => None,
        Answer::Hidden => Some(EchoOff::new(&terminal, signals).map_err(failed)?),
    };
    terminal.write_all(question.as_bytes()).map_err(failed)?;
    let (sender, receiver) = oneshot::channel();
    let reader = terminal.try_clone().map_err(failed)?;
    // A thread of its own: when a signal comes, nobody waits for its read to end.
    std::thread::spawn(move || sender.send(read_line(reader)));
    let line = tokio::select! {
        line = receiver => line.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())),
        _signal = signals.next() => Err(io::ErrorKind::Interrupted.into()),
    };
    if echo_off.is_some() {
        terminal.write_all(b"\n").map_err(failed)?;
    }
    line.map(Some).map_err(failed)
}

fn read_line(terminal: File) -> io::Result<Secret> {
    // The terminal hands out lines, and what is behind one is nobody's answer.
    let mut line = Vec::with_capacity(256);
    BufReader::with_capacity(256, terminal.take(ANSWER_LIMIT)).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    text(line)
}

/// Takes the bytes of a password without leaving a copy behind.
///
/// # Errors
/// They are not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<Secret> {
    String::from_utf8(bytes)
        .map(Secret::from)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the text is not valid UTF-8"))
}
