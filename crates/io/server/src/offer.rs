//! Which logins the service offers on a connection.

use auth::credssp;
use auth::ntlm::{self, AcceptorOptions, Protection};
use auth::spnego::{self, AcceptorMechanism};
use auth::{Acceptor, CbtPolicy, ChannelBinding, Scheme, basic, certificate};
use http::HeaderValue;
use session::server::login::Acceptors;
use tracing::error;
use transport::tls::InnerServer;

use crate::settings::Service;

/// How the connection itself is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Plain HTTP.
    Plain,
    /// TLS, with what ties a login to it where the certificate has that.
    Tls(Option<ChannelBinding>),
}

/// The logins that the settings allow on a listener.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    negotiate: bool,
    basic: bool,
    certificate: bool,
    /// Whether messages may travel unsealed.
    unsealed: bool,
    binding: Option<ChannelBinding>,
    policy: CbtPolicy,
    /// The TLS inside logins by CredSSP, where they are offered.
    inner: Option<InnerServer>,
    oldest_credssp: u32,
}

impl Offer {
    pub(crate) fn new(service: &Service, channel: Channel) -> Self {
        // `AllowUnencrypted` is about HTTP: inside TLS everything is encrypted.
        let (unsealed, binding) = match channel {
            Channel::Plain => (service.allow_unencrypted, None),
            Channel::Tls(binding) => (true, binding),
        };
        Self {
            negotiate: service.auth.negotiate,
            // A password would pass in the clear.
            basic: service.auth.basic && unsealed,
            // Over plain HTTP there is nobody's certificate.
            certificate: service.auth.certificate && channel != Channel::Plain,
            unsealed,
            binding,
            policy: service.auth.cbt_hardening_level.into(),
            inner: None,
            oldest_credssp: service.cred_ssp.minimum_version,
        }
    }

    /// The same with CredSSP, where the settings offer it.
    pub(crate) fn with_inner(self, inner: Option<InnerServer>) -> Self {
        Self { inner, ..self }
    }

    /// Whether messages may travel unsealed.
    pub(crate) const fn takes_unsealed(&self) -> bool {
        self.unsealed
    }

    /// Whether anybody can log in.
    pub(crate) const fn is_empty(&self) -> bool {
        self.inner.is_none() && !self.negotiate && !self.basic && !self.certificate
    }

    fn start_negotiate(&self) -> Option<Box<dyn Acceptor>> {
        let protection = if self.unsealed { Protection::Optional } else { Protection::Sealed };
        let options = AcceptorOptions {
            protection,
            channel_binding: self.binding,
            cbt_policy: self.policy,
            ..AcceptorOptions::default()
        };
        let mechanism: Box<dyn AcceptorMechanism> = Box::new(ntlm::Acceptor::new(options));
        let acceptor = spnego::Acceptor::new(vec![mechanism]).ok()?;
        Some(Box::new(acceptor))
    }
}

impl Offer {
    /// The login inside is bound to the TLS inside by CredSSP itself; its sealing carries the proof of that.
    fn start_credssp(&self) -> Option<Box<dyn Acceptor>> {
        let channel = self.inner.as_ref()?.channel();
        let channel =
            channel.inspect_err(|error| error!(%error, "CredSSP has no TLS inside")).ok()?;
        let inner =
            AcceptorOptions { protection: Protection::Sealed, ..AcceptorOptions::default() };
        let mechanisms: Vec<Box<dyn AcceptorMechanism>> =
            vec![Box::new(ntlm::Acceptor::new(inner))];
        let options = credssp::AcceptorOptions { minimum_version: self.oldest_credssp };
        Some(Box::new(credssp::Acceptor::new(channel, mechanisms, options).ok()?))
    }
}

impl Acceptors for Offer {
    /// Certificates are not among them, as on Windows: their word is a URI, which is no challenge of HTTP's, and clients
    /// that have one say so by themselves.
    fn offered(&self) -> Vec<HeaderValue> {
        let negotiate = self.negotiate.then_some(HeaderValue::from_static("Negotiate"));
        let basic = self.basic.then_some(HeaderValue::from_static("Basic realm=\"WSMAN\""));
        let credssp = self.inner.as_ref().map(|_| HeaderValue::from_static("CredSSP"));
        negotiate.into_iter().chain(credssp).chain(basic).collect()
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn Acceptor>> {
        match scheme {
            Scheme::Negotiate if self.negotiate => self.start_negotiate(),
            Scheme::CredSsp => self.start_credssp(),
            Scheme::Basic if self.basic => Some(Box::new(basic::Acceptor::new())),
            Scheme::Certificate if self.certificate => Some(Box::new(certificate::Acceptor::new())),
            Scheme::Basic | Scheme::Negotiate | Scheme::Certificate => None,
            Scheme::Kerberos | Scheme::Ntlm | _ => None,
        }
    }
}
