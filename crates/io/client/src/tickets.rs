//! The tickets of a client: whether its login shall be by Kerberos at all, whose tickets it takes, and where from.
//!
//! ```text
//!  Config ──plan──► Plan::Leave(why) ─────────────────────────────► no Kerberos
//!              └──► Plan::Ask ──acquire, once──► credential ──begin, for each connection──► Ready
//!                                  └── none ──► NoKerberos::Ticket ◄── no service ticket ──┘
//! ```
//!
//! What waits for a KDC runs beside the runtime. Where the login may also be NTLM and no ticket was to be had, that is
//! remembered: the next connections do not ask again. Once a login was by Kerberos, the client never goes back to NTLM.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use auth::{ChannelBinding, UserName};
use session::client::endpoint::Endpoint;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use transport::kerberos::configuration::Configuration;
use transport::kerberos::{
    Credential, Initiator, InitiatorOptions, KerberosError, KerberosErrorKind, Source, Target,
};

use crate::config::{Authentication, Config, Credentials};
use crate::entropy::SystemEntropy;
use crate::kerberos::{KerberosOptions, Tickets};

/// Tickets are bought anew when less than this is left of their time: a login and what it is for must fit.
const AHEAD: Duration = Duration::from_secs(120);

/// Why a login is not by Kerberos.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKerberos {
    /// Another login was asked for.
    #[error("another login was asked for")]
    NotAsked,
    /// The host has no name.
    #[error("tickets are for names, and {0} is an address")]
    Address(String),
    /// It is this computer, which has accounts of its own.
    #[error("{0} is this computer")]
    Loopback(String),
    /// A KDC must not hear of a user who may be no member of its realm: wrong guesses lock accounts there.
    #[error("the user name has no realm")]
    NoRealm,
    /// The domain in the user's name may be a single computer.
    #[error("krb5.conf knows no realm {0}")]
    UnknownDomain(String),
    /// No ticket was to be had.
    #[error(transparent)]
    Ticket(#[from] KerberosError),
}

impl NoKerberos {
    /// Whether the same password may be tried by NTLM: not if the KDC has said that it is wrong, or that the account is
    /// of no use. One more try could lock it.
    pub(crate) const fn leaves_ntlm(&self) -> bool {
        match self {
            Self::Ticket(error) => !matches!(
                error.kind(),
                KerberosErrorKind::WrongPassword | KerberosErrorKind::AccountUnusable
            ),
            Self::NotAsked
            | Self::Address(_)
            | Self::Loopback(_)
            | Self::NoRealm
            | Self::UnknownDomain(_) => true,
        }
    }
}

/// What to do about tickets.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Nothing.
    Leave(NoKerberos),
    /// Ask for them.
    Ask {
        source: Source,
        /// `user@REALM`, or a name for the default realm; without it whoever's tickets are there.
        principal: Option<String>,
    },
}

/// What is ready to log in by Kerberos.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) initiator: Initiator,
    pub(crate) ticket: Ticket,
}

/// What a login by Kerberos was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticket {
    /// Who logs in: `user@REALM`.
    pub principal: String,
    /// The service's name that the KDC knew: `HTTP/host@REALM`.
    pub service: String,
    /// Whether the host may act in the user's name.
    pub delegated: bool,
}

/// The tickets of one client.
#[derive(Debug)]
pub(crate) struct Holder {
    plan: Plan,
    /// Shared with the clients of hosts that this one's host sent to.
    credential: Arc<Mutex<Option<Credential>>>,
    /// Set where no ticket was to be had and another login was taken for it.
    without: OnceLock<NoKerberos>,
    /// Whether a ticket for the host was there once.
    proven: AtomicBool,
}

impl Holder {
    pub(crate) fn new(config: &Config) -> Self {
        Self::with(config, Arc::default())
    }

    /// For the host that this one's host sent to: the user is the same.
    pub(crate) fn redirected(&self, config: &Config) -> Self {
        Self::with(config, Arc::clone(&self.credential))
    }

    fn with(config: &Config, credential: Arc<Mutex<Option<Credential>>>) -> Self {
        let plan = plan(config, || Configuration::read().unwrap_or_default());
        Self { plan, credential, without: OnceLock::new(), proven: AtomicBool::new(false) }
    }

    /// Why no login of this client is by Kerberos, as far as that is decided.
    pub(crate) fn without(&self) -> Option<&NoKerberos> {
        if let Plan::Leave(why) = &self.plan { Some(why) } else { self.without.get() }
    }

    /// Whether a ticket for the host was there once.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Takes another login for the rest of this client's life.
    pub(crate) fn give_up(&self, why: NoKerberos) {
        // Somebody else may have been first, with the same reason.
        let _known = self.without.set(why);
    }

    /// When the user's tickets expire, where they are known and say so.
    pub(crate) async fn expires(&self) -> Option<SystemTime> {
        self.credential.lock().await.as_ref().and_then(Credential::expires)
    }

    /// Tickets for a login, and its first token.
    pub(crate) async fn ready(
        &self,
        config: &Config,
        channel_binding: Option<ChannelBinding>,
    ) -> Result<Ready, NoKerberos> {
        if let Some(why) = self.without() {
            return Err(why.clone());
        }
        let delegate = delegates(config);
        let credential = self.credential(delegate).await?;
        let options = InitiatorOptions {
            target: target(&config.endpoint, &config.settings.kerberos),
            delegate,
            channel_binding,
            // Inside CredSSP sealing is what proves the host's key.
            confidential: config.seals() || config.authentication == Authentication::CredSsp,
        };
        let ready = blocking(move || {
            let initiator = Initiator::begin(&credential, &options, &mut SystemEntropy)?;
            let service = initiator.service().to_owned();
            let ticket = Ticket { principal: credential.principal(), service, delegated: delegate };
            Ok(Ready { initiator, ticket })
        });
        let ready = ready.await?;
        self.proven.store(true, Ordering::Relaxed);
        Ok(ready)
    }

    /// The user's tickets, bought or found by the first login, bought anew by one that comes late. Those that come
    /// meanwhile wait for it.
    async fn credential(&self, delegate: bool) -> Result<Credential, NoKerberos> {
        let Plan::Ask { source, principal } = &self.plan else {
            return Err(self.without().cloned().unwrap_or(NoKerberos::NotAsked));
        };
        let mut held = self.credential.lock().await;
        let known = held.clone();
        let (source, principal) = (source.clone(), principal.clone());
        let credential = blocking(move || match known {
            Some(known) => known.renew(AHEAD).map(|()| known),
            None => Credential::acquire(&source, principal.as_deref(), delegate),
        });
        let credential = credential.await?;
        *held = Some(credential.clone());
        Ok(credential)
    }
}

impl Config {
    /// Whether a login without a user's name would find tickets of the user's own: then nobody need be asked for a name.
    /// False for a host that no ticket is for.
    pub async fn finds_tickets(&self) -> bool {
        let nobody = Self { credentials: Credentials::default(), ..self.clone() };
        Holder::new(&nobody).credential(false).await.is_ok()
    }

    /// Whether a login of this user needs no password, because its tickets are not bought with one.
    #[must_use]
    pub fn has_tickets_for(&self, user: &str) -> bool {
        let credentials = Credentials { user: user.to_owned(), ..Credentials::default() };
        let config = Self { credentials, ..self.clone() };
        let is_asking = Holder::new(&config).without().is_none();
        is_asking
            && config.authentication != Authentication::CredSsp
            && !config.settings.kerberos.tickets.want_password()
    }
}

/// Runs what may wait for a KDC beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KerberosError> + Send + 'static,
) -> Result<T, NoKerberos> {
    let done = spawn_blocking(work).await;
    let broken = |_| KerberosError::new(KerberosErrorKind::Other, "the login was interrupted");
    Ok(done.map_err(broken)??)
}

/// Whether the ticket goes along: inside CredSSP the password does already.
fn delegates(config: &Config) -> bool {
    config.settings.kerberos.delegate && config.authentication != Authentication::CredSsp
}

fn target(endpoint: &Endpoint, options: &KerberosOptions) -> Target {
    Target {
        host: options.service_host.clone().unwrap_or_else(|| endpoint.host.clone()),
        class: options.service_class.clone(),
        port: options.service_port.then_some(endpoint.port),
        realm: None,
    }
}

/// What a configuration means for tickets; `krb5.conf` is read where the answer is in there.
fn plan(config: &Config, configuration: impl FnOnce() -> Configuration) -> Plan {
    if config.socket.is_some() {
        return Plan::Leave(NoKerberos::NotAsked);
    }
    let is_due = match config.authentication {
        Authentication::Kerberos | Authentication::NegotiateWithImplicitCredential => true,
        Authentication::CredSsp | Authentication::Default | Authentication::Negotiate => false,
        Authentication::Basic
        | Authentication::Certificate
        | Authentication::Digest
        | Authentication::Ntlm => return Plan::Leave(NoKerberos::NotAsked),
    };
    let options = &config.settings.kerberos;
    if let Some(why) = nameless(config, is_due) {
        return Plan::Leave(why);
    }
    let implicit = config.authentication == Authentication::NegotiateWithImplicitCredential;
    let user = if implicit { "" } else { config.credentials.user.as_str() };
    if user.is_empty() {
        return Plan::Ask { source: source(config, true), principal: None };
    }
    let is_due = is_due || !matches!(options.tickets, Tickets::Auto);
    match principal(user, options.realm.as_deref(), is_due, configuration) {
        Ok(principal) => Plan::Ask { source: source(config, implicit), principal: Some(principal) },
        Err(why) => Plan::Leave(why),
    }
}

/// Whether the host is one that no ticket is for. A login that is by Kerberos or not at all finds out by itself, and one
/// whose user has a realm (`user@realm`) asks for a ticket here too.
fn nameless(config: &Config, is_due: bool) -> Option<NoKerberos> {
    let endpoint = &config.endpoint;
    if config.settings.kerberos.service_host.is_some() {
        None
    } else if endpoint.address().is_some() {
        Some(NoKerberos::Address(endpoint.host.clone()))
    } else if endpoint.is_loopback() && !is_due && !names_a_realm(config) {
        Some(NoKerberos::Loopback(endpoint.host.clone()))
    } else {
        None
    }
}

/// Whether somebody from a realm is to log in, so that this computer is worth a ticket.
fn names_a_realm(config: &Config) -> bool {
    let options = &config.settings.kerberos;
    let is_said = options.realm.is_some() || options.tickets != Tickets::Auto;
    is_said || config.credentials.user.contains(['@', '\\'])
}

/// Where tickets come from; without a user, or with one who must not be asked for, nothing is bought with a password.
fn source(config: &Config, is_found: bool) -> Source {
    match &config.settings.kerberos.tickets {
        Tickets::Cache(name) => Source::Cache(name.clone()),
        Tickets::Keytab(path) => Source::Keytab(path.clone()),
        Tickets::Auto | Tickets::Existing | Tickets::Kinit(_) if is_found => Source::Default,
        Tickets::Existing => Source::Default,
        Tickets::Auto => Source::Password(config.credentials.password.clone()),
        Tickets::Kinit(command) => Source::Kinit {
            command: command.clone(),
            password: config.credentials.password.clone(),
        },
    }
}

/// The user as a KDC knows it. A name without a realm is only given to a KDC if the login `is_due` to be by Kerberos:
/// tries with a local account's password could lock the account of the same name in the domain.
fn principal(
    name: &str,
    realm: Option<&str>,
    is_due: bool,
    configuration: impl FnOnce() -> Configuration,
) -> Result<String, NoKerberos> {
    let UserName { domain, user } = UserName::parse(name);
    let is_upn = domain.is_empty() && user.contains('@');
    if let (false, Some(realm)) = (is_upn, realm) {
        return Ok(format!("{user}@{realm}"));
    }
    if let Some((user, suffix)) = user.rsplit_once('@').filter(|_| is_upn) {
        return Ok(format!("{user}@{}", realm_of(suffix, &configuration())));
    }
    if domain.is_empty() {
        return if is_due { Ok(user) } else { Err(NoKerberos::NoRealm) };
    }
    let configuration = configuration();
    match configuration.realm_of_domain(&domain) {
        Some(realm) => Ok(format!("{user}@{realm}")),
        // The library will say that it knows no KDC of it.
        None if is_due => Ok(format!("{user}@{}", domain.to_ascii_uppercase())),
        None => Err(NoKerberos::UnknownDomain(domain)),
    }
}

/// The realm behind the @ of a user's name: Windows takes it in any case and spelling, a KDC in one only.
fn realm_of(suffix: &str, configuration: &Configuration) -> String {
    if configuration.known_realms().contains(&suffix) {
        return suffix.to_owned();
    }
    let known = configuration.realm_of_domain(suffix);
    known.map_or_else(|| suffix.to_ascii_uppercase(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use auth::Secret;
    use transport::kerberos::configuration::Piece;

    use super::*;
    use crate::config::Credentials;

    fn configuration() -> Configuration {
        let content =
            b"[libdefaults]\ndefault_realm = TRANSOM.TEST\n[realms]\nOTHER.TEST = {\n kdc = k\n}\n\
            [domain_realm]\ncorp.test = OTHER.TEST\n"
                .to_vec();
        let files = [Piece { name: "krb5.conf".to_owned(), content }];
        Configuration::parse(&files, &mut |_| Err("none".to_owned())).unwrap()
    }

    fn planned(host: &str, user: &str, authentication: Authentication) -> Result<String, String> {
        planned_with(host, user, authentication, KerberosOptions::default())
    }

    /// `source principal`, or why not.
    fn planned_with(
        host: &str,
        user: &str,
        authentication: Authentication,
        kerberos: KerberosOptions,
    ) -> Result<String, String> {
        let credentials = Credentials { user: user.to_owned(), password: Secret::from("geheim") };
        let mut config = Config::new(host.parse().unwrap(), credentials);
        config.authentication = authentication;
        config.settings.kerberos = kerberos;
        match plan(&config, configuration) {
            Plan::Leave(why) => Err(why.to_string()),
            Plan::Ask { source, principal } => {
                let source = match source {
                    Source::Default => "default",
                    Source::Cache(_) => "cache",
                    Source::Keytab(_) => "keytab",
                    Source::Password(_) => "password",
                    Source::Kinit { .. } => "kinit",
                };
                Ok(format!("{source} {}", principal.unwrap_or_default()))
            }
        }
    }

    #[test]
    fn names_with_a_realm_are_for_kerberos_and_local_ones_never_reach_a_kdc() {
        for (user, expected) in [
            ("alice@TRANSOM.TEST", Ok("password alice@TRANSOM.TEST")),
            ("alice@transom.test", Ok("password alice@TRANSOM.TEST")),
            ("alice@corp.test", Ok("password alice@OTHER.TEST")),
            ("alice@elsewhere.test", Ok("password alice@ELSEWHERE.TEST")),
            (r"OTHER\alice", Ok("password alice@OTHER.TEST")),
            (r"SERVER01\alice", Err("krb5.conf knows no realm SERVER01")),
            ("alice", Err("the user name has no realm")),
            ("", Ok("default ")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            for authentication in
                [Authentication::Default, Authentication::Negotiate, Authentication::CredSsp]
            {
                assert_eq!(planned("server01.transom.test", user, authentication), expected);
            }
        }
    }

    #[test]
    fn kerberos_that_was_asked_for_takes_every_name() {
        for (user, expected) in [
            ("alice", "password alice"),
            (r"SERVER01\alice", "password alice@SERVER01"),
            ("", "default "),
        ] {
            let found = planned("server01", user, Authentication::Kerberos).unwrap();
            assert_eq!(found, expected);
        }
        let realm = KerberosOptions { realm: Some("R".to_owned()), ..KerberosOptions::default() };
        for authentication in [Authentication::Kerberos, Authentication::Default] {
            let found = |user| planned_with("h", user, authentication, realm.clone()).unwrap();
            assert_eq!(found("alice"), "password alice@R");
            assert_eq!(found(r"X\alice"), "password alice@R");
            assert_eq!(found("alice@other.test"), "password alice@OTHER.TEST");
        }
    }

    #[test]
    fn tickets_come_from_where_the_options_say() {
        let kinit = Tickets::Kinit(vec!["kinit".to_owned()]);
        for (tickets, user, expected) in [
            (Tickets::Existing, "alice", "default alice"),
            (Tickets::Cache("KCM:".to_owned()), "", "cache "),
            (Tickets::Keytab("/k".into()), "alice", "keytab alice"),
            (kinit.clone(), "alice", "kinit alice"),
            (kinit, "", "default "),
        ] {
            let options = KerberosOptions { tickets, ..KerberosOptions::default() };
            let found = planned_with("h.transom.test", user, Authentication::Negotiate, options);
            assert_eq!(found.unwrap(), expected);
        }
        let implicit = Authentication::NegotiateWithImplicitCredential;
        assert_eq!(planned("h.transom.test", "alice@TRANSOM.TEST", implicit).unwrap(), "default ");
    }

    #[test]
    fn no_ticket_is_for_an_address_unless_the_host_is_named() {
        let upn = "alice@TRANSOM.TEST";
        for authentication in [Authentication::Negotiate, Authentication::Kerberos] {
            let error = planned("http://10.0.0.7:5985", upn, authentication).unwrap_err();
            assert_eq!(error, "tickets are for names, and 10.0.0.7 is an address");
        }
        let named = KerberosOptions {
            service_host: Some("h.transom.test".to_owned()),
            ..KerberosOptions::default()
        };
        assert!(planned_with("127.0.0.1", upn, Authentication::Negotiate, named).is_ok());
        assert!(planned("localhost", upn, Authentication::Kerberos).is_ok());
        // This computer has accounts of its own, and is worth a ticket only to somebody from a realm.
        assert!(planned("localhost", upn, Authentication::Negotiate).is_ok());
        for user in ["", "alice"] {
            let error = planned("localhost", user, Authentication::Negotiate).unwrap_err();
            assert_eq!(error, "localhost is this computer");
        }
        for other in [Authentication::Ntlm, Authentication::Basic, Authentication::Certificate] {
            assert!(planned("h", upn, other).is_err());
        }
    }

    #[test]
    fn password_that_a_kdc_calls_wrong_is_not_tried_again() {
        let ticket = |kind| NoKerberos::Ticket(KerberosError::new(kind, "x"));
        for kind in [KerberosErrorKind::WrongPassword, KerberosErrorKind::AccountUnusable] {
            assert!(!ticket(kind).leaves_ntlm());
        }
        for kind in [KerberosErrorKind::KdcUnreachable, KerberosErrorKind::UnknownService] {
            assert!(ticket(kind).leaves_ntlm());
        }
    }
}
