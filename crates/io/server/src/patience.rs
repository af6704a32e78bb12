//! A stream whose other end must read: an answer that is not taken in time ends the connection.
//!
//! ```text
//!           write                     flushed
//!   Quiet ─────────► Answer under way ────────► Quiet
//!                          │ time is up
//!                          ▼
//!                    TimedOut: the connection ends, and its place is free
//! ```
//!
//! What the system's buffers take counts as read; a client that lets it stay there is silent, and
//! ends as every silent one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::metrics::{Direction, Metrics};

/// A stream with a bound on the time between the first wait of an answer and its flush.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    time: Duration,
    metrics: Arc<Metrics>,
    /// Runs while an answer is under way.
    late: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) const fn new(stream: S, time: Duration, metrics: Arc<Metrics>) -> Self {
        Self { stream, time, metrics, late: None }
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.metrics.bytes.add(Direction::Sent, u64::try_from(count).unwrap_or(u64::MAX));
        }
        written
    }

    /// What a write comes to that cannot go on now.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let time = self.time;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(late.as_mut().poll(context));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer");
        Poll::Ready(Err(error))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len().saturating_sub(before);
        self.metrics.bytes.add(Direction::Received, u64::try_from(count).unwrap_or(u64::MAX));
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context),
            done => self.sent(done),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices) {
            Poll::Pending => self.wait(context),
            done => self.sent(done),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.wait(context),
            done @ Poll::Ready(_) => {
                self.late = None;
                done
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.wait(context),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// With paused time only the order of events counts.
    #[tokio::test(start_paused = true)]
    async fn answer_that_is_read_too_slowly_is_cut_and_others_get_new_time() {
        let (ours, mut theirs) = duplex(10);
        let mut patient = Patient::new(ours, Duration::from_secs(10), Arc::default());
        let reader = async {
            // Two answers, each of them within its time, together beyond it.
            for _ in 0..24 {
                sleep(Duration::from_millis(600)).await;
                theirs.read_exact(&mut [0; 10]).await.unwrap();
            }
            // The third gets a byte in each second.
            let mut single = [0];
            for _ in 0..100 {
                sleep(Duration::from_secs(1)).await;
                theirs.read_exact(&mut single).await.unwrap();
            }
        };
        let writer = async {
            for _ in 0..2 {
                patient.write_all(&[7; 120]).await.unwrap();
                patient.flush().await.unwrap();
            }
            patient.write_all(&[7; 120]).await.unwrap_err().kind()
        };
        tokio::select! {
            () = reader => panic!("the slow reader was not cut off"),
            kind = writer => assert_eq!(kind, io::ErrorKind::TimedOut),
        }
    }
}
