//! The private socket: how programs of this machine reach the service without a password, whatever its listeners are.
//!
//! ```text
//!  connect ──► the kernel says whose process it is ──► the administrator's ─────────────────► a built-in account
//!                                                 └──► one that `users` maps an account to ──► that account
//!                                                 └──► anybody else ────────────────────────► AccessDenied
//! ```
//!
//! Commands of remote users are processes of this machine, too: where several accounts share a local user, whoever comes as
//! that user is nobody here.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Instant;

use auth::Account;
use spawner::users::{MAX_LENGTH, Users};

use crate::accounts::{AccountSource, Members, Verifier};
use crate::places::{Place, Places};

/// The id of the account that the administrator has by the private socket. No other account has it: theirs are random.
pub const ADMINISTRATOR_ID: [u8; 16] = session::access::LOCAL_ADMINISTRATOR;
/// The group that the administrator's account is in.
const ADMINISTRATORS: &str = "Administrators";
/// Connections of the administrator.
const ADMINISTRATOR_PLACES: usize = 128;
/// Connections of everybody else.
const OTHER_PLACES: usize = 128;

/// The private socket, open, and who administers the service by it.
#[derive(Debug)]
#[non_exhaustive]
pub struct LocalSocket {
    /// It listens, and does not block.
    pub socket: UnixListener,
    /// Who administers the service by it.
    pub administrator: Administrator,
}

/// The local user who administers the service, beside root.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a uid and its name")]
pub struct Administrator {
    /// Root, or the only user of a service that does not run as root.
    pub uid: u32,
    /// The user's name.
    pub name: String,
}

impl LocalSocket {
    /// A socket that listens. It must not block.
    #[must_use]
    pub const fn new(socket: UnixListener, administrator: Administrator) -> Self {
        Self { socket, administrator }
    }
}

/// Why a process of this machine is nobody to the service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stranger {
    /// No account is mapped to its user.
    #[error("no account is mapped to uid {0}")]
    Unmapped(u32),
    /// Several are.
    #[error("several accounts are mapped to uid {0}, and nobody can say which of them this is")]
    Ambiguous(u32),
    /// The account is gone.
    #[error("the account that is mapped to uid {0} does not exist")]
    NoAccount(u32),
    /// The files cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// Tells processes of this machine apart.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    administrator: Administrator,
    source: Arc<dyn AccountSource>,
    administrators: Arc<Places>,
    others: Arc<Places>,
}

impl Doorkeeper {
    pub(crate) fn new(administrator: Administrator, source: Arc<dyn AccountSource>) -> Self {
        let administrators = Places::new(ADMINISTRATOR_PLACES);
        let others = Places::new(OTHER_PLACES);
        Self { administrator, source, administrators, others }
    }

    fn is_administrator(&self, uid: u32) -> bool {
        uid == 0 || uid == self.administrator.uid
    }

    /// A place for a connection of a user: those of the administrator are nobody else's.
    pub(crate) fn place(&self, uid: u32, now: Instant) -> Option<Place> {
        let places = if self.is_administrator(uid) { &self.administrators } else { &self.others };
        // Users are told apart as hosts are, of which each has a /64.
        let network = u128::from(uid) << 64;
        places.take(IpAddr::V6(Ipv6Addr::from_bits(network)), now)
    }

    /// The account of a user's process.
    pub(crate) async fn account(
        &self,
        uid: u32,
        verifier: &Verifier,
        members: &Members,
    ) -> Result<Account, Stranger> {
        if self.is_administrator(uid) {
            let name =
                if uid == self.administrator.uid { &self.administrator.name } else { "root" };
            let groups = vec![ADMINISTRATORS.to_owned()];
            return Ok(Account { id: ADMINISTRATOR_ID, name: name.to_owned(), groups });
        }
        let unreadable = |error: String| Stranger::Unreadable(error);
        let file = self.source.open_users().await.map_err(|error| unreadable(error.to_string()))?;
        let Some(file) = file else { return Err(Stranger::Unmapped(uid)) };
        let users = read(file).map_err(|error| unreadable(error.to_string()))?;
        let mut found = Vec::new();
        for mapping in users.iter().filter(|mapping| mapping.uid == uid) {
            let account = verifier.account(&mapping.account).await;
            let account = account.map_err(|error| unreadable(error.to_string()))?;
            found.push(account);
        }
        let mut account = choose(uid, found)?;
        members.join(&mut account).await;
        Ok(account)
    }
}

fn read(file: File) -> io::Result<Users> {
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH.saturating_add(1)).read_to_end(&mut bytes)?;
    Users::parse(&bytes).map_err(io::Error::other)
}

/// The account of a local user, if only one is mapped to it: of several nobody can say whose process it is, since each may
/// start commands as that user, and the rights of one must not be those of another.
fn choose(uid: u32, found: Vec<Option<Account>>) -> Result<Account, Stranger> {
    let is_any = !found.is_empty();
    let mut accounts = found.into_iter().flatten();
    match (accounts.next(), accounts.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Stranger::Ambiguous(uid)),
        (None, _) if is_any => Err(Stranger::NoAccount(uid)),
        (None, _) => Err(Stranger::Unmapped(uid)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_the_only_account_that_is_mapped_to_it() {
        let account = |id: u8, name: &str| {
            Some(Account { id: [id; 16], name: name.to_owned(), groups: Vec::new() })
        };
        let other = account(2, "bob");
        assert_eq!(choose(1000, vec![other.clone()]).unwrap().name, "bob");
        assert_eq!(choose(1000, vec![None, other.clone()]).unwrap().name, "bob");
        let both = vec![other, account(1, "alice")];
        assert!(matches!(choose(1000, both), Err(Stranger::Ambiguous(1000))));
        assert!(matches!(choose(1000, Vec::new()), Err(Stranger::Unmapped(1000))));
        assert!(matches!(choose(1000, vec![None]), Err(Stranger::NoAccount(1000))));
    }
}
