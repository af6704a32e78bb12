//! The faults that the table of shells answers with.

use wsman::fault::{ErrorCode, Fault};

/// The shell is not there, or belongs to somebody else: both look the same.
pub(crate) fn no_such_shell() -> Fault {
    Fault::new(
        ErrorCode::UNEXPECTED_SELECTORS,
        "The request contains selectors that fit no shell: it has ended or never was. ",
    )
}

/// What ran the shell's commands is gone.
pub(crate) fn host_gone() -> Fault {
    Fault::new(ErrorCode::OPERATION_ABORTED, "The process that ran the shell's commands has ended. ")
}

/// The service stops.
pub(crate) fn stopping() -> Fault {
    Fault::new(ErrorCode::SHUTDOWN_IN_PROGRESS, "The service is shutting down. ")
}

/// Nothing came about within the OperationTimeout.
pub(crate) fn timed_out() -> Fault {
    Fault::new(
        ErrorCode::OPERATION_TIMEDOUT,
        "The operation was not complete within the time specified in OperationTimeout. ",
    )
}

/// The id that the client chose is taken.
pub(crate) fn id_taken() -> Fault {
    Fault::new(ErrorCode::SHELL_ALREADY_EXISTS, "A shell with the ShellId of the request exists. ")
}

/// The user has as many shells as allowed.
pub(crate) fn too_many_shells(limit: u64) -> Fault {
    Fault::new(
        ErrorCode::QUOTA_MAX_SHELLS,
        format!(
            "The user has {limit} shells, which is the allowed number (MaxShellsPerUser). Close \
             one or raise the quota. "
        ),
    )
}

/// As many users have shells as allowed.
pub(crate) fn too_many_users(limit: u64) -> Fault {
    Fault::new(
        ErrorCode::QUOTA_MAX_SHELLUSERS,
        format!("{limit} users have shells, which is the allowed number (MaxConcurrentUsers). "),
    )
}

/// The service has as many shells as it can.
pub(crate) fn too_many_in_all() -> Fault {
    Fault::new(ErrorCode::QUOTA_SYSTEM, "The service has as many shells as it can hold. ")
}
