//! [`Acceptor`]: the service's half of a Kerberos login, which asks the owner of the keytab.
//!
//! ```text
//!  Start ──AP-REQ──► Ask(Kerberos) ──► Asked ──Answer::Kerberos──► Done ──► Complete
//!                                        └──Answer::KerberosRefused──► Refused(KRB-ERROR) ──► Failed
//!  anywhere ──refused──► Failed, for good
//! ```

use std::{fmt, mem};

use zeroize::Zeroizing;

use super::{KerberosAccepted, KerberosAttempt, KerberosSealer, framing};
use crate::{
    AcceptStep, Answer, ApiMisuse, CbtPolicy, ChannelBinding, DecodeError, DecodeErrorKind,
    Delegated, Entropy, Error, Input, Login, Question, Refusal, Sealer,
    ntlm::Protection,
    spnego::{AcceptorMechanism, Oid},
};

/// TOK_ID of an AP-REQ (RFC 4121 4.1).
const AP_REQ: [u8; 2] = [1, 0];

/// Longest token that is passed on: tickets of users with very many groups have some 48 KiB ([MS-KILE] 3.1.1.2), and
/// a delegated ticket comes on top.
const TOKEN_MAX: usize = 64 * 1024;

/// What is asked of clients.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "options are meant to be written out")]
pub struct AcceptorOptions {
    /// Whether sealing must be asked for.
    pub protection: Protection,
    /// The binding of the TLS connection; `None` on plain HTTP.
    pub channel_binding: Option<ChannelBinding>,
    /// What is asked of the client's binding.
    pub cbt_policy: CbtPolicy,
}

/// The service's half of a login: raw tokens (scheme `Kerberos`), or inside SPNEGO.
pub struct Acceptor {
    options: AcceptorOptions,
    state: State,
    /// A context that signs only, for SPNEGO: a login without sealing hands out none.
    signer: Option<KerberosSealer>,
}

enum State {
    /// With what a sealer's generator begins.
    Start(Seed),
    Asked(Seed),
    Complete,
    Failed(Error),
}

/// Random bytes that were drawn before they are needed.
struct Seed(Zeroizing<[u8; 32]>);

impl Entropy for Seed {
    /// Each byte is given out once only; a sealer asks for no more than there are.
    fn fill(&mut self, bytes: &mut [u8]) {
        for (to, from) in bytes.iter_mut().zip(self.0.iter_mut()) {
            *to = mem::take(from);
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Start(_) => "Start",
            State::Asked(_) => "Asked",
            State::Complete => "Complete",
            State::Failed(_) => "Failed",
        };
        f.debug_struct("Acceptor").field("options", &self.options).field("state", &state).finish()
    }
}

impl Acceptor {
    /// A login that has not begun. What sealing needs of randomness is drawn now.
    #[must_use]
    pub fn new(options: AcceptorOptions, entropy: &mut dyn Entropy) -> Self {
        let mut seed = Seed(Zeroizing::new([0; 32]));
        entropy.fill(&mut *seed.0);
        Self { options, state: State::Start(seed), signer: None }
    }

    /// The client's token: only what is framed as an AP-REQ gets to the owner of the keytab.
    fn first(&self, token: &[u8]) -> Result<AcceptStep, Error> {
        let malformed = |field, kind| {
            Refusal::Malformed(DecodeError { message: "Kerberos token", field, kind })
        };
        if token.len() > TOKEN_MAX {
            return Err(malformed("InitialContextToken", DecodeErrorKind::TooLong).into());
        }
        let inner = framing::behind(token)
            .ok_or_else(|| malformed("InitialContextToken", DecodeErrorKind::Invalid))?;
        if !inner.starts_with(&AP_REQ) {
            return Err(malformed("TOK_ID", DecodeErrorKind::Invalid).into());
        }
        let binding = match self.options.cbt_policy {
            CbtPolicy::None => None,
            CbtPolicy::Relaxed | CbtPolicy::Strict => self.options.channel_binding,
        };
        let attempt = KerberosAttempt::new(token.to_vec(), binding);
        Ok(AcceptStep::Ask(Question::Kerberos(attempt)))
    }

    /// The ticket is right; what the client took on must be enough.
    fn accepted(
        &mut self,
        accepted: KerberosAccepted,
        mut seed: Seed,
    ) -> Result<AcceptStep, Error> {
        let options = &self.options;
        let must_bind =
            options.channel_binding.is_some() && options.cbt_policy == CbtPolicy::Strict;
        if must_bind && !accepted.channel_bound {
            return Err(Refusal::ChannelBindingMissing.into());
        }
        if options.protection == Protection::Sealed && !accepted.confidential {
            return Err(Refusal::ProtectionTooWeak("confidentiality").into());
        }
        let sealer = KerberosSealer::new(accepted.context, accepted.confidential, &mut seed);
        let (sealer, signer) =
            if sealer.can_seal() { (Some(sealer), None) } else { (None, Some(sealer)) };
        if options.protection == Protection::Sealed && sealer.is_none() {
            // The key that was handed out is none of its encryption type.
            return Err(ApiMisuse::SessionKeyMissing.into());
        }
        self.signer = signer;
        let sealer = sealer.map(|sealer| Box::new(sealer) as Box<dyn Sealer>);
        let mut login = Login::new(accepted.account, sealer, "Kerberos");
        login.delegated = accepted.delegated.map(Delegated::Ticket);
        Ok(AcceptStep::Done { token: accepted.reply, login })
    }

    fn answer(&mut self, answer: Answer, seed: Seed) -> Result<AcceptStep, Error> {
        match answer {
            Answer::Kerberos(accepted) => {
                let step = self.accepted(*accepted, seed);
                if step.is_ok() {
                    self.state = State::Complete;
                }
                step
            }
            Answer::KerberosRefused { refusal, token: Some(token) } => {
                self.state = State::Failed(refusal.into());
                Ok(AcceptStep::Refused { token, refusal })
            }
            Answer::KerberosRefused { refusal, token: None } => Err(refusal.into()),
            Answer::Refused => Err(Refusal::WrongCredentials.into()),
            Answer::Accepted { .. } | Answer::Challenge { .. } => {
                self.state = State::Asked(seed);
                Err(ApiMisuse::AnswerUnasked.into())
            }
        }
    }
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        let result = match (mem::replace(&mut self.state, State::Complete), input) {
            (State::Failed(error), _) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
            (State::Start(seed), Input::Token(token)) => {
                let step = self.first(token);
                self.state = State::Asked(seed);
                step
            }
            (State::Asked(seed), Input::Answer(answer)) => self.answer(answer, seed),
            (State::Asked(seed), Input::Token(_)) => {
                self.state = State::Asked(seed);
                Err(ApiMisuse::AnswerDue.into())
            }
            (State::Start(seed), Input::Answer(_)) => {
                self.state = State::Start(seed);
                Err(ApiMisuse::AnswerUnasked.into())
            }
            (State::Complete, Input::Token(_)) => Err(Refusal::TokenAfterEnd.into()),
            (State::Complete, Input::Answer(_)) => Err(ApiMisuse::AnswerUnasked.into()),
        };
        if let Err(error) = &result
            && !matches!(error, Error::ApiMisuse(ApiMisuse::AnswerDue | ApiMisuse::AnswerUnasked))
        {
            self.state = State::Failed(error.clone());
        }
        result
    }
}

impl AcceptorMechanism for Acceptor {
    fn oids(&self) -> &[Oid] {
        &[Oid::MS_KERBEROS, Oid::KERBEROS]
    }

    fn takes_raw(&self, token: &[u8]) -> bool {
        framing::behind(token).is_some()
    }

    /// The authenticator's checksum protects no list of mechanisms, but neither does anything need it where Kerberos is
    /// the client's first choice (RFC 4178 5).
    fn needs_mech_list_mic(&self) -> bool {
        false
    }

    fn signer(&mut self) -> Option<Box<dyn Sealer>> {
        self.signer.take().map(|signer| Box::new(signer) as Box<dyn Sealer>)
    }
}
