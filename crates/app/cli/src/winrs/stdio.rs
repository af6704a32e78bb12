//! The three streams of `winrs`: blocking reads and writes on threads of their own.
//!
//! A read that never ends must not keep the program, and a reader that is slow must not stop the signals.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, oneshot};

use super::escape::Filter;

/// The largest piece of input handed on at once, in bytes.
const PIECE: usize = 32 * 1024;
/// Pieces that are read ahead: together they fill a message while the one before is on its way.
const AHEAD: usize = 12;

/// What was read from stdin.
#[derive(Debug)]
pub(crate) struct Input {
    /// The bytes.
    pub(crate) data: Vec<u8>,
    /// Whether they were the last.
    pub(crate) end: bool,
}

/// Starts to read stdin until its end (a closed or unreadable stdin is at its end).
///
/// What is there is taken at once, the end included, so that short input needs one message only.
pub(crate) fn input() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let stdin = io::stdin();
        loop {
            let piece = read_piece(&stdin);
            let end = piece.end;
            if sender.blocking_send(piece).is_err() || end {
                break;
            }
        }
    });
    receiver
}

/// Adds what has been read meanwhile, as far as all of it has at most `most` bytes.
pub(crate) fn gather(mut first: Input, more: &mut mpsc::Receiver<Input>, most: usize) -> Input {
    while !first.end && most.saturating_sub(first.data.len()) >= PIECE {
        let Ok(mut next) = more.try_recv() else { break };
        first.data.append(&mut next.data);
        first.end = next.end;
    }
    first
}

/// Waits for input, and takes all that can be had without waiting again.
fn read_piece(stdin: &impl AsFd) -> Input {
    let mut piece = vec![0; PIECE];
    let mut filled = 0;
    let mut end = false;
    while !end && filled < PIECE && (filled == 0 || is_ready(stdin)) {
        match nix::unistd::read(stdin, piece.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => end = true,
            Ok(length) => filled += length,
            Err(Errno::EINTR) => {}
            // Whoever gave us a stdin that does not wait gets one that does.
            Err(Errno::EAGAIN) => wait_ready(stdin),
            Err(_) => end = true,
        }
    }
    piece.truncate(filled);
    Input { data: piece, end }
}

fn is_ready(stdin: &impl AsFd) -> bool {
    let mut stdin = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut stdin, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn wait_ready(stdin: &impl AsFd) {
    let mut stdin = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    // When it fails, the next read says why.
    let _ready = poll(&mut stdin, PollTimeout::NONE);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_are_there_go_together_up_to_the_bound_and_the_end() {
        let piece = |size: usize, end| Input { data: vec![1; size], end };
        let (sender, mut more) = mpsc::channel(AHEAD);
        for _ in 0..4 {
            sender.try_send(piece(PIECE, false)).unwrap();
        }
        sender.try_send(piece(7, true)).unwrap();
        let gathered = gather(piece(1, false), &mut more, 3 * PIECE);
        assert_eq!((gathered.data.len(), gathered.end), (1 + 2 * PIECE, false));
        let gathered = gather(more.try_recv().unwrap(), &mut more, usize::MAX);
        assert_eq!((gathered.data.len(), gathered.end), (2 * PIECE + 7, true));
        let gathered = gather(piece(3, true), &mut more, usize::MAX);
        assert_eq!((gathered.data.len(), gathered.end), (3, true));
    }
}
