//! Who may do what: the one place where access is decided.
//!
//! Every operation of the service asks here, after the login and before anything else. The answer comes from security
//! descriptors: that of the resource where it has one, else the `RootSDDL`. [MS-WSMV] 3.1.4.1.
//!
//! | what is done | right |
//! |---|---|
//! | Get, Enumerate, Pull, Release | Read |
//! | Put; Create and Delete of what is no shell | Write |
//! | everything with a shell but Get; methods | Execute |
//! | methods of the service's own configuration | Write |
//!
//! Execute is what lets somebody run commands, and methods of `winrm/config` change what it says.
//!
//! Two things are not in descriptors of their own. A shell is its owner's: nobody else works in it. Who may do everything by the
//! `RootSDDL` sees it and ends it, as administrators of Windows do; to all others there is no such shell. And lists of shells are
//! open to whoever may open any, and show what their reader may see.

use auth::Account;
use auth::sddl::{AccessMask, Origin, SecurityDescriptor, Token};
use wsman::config::Node;
use wsman::ns::resource;

use crate::mapping::Grant;

/// The account of the machine's own administrator, who comes from the machine itself: its SID is `LA`. Descriptors cannot lock
/// it out, since the files that they are in are its own.
pub const LOCAL_ADMINISTRATOR: [u8; 16] = 500_u128.to_be_bytes();

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Run a command in a shell: `rsp:Command`.
    Command,
    /// Take over a shell that another client has left: `rsp:Connect`.
    Connect,
    /// Open a shell, or make a resource: `wxf:Create`.
    Create,
    /// End a shell, or remove a resource: `wxf:Delete`.
    Delete,
    /// Leave a shell: `rsp:Disconnect`.
    Disconnect,
    /// List something: `wsen:Enumerate`.
    Enumerate,
    /// Read a representation: `wxf:Get`.
    Get,
    /// Ask what the service is.
    Identify,
    /// Call a method of a resource.
    Invoke,
    /// Go on with a list: `wsen:Pull`.
    Pull,
    /// Give a resource another representation: `wxf:Put`.
    Put,
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
    /// A resource, by its URI, whether it exists or not.
    Resource(&'a str),
    /// A kind of shell, by its resource URI.
    ShellKind(&'a str),
    /// A shell that exists, by its owner's account. Its kind is asked for as well, by the request's resource.
    Shell(&'a Account),
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built by the service for each request")]
pub struct Asker<'a> {
    /// Who has logged in.
    pub account: &'a Account,
    /// Where from.
    pub origin: Origin,
}

/// What decides.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its settings")]
pub struct Rules<'a> {
    /// The `RootSDDL`: about everything that has no descriptor of its own.
    pub root: &'a SecurityDescriptor,
    /// Resources with descriptors of their own.
    pub secured: &'a [Secured],
}

/// Resources with a descriptor of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its settings")]
pub struct Secured {
    /// The resource, and what is below it; case does not count.
    pub uri: String,
    /// Only this resource, nothing below it.
    pub is_exact: bool,
    /// Whether it is a kind of shell.
    pub has_shells: bool,
    /// Who may do what with it.
    pub descriptor: SecurityDescriptor,
}

/// Why access is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No descriptor lets the account do this: the fault is `w:AccessDenied`, code 5.
    #[error("the account has no right to do this")]
    NotAllowed,
    /// The login came by a certificate whose mapping is about other resources: the fault is `w:AccessDenied`, code 5.
    #[error("no mapping of the certificate is about this resource")]
    NotMapped,
    /// The shell belongs to somebody else: the answer is that of a shell that does not exist.
    #[error("the shell belongs to another account")]
    NotOwner,
}

impl Rules<'_> {
    /// Decides whether somebody may do `operation` on `target`.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why not.
    pub fn decide(
        &self,
        asker: Asker<'_>,
        operation: Operation,
        target: Target<'_>,
    ) -> Result<(), Denied> {
        let (uri, is_shell) = match target {
            _ if operation == Operation::Identify => return Ok(()),
            // The kind has been asked for.
            Target::Shell(owner) if owner.id == asker.account.id => return Ok(()),
            Target::Shell(_) => {
                let is_managing = matches!(operation, Operation::Get | Operation::Delete);
                let may = is_managing && self.manages_shells(asker);
                return if may { Ok(()) } else { Err(Denied::NotOwner) };
            }
            Target::Service => ("", false),
            Target::Resource(uri) => (uri, false),
            Target::ShellKind(uri) => (uri, true),
        };
        if asker.is_local_administrator() {
            return Ok(());
        }
        let token = Token::of(asker.account, asker.origin);
        let is_change = operation == Operation::Invoke && Node::of_uri(uri).is_some();
        let wanted = if is_change { AccessMask::WRITE } else { right(operation, is_shell) };
        let is_granted = self.descriptor(uri).grants(&token, wanted)
            || is_list(uri) && wanted == AccessMask::READ && self.opens_shells(&token);
        if is_granted { Ok(()) } else { Err(Denied::NotAllowed) }
    }

    /// Whether somebody sees and ends the shells of others: who may do everything by the `RootSDDL`, and could change it.
    #[must_use]
    pub fn manages_shells(&self, asker: Asker<'_>) -> bool {
        asker.is_local_administrator()
            || self.root.grants(&Token::of(asker.account, asker.origin), AccessMask::ALL)
    }

    /// The descriptor that decides about a resource: that of the longest URI which is it or is above it.
    #[must_use]
    pub fn descriptor(&self, uri: &str) -> &SecurityDescriptor {
        let own = self.secured.iter().filter(|secured| secured.covers(uri));
        own.max_by_key(|secured| secured.uri.len()).map_or(self.root, |secured| &secured.descriptor)
    }

    fn opens_shells(&self, token: &Token) -> bool {
        let shells = self.secured.iter().filter(|secured| secured.has_shells);
        let mut all = shells.map(|secured| &secured.descriptor).chain([self.root]);
        all.any(|descriptor| descriptor.grants(token, AccessMask::EXECUTE))
    }
}

impl Secured {
    /// Whether it is about this resource. What is behind a question mark is told to the resource, and names no other.
    fn covers(&self, uri: &str) -> bool {
        let uri = uri.split('?').next().unwrap_or_default();
        let Some((start, rest)) = uri.split_at_checked(self.uri.len()) else { return false };
        let is_below = rest.starts_with('/') || self.uri.ends_with('/');
        start.eq_ignore_ascii_case(&self.uri) && (rest.is_empty() || is_below && !self.is_exact)
    }
}

impl Asker<'_> {
    fn is_local_administrator(self) -> bool {
        self.origin == Origin::Local && self.account.id == LOCAL_ADMINISTRATOR
    }
}

/// The right that an operation needs.
fn right(operation: Operation, is_shell: bool) -> AccessMask {
    match operation {
        Operation::Identify => AccessMask::NONE,
        Operation::Get | Operation::Enumerate | Operation::Pull | Operation::Release => {
            AccessMask::READ
        }
        Operation::Create | Operation::Delete if !is_shell => AccessMask::WRITE,
        Operation::Put => AccessMask::WRITE,
        Operation::Create
        | Operation::Delete
        | Operation::Invoke
        | Operation::Command
        | Operation::Send
        | Operation::Receive
        | Operation::Signal
        | Operation::Connect
        | Operation::Disconnect
        | Operation::Reconnect => AccessMask::EXECUTE,
    }
}

/// Whether it lists shells or their commands: what is shown of each is decided for its reader.
fn is_list(uri: &str) -> bool {
    [resource::SHELL, resource::SHELL_COMMAND].iter().any(|list| uri.eq_ignore_ascii_case(list))
}

/// Decides whether a login by certificate may do `operation` on `target`, beside what its account may: its mapping says
/// which resources it is about.
///
/// # Errors
///
/// [`Denied::NotMapped`].
pub fn decide_grant(grant: &Grant, operation: Operation, target: Target<'_>) -> Result<(), Denied> {
    match target {
        Target::ShellKind(uri) | Target::Resource(uri)
            if operation != Operation::Identify && !grant.covers(uri) =>
        {
            Err(Denied::NotMapped)
        }
        Target::ShellKind(_) | Target::Resource(_) | Target::Service | Target::Shell(_) => Ok(()),
    }
}
