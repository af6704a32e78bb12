//! The spawner process.

use std::process::ExitCode;

use crate::Options;

/// See [`crate::run`].
pub(crate) fn run(_options: Options) -> ExitCode {
    ExitCode::FAILURE
}
