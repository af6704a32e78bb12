//! What a complete login allows its requests.

use std::sync::Arc;

use auth::sddl::Origin;
use auth::{Account, Ticket};
use session::mapping::Grant;
use wsman::Charset;

use crate::dispatch::Caller;
use crate::peer::Peer;

/// What a complete login says of a request beside the account.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) login_id: [u8; 16],
    pub(super) grant: Option<Grant>,
    pub(super) ticket: Option<Arc<Ticket>>,
}

impl Granted {
    pub(super) fn caller<'a>(
        &'a self,
        account: &'a Account,
        peer: Peer,
        charset: Charset,
    ) -> Caller<'a> {
        Caller {
            account,
            peer,
            origin: if peer.is_local() { Origin::Local } else { Origin::Network },
            login: self.login_id,
            grant: self.grant.as_ref(),
            ticket: self.ticket.as_ref(),
            charset,
        }
    }
}
