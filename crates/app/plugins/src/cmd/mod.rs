//! The command shell: `/bin/sh -c` for a command line, or the program itself.
//!
//! ```text
//!  Create ──► spawner opens a keeper (a process of the account's local user)
//!  Command ─► the keeper starts /bin/sh -c LINE, in a session of its own, with three pipes
//!  Delete ──► the spawner ends every process of the keeper, those that called setsid included
//! ```
//!
//! `%NAME%` in the value of a variable is expanded by the keeper, which knows the user's environment.
//!
//! Bytes pass unchanged here in both directions: the service converts them where the client named a
//! code page. Commands begin in a locale of UTF-8, so that tools write what is converted from.

mod line;
mod pipes;
mod shell;

use std::fmt;
use std::sync::Arc;

use server::BoxFuture;
use server::plugin::{OpenShell, ShellInstance, ShellPlugin};
use spawner::AccountId;
use spawner::frames::root::Reason;
use spawner::network::{Keeper, RequestError, Spawner, Wishes};
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::resource;

pub use line::{program_arguments, shell_line};
pub(crate) use shell::check;

/// What faults of this plug-in carry as their provider, as on Windows.
const PROVIDER: &str = "Shell cmd plugin";
/// And as its path.
const PROVIDER_PATH: &str = r"%systemroot%\system32\winrscmd.dll";

/// The plug-in of `http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd`.
pub struct Cmd {
    spawner: Spawner,
}

impl Cmd {
    /// A plug-in that opens its shells through `spawner`.
    #[must_use]
    pub fn new(spawner: Spawner) -> Self {
        Self { spawner }
    }
}

impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cmd").finish_non_exhaustive()
    }
}

impl ShellPlugin for Cmd {
    fn resource_uri(&self) -> &str {
        resource::CMD
    }

    fn open(&self, open: OpenShell) -> BoxFuture<'_, Result<Arc<dyn ShellInstance>, Box<Fault>>> {
        Box::pin(async move {
            check(&open.environment, open.directory.as_deref())?;
            let ticket = open.ticket.as_deref().map(|ticket| ticket.expose());
            let (account, memory) = (open.account.id, open.memory);
            let keeper = keeper(&self.spawner, account, open.login, ticket, memory).await?;
            let instance: Arc<dyn ShellInstance> = Arc::new(shell::CmdShell::new(keeper, open));
            Ok(instance)
        })
    }
}

/// Opens the keeper of a shell that may have so much memory, and gives it the ticket of the login that opens the shell. Without a place for the ticket the
/// shell opens all the same: its commands do what needs no ticket, and the log says what is missing.
pub(crate) async fn keeper(
    spawner: &Spawner,
    account: AccountId,
    login: [u8; 16],
    ticket: Option<&[u8]>,
    memory: Option<u64>,
) -> Result<Keeper, Box<Fault>> {
    let wishes = Wishes { ticket: ticket.is_some(), memory };
    let opened = spawner.open_with(account, login, wishes).await;
    let keeper = opened.map_err(|error| Box::new(refused(&error)))?;
    if let Some(ticket) = ticket
        && let Err(error) = keeper.store_ticket(ticket).await
    {
        let shell = keeper.id();
        tracing::warn!(%error, shell, "a shell has no ticket although its login brought one");
    }
    Ok(keeper)
}

/// The fault for a shell that the privileged process does not open. What stands in its files is
/// for the administrator's log, not for the client.
pub(crate) fn refused(error: &RequestError) -> Fault {
    tracing::warn!(%error, "a shell could not be opened");
    let RequestError::Refused { reason, .. } = error else {
        return match error {
            // What came along is missing or unusable: this process may have no more.
            RequestError::Descriptor(_) => no_resources(),
            RequestError::Refused { .. } | RequestError::Lost | RequestError::Unexpected | _ => {
                not_started()
            }
        };
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others mean that nobody can be it")]
    match reason {
        Reason::AccountLimit => Fault::new(
            ErrorCode::QUOTA_MAX_SHELLS,
            "The user has as many shells as the service keeps for one account. ",
        ),
        Reason::TotalLimit | Reason::PendingLimit => {
            Fault::new(ErrorCode::QUOTA_SYSTEM, "The service has as many shells as it can hold. ")
        }
        Reason::Resources => no_resources(),
        Reason::TimedOut | Reason::KeeperDied => not_started(),
        _ => Fault::new(
            ErrorCode::ACCESS_DENIED,
            "Access is denied: the account has no usable local user on this machine. ",
        ),
    }
}

/// The fault where the system has no more to give.
fn no_resources() -> Fault {
    let text = "The system has no process or descriptor left for another shell or command. ";
    Fault::new(ErrorCode::QUOTA_SYSTEM, text)
}

fn not_started() -> Fault {
    provider_fault(ErrorCode::INTERNAL_ERROR, "The shell's process could not be started. ")
}

/// A fault that this plug-in has met.
fn provider_fault(code: ErrorCode, text: &str) -> Fault {
    Fault::new(code, text).with_provider(PROVIDER, PROVIDER_PATH)
}
