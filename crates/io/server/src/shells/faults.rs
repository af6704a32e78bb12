//! The faults that the table of shells answers with.

use wsman::fault::{ErrorCode, Fault};

/// The shell is not there, or belongs to somebody else: both look the same.
pub(crate) fn no_such_shell() -> Box<Fault> {
    fault(
        ErrorCode::UNEXPECTED_SELECTORS,
        "The request contains selectors that fit no shell: it has ended or never was. ",
    )
}

/// What ran the shell's commands is gone.
pub(crate) fn host_gone() -> Box<Fault> {
    fault(ErrorCode::OPERATION_ABORTED, "The process that ran the shell's commands has ended. ")
}

/// The service stops.
pub(crate) fn stopping() -> Box<Fault> {
    fault(ErrorCode::SHUTDOWN_IN_PROGRESS, "The service is shutting down. ")
}

/// Nothing came about within the OperationTimeout.
pub(crate) fn timed_out() -> Box<Fault> {
    fault(
        ErrorCode::OPERATION_TIMEDOUT,
        "The operation was not complete within the time specified in OperationTimeout. ",
    )
}

/// The id that the client chose is taken.
pub(crate) fn id_taken() -> Box<Fault> {
    fault(
        ErrorCode::SHELL_CLIENTID_RESOURCE_CONFLICT,
        "A shell with the ShellId of the request exists. ",
    )
}

/// The user has as many shells as allowed.
pub(crate) fn too_many_shells(limit: u64) -> Box<Fault> {
    quota(
        ErrorCode::QUOTA_MAX_SHELLS,
        format!(
            "The user has {limit} shells, which is the allowed number (MaxShellsPerUser). Close \
             one or raise the quota. "
        ),
    )
}

/// The user has as many shells and commands as allowed.
pub(crate) fn too_many_operations(limit: u64) -> Box<Fault> {
    quota(
        ErrorCode::QUOTA_MAX_OPERATIONS,
        format!(
            "The user has {limit} shells and commands open, which is the allowed number \
             (MaxConcurrentOperationsPerUser). Close some or raise the quota. "
        ),
    )
}

/// As many users have shells as allowed.
pub(crate) fn too_many_users(limit: u64) -> Box<Fault> {
    fault(
        ErrorCode::QUOTA_MAX_SHELLUSERS,
        format!("{limit} users have shells, which is the allowed number (MaxConcurrentUsers). "),
    )
}

/// The user has as many shells of a plug-in as it allows.
pub(super) fn too_many_of_plugin(limit: u64) -> Box<Fault> {
    quota(
        ErrorCode::QUOTA_MAX_SHELLS_OF_PLUGIN,
        format!(
            "The user has {limit} shells of this kind, which is the number that its plug-in allows (MaxShellsPerUser). \
             Close one or raise the quota. "
        ),
    )
}

/// A plug-in has as many shells as it allows.
pub(super) fn too_many_plugin_shells(limit: u64) -> Box<Fault> {
    fault(
        ErrorCode::QUOTA_MAX_PLUGIN_SHELLS,
        format!(
            "There are {limit} shells of this kind, as many as its plug-in allows (MaxShells). "
        ),
    )
}

/// As many users have shells of a plug-in as it allows.
pub(super) fn too_many_users_of_plugin(limit: u64) -> Box<Fault> {
    fault(
        ErrorCode::QUOTA_MAX_USERS_OF_PLUGIN,
        format!(
            "{limit} users have shells of this kind, which is the number that its plug-in allows (MaxConcurrentUsers). "
        ),
    )
}

/// There is no such session configuration, or it is not open.
pub(crate) fn no_configuration(name: &str) -> Box<Fault> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let text = format!(
        "The WS-Management service cannot process the request. Cannot find the {shown} session configuration on this \
         computer, or it is not enabled. "
    );
    let fault = Fault::new(ErrorCode::INVALID_RESOURCE_URI, text);
    Box::new(fault.with_provider("microsoft.powershell", "transom"))
}

/// The service has as many shells as it can.
pub(crate) fn too_many_in_all() -> Box<Fault> {
    fault(ErrorCode::QUOTA_SYSTEM, "The service has as many shells as it can hold. ")
}

/// The user has its share of the descriptors of this process.
pub(super) fn too_few_descriptors(own: u64) -> Box<Fault> {
    fault(
        ErrorCode::QUOTA_SYSTEM,
        format!(
            "The service has too few descriptors for another shell or command of the user, whose shells and commands use \
             {own} descriptors. Close some or raise the limit of the service (RLIMIT_NOFILE). "
        ),
    )
}

/// The user's commands leave too much input unread.
pub(super) fn too_much_input(limit: usize) -> Box<Fault> {
    let megabytes = limit / (1024 * 1024);
    fault(
        ErrorCode::QUOTA_USER,
        format!(
            "Input that the user's commands have not read, and the environments of its shells, take the {megabytes} MB \
             that the service has for them. "
        ),
    )
}

/// A quota of one user, in the form that Windows gives it.
fn quota(code: ErrorCode, text: String) -> Box<Fault> {
    Box::new(Fault::new(code, text).into_wmi_error())
}

fn fault(code: ErrorCode, text: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(code, text))
}
