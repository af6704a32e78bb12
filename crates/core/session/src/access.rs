//! Who may do what: the one place where access is decided.
//!
//! Every operation of the service asks here, after the login and before anything else. On Windows
//! the answer comes from the `RootSDDL` and the plug-in's own descriptor; their defaults are the
//! rules below. [MS-WSMV] 3.1.4.1.

use auth::Account;
use wsman::ns::resource;

use crate::mapping::Grant;

/// The group whose members may do everything.
pub const ADMINISTRATORS: &str = "Administrators";
/// The group whose members may use PowerShell's endpoints, and list shells, but not open a command shell.
pub const REMOTE_MANAGEMENT_USERS: &str = "Remote Management Users";

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Run a command in a shell: `rsp:Command`.
    Command,
    /// Take over a shell that another client has left: `rsp:Connect`.
    Connect,
    /// Open a shell: `wxf:Create`.
    Create,
    /// End a shell: `wxf:Delete`.
    Delete,
    /// Leave a shell: `rsp:Disconnect`.
    Disconnect,
    /// List something: `wsen:Enumerate`.
    Enumerate,
    /// Read a shell's description: `wxf:Get`.
    Get,
    /// Ask what the service is.
    Identify,
    /// Go on with a list: `wsen:Pull`.
    Pull,
    /// Read a command's output: `rsp:Receive`.
    Receive,
    /// Come back to a shell: `rsp:Reconnect`.
    Reconnect,
    /// Give a list up: `wsen:Release`.
    Release,
    /// Write to a command's input: `rsp:Send`.
    Send,
    /// Interrupt or end a command: `rsp:Signal`.
    Signal,
}

/// What the operation is about.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Target<'a> {
    /// The service itself.
    Service,
    /// A kind of shell, by its resource URI.
    ShellKind(&'a str),
    /// A shell that exists, by its owner's account. Its kind is asked for as well, by the request's resource.
    Shell(&'a Account),
}

/// Why access is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The account is in no group that may do this: the fault is `w:AccessDenied`, code 5.
    #[error("the account is in no group that may do this")]
    NotAllowed,
    /// The login came by a certificate whose mapping is about other resources: the fault is `w:AccessDenied`, code 5.
    #[error("no mapping of the certificate is about this resource")]
    NotMapped,
    /// The shell belongs to somebody else: the answer is that of a shell that does not exist.
    #[error("the shell belongs to another account")]
    NotOwner,
}

/// Decides whether `account` may do `operation` on `target`.
///
/// # Errors
///
/// [`Denied`] says why not.
pub fn decide(account: &Account, operation: Operation, target: Target<'_>) -> Result<(), Denied> {
    match (operation, target) {
        (Operation::Identify, _) => Ok(()),
        (_, Target::Shell(owner)) if owner.id != account.id => Err(Denied::NotOwner),
        _ if is_in(account, ADMINISTRATORS) => Ok(()),
        (_, Target::ShellKind(uri)) if !is_open_to_users(operation, uri) => Err(Denied::NotAllowed),
        _ if is_in(account, REMOTE_MANAGEMENT_USERS) => Ok(()),
        _ => Err(Denied::NotAllowed),
    }
}

/// Decides whether a login by certificate may do `operation` on `target`, beside what its account may: its mapping says
/// which resources it is about.
///
/// # Errors
///
/// [`Denied::NotMapped`].
pub fn decide_grant(grant: &Grant, operation: Operation, target: Target<'_>) -> Result<(), Denied> {
    match target {
        Target::ShellKind(uri) if operation != Operation::Identify && !grant.covers(uri) => {
            Err(Denied::NotMapped)
        }
        Target::ShellKind(_) | Target::Service | Target::Shell(_) => Ok(()),
    }
}

/// Whether the plug-in of that resource lets remote management users do this.
fn is_open_to_users(operation: Operation, uri: &str) -> bool {
    let prefix = uri.get(..resource::POWERSHELL_PREFIX.len());
    if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(resource::POWERSHELL_PREFIX)) {
        return true;
    }
    // Shells of any kind: what is shown of each is decided for its owner.
    let lists = [resource::SHELL, resource::SHELL_COMMAND];
    let reads = [Operation::Get, Operation::Enumerate, Operation::Pull, Operation::Release];
    lists.iter().any(|list| uri.eq_ignore_ascii_case(list)) && reads.contains(&operation)
}

fn is_in(account: &Account, name: &str) -> bool {
    account.groups.iter().any(|group| group.eq_ignore_ascii_case(name))
}
