//! Which logins the service offers on a connection.

use auth::credssp;
use auth::ntlm::{self, AcceptorOptions, Protection};
use auth::spnego::{self, AcceptorMechanism};
use auth::{Acceptor, CbtPolicy, ChannelBinding, Scheme, basic, certificate, kerberos};
use http::HeaderValue;
use session::server::login::Acceptors;
use tracing::error;
use transport::tls::InnerServer;

use crate::random::SystemEntropy;
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
    kerberos: bool,
    /// Whether there is a keytab, so that `Negotiate` has Kerberos, too.
    has_keys: bool,
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
    /// `has_keys`: whether Kerberos tokens can be judged.
    pub(crate) fn new(service: &Service, channel: Channel, has_keys: bool) -> Self {
        // `AllowUnencrypted` is about HTTP: inside TLS everything is encrypted.
        let (unsealed, binding) = match channel {
            Channel::Plain => (service.allow_unencrypted, None),
            Channel::Tls(binding) => (true, binding),
        };
        Self {
            negotiate: service.auth.negotiate,
            kerberos: service.auth.kerberos && has_keys,
            has_keys,
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

    /// On the private socket: no login, since the system says who is there, and messages travel as they are.
    pub(crate) const fn local() -> Self {
        Self {
            negotiate: false,
            kerberos: false,
            has_keys: false,
            basic: false,
            certificate: false,
            unsealed: true,
            binding: None,
            policy: CbtPolicy::None,
            inner: None,
            oldest_credssp: 0,
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
        let without_inner = !self.negotiate && !self.kerberos && !self.basic && !self.certificate;
        without_inner && self.inner.is_none()
    }

    fn start_negotiate(&self) -> Option<Box<dyn Acceptor>> {
        let options = AcceptorOptions {
            protection: self.protection(),
            channel_binding: self.binding,
            cbt_policy: self.policy,
            ..AcceptorOptions::default()
        };
        let mut mechanisms: Vec<Box<dyn AcceptorMechanism>> = Vec::new();
        if self.has_keys {
            mechanisms.push(Box::new(self.start_kerberos()));
        }
        mechanisms.push(Box::new(ntlm::Acceptor::new(options)));
        Some(Box::new(spnego::Acceptor::new(mechanisms).ok()?))
    }

    fn start_kerberos(&self) -> kerberos::Acceptor {
        let options = kerberos::AcceptorOptions {
            protection: self.protection(),
            channel_binding: self.binding,
            cbt_policy: self.policy,
        };
        kerberos::Acceptor::new(options, &mut SystemEntropy)
    }

    const fn protection(&self) -> Protection {
        if self.unsealed { Protection::Optional } else { Protection::Sealed }
    }
}

impl Offer {
    /// The login inside is bound to the TLS inside by CredSSP itself; its sealing carries the proof of that.
    fn start_credssp(&self) -> Option<Box<dyn Acceptor>> {
        let channel = self.inner.as_ref()?.channel();
        let channel =
            channel.inspect_err(|error| error!(%error, "CredSSP has no TLS inside")).ok()?;
        let (protection, channel_binding) = (Protection::Sealed, None);
        let mut mechanisms: Vec<Box<dyn AcceptorMechanism>> = Vec::new();
        if self.has_keys {
            let cbt_policy = CbtPolicy::None;
            let options = kerberos::AcceptorOptions { protection, channel_binding, cbt_policy };
            mechanisms.push(Box::new(kerberos::Acceptor::new(options, &mut SystemEntropy)));
        }
        let options = AcceptorOptions { protection, ..AcceptorOptions::default() };
        mechanisms.push(Box::new(ntlm::Acceptor::new(options)));
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
        let kerberos = self.kerberos.then_some(HeaderValue::from_static("Kerberos"));
        let credssp = self.inner.as_ref().map(|_| HeaderValue::from_static("CredSSP"));
        [negotiate, kerberos, credssp, basic].into_iter().flatten().collect()
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn Acceptor>> {
        match scheme {
            Scheme::Negotiate if self.negotiate => self.start_negotiate(),
            Scheme::Kerberos if self.kerberos => Some(Box::new(self.start_kerberos())),
            Scheme::CredSsp => self.start_credssp(),
            Scheme::Basic if self.basic => Some(Box::new(basic::Acceptor::new())),
            Scheme::Certificate if self.certificate => Some(Box::new(certificate::Acceptor::new())),
            Scheme::Basic | Scheme::Negotiate | Scheme::Certificate => None,
            Scheme::Kerberos | Scheme::Ntlm | _ => None,
        }
    }
}
