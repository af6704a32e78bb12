//! The faults that a command shell answers with.

use crate::fault::{ErrorCode, Fault};
use crate::shell::request::{CMD_PROVIDER, CMD_PROVIDER_PATH};

/// The command is not there. Windows has one code for this and for a shell that is not there.
pub(super) fn unknown_command() -> Box<Fault> {
    let text = "The shell has no command of this CommandId: it has ended, or there never was one. ";
    fault(ErrorCode::UNEXPECTED_SELECTORS, text)
}

/// The shell has ended.
pub(super) fn shell_is_gone() -> Box<Fault> {
    fault(ErrorCode::UNEXPECTED_SELECTORS, "The shell has ended. ")
}

/// Nothing to tell within the OperationTimeout, [MS-WSMV] 3.1.4.14.
pub(super) fn timed_out() -> Box<Fault> {
    let text = "The operation did not complete within its OperationTimeout. ";
    fault(ErrorCode::OPERATION_TIMEDOUT, text)
}

/// Another request ended what this one was waiting for.
pub(super) fn aborted() -> Box<Fault> {
    fault(ErrorCode::OPERATION_ABORTED, "The operation was aborted by another request. ")
}

/// The command has not taken the input of the Send before.
pub(super) fn busy() -> Box<Fault> {
    fault(ErrorCode::BUSY, "The command has not taken the input that was sent before. ")
}

/// The shell runs as many processes as it may. Windows meets this where it starts the process.
pub(super) fn too_many_processes(running: usize) -> Box<Fault> {
    let text = format!(
        "The shell runs {running} processes, which is the allowed number (MaxProcessesPerShell). "
    );
    fault(ErrorCode::NOT_ENOUGH_QUOTA, &text)
}

/// A request that a command shell cannot make sense of; on Windows its plug-in says so.
pub(super) fn invalid_parameter(what: &str) -> Box<Fault> {
    let fault =
        fault(ErrorCode::INVALID_PARAMETER, &format!("The parameter is incorrect: {what}. "));
    Box::new(fault.with_provider(CMD_PROVIDER, CMD_PROVIDER_PATH))
}

/// Only shells of plug-ins can be left without a client, [MS-WSMV] 3.1.4.1.31.7.
pub(super) fn cannot_disconnect() -> Box<Fault> {
    let text = "A command shell cannot be disconnected and taken up again. ";
    fault(ErrorCode::SHELL_DISCONNECT_NOT_SUPPORTED, text)
}

/// The answer does not fit the envelope that the client accepts.
pub(super) fn envelope_too_small() -> Box<Fault> {
    let text = "The answer does not fit the MaxEnvelopeSize of the request. ";
    fault(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED, text)
}

pub(super) fn fault(code: ErrorCode, text: &str) -> Box<Fault> {
    Box::new(Fault::new(code, text))
}
