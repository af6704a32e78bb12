//! [`Acceptor`]: the service's half ([MS-CSSP] 3.1.5).
//!
//! ```text
//!  Handshake ──TLS complete──► Inner ◄──Ask, Answer──► Asked
//!     └─┘ flights                └──inner login done──► AwaitKey ──right key──► AwaitCredentials ──password──► Complete
//!  anywhere ──refused──► Failed, for good: with an alert of TLS, or with the errorCode of a TSRequest
//! ```

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    Channel, ChannelSealer, NEWEST_VERSION, NtStatus, SAFE_VERSION, TsCredentials, TsRequest,
    binding::{Speaker, proof},
    channel::check_records,
    initiator::{seal, unseal},
    mechanism_name,
};
use crate::{
    AcceptStep, ApiMisuse, DecodeError, DecodeErrorKind, Delegated, Error, Input, Login, Refusal,
    Sealer,
    spnego::{self, AcceptorMechanism},
};

/// Tokens before the first message; TLS needs two.
const FLIGHTS_MAX: u8 = 8;

/// What is asked of clients.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "options are meant to be written out with `..Default::default()`"
)]
pub struct AcceptorOptions {
    /// The oldest version that is spoken, 2 to 6: below [`SAFE_VERSION`] somebody in between may run commands in the
    /// client's name (CVE-2018-0886).
    pub minimum_version: u32,
}

impl Default for AcceptorOptions {
    fn default() -> Self {
        Self { minimum_version: SAFE_VERSION }
    }
}

/// The service's half of a login under the scheme `CredSSP`.
#[derive(Debug)]
pub struct Acceptor {
    channel: Option<Box<dyn Channel>>,
    inner: spnego::Acceptor,
    options: AcceptorOptions,
    /// What client and service both speak, once the client has said what it does.
    version: Option<u32>,
    /// What the mechanism inside has to say of its refusal.
    told: Option<Vec<u8>>,
    state: State,
}

#[derive(Debug)]
enum State {
    Handshake {
        flights: u8,
    },
    Inner,
    Asked(TsRequest),
    AwaitKey(Login),
    AwaitCredentials(Login, Box<dyn Sealer>),
    Complete,
    Failed(Error),
    /// Only within a step.
    Moving,
}

impl Acceptor {
    /// A login that has not begun, by these mechanisms, inside this TLS session, which holds the service's key. The
    /// mechanisms must ask for sealing.
    ///
    /// # Errors
    /// When there is no mechanism.
    pub fn new(
        channel: Box<dyn Channel>,
        mechanisms: Vec<Box<dyn AcceptorMechanism>>,
        options: AcceptorOptions,
    ) -> Result<Self, ApiMisuse> {
        let inner = spnego::Acceptor::new(mechanisms)?;
        let state = State::Handshake { flights: 0 };
        Ok(Self { channel: Some(channel), inner, options, version: None, told: None, state })
    }

    fn advance(&mut self, state: State, token: &[u8]) -> Result<(State, AcceptStep), Error> {
        if let State::Complete = state {
            return Err(Refusal::TokenAfterEnd.into());
        }
        check_records("CredSSP", token).map_err(Refusal::Malformed)?;
        let data = self.channel()?.receive(token).map_err(Refusal::InnerTls)?;
        if let (State::Handshake { flights }, true) = (&state, data.is_empty()) {
            return self.handshake(*flights);
        }
        let request = TsRequest::decode(&data).map_err(Refusal::Malformed)?;
        self.check_version(&request)?;
        match state {
            State::Handshake { .. } | State::Inner => self.negotiate(request),
            State::AwaitKey(login) => self.prove(login, None, request),
            State::AwaitCredentials(login, sealer) => self.take_credentials(login, sealer, request),
            // `step` lets nothing else through.
            State::Asked(_) | State::Complete | State::Failed(_) | State::Moving => {
                Err(ApiMisuse::AnswerDue.into())
            }
        }
    }

    fn channel(&mut self) -> Result<&mut Box<dyn Channel>, Error> {
        self.channel.as_mut().ok_or_else(|| Refusal::TokenAfterEnd.into())
    }

    fn message(&mut self, request: &TsRequest) -> Result<Vec<u8>, Error> {
        let channel = self.channel()?;
        channel.send(&request.encode()).map_err(Refusal::InnerTls)?;
        Ok(channel.take_records())
    }

    fn handshake(&mut self, flights: u8) -> Result<(State, AcceptStep), Error> {
        if flights >= FLIGHTS_MAX {
            return Err(Refusal::InnerTls(super::ChannelError::Failed).into());
        }
        let records = self.channel()?.take_records();
        let state = State::Handshake { flights: flights.saturating_add(1) };
        Ok((state, AcceptStep::Reply(records)))
    }

    fn check_version(&mut self, request: &TsRequest) -> Result<(), Refusal> {
        let version = self.version.unwrap_or_else(|| request.version.min(NEWEST_VERSION));
        self.version = Some(version);
        if version < self.options.minimum_version {
            return Err(Refusal::CredSspVersion(request.version));
        }
        Ok(())
    }

    fn negotiate(&mut self, request: TsRequest) -> Result<(State, AcceptStep), Error> {
        let Some(token) = &request.nego_token else { return Err(missing("negoTokens").into()) };
        let step = crate::Acceptor::step(&mut self.inner, Input::Token(token))?;
        self.speak(step, request)
    }

    /// What the inner login says of the client's message.
    fn speak(
        &mut self,
        step: AcceptStep,
        request: TsRequest,
    ) -> Result<(State, AcceptStep), Error> {
        let nego =
            |nego_token| TsRequest { version: NEWEST_VERSION, nego_token, ..TsRequest::default() };
        match step {
            AcceptStep::Ask(question) => Ok((State::Asked(request), AcceptStep::Ask(question))),
            // The client takes the inner login for complete, and it is not.
            AcceptStep::Reply(_) if request.pub_key_auth.is_some() => {
                Err(missing("negoTokens").into())
            }
            AcceptStep::Reply(token) => {
                let token = self.message(&nego(Some(token)))?;
                Ok((State::Inner, AcceptStep::Reply(token)))
            }
            AcceptStep::Refused { token, refusal } => {
                self.told = Some(token);
                Err(refusal.into())
            }
            AcceptStep::Done { token, login } if request.pub_key_auth.is_some() => {
                self.prove(login, token, request)
            }
            AcceptStep::Done { token, login } => {
                let token = self.message(&nego(token))?;
                Ok((State::AwaitKey(login), AcceptStep::Reply(token)))
            }
        }
    }

    /// The client's proof that it sees our key, and ours.
    fn prove(
        &mut self,
        mut login: Login,
        nego_token: Option<Vec<u8>>,
        request: TsRequest,
    ) -> Result<(State, AcceptStep), Error> {
        let sealed = request.pub_key_auth.ok_or(Refusal::ServerKeyWrong)?;
        let mut sealer = login.sealer.take().ok_or(Refusal::ProtectionTooWeak("sealing"))?;
        let version = self.version.unwrap_or(NEWEST_VERSION);
        let nonce = request.client_nonce.as_ref();
        let key = self.channel()?.server_key().unwrap_or_default();
        let expected = proof(version, Speaker::Client, nonce, &key).ok_or(Refusal::NonceMissing)?;
        let theirs = unseal(&mut *sealer, sealed).map_err(|_| Refusal::ServerKeyWrong)?;
        if !bool::from(expected.ct_eq(&theirs)) {
            return Err(Refusal::ServerKeyWrong.into());
        }
        let own = proof(version, Speaker::Service, nonce, &key).ok_or(Refusal::NonceMissing)?;
        let pub_key_auth = Some(seal(&mut *sealer, own)?);
        let answer =
            TsRequest { version: NEWEST_VERSION, nego_token, pub_key_auth, ..TsRequest::default() };
        let token = self.message(&answer)?;
        Ok((State::AwaitCredentials(login, sealer), AcceptStep::Reply(token)))
    }

    fn take_credentials(
        &mut self,
        mut login: Login,
        mut sealer: Box<dyn Sealer>,
        request: TsRequest,
    ) -> Result<(State, AcceptStep), Error> {
        let sealed = request.auth_info.ok_or_else(|| missing("authInfo"))?;
        let opened = unseal(&mut *sealer, sealed)?;
        let TsCredentials { domain, user, password } =
            TsCredentials::decode(&Zeroizing::new(opened))?;
        // A ticket that the login inside brought needs no KDC any more.
        let password = Delegated::Password { domain, user, password };
        login.delegated = Some(login.delegated.unwrap_or(password));
        login.mechanism = mechanism_name(login.mechanism);
        let channel = self.channel.take().ok_or(Refusal::TokenAfterEnd)?;
        login.sealer = Some(Box::new(ChannelSealer::new(channel)));
        Ok((State::Complete, AcceptStep::Done { token: None, login }))
    }

    /// The word of TLS or of CredSSP that tells the client why, where the client understands one.
    fn last_word(&mut self, refusal: Refusal) -> Option<Vec<u8>> {
        let mut channel = self.channel.take()?;
        // Versions 2 and 5 know no errorCode ([MS-CSSP] 2.2.1).
        let has_codes = self.version.is_some_and(|version| !matches!(version, 0..=2 | 5));
        let error_code = has_codes.then(|| NtStatus::of(refusal));
        let nego_token = self.told.take();
        if !channel.is_handshaking() && (error_code.is_some() || nego_token.is_some()) {
            let version = NEWEST_VERSION;
            let request = TsRequest { version, nego_token, error_code, ..TsRequest::default() };
            // Without success there is no last word.
            let _failed = channel.send(&request.encode());
        }
        Some(channel.take_records()).filter(|records| !records.is_empty())
    }
}

/// A TSRequest without what is due.
const fn missing(field: &'static str) -> Refusal {
    let (message, kind) = ("TSRequest", DecodeErrorKind::Missing);
    Refusal::Malformed(DecodeError { message, field, kind })
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        let was_over = matches!(self.state, State::Failed(_) | State::Complete);
        let result = match (&mut self.state, input) {
            (State::Failed(error), _) => return Err(error.clone()),
            (State::Asked(_), Input::Token(_)) => return Err(ApiMisuse::AnswerDue.into()),
            (State::Asked(request), Input::Answer(answer)) => {
                let step = crate::Acceptor::step(&mut self.inner, Input::Answer(answer));
                if let Err(Error::ApiMisuse(_)) = step {
                    return step;
                }
                let request = std::mem::take(request);
                step.and_then(|step| self.speak(step, request))
            }
            (_, Input::Answer(_)) => return Err(ApiMisuse::AnswerUnasked.into()),
            (state, Input::Token(token)) => {
                let state = std::mem::replace(state, State::Moving);
                self.advance(state, token)
            }
        };
        let error = match result {
            Ok((state, step)) => {
                self.state = state;
                return Ok(step);
            }
            Err(error) => error,
        };
        self.state = State::Failed(error.clone());
        if let Error::Refused(refusal) = error
            && !was_over
            && let Some(token) = self.last_word(refusal)
        {
            return Ok(AcceptStep::Refused { token, refusal });
        }
        Err(error)
    }
}
