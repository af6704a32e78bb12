//! The faults that a shell answers with.

use crate::fault::{ErrorCode, Fault};
use crate::shell::Profile;
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

/// A request that a shell cannot make sense of; on Windows the command shell's plug-in says so.
pub(super) fn invalid_parameter(profile: Profile, what: &str) -> Box<Fault> {
    let fault =
        fault(ErrorCode::INVALID_PARAMETER, &format!("The parameter is incorrect: {what}. "));
    if profile.is_plug_in {
        return fault;
    }
    Box::new(fault.with_provider(CMD_PROVIDER, CMD_PROVIDER_PATH))
}

/// Only shells of plug-ins whose id the client chose can be left without one, [MS-WSMV] 3.1.4.15.
pub(super) fn cannot_disconnect() -> Box<Fault> {
    let text = "The shell cannot be disconnected and taken up again. ";
    fault(ErrorCode::SHELL_DISCONNECT_NOT_SUPPORTED, text)
}

/// Nobody may use the shell before it is taken up again, [MS-WSMV] 3.1.4.1.31.7.
pub(super) fn is_disconnected() -> Box<Fault> {
    fault(ErrorCode::SHELL_DISCONNECTED, "The shell is disconnected. ")
}

/// The client has left the shell while a Receive was waiting.
pub(super) fn stream_disconnected() -> Box<Fault> {
    let text = "The shell is disconnected, and its streams with it. ";
    fault(ErrorCode::SERVICE_STREAM_DISCONNECTED, text)
}

/// The shell has been left already.
pub(super) fn disconnected_before() -> Box<Fault> {
    let text = "The shell is disconnected already. ";
    fault(ErrorCode::SHELL_DISCONNECT_OPERATION_NOT_VALID, text)
}

/// The shell belongs to another client session than the one that asks.
pub(super) fn other_session() -> Box<Fault> {
    let text = "The shell belongs to another client session. ";
    fault(ErrorCode::SHELL_CLIENTSESSIONID_MISMATCH, text)
}

/// Only what a client has left can be connected to, [MS-WSMV] 3.1.4.17.
pub(super) fn connected() -> Box<Fault> {
    fault(ErrorCode::SHELL_CONNECTED_TO_DIFFERENT_CLIENT, "The shell is connected to a client. ")
}

/// The shell is being left or taken up at this moment.
pub(super) fn link_is_busy() -> Box<Fault> {
    fault(ErrorCode::BUSY, "The shell is being disconnected or taken up by another request. ")
}

/// The answer does not fit the envelope that the client accepts.
pub(super) fn envelope_too_small() -> Box<Fault> {
    let text = "The answer does not fit the MaxEnvelopeSize of the request. ";
    fault(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED, text)
}

pub(super) fn fault(code: ErrorCode, text: &str) -> Box<Fault> {
    Box::new(Fault::new(code, text))
}
