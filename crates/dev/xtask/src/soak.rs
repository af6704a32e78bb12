//! A day's worth of sessions in fast motion: the test `soak` with a release build and as many sessions as are asked for.

use crate::workspace::{cargo, run as run_shown};

/// One session each ten seconds, for a day.
const SESSIONS: usize = 8_640;

/// Runs it; the samples appear as they are taken.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let sessions = match arguments {
        [] => SESSIONS,
        [number] => number.parse().map_err(|_| format!("`{number}` is no number of sessions"))?,
        _ => return Err("usage: cargo xtask soak [N]".to_owned()),
    };
    let mut command = cargo();
    command.args(["test", "--release", "-p", "transom-cli", "--test", "it"]);
    command.args(["--", "--exact", "soak::sessions_leave_nothing_behind", "--nocapture"]);
    command.env("TRANSOM_SOAK", sessions.to_string());
    run_shown(&mut command).map(|()| true)
}
