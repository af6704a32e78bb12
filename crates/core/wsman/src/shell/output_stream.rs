//! The output streams of shells, [MS-WSMV] 3.1.4.1.31.1.

use std::fmt;

/// One of the two streams that a command writes to. A plug-in's shell has `stdout` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "[MS-WSMV] 2.2.5.7 names two output streams")]
pub enum OutputStream {
    /// `stdout`.
    Stdout,
    /// `stderr`.
    Stderr,
}

impl OutputStream {
    /// Both, in the order in which Windows names them.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The stream of that name. Windows compares names without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for OutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
