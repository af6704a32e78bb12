//! [`Acceptor`]: the service's half of an NTLMv2 login ([MS-NLMP] 3.2.5).
//!
//! ```text
//!  Start ──NEGOTIATE──► Ask(Challenge) ──► AskedChallenge ──Answer::Challenge──► Reply(CHALLENGE)
//!    ──► AwaitAuthenticate ──AUTHENTICATE──► Ask(Ntlm) ──► AskedVerdict ──Answer::Accepted──► Done ──► Complete
//!  anywhere ──refused──► Failed, for good
//! ```

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    Authenticate, AvPairs, Challenge, Flags, Negotiate, NtlmAttempt, Protection, SessionBaseKey,
    TargetNames, VERSION,
    flags::SEALING,
    keys::{self, Key, Writer},
    messages::MIC,
    response::hmac_md5,
    sealer::NtlmSealer,
    wire::SIGNATURE,
};
use crate::{
    AcceptStep, Account, Answer, ApiMisuse, CbtPolicy, ChannelBinding, DecodeError,
    DecodeErrorKind, Error, FileTime, Input, Login, Question, Refusal, Sealer,
    channel_binding::Verdict,
    spnego::{AcceptorMechanism, Oid},
};

/// Longest message that is taken: two fields of 64 KiB would already be absurd.
const MESSAGE_MAX: usize = 64 * 1024;

/// How far a client's clock may be from ours: `MaxLifetime` of [MS-NLMP] 3.1.1.1.
const LIFETIME_MAX: Duration = Duration::from_secs(36 * 60 * 60);

/// Whether a client must send a message integrity code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MicPolicy {
    /// Windows's rule: a client that promised a code must send a right one ([MS-NLMP] 3.2.5.1.2). The promise is part
    /// of the response, so nobody on the way can take it back. WinRb, winrm4j and MetricsHub never promise one.
    #[default]
    WhenPromised,
    /// Every client must send one, and keep the target information flag. Windows, pywinrm and pypsrp do.
    Required,
}

/// What an acceptor asks of its clients.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "options are meant to be written out with `..Default::default()`"
)]
pub struct AcceptorOptions {
    /// Whether the messages of this connection must be sealed.
    pub protection: Protection,
    /// The binding of this TLS connection; `None` on plain HTTP, where the policy says nothing.
    pub channel_binding: Option<ChannelBinding>,
    /// What to ask of the client's binding.
    pub cbt_policy: CbtPolicy,
    /// What to ask of the client's message integrity code.
    pub mic_policy: MicPolicy,
}

/// The service's half of a login over raw NTLM messages.
///
/// Where sealing is optional, the context that it hands out may be one that only signs, which SPNEGO needs:
/// [`Sealer::can_seal`] tells. [`spnego::Acceptor`](crate::spnego::Acceptor), which also takes raw messages, hands such
/// a context to nobody.
#[derive(Debug)]
pub struct Acceptor {
    options: AcceptorOptions,
    state: State,
    mic_checked: bool,
}

#[derive(Debug)]
enum State {
    Start,
    AskedChallenge {
        negotiate: Vec<u8>,
        flags: Flags,
    },
    AwaitAuthenticate(Handshake),
    AskedVerdict(Box<Pending>),
    Complete,
    Failed(Error),
    /// Only within a step.
    Moving,
}

/// What both messages so far leave behind.
#[derive(Debug)]
struct Handshake {
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
    server_challenge: [u8; 8],
    granted: Flags,
    now: FileTime,
}

/// An AUTHENTICATE_MESSAGE that waits for its verdict.
struct Pending {
    handshake: Handshake,
    message: Vec<u8>,
    flags: Flags,
    mic: Option<[u8; 16]>,
    binding: Option<[u8; 16]>,
    encrypted_session_key: Vec<u8>,
}

/// Everything that we understand and a client may have.
const SUPPORTED: Flags = Flags(
    Flags::UNICODE.0
        | Flags::SIGN.0
        | Flags::SEAL.0
        | Flags::ALWAYS_SIGN.0
        | Flags::EXTENDED_SESSIONSECURITY.0
        | Flags::VERSION.0
        | Flags::KEY_128.0
        | Flags::KEY_EXCH.0
        | Flags::KEY_56.0,
);

/// What changes the meaning of later messages, so that a client may not claim it on its own.
const GRANTED_ONLY: [(Flags, &str); 5] = [
    (Flags::SIGN, "signing"),
    (Flags::SEAL, "sealing"),
    (Flags::KEY_128, "128-bit keys"),
    (Flags::KEY_EXCH, "key exchange"),
    (Flags::EXTENDED_SESSIONSECURITY, "extended session security"),
];

impl Acceptor {
    /// A login that has not begun.
    #[must_use]
    pub fn new(options: AcceptorOptions) -> Self {
        Self { options, state: State::Start, mic_checked: false }
    }

    fn advance(&mut self, state: State, input: Input<'_>) -> Result<(State, AcceptStep), Error> {
        match (state, input) {
            (State::Start, Input::Token(token)) => {
                let flags = self.negotiate(token)?;
                let state = State::AskedChallenge { negotiate: token.to_vec(), flags };
                Ok((state, AcceptStep::Ask(Question::Challenge)))
            }
            (
                State::AskedChallenge { negotiate, flags },
                Input::Answer(Answer::Challenge { server_challenge, names, now }),
            ) => {
                let (granted, challenge) = challenge(flags, server_challenge, &names, now)?;
                let reply = challenge.clone();
                let handshake = Handshake { negotiate, challenge, server_challenge, granted, now };
                Ok((State::AwaitAuthenticate(handshake), AcceptStep::Reply(reply)))
            }
            (State::AwaitAuthenticate(handshake), Input::Token(token)) => {
                let (pending, attempt) = self.authenticate(handshake, token)?;
                Ok((
                    State::AskedVerdict(Box::new(pending)),
                    AcceptStep::Ask(Question::Ntlm(attempt)),
                ))
            }
            (State::AskedVerdict(_), Input::Answer(Answer::Refused)) => {
                Err(Refusal::WrongCredentials.into())
            }
            (
                State::AskedVerdict(pending),
                Input::Answer(Answer::Accepted { account, session_key }),
            ) => {
                let key = session_key.ok_or(ApiMisuse::SessionKeyMissing)?;
                let login = self.accept(&pending, account, &key)?;
                Ok((State::Complete, AcceptStep::Done { token: None, login }))
            }
            (State::Complete, Input::Token(_)) => Err(Refusal::TokenAfterEnd.into()),
            (State::Failed(error), _) => Err(error),
            // `check_use` lets nothing else through.
            (_, _) => Err(ApiMisuse::AnswerUnasked.into()),
        }
    }

    /// Whether `input` is what the state waits for: otherwise the caller is at fault, and nothing changes.
    fn check_use(&self, input: &Input<'_>) -> Result<(), ApiMisuse> {
        match (&self.state, input) {
            (State::AskedChallenge { .. } | State::AskedVerdict(_), Input::Token(_)) => {
                Err(ApiMisuse::AnswerDue)
            }
            (State::AskedVerdict(_), Input::Answer(Answer::Accepted { session_key: None, .. })) => {
                Err(ApiMisuse::SessionKeyMissing)
            }
            (State::AskedChallenge { .. }, Input::Answer(Answer::Challenge { .. }))
            | (State::AskedVerdict(_), Input::Answer(Answer::Accepted { .. } | Answer::Refused))
            | (State::Start | State::AwaitAuthenticate(_) | State::Complete, Input::Token(_))
            | (State::Failed(_), _) => Ok(()),
            (_, _) => Err(ApiMisuse::AnswerUnasked),
        }
    }

    /// NEGOTIATE_MESSAGE ([MS-NLMP] 3.2.5.1.1).
    fn negotiate(&self, token: &[u8]) -> Result<Flags, Refusal> {
        check_length("NEGOTIATE_MESSAGE", token)?;
        let flags = Negotiate::decode(token).map_err(Refusal::Malformed)?.flags;
        if !flags.contains(Flags::UNICODE) {
            return Err(Refusal::NotUnicode);
        }
        self.check_protection(flags)?;
        Ok(flags)
    }

    fn check_protection(&self, flags: Flags) -> Result<(), Refusal> {
        match (self.options.protection, flags.first_missing(&SEALING)) {
            (Protection::Sealed, Some(name)) => Err(Refusal::ProtectionTooWeak(name)),
            (Protection::Sealed, None) | (Protection::Optional, _) => Ok(()),
        }
    }

    /// AUTHENTICATE_MESSAGE, as far as it can be judged without the verdict ([MS-NLMP] 3.2.5.1.2).
    fn authenticate(
        &self,
        handshake: Handshake,
        token: &[u8],
    ) -> Result<(Pending, NtlmAttempt), Refusal> {
        check_length("AUTHENTICATE_MESSAGE", token)?;
        let message = Authenticate::decode(token).map_err(Refusal::Malformed)?;
        if message.user.is_empty()
            || message.nt_response.is_empty()
            || message.flags.contains(Flags::ANONYMOUS)
        {
            return Err(Refusal::Anonymous);
        }
        if message.nt_response.len() <= 24 {
            return Err(Refusal::NtlmV1);
        }
        self.check_protection(message.flags)?;
        let unasked = GRANTED_ONLY
            .iter()
            .find(|(flag, _)| message.flags.contains(*flag) && !handshake.granted.contains(*flag));
        if let Some((_, name)) = unasked {
            return Err(Refusal::FlagNotGranted(name));
        }
        let Some((nt_proof, temp)) = message.nt_response.split_first_chunk::<16>() else {
            return Err(Refusal::NtlmV1);
        };
        let (time, pairs) = read_temp(temp).map_err(Refusal::Malformed)?;
        if time.distance(handshake.now) > LIFETIME_MAX {
            return Err(Refusal::StaleTimestamp);
        }
        let promised = pairs.flags().map_err(Refusal::Malformed)? & AvPairs::FLAG_MIC != 0;
        let required = self.options.mic_policy == MicPolicy::Required;
        let mic = message.mic.filter(|mic| promised && *mic != [0; 16]);
        if mic.is_none() && (promised || required) {
            return Err(Refusal::MicMissing);
        }
        if required && !message.flags.contains(Flags::TARGET_INFO) {
            return Err(Refusal::TargetInfoCleared);
        }
        let attempt = NtlmAttempt {
            user: message.user,
            domain: message.domain,
            server_challenge: handshake.server_challenge,
            nt_proof: *nt_proof,
            temp: temp.to_vec(),
        };
        let pending = Pending {
            flags: message.flags,
            message: token.to_vec(),
            mic,
            binding: pairs.channel_bindings().map_err(Refusal::Malformed)?,
            encrypted_session_key: message.encrypted_session_key,
            handshake,
        };
        Ok((pending, attempt))
    }

    /// What can be judged only with the session key: the integrity code and, now that the response is known to be the
    /// user's own, the binding in it.
    fn accept(
        &mut self,
        pending: &Pending,
        account: Account,
        base: &SessionBaseKey,
    ) -> Result<Login, Refusal> {
        let session_key = pending.session_key(base)?;
        if let Some(mic) = pending.mic {
            let mut message = pending.message.clone();
            if let Some(place) = message.get_mut(MIC) {
                place.fill(0);
            }
            let Handshake { negotiate, challenge, .. } = &pending.handshake;
            let expected = hmac_md5(&session_key, &[negotiate, challenge, &message]);
            if !bool::from(expected.ct_eq(&mic)) {
                let cleared = !pending.flags.contains(Flags::TARGET_INFO);
                return Err(if cleared { Refusal::TargetInfoCleared } else { Refusal::MicWrong });
            }
            self.mic_checked = true;
        }
        let AcceptorOptions { channel_binding, cbt_policy, .. } = &self.options;
        match cbt_policy.judge(channel_binding.as_ref(), pending.binding.as_ref()) {
            Verdict::Pass => {}
            Verdict::Missing => return Err(Refusal::ChannelBindingMissing),
            Verdict::Wrong => return Err(Refusal::ChannelBindingWrong),
        }
        let sealer = NtlmSealer::new(pending.flags, &session_key, Writer::Server);
        Ok(Login::new(account, sealer.map(|sealer| Box::new(sealer) as Box<dyn Sealer>), "NTLM"))
    }
}

impl fmt::Debug for Pending {
    /// Leaves the message out: with its response a weak password can be guessed offline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("flags", &self.flags).finish_non_exhaustive()
    }
}

impl Pending {
    /// ExportedSessionKey ([MS-NLMP] 3.2.5.1.2).
    fn session_key(&self, base: &SessionBaseKey) -> Result<Key, Refusal> {
        let protects = self.flags.contains(Flags::SIGN) || self.flags.contains(Flags::SEAL);
        if !self.flags.contains(Flags::KEY_EXCH) || !protects {
            return Ok(Zeroizing::new(*base.expose()));
        }
        let encrypted: &[u8; 16] = self
            .encrypted_session_key
            .as_slice()
            .try_into()
            .map_err(|_| Refusal::SessionKeyMissing)?;
        Ok(keys::exchange(base.expose(), encrypted))
    }
}

fn check_length(message: &'static str, token: &[u8]) -> Result<(), Refusal> {
    if token.len() <= MESSAGE_MAX {
        return Ok(());
    }
    Err(Refusal::Malformed(DecodeError { message, field: "token", kind: DecodeErrorKind::TooLong }))
}

/// What we grant, and the CHALLENGE_MESSAGE that says so ([MS-NLMP] 3.2.5.1.1).
fn challenge(
    asked: Flags,
    server_challenge: [u8; 8],
    names: &TargetNames,
    now: FileTime,
) -> Result<(Flags, Vec<u8>), ApiMisuse> {
    let kind = if names.in_domain { Flags::TARGET_TYPE_DOMAIN } else { Flags::TARGET_TYPE_SERVER };
    let granted =
        asked & SUPPORTED | Flags::NTLM | Flags::REQUEST_TARGET | Flags::TARGET_INFO | kind;
    let message = Challenge {
        flags: granted,
        server_challenge,
        target_name: names.target().to_owned(),
        target_info: names.av_pairs(now).encode()?,
        version: if granted.contains(Flags::VERSION) { VERSION } else { [0; 8] },
    };
    Ok((granted, message.encode()?))
}

/// NTLMv2_CLIENT_CHALLENGE ([MS-NLMP] 2.2.2.7): the client's time and its attributes.
fn read_temp(temp: &[u8]) -> Result<(FileTime, AvPairs), DecodeError> {
    let error = |field, kind| DecodeError { message: "NTLMv2_CLIENT_CHALLENGE", field, kind };
    let Some(([1, 1, ..], rest)) = temp.split_first_chunk::<8>() else {
        return Err(error("RespType", DecodeErrorKind::Invalid));
    };
    let (time, rest) = rest
        .split_first_chunk::<8>()
        .ok_or_else(|| error("TimeStamp", DecodeErrorKind::Truncated))?;
    // The client's challenge and four reserved bytes.
    let (_, rest) = rest
        .split_at_checked(12)
        .ok_or_else(|| error("ChallengeFromClient", DecodeErrorKind::Truncated))?;
    let (pairs, _) = AvPairs::decode(rest)?;
    Ok((FileTime(u64::from_le_bytes(*time)), pairs))
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        self.check_use(&input)?;
        let state = std::mem::replace(&mut self.state, State::Moving);
        match self.advance(state, input) {
            Ok((state, step)) => {
                self.state = state;
                Ok(step)
            }
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }
}

impl AcceptorMechanism for Acceptor {
    fn oids(&self) -> &[Oid] {
        &[Oid::NTLMSSP]
    }

    fn takes_raw(&self, token: &[u8]) -> bool {
        token.starts_with(SIGNATURE)
    }

    /// When the AUTHENTICATE_MESSAGE carried an integrity code ([MS-SPNG] 3.3.5.1).
    fn needs_mech_list_mic(&self) -> bool {
        self.mic_checked
    }
}
