//! [`Initiator`]: the client's half of a Kerberos login (RFC 4121, [MS-KILE] 3.2).
//!
//! ```text
//!  begin ──ticket, AP-REQ made──► Begun ──step(None): Last(AP-REQ)──► Waiting ──AP-REP──► Complete ──► Done
//!                                                                       └──KRB-ERROR, anything else──► Failed
//! ```

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::kerberos::{Context, KerberosSealer, KrbError};
use auth::spnego::{InitiatorMechanism, Oid};
use auth::{
    ApiMisuse, ChannelBinding, Entropy, Error, FileTime, PeerMisbehaved, Scheme, Sealer, Step,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::credential::Place;
use super::error::{Doing, code};
use super::sys::{Cache, Fault, Found, GssCredential, Initiating, Krb5, Principal};
use super::{Credential, KerberosError, KerberosErrorKind, Target};

/// What is asked of GSSAPI (RFC 2744 5.19): mutual authentication, detection of repeated and missing messages, integrity.
const ASKED: u32 = MUTUAL | REPLAY | SEQUENCE | INTEGRITY;
const DELEGATE: u32 = 1;
const MUTUAL: u32 = 2;
const REPLAY: u32 = 4;
const SEQUENCE: u32 = 8;
const CONFIDENTIAL: u32 = 0x10;
const INTEGRITY: u32 = 0x20;

/// How to log in.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "options are meant to be written out")]
pub struct InitiatorOptions {
    /// The service.
    pub target: Target,
    /// Whether the service gets a ticket to act as the client (`GSS_C_DELEG_FLAG`): an error where ours cannot be
    /// forwarded.
    pub delegate: bool,
    /// The binding to the TLS connection.
    pub channel_binding: Option<ChannelBinding>,
    /// Whether messages will be sealed. MIT's library tells services in any case that it could.
    pub confidential: bool,
}

/// The client's half of a login, with its first token made: raw tokens, which `auth::spnego` may wrap.
pub struct Initiator {
    service: String,
    confidential: bool,
    seed: Seed,
    state: State,
    /// The tickets stay as long as the login needs them.
    _place: Arc<Place>,
}

enum State {
    Begun { token: Vec<u8>, initiating: Box<Initiating> },
    Waiting { initiating: Box<Initiating> },
    Complete { context: Option<Context> },
    Failed(Error),
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Begun { .. } => "Begun",
            State::Waiting { .. } => "Waiting",
            State::Complete { .. } => "Complete",
            State::Failed(_) => "Failed",
        };
        f.debug_struct("Initiator")
            .field("service", &self.service)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl Initiator {
    /// Gets a ticket for the service and makes the first token; this may wait for a KDC.
    ///
    /// The service's name is made of the host's as it stands: DNS is not asked for another one, whatever `krb5.conf` says
    /// of `dns_canonicalize_hostname` and `rdns`, since an answer of an attacker's would choose the service. Its realm is
    /// the one of `[domain_realm]`, else the KDC's to say.
    ///
    /// # Errors
    /// [`KerberosError`]; of kind `UnknownService` it names the names that were tried.
    pub fn begin(
        credential: &Credential,
        options: &InitiatorOptions,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, KerberosError> {
        let krb5 = Krb5::new()?;
        let place = credential.usable()?;
        let in_cache = |fault| KerberosError::of(&fault, Doing::Cache { name: place.name() });
        let cache = krb5.cache(place.name()).map_err(in_cache)?;
        let Found { kept_as, service } = find_service(&krb5, &cache, &options.target)?;
        let doing = Doing::Service { name: &service };
        let in_words = |fault| KerberosError::of_gss(&fault, doing);
        let credential = GssCredential::of_cache(place.name())?.map_err(in_words)?;
        let flags = ASKED
            | if options.delegate { DELEGATE } else { 0 }
            | if options.confidential { CONFIDENTIAL } else { 0 };
        let binding = options.channel_binding.as_ref();
        let mut initiating =
            Initiating::new(credential, &kept_as, flags, binding).map_err(in_words)?;
        let first = initiating.step(None).map_err(in_words)?;
        if options.delegate && first.granted & DELEGATE == 0 {
            return Err(not_forwardable(&service));
        }
        if first.complete || first.token.is_empty() {
            let text = format!("the library leaves out that {service} must prove itself");
            return Err(KerberosError::new(KerberosErrorKind::NotMutual, text));
        }
        let state = State::Begun { token: first.token, initiating: Box::new(initiating) };
        drop(cache);
        let (confidential, seed) = (options.confidential, Seed::new(entropy));
        Ok(Self { service, confidential, seed, state, _place: place })
    }

    /// The name of the service that the KDC knew: `HTTP/host@REALM`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The service's answer to our token: AP-REP, which only the ticket's service can make, or a KRB-ERROR.
    fn finish(&self, mut initiating: Initiating, token: &[u8]) -> Result<Context, Error> {
        if let Ok(error) = KrbError::decode(token) {
            return Err(error.into_error(now()));
        }
        let step = initiating.step(Some(token)).map_err(|_| PeerMisbehaved::NotMutual)?;
        let needed = MUTUAL | INTEGRITY | if self.confidential { CONFIDENTIAL } else { 0 };
        if !step.complete || !step.token.is_empty() || step.granted & needed != needed {
            return Err(PeerMisbehaved::NotMutual.into());
        }
        initiating.export().map_err(|_| PeerMisbehaved::NotMutual.into())
    }
}

/// For a skew that people are told of.
fn now() -> FileTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    FileTime::from_unix(since)
}

impl auth::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        // What is put back is what stays when this step fails.
        let failed = State::Failed(PeerMisbehaved::EndedEarly.into());
        let result = match (std::mem::replace(&mut self.state, failed), token) {
            (State::Begun { token, initiating }, None) => {
                self.state = State::Waiting { initiating };
                return Ok(Step::Last(token));
            }
            (begun @ State::Begun { .. }, Some(_)) => {
                self.state = begun;
                return Err(ApiMisuse::TokenTooEarly.into());
            }
            (State::Waiting { .. }, None) => Err(PeerMisbehaved::NotMutual.into()),
            (State::Waiting { initiating }, Some(token)) => self.finish(*initiating, token),
            (complete @ State::Complete { .. }, None) => {
                self.state = complete;
                return Ok(Step::Done);
            }
            (State::Complete { .. }, Some(_)) => Err(PeerMisbehaved::TokenAfterEnd.into()),
            (State::Failed(error), _) => Err(error),
        };
        match result {
            Ok(context) => {
                self.state = State::Complete { context: Some(context) };
                Ok(Step::Done)
            }
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn can_seal(&self) -> bool {
        self.confidential && matches!(self.state, State::Complete { context: Some(_) })
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        if self.confidential { self.context() } else { None }
    }

    fn mechanism(&self) -> &'static str {
        "Kerberos"
    }
}

impl InitiatorMechanism for Initiator {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        let State::Complete { context } = &mut self.state else { return None };
        let sealer = KerberosSealer::new(context.take()?, self.confidential, &mut self.seed);
        Some(Box::new(sealer))
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}

/// Gets a ticket under the first of the service's names that the KDC knows.
fn find_service(krb5: &Krb5, cache: &Cache<'_>, target: &Target) -> Result<Found, KerberosError> {
    let mut tried = Vec::new();
    for class in target.classes() {
        let asked = format!("{class}/{}", target.instance());
        let doing = Doing::Service { name: &asked };
        let found = name_of(krb5, class, target).and_then(|name| krb5.ticket_for(cache, &name));
        match found {
            Ok(found) => return Ok(found),
            Err(fault) if fault.code == code::SERVICE_UNKNOWN => tried.push(asked),
            Err(fault) => return Err(KerberosError::of(&fault, doing)),
        }
    }
    Err(unknown(&tried, target))
}

fn name_of<'a>(krb5: &'a Krb5, class: &str, target: &Target) -> Result<Principal<'a>, Fault> {
    let mut name = krb5.service(class, &target.instance())?;
    if let Some(realm) = &target.realm {
        name.set_realm(realm)?;
    }
    Ok(name)
}

fn unknown(tried: &[String], target: &Target) -> KerberosError {
    let realm =
        target.realm.as_ref().map_or_else(String::new, |realm| format!(" of the realm {realm}"));
    let is_address = target.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let remedy = if is_address {
        "services have names, and this is an address: give the host's name"
    } else if !target.host.contains('.') {
        "give the host's full name"
    } else {
        "is this the name that the service is registered under (`setspn -Q`), and is [domain_realm] of krb5.conf right?"
    };
    let text =
        format!("the KDC{realm} does not know the service {}: {remedy}", tried.join(", nor "));
    KerberosError::new(KerberosErrorKind::UnknownService, text)
}

fn not_forwardable(service: &str) -> KerberosError {
    let text = format!(
        "the tickets cannot be delegated to {service}: they are not forwardable (`kinit -f`), or the KDC does not let this \
         account be delegated"
    );
    KerberosError::new(KerberosErrorKind::NotForwardable, text)
}

/// Randomness that was drawn when the login began, for what is made when it is complete: SHA-256 of a secret and a count.
struct Seed {
    secret: Zeroizing<[u8; 32]>,
    count: u64,
}

impl Seed {
    fn new(entropy: &mut dyn Entropy) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(&mut *secret);
        Self { secret, count: 0 }
    }
}

impl Entropy for Seed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let count = self.count.to_be_bytes();
            let block = Sha256::new().chain_update(*self.secret).chain_update(count).finalize();
            self.count = self.count.wrapping_add(1);
            for (place, byte) in part.iter_mut().zip(block) {
                *place = byte;
            }
        }
    }
}
