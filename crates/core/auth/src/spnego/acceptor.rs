//! [`Acceptor`]: the service's half of a negotiation (RFC 4178 3.2, [MS-SPNG] 3.2.5).
//!
//! ```text
//!  Start ──raw token──► Raw(mechanism) ─────────────────────────────────► Complete
//!    └──NegTokenInit──► Negotiating ──mechanism done──► Complete
//!                             └──our MIC sent first──► AwaitMic ──► Complete
//!  anywhere ──refused──► Failed, for good
//! ```

use std::fmt;

use super::{AcceptorMechanism, NegState, NegTokenInit, NegTokenResp, Oid};
use crate::{AcceptStep, ApiMisuse, DecodeError, DecodeErrorKind, Error, Input, Login, Refusal};

/// The service's half of a login under the scheme `Negotiate`: SPNEGO, or a mechanism's own tokens without it, which
/// are answered in kind.
pub struct Acceptor {
    mechanisms: Vec<Box<dyn AcceptorMechanism>>,
    state: State,
}

enum State {
    Start,
    Raw(Box<dyn AcceptorMechanism>),
    Negotiating(Negotiation),
    AwaitMic { mech_list: Vec<u8>, login: Box<Login> },
    Complete,
    Failed(Error),
}

/// A mechanism at work inside SPNEGO.
struct Negotiation {
    mechanism: Box<dyn AcceptorMechanism>,
    /// The client's own identifier for it.
    oid: Oid,
    mech_list: Vec<u8>,
    /// Whether it is the client's first choice; otherwise somebody may have tampered with the list.
    first_choice: bool,
    /// Whether our first token is out: only that one names the mechanism.
    answered: bool,
    client_mic: Option<Vec<u8>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Start => "Start",
            State::Raw(_) => "Raw",
            State::Negotiating(_) => "Negotiating",
            State::AwaitMic { .. } => "AwaitMic",
            State::Complete => "Complete",
            State::Failed(_) => "Failed",
        };
        f.debug_struct("Acceptor")
            .field("state", &state)
            .field("mechanisms", &self.mechanisms)
            .finish()
    }
}

impl Acceptor {
    /// A negotiation that has not begun, for these mechanisms. The client's order decides between them.
    ///
    /// # Errors
    /// When there is no mechanism.
    pub fn new(mechanisms: Vec<Box<dyn AcceptorMechanism>>) -> Result<Self, ApiMisuse> {
        if mechanisms.is_empty() {
            return Err(ApiMisuse::NoMechanism);
        }
        Ok(Self { mechanisms, state: State::Start })
    }

    /// The client's first token.
    fn first(&mut self, token: &[u8]) -> Result<AcceptStep, Error> {
        if let Some(at) = self.mechanisms.iter().position(|mechanism| mechanism.takes_raw(token)) {
            self.state = State::Raw(self.mechanisms.swap_remove(at));
            return self.raw(Input::Token(token));
        }
        let init = NegTokenInit::decode(token).map_err(Refusal::Malformed)?;
        let owner =
            |oid: &Oid| self.mechanisms.iter().position(|mechanism| mechanism.oids().contains(oid));
        let Some((oid, at)) =
            init.mech_types.iter().find_map(|oid| Some((oid.clone(), owner(oid)?)))
        else {
            return Err(Refusal::NoCommonMechanism.into());
        };
        let mechanism = self.mechanisms.swap_remove(at);
        let first_choice = init.mech_types.first() == Some(&oid);
        let negotiation = Negotiation {
            mechanism,
            oid,
            mech_list: init.mech_list,
            first_choice,
            answered: false,
            client_mic: None,
        };
        self.state = State::Negotiating(negotiation);
        match init.mech_token.filter(|_| first_choice) {
            Some(token) => self.feed(Input::Token(&token), None),
            // The token was made for another mechanism, or there is none: name ours and let the client begin anew.
            None => self.reply(None),
        }
    }

    fn raw(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        let State::Raw(mechanism) = &mut self.state else {
            return Err(ApiMisuse::AnswerUnasked.into());
        };
        let step = mechanism.step(input)?;
        Ok(match step {
            AcceptStep::Done { token, login } => self.complete(token, login),
            AcceptStep::Refused { token, refusal } => self.refuse(token, refusal),
            AcceptStep::Reply(_) | AcceptStep::Ask(_) => step,
        })
    }

    /// Gives a token or an answer to the mechanism and wraps what comes out.
    fn feed(&mut self, input: Input<'_>, client_mic: Option<Vec<u8>>) -> Result<AcceptStep, Error> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return Err(ApiMisuse::AnswerUnasked.into());
        };
        let step = negotiation.mechanism.step(input)?;
        if client_mic.is_some() {
            negotiation.client_mic = client_mic;
        }
        match step {
            AcceptStep::Ask(question) => Ok(AcceptStep::Ask(question)),
            AcceptStep::Reply(token) => self.reply(Some(token)),
            AcceptStep::Refused { token, refusal } => {
                let resp = NegTokenResp {
                    neg_state: Some(NegState::Reject),
                    supported_mech: negotiation.supported_mech(),
                    response_token: Some(token),
                    mech_list_mic: None,
                };
                Ok(self.refuse(resp.encode(), refusal))
            }
            AcceptStep::Done { token, login } => self.finish(token, login),
        }
    }

    fn refuse(&mut self, token: Vec<u8>, refusal: Refusal) -> AcceptStep {
        self.state = State::Failed(refusal.into());
        AcceptStep::Refused { token, refusal }
    }

    fn reply(&mut self, token: Option<Vec<u8>>) -> Result<AcceptStep, Error> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return Err(ApiMisuse::AnswerUnasked.into());
        };
        let supported_mech = negotiation.supported_mech();
        let neg_state = if supported_mech.is_some() && !negotiation.first_choice {
            NegState::RequestMic
        } else {
            NegState::AcceptIncomplete
        };
        let resp = NegTokenResp {
            neg_state: Some(neg_state),
            supported_mech,
            response_token: token,
            mech_list_mic: None,
        };
        Ok(AcceptStep::Reply(resp.encode()))
    }

    /// The mechanism is satisfied; the list of mechanisms may still need its signatures (RFC 4178 5).
    fn finish(&mut self, token: Option<Vec<u8>>, mut login: Login) -> Result<AcceptStep, Error> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return Err(ApiMisuse::AnswerUnasked.into());
        };
        let mut resp = NegTokenResp {
            neg_state: Some(NegState::AcceptCompleted),
            supported_mech: negotiation.supported_mech(),
            response_token: token,
            mech_list_mic: None,
        };
        let client_mic = negotiation.client_mic.take();
        let needed = !negotiation.first_choice || negotiation.mechanism.needs_mech_list_mic();
        if !needed && client_mic.is_none() {
            return Ok(self.complete(Some(resp.encode()), login));
        }
        let mech_list = std::mem::take(&mut negotiation.mech_list);
        if login.sealer.is_none() {
            login.sealer = negotiation.mechanism.signer();
        }
        let Some(sealer) = login.sealer.as_mut() else {
            return Err(Refusal::MechListMicMissing.into());
        };
        match client_mic {
            Some(mic) => {
                sealer
                    .check_mech_list_mic(&mech_list, &mic)
                    .map_err(|_| Refusal::MechListMicWrong)?;
                resp.mech_list_mic = Some(sealer.mech_list_mic(&mech_list)?);
                Ok(self.complete(Some(resp.encode()), login))
            }
            // The mechanism ends with a token of ours, so ours is the first signature and the client's follows.
            None if resp.response_token.is_some() => {
                resp.neg_state = Some(NegState::AcceptIncomplete);
                resp.mech_list_mic = Some(sealer.mech_list_mic(&mech_list)?);
                self.state = State::AwaitMic { mech_list, login: Box::new(login) };
                Ok(AcceptStep::Reply(resp.encode()))
            }
            None => Err(Refusal::MechListMicMissing.into()),
        }
    }

    fn complete(&mut self, token: Option<Vec<u8>>, mut login: Login) -> AcceptStep {
        // A context that only signs is of no use outside: it must not look like one that seals.
        login.sealer = login.sealer.filter(|sealer| sealer.can_seal());
        self.state = State::Complete;
        AcceptStep::Done { token, login }
    }

    /// Every token of the client after the first.
    fn next(&mut self, token: &[u8]) -> Result<AcceptStep, Error> {
        let resp = NegTokenResp::decode(token).map_err(Refusal::Malformed)?;
        if resp.neg_state == Some(NegState::Reject) {
            return Err(Refusal::Rejected.into());
        }
        if let State::AwaitMic { .. } = self.state {
            return self.last_mic(resp.mech_list_mic);
        }
        let missing = DecodeError {
            message: "NegTokenResp",
            field: "responseToken",
            kind: DecodeErrorKind::Missing,
        };
        let token = resp.response_token.ok_or(Refusal::Malformed(missing))?;
        self.feed(Input::Token(&token), resp.mech_list_mic)
    }

    fn last_mic(&mut self, mic: Option<Vec<u8>>) -> Result<AcceptStep, Error> {
        let State::AwaitMic { mech_list, mut login } =
            std::mem::replace(&mut self.state, State::Complete)
        else {
            return Err(ApiMisuse::AnswerUnasked.into());
        };
        let mic = mic.ok_or(Refusal::MechListMicMissing)?;
        let sealer = login.sealer.as_mut().ok_or(Refusal::MechListMicMissing)?;
        sealer.check_mech_list_mic(&mech_list, &mic).map_err(|_| Refusal::MechListMicWrong)?;
        let resp =
            NegTokenResp { neg_state: Some(NegState::AcceptCompleted), ..NegTokenResp::default() };
        Ok(self.complete(Some(resp.encode()), *login))
    }
}

impl Negotiation {
    /// The mechanism's name for our first token, and nothing afterwards.
    fn supported_mech(&mut self) -> Option<Oid> {
        let first = !std::mem::replace(&mut self.answered, true);
        first.then(|| self.oid.clone())
    }
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        let result = match (&self.state, input) {
            (State::Failed(error), _) => Err(error.clone()),
            (State::Start, Input::Token(token)) => self.first(token),
            (State::Raw(_), input) => self.raw(input),
            (State::Negotiating(_) | State::AwaitMic { .. }, Input::Token(token)) => {
                self.next(token)
            }
            (State::Negotiating(_), Input::Answer(answer)) => {
                self.feed(Input::Answer(answer), None)
            }
            (State::Complete, Input::Token(_)) => Err(Refusal::TokenAfterEnd.into()),
            (State::Start | State::AwaitMic { .. } | State::Complete, Input::Answer(_)) => {
                Err(ApiMisuse::AnswerUnasked.into())
            }
        };
        if let Err(error) = &result
            && !matches!(error, Error::ApiMisuse(_))
        {
            self.state = State::Failed(error.clone());
        }
        result
    }
}
