//! Which logins the service offers on a connection.

use auth::ntlm::{self, AcceptorOptions, Protection};
use auth::spnego::{self, AcceptorMechanism};
use auth::{Acceptor, Scheme, basic};
use http::HeaderValue;
use session::server::login::Acceptors;

use crate::settings::Service;

/// The logins that the settings allow on plain HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    negotiate: bool,
    basic: bool,
    /// Whether messages may travel unsealed.
    unencrypted: bool,
}

impl Offer {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            negotiate: service.auth.negotiate,
            // A password would pass in the clear.
            basic: service.auth.basic && service.allow_unencrypted,
            unencrypted: service.allow_unencrypted,
        }
    }

    fn start_negotiate(&self) -> Option<Box<dyn Acceptor>> {
        let protection = if self.unencrypted { Protection::Optional } else { Protection::Sealed };
        let options = AcceptorOptions { protection, ..AcceptorOptions::default() };
        let mechanism: Box<dyn AcceptorMechanism> = Box::new(ntlm::Acceptor::new(options));
        let acceptor = spnego::Acceptor::new(vec![mechanism]).ok()?;
        Some(Box::new(acceptor))
    }
}

impl Acceptors for Offer {
    fn offered(&self) -> Vec<HeaderValue> {
        let negotiate = self.negotiate.then_some(HeaderValue::from_static("Negotiate"));
        let basic = self.basic.then_some(HeaderValue::from_static("Basic realm=\"WSMAN\""));
        negotiate.into_iter().chain(basic).collect()
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn Acceptor>> {
        match scheme {
            Scheme::Negotiate if self.negotiate => self.start_negotiate(),
            Scheme::Basic if self.basic => Some(Box::new(basic::Acceptor::new())),
            Scheme::Basic | Scheme::Negotiate => None,
            Scheme::CredSsp | Scheme::Kerberos | Scheme::Ntlm | _ => None,
        }
    }
}
