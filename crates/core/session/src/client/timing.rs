//! How long to wait: one deadline for each call, carried into `OperationTimeout`.

use std::time::Duration;

/// What a client knows about time. Windows's names and defaults where Windows has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// `OperationTimeout` of a call that has no nearer deadline; services cut it to their
    /// `MaxTimeoutms`, 60 s by default.
    pub operation: Duration,
    /// `winrm/config/client` `NetworkDelayms`: extra time for the way there and back.
    pub network_delay: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { operation: Duration::from_secs(60), network_delay: Duration::from_secs(5) }
    }
}

/// Services raise anything shorter to this ([MS-WSMV] 3.1.4.1.9; seen on 2008 R2).
const LEAST_OPERATION: Duration = Duration::from_millis(500);

impl Timing {
    /// The `OperationTimeout` of a call of which `left` remains, and how long to wait for the
    /// answer. The service should give up first, since its fault keeps the connection usable and
    /// a cut does not.
    #[must_use]
    pub fn split(&self, left: Option<Duration>) -> (Duration, Duration) {
        let Some(left) = left else { return (self.operation, self.operation + self.network_delay) };
        let slack = self.network_delay.min(left / 4);
        let operation = left.saturating_sub(slack).clamp(LEAST_OPERATION, self.operation);
        let wait = (operation + self.network_delay).min(left.max(LEAST_OPERATION + slack));
        (operation, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_gives_up_before_the_client_does() {
        let timing = Timing::default();
        for left in [1_u64, 3, 10, 59, 61, 600] {
            let (operation, wait) = timing.split(Some(Duration::from_secs(left)));
            assert!(operation < wait, "{left}");
            assert!(wait <= Duration::from_secs(left), "{left}");
            assert!(operation <= timing.operation, "{left}");
        }
        assert_eq!(timing.split(None), (Duration::from_secs(60), Duration::from_secs(65)));
    }

    #[test]
    fn nearly_over_deadline_still_asks_for_what_a_service_accepts() {
        let (operation, wait) = Timing::default().split(Some(Duration::from_millis(10)));
        assert_eq!(operation, Duration::from_millis(500));
        assert!(wait > operation);
    }
}
