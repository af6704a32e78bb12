//! What a shell may use and hold.

use std::time::Duration;

/// Bounds of one shell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its configuration")]
pub struct Settings {
    /// Commands that may exist at once. Finished ones whose end was told give way to new ones.
    /// Default 25.
    pub max_commands: usize,
    /// Commands that may run at once (`MaxProcessesPerShell`): what each starts itself is not
    /// counted. Default: as many as there are.
    pub max_processes: usize,
    /// Bytes of output that one stream of one command may hold. Default 393,216, which fills an
    /// envelope of the default size. What a shell that drops output has collected without a client
    /// counts apart.
    pub output_buffer: usize,
    /// Bytes of input that one compressed Send may become. Default 4,194,304: the most that a
    /// client can have meant to send at once, and far less than blocks can claim.
    pub max_input: usize,
    /// How long a first piece of output may wait for more before it is sent. It spares short
    /// commands a second Receive: their output and their end go into one answer. Default 20 ms.
    pub gather: Duration,
    /// Idle time-out of a shell whose Create names none. Default 7,200 s.
    pub idle_timeout: Duration,
    /// Shortest idle time-out; a shorter wish is raised to it. Default 60 s.
    pub min_idle_timeout: Duration,
    /// Longest idle time-out (`MaxIdleTimeOut`); a longer wish is cut to it. Default
    /// 2,147,483.647 s.
    pub max_idle_timeout: Duration,
}

impl Settings {
    /// The idle time-out that is granted to a wish.
    pub(super) fn within(&self, wish: Duration) -> Duration {
        wish.max(self.min_idle_timeout).min(self.max_idle_timeout)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_commands: 25,
            max_processes: usize::MAX,
            output_buffer: 393_216,
            max_input: 4_194_304,
            gather: Duration::from_millis(20),
            idle_timeout: Duration::from_secs(7_200),
            min_idle_timeout: Duration::from_secs(60),
            max_idle_timeout: Duration::from_millis(2_147_483_647),
        }
    }
}
