//! Reads lines, secrets and keys from the controlling terminal without blocking the runtime.
//!
//! Ctrl-C stays a signal (but where a key is waited for that may be it), so that whoever waits hears it, drops the
//! reading future, and finds the terminal as it was.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::termios::{
    self, FlushArg, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios,
};
use nix::unistd::write;
use tokio::net::unix::pipe::{OpenOptions, Receiver};
use zeroize::Zeroizing;

use super::keys::{self, Key};

/// The longest line, in bytes; a terminal itself stops at 4096.
const LINE_LIMIT: usize = 64 * 1024;
/// The longest secret, in bytes.
const SECRET_LIMIT: usize = 4096;

/// The terminal in front of the user.
#[derive(Debug)]
pub(super) struct Tty(Receiver);

/// The terminal in another mode, as long as this lives.
#[derive(Debug)]
struct Mode {
    terminal: OwnedFd,
    before: Termios,
}

impl Drop for Mode {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _gone = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

impl Tty {
    /// Opens it; needs a runtime.
    ///
    /// # Errors
    /// This program has no terminal.
    pub(super) fn open() -> io::Result<Self> {
        // A description of its own: nobody else's reads become impatient by it. A terminal is no pipe, and read like one.
        let mut options = OpenOptions::new();
        options.unchecked(true).read_write(true).open_receiver("/dev/tty").map(Self)
    }

    /// The next line without its end, edited as the terminal itself does it; `None` where the user ends the input.
    ///
    /// # Errors
    /// The terminal fails, or the line is too long or no text.
    pub(super) async fn line(&self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let length = self.read(&mut piece).await?;
            line.extend(piece.iter().take(length));
            // Ctrl-D hands out what is there without an end, or nothing.
            if length == 0 && line.is_empty() {
                return Ok(None);
            }
            if length == 0 || line.last() == Some(&b'\n') {
                break;
            }
            if line.len() > LINE_LIMIT {
                return Err(too_long());
            }
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|_| no_text())
    }

    /// A line that shows as so many stars; `None` where the user ends the input.
    ///
    /// # Errors
    /// The terminal fails, or the line is too long or no text.
    pub(super) async fn secret(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let _mode = self.mode(|mode| {
            mode.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN);
            mode.input_flags.remove(InputFlags::ICRNL | InputFlags::IXON);
            // Whoever had the terminal while this is stopped would find it without echo.
            set(mode, SpecialCharacterIndices::VSUSP, 0);
            set(mode, SpecialCharacterIndices::VMIN, 1);
            set(mode, SpecialCharacterIndices::VTIME, 0);
        })?;
        // As large as it can get: one that grew would leave copies behind.
        let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_LIMIT));
        loop {
            match self.byte().await? {
                b'\r' | b'\n' => break,
                0x04 if secret.is_empty() => return self.echo("\n").map(|()| None),
                0x7f | 0x08 => self.take_back(&mut secret)?,
                0x15 => {
                    while !secret.is_empty() {
                        self.take_back(&mut secret)?;
                    }
                }
                0x1b => self.skip_sequence().await?,
                0x00..=0x1f => {}
                byte if secret.len() < SECRET_LIMIT => {
                    secret.push(byte);
                    if !is_continuation(byte) {
                        self.echo("*")?;
                    }
                }
                _ => {
                    self.echo("\n")?;
                    return Err(too_long());
                }
            }
        }
        self.echo("\n")?;
        if std::str::from_utf8(&secret).is_err() {
            return Err(no_text());
        }
        Ok(Some(secret))
    }

    /// Takes the last character of a secret away, and its star.
    fn take_back(&self, secret: &mut Vec<u8>) -> io::Result<()> {
        let Some(mut last) = secret.pop() else { return Ok(()) };
        while is_continuation(last) {
            let Some(before) = secret.pop() else { break };
            last = before;
        }
        self.echo("\x08 \x08")
    }

    /// What follows Escape: an arrow key is no part of a secret.
    async fn skip_sequence(&self) -> io::Result<()> {
        let Some(second) = self.waiting()? else { return Ok(()) };
        if matches!(second, b'[' | b'O') {
            while !matches!(self.byte().await?, b'@'..=b'~') {}
        }
        Ok(())
    }

    /// The next key. Ctrl-C is one where `takes_ctrl_c`, else it stays a signal.
    ///
    /// # Errors
    /// The terminal fails.
    pub(super) async fn key(&self, takes_ctrl_c: bool) -> io::Result<Key> {
        let _mode = self.mode(|mode| {
            mode.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN);
            mode.input_flags.remove(InputFlags::ICRNL | InputFlags::IXON);
            set(mode, SpecialCharacterIndices::VSUSP, 0);
            set(mode, SpecialCharacterIndices::VQUIT, 0);
            set(mode, SpecialCharacterIndices::VMIN, 1);
            set(mode, SpecialCharacterIndices::VTIME, 0);
            if takes_ctrl_c {
                mode.local_flags.remove(LocalFlags::ISIG);
            }
        })?;
        let mut bytes = vec![self.byte().await?];
        while keys::wants_more(&bytes) {
            // The rest of a sequence comes with its beginning; Escape alone has none.
            let Some(byte) = self.waiting()? else { break };
            bytes.push(byte);
        }
        Ok(keys::key(&bytes))
    }

    /// Whether something was typed that nobody has read.
    ///
    /// # Errors
    /// The terminal fails.
    pub(super) fn has_input(&self) -> io::Result<bool> {
        Ok(rustix::io::ioctl_fionread(&self.0)? > 0)
    }

    /// Forgets what was typed.
    ///
    /// # Errors
    /// The terminal fails.
    pub(super) fn forget_input(&self) -> io::Result<()> {
        Ok(termios::tcflush(&self.0, FlushArg::TCIFLUSH)?)
    }

    fn mode(&self, change: impl FnOnce(&mut Termios)) -> io::Result<Mode> {
        let terminal = self.0.as_fd().try_clone_to_owned()?;
        let before = termios::tcgetattr(&terminal)?;
        let mut mode = before.clone();
        change(&mut mode);
        termios::tcsetattr(&terminal, SetArg::TCSANOW, &mode)?;
        Ok(Mode { terminal, before })
    }

    fn echo(&self, text: &str) -> io::Result<()> {
        // A few bytes: a terminal that takes none of them now shows nothing, and that is all.
        match write(&self.0, text.as_bytes()) {
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn byte(&self) -> io::Result<u8> {
        let mut byte = [0];
        match self.read(&mut byte).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        }
    }

    /// The next byte, if it is there already.
    fn waiting(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.0.try_read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(piece) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) => {}
                read => return read,
            }
        }
    }
}

const fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xbf)
}

fn set(mode: &mut Termios, which: SpecialCharacterIndices, to: u8) {
    if let Some(character) = mode.control_chars.get_mut(which as usize) {
        *character = to;
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is too long")
}

fn no_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not valid UTF-8")
}
