//! The pipes of a command: those that turn out to be busy are made wider.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use spawner::network::widen;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a pipe holds unless somebody widens it.
const DEFAULT: usize = 64 * 1024;
/// So many pipefuls through a pipe make it a busy one.
const BUSY: u64 = 16;

/// A pipe, and what went through it.
#[derive(Debug)]
pub(super) struct Pipe<P> {
    pipe: P,
    /// Bytes so far.
    passed: u64,
    is_wide: bool,
}

impl<P: AsFd> Pipe<P> {
    pub(super) const fn new(pipe: P) -> Self {
        Self { pipe, passed: 0, is_wide: false }
    }

    fn pass(&mut self, bytes: usize) {
        self.passed = self.passed.saturating_add(bytes as u64);
        if !self.is_wide && self.passed >= BUSY * DEFAULT as u64 {
            self.is_wide = true;
            widen(&self.pipe);
        }
    }
}

impl<P: AsyncRead + AsFd + Unpin> AsyncRead for Pipe<P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        self.pass(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<P: AsyncWrite + AsFd + Unpin> AsyncWrite for Pipe<P> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.pipe).poll_write(context, bytes))?;
        self.pass(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::unix::pipe;

    use super::*;

    /// How much a pipe takes while nobody reads.
    async fn holds(sender: &pipe::Sender) -> usize {
        sender.writable().await.unwrap();
        let mut held = 0;
        while let Ok(written) = sender.try_write(&[0; 4096]) {
            held += written;
        }
        held
    }

    #[tokio::test]
    async fn pipe_is_widened_once_much_went_through_it() {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        let narrow = holds(&sender).await;
        let mut reading = Pipe::new(receiver);
        let mut buffer = vec![0; narrow];
        reading.read_exact(&mut buffer).await.unwrap();
        assert_eq!(holds(&sender).await, narrow, "little went through it");
        reading.read_exact(&mut buffer).await.unwrap();
        while !reading.is_wide {
            sender.write_all(&[0; 4096]).await.unwrap();
            reading.read_exact(&mut buffer[..4096]).await.unwrap();
        }
        // Less where this user's quota is used up already.
        assert!(holds(&sender).await >= narrow);
    }
}
