//! The groups that an account belongs to by its local user, beside those that the file `accounts` gives it.
//!
//! Root's own configuration says which local groups stand for which group of the service, and the privileged process looks
//! up who is in them. It is asked when a login is complete, and for each connection by the private socket: what it says
//! counts for that login. Where it cannot say, the account belongs to no such group.

use std::sync::Arc;

use auth::Account;
use tracing::warn;

use super::AccountSource;

/// Adds those groups to accounts.
#[derive(Debug)]
pub(crate) struct Members {
    source: Arc<dyn AccountSource>,
    /// The groups, in the order of root's configuration.
    groups: Vec<String>,
}

impl Members {
    pub(crate) fn new(source: Arc<dyn AccountSource>, groups: Vec<String>) -> Self {
        Self { source, groups }
    }

    /// Adds the groups to an account that it belongs to now.
    pub(crate) async fn join(&self, account: &mut Account) {
        if self.groups.is_empty() {
            return;
        }
        match self.source.members(&account.id).await {
            Ok(found) => {
                for (bit, group) in (0..u64::BITS).zip(&self.groups) {
                    let is_new = !account.groups.iter().any(|own| own.eq_ignore_ascii_case(group));
                    if found & (1 << bit) != 0 && is_new {
                        account.groups.push(group.clone());
                    }
                }
            }
            Err(error) => {
                warn!(user = account.name, %error, "The local groups of an account are not known: it belongs to none of them");
            }
        }
    }
}
