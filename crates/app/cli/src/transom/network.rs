//! The service's network process: logs, settings, and the server with its plug-ins.
use std::process::ExitCode;
#[derive(clap::Args, Debug)]
pub(super) struct NetworkArgs {}
pub(super) fn run(_a: NetworkArgs) -> ExitCode {
    ExitCode::FAILURE
}
