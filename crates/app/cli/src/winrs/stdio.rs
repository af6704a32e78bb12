//! The three streams of `winrs`: blocking reads and writes on threads of their own.
//!
//! A read that never ends must not keep the program, and a reader that is slow must not stop the signals.

use std::io::{self, IsTerminal as _, Read as _};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::escape::Filter;

/// The largest piece of input handed on at once, in bytes.
const PIECE: usize = 32 * 1024;

/// Starts to read stdin; the channel closes at the end of input (a closed or unreadable stdin is at its end).
pub(crate) fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut piece = vec![0; PIECE];
        loop {
            let length = match stdin.read(&mut piece) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            let data = piece.get(..length).unwrap_or_default().to_vec();
            if data.is_empty() || sender.blocking_send(data).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Stdout,
    Stderr,
}

struct Piece {
    handle: Handle,
    data: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

/// One way out: raw into pipes and files, without harmful sequences to a terminal.
struct Stream(Option<Filter>);

impl Stream {
    fn new(is_terminal: bool) -> Self {
        Self(is_terminal.then(Filter::default))
    }

    fn write(&mut self, to: &mut impl io::Write, data: Vec<u8>) -> io::Result<()> {
        let data = match &mut self.0 {
            Some(filter) => filter.pass(&data),
            None => data,
        };
        to.write_all(&data)?;
        to.flush()
    }
}

/// Writes pieces of output in the order given.
#[derive(Debug)]
pub(crate) struct Output(mpsc::Sender<Piece>);

impl Output {
    /// Starts the writing thread.
    pub(crate) fn new() -> Self {
        let (sender, mut receiver) = mpsc::channel::<Piece>(1);
        thread::spawn(move || {
            let mut stdout = Stream::new(io::stdout().is_terminal());
            let mut stderr = Stream::new(io::stderr().is_terminal());
            while let Some(Piece { handle, data, written }) = receiver.blocking_recv() {
                let result = match handle {
                    Handle::Stdout => stdout.write(&mut io::stdout().lock(), data),
                    Handle::Stderr => stderr.write(&mut io::stderr().lock(), data),
                };
                // Whoever gave up waiting does not want to know.
                let _unasked = written.send(result);
            }
        });
        Self(sender)
    }

    /// Writes and flushes one piece; returns when the system has taken it.
    ///
    /// # Errors
    /// As the system says; `BrokenPipe` when the reader is gone.
    pub(crate) async fn write(&self, handle: Handle, data: Vec<u8>) -> io::Result<()> {
        let (written, result) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.send(Piece { handle, data, written }).await.map_err(|_| gone())?;
        result.await.unwrap_or_else(|_| Err(gone()))
    }
}
