//! One connection: OpenSSL over a socket of tokio's.
//!
//! OpenSSL reads from the socket directly and writes to a buffer, which is then sent: a record, once made, leaves whole,
//! whoever is polled next, and OpenSSL only ever waits for bytes to read. A handshake in the middle of the connection runs
//! wherever somebody reads; what arrives in between for the application is kept for it, up to a limit.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use openssl::ssl::{ErrorCode, Ssl, SslStream};
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::context::{ClientContext, ServerContext, problem};
use super::judge::Watch;
use super::late::{Asking, Late};
use crate::tls::error::{CertificateError, Mismatch, TlsError};

/// Bytes that a peer may send before its handshake is complete.
const MAX_HANDSHAKE: usize = 256 * 1024;
/// Bytes for the application that are kept while a handshake runs in the middle of a connection.
pub(super) const MAX_EARLY: usize = 192 * 1024;
/// Bytes that wait to be sent, before more is taken from the application.
const MAX_WAITING: usize = 64 * 1024;
/// The most in one record.
const RECORD: usize = 16 * 1024;
/// How often a host may want another handshake or a certificate on one connection.
const MAX_WISHES: u32 = 16;

/// A TLS connection.
pub(in crate::tls) struct Stream {
    pub(super) shared: Arc<Shared>,
}

/// What a stream and the handle beside it share.
pub(super) struct Shared {
    pub(super) socket: Arc<TcpStream>,
    pub(super) watch: Arc<Watch>,
    state: Mutex<State>,
    /// Told when a handshake in the middle may be over.
    pub(super) moved: Notify,
    /// One request for a certificate at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// The connection, which one caller uses at a time.
pub(super) struct State {
    pub(super) ssl: SslStream<Wire>,
    /// For the application, read while a handshake ran.
    early: Vec<u8>,
    /// How often the peer may want a handshake in all.
    pub(super) allowed_wishes: u32,
    pub(super) asking: Asking,
    /// Somebody has given this connection up.
    is_broken: bool,
}

/// What OpenSSL reads and writes.
pub(super) struct Wire {
    socket: Arc<TcpStream>,
    /// Records that wait to be sent.
    out: Vec<u8>,
    /// Bytes that may still be read.
    budget: usize,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.budget);
        let Some(part) = buffer.get_mut(..length).filter(|part| !part.is_empty()) else {
            return Err(io::Error::new(ErrorKind::InvalidData, "the handshake is too long"));
        };
        let length = self.socket.try_read(part)?;
        if self.budget != usize::MAX {
            self.budget -= length;
        }
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    /// Sends what the socket takes; true when nothing waits any more.
    fn send(&mut self) -> io::Result<bool> {
        let mut sent = 0;
        let result = loop {
            let rest = self.out.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(true);
            }
            match self.socket.try_write(rest) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        if sent == self.out.len() {
            // A connection that idles holds no buffer.
            self.out = Vec::new();
        } else {
            self.out.drain(..sent);
        }
        result
    }
}

/// What a step of OpenSSL came to.
pub(super) enum Step<T> {
    Done(T),
    /// More bytes of the peer are needed.
    Read,
    /// The peer has ended its side.
    End,
}

impl State {
    /// Reads for the application.
    pub(super) fn read(&mut self, buffer: &mut [u8], watch: &Watch) -> io::Result<Step<usize>> {
        let result = self.ssl.ssl_read(buffer);
        self.step(result, watch)
    }

    /// Lets a handshake go on with what has arrived. What is for the application is kept for it.
    pub(super) fn pump(&mut self, watch: &Watch) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer, watch)? {
                Step::Done(length) => {
                    if self.early.len() + length > MAX_EARLY {
                        let text = "too much arrived during a handshake";
                        return Err(io::Error::new(ErrorKind::InvalidData, text));
                    }
                    self.early.extend_from_slice(buffer.get(..length).unwrap_or_default());
                }
                Step::Read => return Ok(()),
                Step::End => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Hands out what was kept for the application; false when that is nothing.
    fn take_early(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = buffer.remaining().min(self.early.len());
        buffer.put_slice(self.early.get(..length).unwrap_or_default());
        self.early.drain(..length);
        if self.early.is_empty() {
            self.early = Vec::new();
        }
        length > 0
    }

    /// What a call of OpenSSL says, and whether the peer behaves.
    pub(super) fn step<T>(
        &mut self,
        result: Result<T, openssl::ssl::Error>,
        watch: &Watch,
    ) -> io::Result<Step<T>> {
        if watch.wishes() > self.allowed_wishes {
            let text = "the peer asks for more handshakes than it may";
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        let error = match result {
            Ok(value) => return Ok(Step::Done(value)),
            Err(error) => error,
        };
        match error.code() {
            ErrorCode::WANT_READ => Ok(Step::Read),
            ErrorCode::ZERO_RETURN => Ok(Step::End),
            _ => {
                // An alert may be on its way out.
                let _is_gone = self.send();
                Err(match watch.verdict() {
                    Some(verdict) => io::Error::new(ErrorKind::InvalidData, verdict),
                    None => plain(error),
                })
            }
        }
    }

    pub(super) fn send(&mut self) -> io::Result<bool> {
        self.ssl.get_mut().send()
    }

    pub(super) fn break_off(&mut self) {
        self.is_broken = true;
    }
}

/// OpenSSL's error as the socket's, where it is about the socket.
fn plain(error: openssl::ssl::Error) -> io::Error {
    match error.into_io_error() {
        Ok(error) => error,
        Err(error) if error.code() == ErrorCode::SYSCALL => ErrorKind::UnexpectedEof.into(),
        Err(error) => match error.ssl_error() {
            Some(stack) => match Mismatch::of_openssl(stack, problem(stack)) {
                Some(mismatch) => io::Error::new(ErrorKind::InvalidData, mismatch),
                None => ErrorKind::UnexpectedEof.into(),
            },
            None => ErrorKind::InvalidData.into(),
        },
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once per change of the state: the one who asked looks whether the answer is there.
    fn tell(&self, state: &State) {
        if matches!(state.asking, Asking::Asked { .. }) {
            self.moved.notify_waiters();
        }
    }
}

impl Stream {
    /// Makes the handshake of a client.
    pub(in crate::tls) async fn connect(
        context: &ClientContext,
        socket: TcpStream,
        host: &ServerName<'static>,
    ) -> Result<Self, TlsError> {
        let (ssl, watch) = context.connection(host)?;
        let this = Self::new(ssl, watch, socket)?;
        this.handshake(SslStream::connect).await?;
        // Suites without certificates are not offered: whoever got here without a verdict must not be believed.
        if this.shared.watch.chain().is_none() {
            return Err(TlsError::Certificate(CertificateError::Absent));
        }
        this.shared.lock().allowed_wishes = MAX_WISHES;
        Ok(this)
    }

    /// Makes the handshake of a service.
    pub(in crate::tls) async fn accept(
        context: &ServerContext,
        socket: TcpStream,
    ) -> Result<Self, TlsError> {
        let (ssl, watch) = context.connection()?;
        let this = Self::new(ssl, watch, socket)?;
        this.handshake(SslStream::accept).await?;
        let wishes = this.shared.watch.wishes();
        this.shared.lock().allowed_wishes = wishes;
        Ok(this)
    }

    fn new(ssl: Ssl, watch: Arc<Watch>, socket: TcpStream) -> Result<Self, TlsError> {
        let socket = Arc::new(socket);
        let wire = Wire { socket: Arc::clone(&socket), out: Vec::new(), budget: MAX_HANDSHAKE };
        let ssl = SslStream::new(ssl, wire)
            .map_err(|error| TlsError::Lost(io::Error::other(problem(&error))))?;
        let state = State {
            ssl,
            early: Vec::new(),
            allowed_wishes: MAX_WISHES,
            asking: Asking::default(),
            is_broken: false,
        };
        let state = Mutex::new(state);
        let turn = tokio::sync::Mutex::default();
        Ok(Self { shared: Arc::new(Shared { socket, watch, state, moved: Notify::new(), turn }) })
    }

    async fn handshake(
        &self,
        step: impl Fn(&mut SslStream<Wire>) -> Result<(), openssl::ssl::Error>,
    ) -> Result<(), TlsError> {
        let Shared { socket, watch, .. } = &*self.shared;
        loop {
            let (stepped, is_sent) = {
                let mut state = self.shared.lock();
                let result = step(&mut state.ssl);
                let stepped = state.step(result, watch).map_err(TlsError::of_handshake)?;
                (stepped, state.send().map_err(TlsError::Lost)?)
            };
            match stepped {
                Step::Done(()) if is_sent => break,
                Step::End => return Err(TlsError::Lost(ErrorKind::UnexpectedEof.into())),
                Step::Done(()) | Step::Read => {}
            }
            let interest = match (&stepped, is_sent) {
                (Step::Done(()), _) => Interest::WRITABLE,
                (_, true) => Interest::READABLE,
                (_, false) => Interest::READABLE | Interest::WRITABLE,
            };
            socket.ready(interest).await.map_err(TlsError::Lost)?;
        }
        self.shared.lock().ssl.get_mut().budget = usize::MAX;
        Ok(())
    }

    /// The certificate of the peer, from the handshake.
    pub(in crate::tls) fn own_certificate(&self) -> Option<Vec<u8>> {
        self.shared.watch.chain()?.first().map(|own| own.to_vec())
    }

    /// Version and suite, for people.
    pub(in crate::tls) fn negotiated(&self) -> (&'static str, Option<&'static str>) {
        let state = self.shared.lock();
        let ssl = state.ssl.ssl();
        (ssl.version_str(), ssl.current_cipher().and_then(|cipher| cipher.standard_name()))
    }

    /// The handle by which a service asks for the client's certificate.
    pub(in crate::tls) fn late(&self) -> Late {
        Late::new(&self.shared)
    }

    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let is_sent = self.shared.lock().send()?;
            if is_sent {
                return Poll::Ready(Ok(()));
            }
            ready!(self.shared.socket.poll_write_ready(cx))?;
        }
    }

    /// Waits for bytes of the peer, and sends what waits meanwhile.
    fn poll_more(&self, cx: &mut Context<'_>, is_sent: bool) -> Poll<io::Result<()>> {
        if !is_sent && self.shared.socket.poll_write_ready(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.shared.socket.poll_read_ready(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &self.shared;
        loop {
            let is_sent = {
                let mut state = shared.lock();
                if state.is_broken {
                    return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
                }
                if state.take_early(buffer) {
                    return Poll::Ready(Ok(()));
                }
                let read = state.read(buffer.initialize_unfilled(), &shared.watch);
                shared.tell(&state);
                match read? {
                    Step::Done(length) => {
                        buffer.advance(length);
                        return Poll::Ready(Ok(()));
                    }
                    Step::End => return Poll::Ready(Ok(())),
                    Step::Read => state.send()?,
                }
            };
            ready!(self.poll_more(cx, is_sent))?;
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let shared = &self.shared;
        loop {
            let (is_full, is_sent) = {
                let mut state = shared.lock();
                if state.is_broken {
                    return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
                }
                if !state.ssl.ssl().is_init_finished() {
                    let pumped = state.pump(&shared.watch);
                    shared.tell(&state);
                    pumped?;
                }
                let is_sent = state.send()?;
                let is_full = state.ssl.get_ref().out.len() > MAX_WAITING;
                if state.ssl.ssl().is_init_finished()
                    && !is_full
                    && let Some(written) = state.write(pieces, &shared.watch)?
                {
                    return Poll::Ready(Ok(written));
                }
                (is_full, is_sent)
            };
            if is_full {
                ready!(shared.socket.poll_write_ready(cx))?;
            } else {
                ready!(self.poll_more(cx, is_sent))?;
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        {
            let mut state = self.shared.lock();
            if !state.is_broken
                && !state.ssl.get_shutdown().contains(openssl::ssl::ShutdownState::SENT)
            {
                // The peer may be gone already; then there is nobody to tell.
                drop(state.ssl.shutdown());
            }
        }
        ready!(self.poll_send(cx))?;
        match SockRef::from(&*self.shared.socket).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

impl State {
    /// Makes records of the pieces, up to what may wait, and sends what the socket takes; `None` when a handshake comes
    /// first.
    fn write(&mut self, pieces: &[IoSlice<'_>], watch: &Watch) -> io::Result<Option<usize>> {
        let mut written = 0;
        for record in records(pieces) {
            let result = self.ssl.ssl_write(&record);
            match self.step(result, watch)? {
                Step::Done(length) => written += length,
                Step::End => return Err(ErrorKind::BrokenPipe.into()),
                Step::Read => break,
            }
            if self.ssl.get_ref().out.len() > MAX_WAITING {
                break;
            }
        }
        let is_empty = pieces.iter().all(|piece| piece.is_empty());
        self.send()?;
        Ok((written > 0 || is_empty).then_some(written))
    }
}

/// Pieces in records: small ones share one, long ones are not copied.
fn records<'a>(pieces: &'a [IoSlice<'a>]) -> impl Iterator<Item = std::borrow::Cow<'a, [u8]>> {
    use std::borrow::Cow;
    let mut rest = pieces.iter().map(|piece| &**piece).filter(|piece| !piece.is_empty()).peekable();
    let mut current: &[u8] = &[];
    std::iter::from_fn(move || {
        if current.is_empty() {
            current = rest.next()?;
        }
        let alone = current.len() >= RECORD || rest.peek().is_none();
        if alone {
            let (part, after) = current.split_at(current.len().min(RECORD));
            current = after;
            return Some(Cow::Borrowed(part));
        }
        let mut together = Vec::with_capacity(RECORD);
        while together.len() < RECORD && !current.is_empty() {
            let (part, after) = current.split_at(current.len().min(RECORD - together.len()));
            together.extend_from_slice(part);
            current = if after.is_empty() { rest.next().unwrap_or_default() } else { after };
        }
        Some(Cow::Owned(together))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_share_a_record_and_nothing_is_lost() {
        let (head, body) = (vec![1; 100], vec![2; 40_000]);
        let pieces = [&head[..], &[], &body[..], &head[..]].map(IoSlice::new);
        let made: Vec<_> = records(&pieces).map(std::borrow::Cow::into_owned).collect();
        assert!(made.iter().all(|record| (1..=RECORD).contains(&record.len())));
        assert_eq!(made.len(), 3);
        assert_eq!(made.concat(), [&head[..], &body[..], &head[..]].concat());
        assert_eq!(records(&[]).count(), 0);
    }
}
