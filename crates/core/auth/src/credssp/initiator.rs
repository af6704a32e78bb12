//! [`Initiator`]: the client's half ([MS-CSSP] 3.1.5).
//!
//! ```text
//!  Start ──► Handshake ──TLS complete──► Inner ──inner login can seal──► AwaitKey ──right key──► AwaitEnd ──► Complete
//!               └─┘ flights                └─┘ SPNEGO                        └─────┐
//!  anywhere ──not acceptable──► Failed, for good                     credentials are sent here, never before
//! ```

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    Channel, ChannelSealer, NEWEST_VERSION, SAFE_VERSION, TsCredentials, TsRequest,
    binding::{Speaker, proof},
    channel::check_records,
    mechanism_name,
};
use crate::{
    ApiMisuse, Entropy, Error, PeerMisbehaved, Scheme, Sealer, Step,
    spnego::{self, InitiatorMechanism},
};

/// Flights of a handshake; TLS needs three.
const FLIGHTS_MAX: u8 = 8;

/// How to log in.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "options are meant to be written out with `..Default::default()`"
)]
pub struct InitiatorOptions {
    /// The oldest version that is spoken, 2 to 6: below [`SAFE_VERSION`] somebody in between may run commands in the
    /// client's name (CVE-2018-0886).
    pub minimum_version: u32,
}

impl Default for InitiatorOptions {
    fn default() -> Self {
        Self { minimum_version: SAFE_VERSION }
    }
}

/// The client's half of a login under the scheme `CredSSP`.
#[derive(Debug)]
pub struct Initiator {
    channel: Option<Box<dyn Channel>>,
    inner: spnego::Initiator,
    credentials: Option<TsCredentials>,
    options: InitiatorOptions,
    nonce: [u8; 32],
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    Handshake {
        flights: u8,
    },
    /// SPNEGO is at work; `finished` when it has said its last word.
    Inner {
        finished: bool,
    },
    AwaitKey {
        sealer: Box<dyn Sealer>,
        version: u32,
        finished: bool,
    },
    AwaitEnd,
    Complete,
    Failed(Error),
    /// Only within a step.
    Moving,
}

impl Initiator {
    /// A login that has not begun: by these mechanisms, best first, inside this TLS session, to hand over these
    /// credentials. Whether the service may have them is the caller's to judge, before.
    ///
    /// # Errors
    /// When there is no mechanism.
    pub fn new(
        channel: Box<dyn Channel>,
        mechanisms: Vec<Box<dyn InitiatorMechanism>>,
        credentials: TsCredentials,
        options: InitiatorOptions,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, ApiMisuse> {
        let inner = spnego::Initiator::new(mechanisms)?;
        let mut nonce = [0; 32];
        entropy.fill(&mut nonce);
        let (channel, credentials) = (Some(channel), Some(credentials));
        Ok(Self { channel, inner, credentials, options, nonce, state: State::Start })
    }

    fn advance(&mut self, state: State, token: Option<&[u8]>) -> Result<(State, Step), Error> {
        match (state, token) {
            (State::Start, None) => {
                let records = self.channel()?.take_records();
                Ok((State::Handshake { flights: 1 }, Step::Send(records)))
            }
            (State::Handshake { flights }, Some(token)) => self.handshake(flights, token),
            (State::Inner { finished }, Some(token)) => {
                let answer = self.open(token)?;
                self.negotiate(finished, answer)
            }
            (State::AwaitKey { sealer, version, finished }, Some(token)) => {
                let answer = self.open(token)?;
                self.hand_over(sealer, version, finished, answer)
            }
            // Only a refusal has something to say here.
            (State::AwaitEnd, Some(token)) => {
                self.open(token)?;
                Err(PeerMisbehaved::TokenAfterEnd.into())
            }
            (State::AwaitEnd | State::Complete, None) => Ok((State::Complete, Step::Done)),
            (State::Complete, Some(_)) => Err(PeerMisbehaved::TokenAfterEnd.into()),
            (State::Failed(error), _) => Err(error),
            // `check_use` lets nothing else through.
            (_, _) => Err(ApiMisuse::TokenDue.into()),
        }
    }

    fn channel(&mut self) -> Result<&mut Box<dyn Channel>, Error> {
        self.channel.as_mut().ok_or_else(|| PeerMisbehaved::EndedEarly.into())
    }

    /// The data in the peer's records.
    fn receive(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        check_records("CredSSP", token)?;
        Ok(self.channel()?.receive(token).map_err(PeerMisbehaved::InnerTls)?)
    }

    /// The message in the peer's records.
    fn open(&mut self, token: &[u8]) -> Result<TsRequest, Error> {
        let data = self.receive(token)?;
        let answer = TsRequest::decode(&data)?;
        let Some(status) = answer.error_code else { return Ok(answer) };
        // The mechanism inside may have been told more: a KRB-ERROR.
        let told =
            answer.nego_token.map(|token| crate::Initiator::step(&mut self.inner, Some(&token)));
        Err(match told {
            Some(Err(error @ Error::PeerMisbehaved(PeerMisbehaved::Kerberos { .. }))) => error,
            _ => PeerMisbehaved::Status(status).into(),
        })
    }

    fn message(&mut self, request: &TsRequest) -> Result<Vec<u8>, Error> {
        let channel = self.channel()?;
        channel.send(&request.encode()).map_err(PeerMisbehaved::InnerTls)?;
        Ok(channel.take_records())
    }

    fn handshake(&mut self, flights: u8, token: &[u8]) -> Result<(State, Step), Error> {
        if !self.receive(token)?.is_empty() {
            return Err(PeerMisbehaved::TokenAfterEnd.into());
        }
        let channel = self.channel()?;
        let records = channel.take_records();
        if !records.is_empty() && flights < FLIGHTS_MAX {
            // Our last flight travels alone: services answer it, if only with tickets, before they take a message.
            let flights = flights.saturating_add(1);
            return Ok((State::Handshake { flights }, Step::Send(records)));
        }
        if channel.is_handshaking() || !records.is_empty() {
            return Err(PeerMisbehaved::EndedEarly.into());
        }
        let step = crate::Initiator::step(&mut self.inner, None)?;
        self.speak(step, None)
    }

    /// SPNEGO's next token on its way, with the proof of the key as soon as the inner login can seal.
    fn speak(&mut self, step: Step, version: Option<u32>) -> Result<(State, Step), Error> {
        let (nego_token, finished) = match step {
            Step::Send(token) => (Some(token), false),
            Step::Last(token) => (Some(token), true),
            Step::Done => (None, true),
        };
        let mut request = TsRequest { version: NEWEST_VERSION, nego_token, ..TsRequest::default() };
        // The version is known by the service's first answer.
        let sealer = version
            .filter(|_| finished)
            .and_then(|version| Some((version, crate::Initiator::sealer(&mut self.inner)?)));
        let Some((version, mut sealer)) = sealer else {
            if request.nego_token.is_none() {
                return Err(PeerMisbehaved::FlagNotGranted("sealing").into());
            }
            return Ok((State::Inner { finished }, Step::Send(self.message(&request)?)));
        };
        request.client_nonce = (version >= SAFE_VERSION).then_some(self.nonce);
        let key = self.server_key()?;
        let own = proof(version, Speaker::Client, request.client_nonce.as_ref(), &key);
        request.pub_key_auth = own.map(|own| seal(&mut *sealer, own)).transpose()?;
        let token = self.message(&request)?;
        let finished = request.nego_token.is_none();
        Ok((State::AwaitKey { sealer, version, finished }, Step::Send(token)))
    }

    fn server_key(&mut self) -> Result<Vec<u8>, Error> {
        let key = self.channel()?.server_key().filter(|key| !key.is_empty());
        key.ok_or_else(|| PeerMisbehaved::InnerTls(super::ChannelError::Certificate).into())
    }

    fn negotiate(&mut self, finished: bool, answer: TsRequest) -> Result<(State, Step), Error> {
        let version = answer.version.min(NEWEST_VERSION);
        if version < self.options.minimum_version {
            return Err(PeerMisbehaved::CredSspVersion(answer.version).into());
        }
        if answer.pub_key_auth.is_some() || (answer.nego_token.is_none() && !finished) {
            return Err(PeerMisbehaved::EndedEarly.into());
        }
        let step = crate::Initiator::step(&mut self.inner, answer.nego_token.as_deref())?;
        self.speak(step, Some(version))
    }

    /// The service's proof; the credentials go only to who has the right one.
    fn hand_over(
        &mut self,
        mut sealer: Box<dyn Sealer>,
        version: u32,
        finished: bool,
        answer: TsRequest,
    ) -> Result<(State, Step), Error> {
        if answer.nego_token.is_some() || !finished {
            let step = crate::Initiator::step(&mut self.inner, answer.nego_token.as_deref())?;
            if step != Step::Done {
                return Err(PeerMisbehaved::NothingToSend.into());
            }
        }
        let sealed = answer.pub_key_auth.ok_or(PeerMisbehaved::ServerKeyWrong)?;
        let theirs = unseal(&mut *sealer, sealed).map_err(|_| PeerMisbehaved::ServerKeyWrong)?;
        let key = self.server_key()?;
        let expected = proof(version, Speaker::Service, Some(&self.nonce), &key);
        if !expected.is_some_and(|expected| bool::from(expected.ct_eq(&theirs))) {
            return Err(PeerMisbehaved::ServerKeyWrong.into());
        }
        let credentials = self.credentials.take().ok_or(PeerMisbehaved::EndedEarly)?;
        let auth_info = Some(seal(&mut *sealer, std::mem::take(&mut *credentials.encode()))?);
        let request = TsRequest { version: NEWEST_VERSION, auth_info, ..TsRequest::default() };
        Ok((State::AwaitEnd, Step::Last(self.message(&request)?)))
    }

    const fn check_use(&self, token: Option<&[u8]>) -> Result<(), ApiMisuse> {
        match (&self.state, token) {
            (State::Start, Some(_)) => Err(ApiMisuse::TokenTooEarly),
            (State::Handshake { .. } | State::Inner { .. } | State::AwaitKey { .. }, None) => {
                Err(ApiMisuse::TokenDue)
            }
            (_, _) => Ok(()),
        }
    }
}

/// GSS_Wrap: header and data in one piece.
pub(super) fn seal(sealer: &mut dyn Sealer, data: Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut data = Zeroizing::new(data);
    let mut sealed = sealer.seal(&mut data)?.header;
    sealed.extend_from_slice(&data);
    Ok(sealed)
}

/// GSS_Unwrap.
pub(super) fn unseal(sealer: &mut dyn Sealer, mut sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
    let header = sealer.header_length(&sealed).min(sealed.len());
    let mut data = sealed.split_off(header);
    sealer.unseal(&sealed, &mut data)?;
    Ok(data)
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::CredSsp
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        self.check_use(token)?;
        let state = std::mem::replace(&mut self.state, State::Moving);
        match self.advance(state, token) {
            Ok((state, step)) => {
                self.state = state;
                Ok(step)
            }
            Err(error) => {
                self.state = State::Failed(error.clone());
                (self.channel, self.credentials) = (None, None);
                Err(error)
            }
        }
    }

    /// Only at the end: the credentials travel alone, as the service may end the login over them.
    fn can_seal(&self) -> bool {
        matches!(self.state, State::Complete) && self.channel.is_some()
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        if !self.can_seal() {
            return None;
        }
        Some(Box::new(ChannelSealer::new(self.channel.take()?)))
    }

    fn mechanism(&self) -> &'static str {
        mechanism_name(crate::Initiator::mechanism(&self.inner))
    }
}
