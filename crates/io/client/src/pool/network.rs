//! What somebody who waits for a pool should know of the network.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// A network that is away for less is not worth a word.
const BRIEF: Duration = Duration::from_secs(2);

/// Whether the way to a pool's host is interrupted.
#[derive(Debug, Clone)]
pub struct Network {
    /// Messages that are tried again and again.
    interrupted: watch::Receiver<usize>,
    is_away: bool,
}

impl Network {
    pub(super) const fn new(interrupted: watch::Receiver<usize>) -> Self {
        Self { interrupted, is_away: false }
    }

    /// Waits until the network is away, for longer than two seconds, or is back; true when it is away. While it is, the
    /// pool's messages are tried again as often as [`PoolOptions::retries`](super::PoolOptions::retries) says.
    pub async fn change(&mut self) -> bool {
        while !self.is_away {
            // The sender lives as long as the pool: who waits for it without one waits for nothing.
            if self.interrupted.wait_for(|messages| *messages > 0).await.is_err() {
                std::future::pending::<()>().await;
            }
            let back = timeout(BRIEF, self.interrupted.wait_for(|messages| *messages == 0)).await;
            self.is_away = back.is_err();
            if self.is_away {
                return true;
            }
        }
        if self.interrupted.wait_for(|messages| *messages == 0).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.is_away = false;
        false
    }
}
