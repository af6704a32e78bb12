//! A stream whose other end must write and read: a request that does not come, or an answer that is not taken, in time
//! ends the connection. How long a client may be silent is [`crate::pace`]'s.
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

use crate::pace::{Pace, Silence};

/// A stream with a bound on the time between the first wait of an answer and its flush, and on the silence between and
/// in the heads of requests.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    time: Duration,
    /// Runs while an answer is under way.
    late: Option<Pin<Box<Sleep>>>,
    pace: Arc<Pace>,
    silence: Silence,
}

impl<S> Patient<S> {
    pub(crate) const fn new(stream: S, time: Duration, pace: Arc<Pace>) -> Self {
        Self { stream, time, late: None, pace, silence: Silence::new(time) }
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
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => {
                ready!(this.silence.poll(&this.pace, context));
                let error = io::Error::new(io::ErrorKind::TimedOut, "the client is silent");
                Poll::Ready(Err(error))
            }
            done @ Poll::Ready(_) => {
                this.silence.broken(&this.pace);
                done
            }
        }
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
            done => done,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices) {
            Poll::Pending => self.wait(context),
            done => done,
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
    use tokio::time::{Instant, sleep_until};

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

    /// When a read gives up, in seconds, with a byte of the other end at each of these.
    async fn silent_at(pace: &Arc<Pace>, bytes_at: &[u64]) -> u64 {
        let (ours, mut theirs) = duplex(10);
        let mut patient = Patient::new(ours, Duration::from_secs(10), Arc::clone(pace));
        let start = Instant::now();
        let writer = async {
            for second in bytes_at {
                sleep_until(start + Duration::from_secs(*second)).await;
                theirs.write_all(&[1]).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let reader = async {
            let mut byte = [0];
            while patient.read_exact(&mut byte).await.is_ok() {}
            start.elapsed().as_secs()
        };
        tokio::select! {
            () = writer => unreachable!("it waits for ever"),
            second = reader => second,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_by_login_and_by_what_has_come() {
        let pace = Arc::new(Pace::default());
        assert_eq!(silent_at(&pace, &[]).await, 10, "without a login");
        assert_eq!(silent_at(&pace, &[9]).await, 10, "the head counts from the start");
        pace.set_known(true);
        assert_eq!(silent_at(&pace, &[]).await, 120, "idle with a login");
        assert_eq!(silent_at(&pace, &[100, 105]).await, 110, "a head that began must go on");
        let handling = pace.handle();
        let timed = tokio::time::timeout(Duration::from_secs(3600), silent_at(&pace, &[])).await;
        assert!(timed.is_err(), "a request that is handled has no limit here");
        drop(handling);
        assert_eq!(silent_at(&pace, &[]).await, 120);
    }

    #[tokio::test(start_paused = true)]
    async fn next_head_has_a_time_of_its_own() {
        let pace = Arc::new(Pace::default());
        let (ours, mut theirs) = duplex(10);
        let mut patient = Patient::new(ours, Duration::from_secs(10), Arc::clone(&pace));
        for _ in 0..5 {
            sleep(Duration::from_secs(8)).await;
            theirs.write_all(&[1]).await.unwrap();
            patient.read_exact(&mut [0]).await.unwrap();
            drop(pace.handle());
        }
        let start = Instant::now();
        patient.read_exact(&mut [0]).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
