//! [`Initiator`]: the client's half of an NTLMv2 login ([MS-NLMP] 3.1.5).
//!
//! ```text
//!  Start ──► Send(NEGOTIATE) ──► AwaitChallenge ──CHALLENGE──► Last(AUTHENTICATE) ──► Complete ──► Done
//!                                       └──not acceptable──► Failed
//! ```

use zeroize::Zeroizing;

use super::{
    Authenticate, AvId, AvPairs, Challenge, Flags, Negotiate, NtHash, Protection, VERSION,
    flags::SEALING,
    keys::{self, Key, Writer},
    messages::MIC,
    nt_hash,
    response::{hmac_md5, ntowf_v2, respond, respond_lm},
    sealer::NtlmSealer,
    wire::encode_utf16,
};
use crate::{
    ApiMisuse, ChannelBinding, Entropy, Error, FileTime, PeerMisbehaved, Scheme, Sealer, Secret,
    Step, UserName,
    spnego::{InitiatorMechanism, Oid},
};

/// Whom to log in as, and what proves it.
#[derive(Clone, Debug)]
pub struct Credential {
    user: UserName,
    hash: NtHash,
}

impl Credential {
    /// From a password.
    #[must_use]
    pub fn from_password(user: UserName, password: &Secret) -> Self {
        Self { user, hash: nt_hash(password) }
    }

    /// From the hash of a password, which is as good as the password.
    #[must_use]
    pub fn from_hash(user: UserName, hash: NtHash) -> Self {
        Self { user, hash }
    }
}

/// How to log in.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "options are meant to be written out with `..Default::default()`"
)]
pub struct InitiatorOptions {
    /// The SPN of the service, such as `HTTP/host.example`; a service may compare it with its own names.
    pub target: Option<String>,
    /// The binding to the TLS connection; `None` on plain HTTP.
    pub channel_binding: Option<ChannelBinding>,
    /// Whether messages will be sealed.
    pub protection: Protection,
    /// Leaves sealing out of what is asked for: messages will travel as they are. Signing stays, which SPNEGO's own
    /// integrity code needs; `protection` does not count then.
    pub unsealed: bool,
    /// What to call this machine; empty for nothing.
    pub workstation: String,
}

/// The client's half of a login. Tokens are raw NTLM messages; [`spnego::Initiator`](crate::spnego::Initiator) wraps
/// them.
#[derive(Debug)]
pub struct Initiator {
    credential: Credential,
    options: InitiatorOptions,
    nonce: Nonce,
    now: FileTime,
    state: State,
}

/// The random part of a login.
struct Nonce {
    client_challenge: [u8; 8],
    session_key: Key,
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug)]
enum State {
    Start,
    AwaitChallenge { negotiate: Vec<u8> },
    Complete { sealer: Option<Box<NtlmSealer>> },
    Failed(Error),
}

/// What a login asks for: sealing on TLS too, as Windows's own clients do.
const ASKED: Flags = Flags(
    Flags::UNICODE.0
        | Flags::REQUEST_TARGET.0
        | Flags::SIGN.0
        | Flags::SEAL.0
        | Flags::NTLM.0
        | Flags::ALWAYS_SIGN.0
        | Flags::EXTENDED_SESSIONSECURITY.0
        | Flags::TARGET_INFO.0
        | Flags::VERSION.0
        | Flags::KEY_128.0
        | Flags::KEY_EXCH.0
        | Flags::KEY_56.0,
);

impl Initiator {
    /// A login that has not begun. Randomness is drawn now; `now` is used only for services that name no time.
    ///
    /// # Errors
    /// When the user name is empty: an anonymous login is not implemented.
    pub fn new(
        credential: Credential,
        options: InitiatorOptions,
        entropy: &mut dyn Entropy,
        now: FileTime,
    ) -> Result<Self, ApiMisuse> {
        if credential.user.user.is_empty() {
            return Err(ApiMisuse::UserNameEmpty);
        }
        let mut nonce = Nonce { client_challenge: [0; 8], session_key: Zeroizing::new([0; 16]) };
        entropy.fill(&mut nonce.client_challenge);
        entropy.fill(&mut *nonce.session_key);
        Ok(Self { credential, options, nonce, now, state: State::Start })
    }

    const fn asked(&self) -> Flags {
        if self.options.unsealed { Flags(ASKED.0 & !Flags::SEAL.0) } else { ASKED }
    }

    /// AUTHENTICATE_MESSAGE and the security context ([MS-NLMP] 3.1.5.1.2).
    fn authenticate(
        &self,
        negotiate: &[u8],
        bytes: &[u8],
    ) -> Result<(Vec<u8>, Option<NtlmSealer>), Error> {
        let challenge = Challenge::decode(bytes)?;
        let flags = self.granted(challenge.flags)?;
        let (mut pairs, _) = AvPairs::decode(&challenge.target_info)?;
        if pairs.value(AvId::NB_COMPUTER_NAME).is_none()
            || pairs.value(AvId::NB_DOMAIN_NAME).is_none()
        {
            return Err(PeerMisbehaved::TargetNamesMissing.into());
        }
        let timestamp = pairs.timestamp()?;
        let av_flags = pairs.flags()? | AvPairs::FLAG_MIC;
        pairs.set(AvId::FLAGS, av_flags.to_le_bytes().to_vec());
        let binding = self.options.channel_binding.map_or([0; 16], |binding| *binding.as_bytes());
        pairs.set(AvId::CHANNEL_BINDINGS, binding.to_vec());
        pairs.set(
            AvId::TARGET_NAME,
            encode_utf16(self.options.target.as_deref().unwrap_or_default()),
        );

        let UserName { domain, user } = &self.credential.user;
        let key = ntowf_v2(&self.credential.hash, user, domain);
        let (server_challenge, client_challenge) =
            (&challenge.server_challenge, &self.nonce.client_challenge);
        let time = timestamp.unwrap_or(self.now).0;
        let response = respond(&key, server_challenge, client_challenge, time, &pairs.encode()?);
        let base = response.session_base_key.expose();
        let lm_response = match timestamp {
            Some(_) => [0; 24],
            None => respond_lm(&key, server_challenge, client_challenge),
        };
        // [MS-NLMP] 3.1.5.1.2: the client's own key, if exchange is granted; else the one that the response gave.
        let exchanges = flags.contains(Flags::KEY_EXCH);
        let session_key =
            if exchanges { self.nonce.session_key.clone() } else { Zeroizing::new(*base) };
        let encrypted =
            if exchanges { keys::exchange(base, &session_key).to_vec() } else { Vec::new() };
        let mut message = Authenticate {
            flags,
            domain: domain.clone(),
            user: user.clone(),
            workstation: self.options.workstation.clone(),
            lm_response: lm_response.to_vec(),
            nt_response: response.nt,
            encrypted_session_key: encrypted,
            version: VERSION,
            mic: Some([0; 16]),
        }
        .encode()?;
        let mic = hmac_md5(&session_key, &[negotiate, bytes, &message]);
        if let Some(place) = message.get_mut(MIC) {
            place.copy_from_slice(&mic);
        }
        Ok((message, NtlmSealer::new(flags, &session_key, Writer::Client)))
    }

    /// What both sides want. A service that grants less than we need is refused, since somebody on the way may have
    /// taken it out.
    fn granted(&self, offered: Flags) -> Result<Flags, Error> {
        const ALWAYS: [(Flags, &str); 2] =
            [(Flags::UNICODE, "Unicode"), (Flags::TARGET_INFO, "target information")];
        const SIGNING: [(Flags, &str); 3] = [
            (Flags::SIGN, "signing"),
            (Flags::KEY_128, "128-bit keys"),
            (Flags::EXTENDED_SESSIONSECURITY, "extended session security"),
        ];
        let needed: &[(Flags, &str)] = match self.options.protection {
            Protection::Sealed if !self.options.unsealed => &SEALING,
            Protection::Sealed | Protection::Optional => &SIGNING,
        };
        let missing = offered.first_missing(&ALWAYS).or_else(|| offered.first_missing(needed));
        match missing {
            Some(name) => Err(PeerMisbehaved::FlagNotGranted(name).into()),
            None => Ok(offered & self.asked() | Flags::VERSION),
        }
    }
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Negotiate
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        match (&self.state, token) {
            (State::Failed(error), _) => Err(error.clone()),
            (State::Start, Some(_)) => Err(ApiMisuse::TokenTooEarly.into()),
            (State::Start, None) => {
                let negotiate = Negotiate { flags: self.asked(), version: VERSION }.encode();
                self.state = State::AwaitChallenge { negotiate: negotiate.clone() };
                Ok(Step::Send(negotiate))
            }
            (State::AwaitChallenge { .. }, None) => Err(ApiMisuse::TokenDue.into()),
            (State::AwaitChallenge { negotiate }, Some(token)) => {
                match self.authenticate(negotiate, token) {
                    Ok((message, sealer)) => {
                        self.state = State::Complete { sealer: sealer.map(Box::new) };
                        Ok(Step::Last(message))
                    }
                    Err(error) => {
                        self.state = State::Failed(error.clone());
                        Err(error)
                    }
                }
            }
            (State::Complete { .. }, None) => Ok(Step::Done),
            (State::Complete { .. }, Some(_)) => {
                let error = Error::from(PeerMisbehaved::TokenAfterEnd);
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn can_seal(&self) -> bool {
        matches!(&self.state, State::Complete { sealer: Some(sealer) } if sealer.can_seal())
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        if crate::Initiator::can_seal(self) { self.context() } else { None }
    }

    fn mechanism(&self) -> &'static str {
        "NTLM"
    }
}

impl InitiatorMechanism for Initiator {
    fn oids(&self) -> &[Oid] {
        &[Oid::NTLMSSP]
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        match &mut self.state {
            State::Complete { sealer } => sealer.take().map(|sealer| sealer as Box<dyn Sealer>),
            State::Start | State::AwaitChallenge { .. } | State::Failed(_) => None,
        }
    }

    /// Every AUTHENTICATE_MESSAGE of ours carries an integrity code, and then so must SPNEGO ([MS-SPNG] 3.3.5.1).
    fn needs_mech_list_mic(&self) -> bool {
        true
    }
}
