//! The audit log: one structured line for each login, command, changed resource and refused operation.
//!
//! The lines carry the target `audit`. What clients wrote is passed as plain text fields, which
//! the log's writers escape; passwords, hashes, tokens and message bodies are never among them.

use std::time::Duration;

use tracing::{info, warn};
use uuid::Uuid;

use crate::clients::Presented;
use crate::kerberos::Delegation;
use crate::peer::Peer;

/// The target of every line.
pub const TARGET: &str = "audit";
/// The longest text from a client that a line takes.
const MAX_TEXT: usize = 32 * 1024;

/// Who did it, for every line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) peer: Peer,
    pub(crate) user: &'a str,
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

/// `certificate`, `principal`: what the login came by.
pub(crate) fn login_accepted(
    actor: Actor<'_>,
    mechanism: &str,
    certificate: Option<&Presented>,
    principal: Option<&str>,
) {
    info!(
        target: TARGET,
        event = "login",
        outcome = "accepted",
        peer = %actor.peer,
        user = cut(actor.user),
        mechanism,
        thumbprint = certificate.map(|one| one.thumbprint.as_str()),
        subject = certificate.map(|one| cut(&one.subject)),
        principal = principal.map(cut),
    );
}

/// What became of the ticket or password that a client let the service have.
pub(crate) fn delegated(actor: Actor<'_>, told: &Delegation) {
    let (peer, user) = (actor.peer, cut(actor.user));
    match told {
        Delegation::Forwarded => {
            info!(target: TARGET, event = "ticket", outcome = "forwarded", %peer, user);
        }
        Delegation::Bought(principal) => {
            let principal = cut(principal);
            info!(target: TARGET, event = "ticket", outcome = "bought", %peer, user, principal);
        }
        Delegation::Local => {
            let reason = "an account of this machine has no tickets";
            info!(target: TARGET, event = "ticket", outcome = "none", %peer, user, reason);
        }
        Delegation::Failed(reason) => {
            let reason = cut(reason);
            warn!(target: TARGET, event = "ticket", outcome = "failed", %peer, user, reason);
        }
    }
}

pub(crate) fn login_refused(
    actor: Actor<'_>,
    mechanism: &str,
    reason: &str,
    certificate: Option<&Presented>,
) {
    warn!(
        target: TARGET,
        event = "login",
        outcome = "refused",
        peer = %actor.peer,
        user = cut(actor.user),
        mechanism,
        reason = cut(reason),
        thumbprint = certificate.map(|one| one.thumbprint.as_str()),
        subject = certificate.map(|one| cut(&one.subject)),
    );
}

/// A failed login is one too many: the account's name or its address is locked out for a while.
pub(crate) fn lockout_begins(actor: Actor<'_>, time: Duration) {
    warn!(
        target: TARGET,
        event = "lockout",
        outcome = "begins",
        peer = %actor.peer,
        user = cut(actor.user),
        seconds = time.as_secs(),
    );
}

pub(crate) fn operation_refused(actor: Actor<'_>, operation: &str, reason: &str) {
    warn!(
        target: TARGET,
        event = "operation",
        outcome = "refused",
        peer = %actor.peer,
        user = cut(actor.user),
        operation = cut(operation),
        reason = cut(reason),
    );
}

/// `selectors`: which instance it is, `NAME=VALUE+NAME=VALUE`. What was written is not told: there may be passwords in it.
pub(crate) fn resource_changed(actor: Actor<'_>, operation: &str, resource: &str, selectors: &str) {
    info!(
        target: TARGET,
        event = "resource",
        outcome = "changed",
        peer = %actor.peer,
        user = cut(actor.user),
        operation = cut(operation),
        resource = cut(resource),
        selectors = cut(selectors),
    );
}

pub(crate) fn shell_opened(actor: Actor<'_>, shell: Uuid, resource: &str) {
    info!(
        target: TARGET,
        event = "shell",
        outcome = "opened",
        peer = %actor.peer,
        user = cut(actor.user),
        shell = %shell,
        resource = cut(resource),
    );
}

/// Somebody ends a shell that is not theirs; that it has ended has a line of its own.
pub(crate) fn shell_deleted(actor: Actor<'_>, shell: Uuid, owner: &str) {
    info!(
        target: TARGET,
        event = "shell",
        outcome = "deleted",
        peer = %actor.peer,
        user = cut(actor.user),
        owner = cut(owner),
        shell = %shell,
    );
}

pub(crate) fn shell_ended(user: &str, shell: Uuid, reason: &str) {
    info!(target: TARGET, event = "shell", outcome = "ended", user = cut(user), shell = %shell, reason);
}

pub(crate) fn command_accepted(user: &str, shell: Uuid, command: &str, line: &str) {
    info!(
        target: TARGET,
        event = "command",
        outcome = "accepted",
        user = cut(user),
        shell = %shell,
        command,
        line = cut(line),
    );
}

pub(crate) fn command_failed(user: &str, shell: Uuid, command: &str, line: &str, reason: &str) {
    warn!(
        target: TARGET,
        event = "command",
        outcome = "failed",
        user = cut(user),
        shell = %shell,
        command,
        line = cut(line),
        reason = cut(reason),
    );
}

pub(crate) fn command_ended(user: &str, shell: Uuid, command: &str, exit_code: u32) {
    info!(
        target: TARGET,
        event = "command",
        outcome = "ended",
        user = cut(user),
        shell = %shell,
        command,
        exit_code,
    );
}
