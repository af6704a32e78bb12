//! How long a client may be silent, by what it is silent about.
//!
//! ```text
//!  without a login:  every request's head within MaxPacketRetrievalTimeSeconds, the wait for it included
//!  with a login:     idle ──(Pace::IDLE, or that time where it is longer)──► first byte ──(that time)──► head complete
//!  request handled:  no limit here; bodies and answers have their own
//! ```

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// What the connection tells its stream.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Odd while a request is handled.
    turn: AtomicU32,
    /// Whether the login is complete.
    known: AtomicBool,
}

/// Marks a request as handled for as long as it lives.
#[derive(Debug)]
pub(crate) struct Handling<'a>(&'a Pace);

impl Pace {
    /// A connection with a login that asks for nothing is kept for so long, as HTTP.SYS does.
    pub(crate) const IDLE: Duration = Duration::from_secs(120);

    pub(crate) fn handle(&self) -> Handling<'_> {
        self.turn.fetch_add(1, Ordering::Relaxed);
        Handling(self)
    }

    pub(crate) fn set_known(&self, is_known: bool) {
        self.known.store(is_known, Ordering::Relaxed);
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, Ordering::Relaxed);
    }
}

/// The clock of a stream that is read.
#[derive(Debug)]
pub(crate) struct Silence {
    time: Duration,
    turn: u32,
    /// Whether something of the next head has come.
    began: bool,
    late: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// `time` is the one for a request's head.
    pub(crate) const fn new(time: Duration) -> Self {
        Self { time, turn: 0, began: false, late: None }
    }

    /// Something was read.
    pub(crate) fn broken(&mut self, pace: &Pace) {
        self.follow(pace);
        if !self.began {
            self.began = true;
            // The time of a head that is waited for goes on; that of an idle connection is over.
            if pace.known.load(Ordering::Relaxed) {
                self.late = None;
            }
        }
    }

    /// Ready when nothing came for too long.
    pub(crate) fn poll(&mut self, pace: &Pace, context: &mut Context<'_>) -> Poll<()> {
        self.follow(pace);
        if self.turn % 2 == 1 {
            return Poll::Pending;
        }
        let is_idle = !self.began && pace.known.load(Ordering::Relaxed);
        let limit = if is_idle { Pace::IDLE.max(self.time) } else { self.time };
        self.late.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(context)
    }

    fn follow(&mut self, pace: &Pace) {
        let turn = pace.turn.load(Ordering::Relaxed);
        if turn != self.turn {
            *self = Self { turn, ..Self::new(self.time) };
        }
    }
}
