//! [`Initiator`]: the client's half of a negotiation (RFC 4178 3.2, [MS-SPNG] 3.1.5).
//!
//! ```text
//!  Start ──► Send(NegTokenInit with the first mechanism's token) ──► Negotiating
//!    Negotiating ──another mechanism chosen──► Send(its first token)
//!    Negotiating ──mechanism's last token──► Last(token, mechListMIC) ──accept-completed, mechListMIC──► Complete
//!  anywhere ──not acceptable──► Failed, for good
//! ```

use subtle::ConstantTimeEq as _;

use super::{InitiatorMechanism, NegState, NegTokenInit, NegTokenResp, Oid};
use crate::{ApiMisuse, DecodeError, DecodeErrorKind, Error, PeerMisbehaved, Scheme, Sealer, Step};

/// The client's half of a login under the scheme `Negotiate`.
#[derive(Debug)]
pub struct Initiator {
    mechanisms: Vec<Box<dyn InitiatorMechanism>>,
    chosen: usize,
    mech_list: Vec<u8>,
    state: State,
    mic: Mic,
    /// Held from the mechanism's end until it is handed out.
    sealer: Option<Box<dyn Sealer>>,
}

#[derive(Debug)]
enum State {
    Start,
    Negotiating {
        /// Whether the service has answered, and so confirmed or changed the mechanism.
        answered: bool,
        /// Whether the mechanism has said all it has to say.
        finished: bool,
    },
    Complete,
    Failed(Error),
}

/// The signatures over the list of mechanisms (RFC 4178 5).
#[derive(Debug, Default)]
struct Mic {
    needed: bool,
    sent: bool,
    received: bool,
    /// What the service will send, where the mechanism can tell.
    expected: Option<Vec<u8>>,
}

impl Initiator {
    /// A negotiation that has not begun, for these mechanisms, best first.
    ///
    /// # Errors
    /// When there is no mechanism.
    pub fn new(mechanisms: Vec<Box<dyn InitiatorMechanism>>) -> Result<Self, ApiMisuse> {
        if mechanisms.is_empty() {
            return Err(ApiMisuse::NoMechanism);
        }
        let (state, mic) = (State::Start, Mic::default());
        Ok(Self { mechanisms, chosen: 0, mech_list: Vec::new(), state, mic, sealer: None })
    }

    fn begin(&mut self) -> Result<Step, Error> {
        let (token, finished) = self.ask_mechanism(None)?;
        let oids: Vec<Oid> =
            self.mechanisms.iter().flat_map(|mechanism| mechanism.oids().to_vec()).collect();
        let init = NegTokenInit::new(oids, token);
        self.mech_list.clone_from(&init.mech_list);
        self.state = State::Negotiating { answered: false, finished };
        Ok(Step::Send(init.encode()))
    }

    /// One step of the chosen mechanism: its token, and whether that was the last one.
    fn ask_mechanism(&mut self, token: Option<&[u8]>) -> Result<(Option<Vec<u8>>, bool), Error> {
        let mechanism = self.mechanisms.get_mut(self.chosen).ok_or(ApiMisuse::NoMechanism)?;
        Ok(match mechanism.step(token)? {
            Step::Send(token) => (Some(token), false),
            Step::Last(token) => (Some(token), true),
            Step::Done => (None, true),
        })
    }

    /// The service's choice; true when it is not the mechanism at work.
    fn choose(&mut self, oid: &Oid) -> Result<bool, PeerMisbehaved> {
        let chosen = self.mechanisms.iter().position(|mechanism| mechanism.oids().contains(oid));
        let chosen = chosen.ok_or(PeerMisbehaved::MechanismNotOffered)?;
        let changed = chosen != self.chosen;
        self.chosen = chosen;
        self.mic.needed |= chosen != 0;
        Ok(changed)
    }

    fn answer(&mut self, bytes: &[u8], answered: bool, finished: bool) -> Result<Step, Error> {
        let resp = NegTokenResp::decode(bytes)?;
        if resp.neg_state == Some(NegState::Reject) {
            return Err(PeerMisbehaved::Rejected.into());
        }
        self.mic.needed |= resp.neg_state == Some(NegState::RequestMic);
        let changed = match &resp.supported_mech {
            Some(oid) if !answered => self.choose(oid)?,
            Some(_) | None => false,
        };
        let (token, finished) = match (&resp.response_token, changed) {
            (Some(_), true) => {
                let (message, field) = ("NegTokenResp", "responseToken");
                return Err(DecodeError { message, field, kind: DecodeErrorKind::Invalid }.into());
            }
            (None, true) => self.ask_mechanism(None)?,
            (Some(token), false) => self.ask_mechanism(Some(token))?,
            (None, false) if finished => (None, true),
            (None, false) => return Err(PeerMisbehaved::EndedEarly.into()),
        };
        self.state = State::Negotiating { answered: true, finished };
        let own_mic = self.exchange_mics(finished, resp.mech_list_mic.as_deref())?;
        let completed = resp.neg_state == Some(NegState::AcceptCompleted);
        if token.is_some() || own_mic.is_some() {
            if completed {
                return Err(PeerMisbehaved::EndedEarly.into());
            }
            let resp = NegTokenResp {
                neg_state: Some(NegState::AcceptIncomplete),
                supported_mech: None,
                response_token: token,
                mech_list_mic: own_mic,
            };
            return Ok(if finished {
                Step::Last(resp.encode())
            } else {
                Step::Send(resp.encode())
            });
        }
        if !completed {
            return Err(PeerMisbehaved::NothingToSend.into());
        }
        if self.mic.needed && !self.mic.received {
            return Err(PeerMisbehaved::MechListMicMissing.into());
        }
        self.state = State::Complete;
        Ok(Step::Done)
    }

    /// Checks the service's signature and makes ours, once the mechanism has finished.
    fn exchange_mics(
        &mut self,
        finished: bool,
        theirs: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if !finished {
            return match theirs {
                Some(_) => Err(PeerMisbehaved::MechListMicWrong.into()),
                None => Ok(None),
            };
        }
        if let Some(mechanism) = self.mechanisms.get_mut(self.chosen) {
            self.mic.needed |= mechanism.needs_mech_list_mic();
            if let Some(sealer) = mechanism.context() {
                self.sealer = Some(sealer);
            }
        }
        if let Some(theirs) = theirs {
            self.check(theirs)?;
        }
        if !self.mic.needed || self.mic.sent {
            return Ok(None);
        }
        let sealer = self.sealer.as_mut().ok_or(PeerMisbehaved::MechListMicMissing)?;
        let own = sealer.mech_list_mic(&self.mech_list)?;
        self.mic.sent = true;
        if !self.mic.received {
            self.mic.expected = sealer.expect_mech_list_mic(&self.mech_list);
        }
        Ok(Some(own))
    }

    fn check(&mut self, theirs: &[u8]) -> Result<(), PeerMisbehaved> {
        let wrong = PeerMisbehaved::MechListMicWrong;
        if self.mic.received {
            return Err(wrong);
        }
        let right = match (&self.mic.expected, self.sealer.as_mut()) {
            (Some(expected), _) => expected.as_slice().ct_eq(theirs).into(),
            (None, Some(sealer)) => sealer.check_mech_list_mic(&self.mech_list, theirs).is_ok(),
            (None, None) => false,
        };
        if !right {
            return Err(wrong);
        }
        self.mic.received = true;
        // One signature calls for the other.
        self.mic.needed = true;
        Ok(())
    }

    /// The service's last answer had no token.
    fn end_without_token(&mut self, finished: bool) -> Result<Step, Error> {
        if !finished {
            return Err(ApiMisuse::TokenDue.into());
        }
        if self.mic.needed && !self.mic.received {
            return Err(PeerMisbehaved::MechListMicMissing.into());
        }
        self.state = State::Complete;
        Ok(Step::Done)
    }
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Negotiate
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        let result = match (&self.state, token) {
            (State::Failed(error), _) => Err(error.clone()),
            (State::Start, None) => self.begin(),
            (State::Start, Some(_)) => Err(ApiMisuse::TokenTooEarly.into()),
            (&State::Negotiating { answered, finished }, Some(token)) => {
                self.answer(token, answered, finished)
            }
            (&State::Negotiating { finished, .. }, None) => self.end_without_token(finished),
            (State::Complete, None) => Ok(Step::Done),
            (State::Complete, Some(_)) => Err(PeerMisbehaved::TokenAfterEnd.into()),
        };
        if let Err(error) = &result
            && !matches!(error, Error::ApiMisuse(_))
        {
            self.state = State::Failed(error.clone());
            self.sealer = None;
        }
        result
    }

    fn can_seal(&self) -> bool {
        let settled = match self.state {
            State::Complete => true,
            State::Negotiating { answered: true, finished: true } => {
                let mic = &self.mic;
                !mic.needed || (mic.sent && (mic.received || mic.expected.is_some()))
            }
            State::Negotiating { .. } | State::Start | State::Failed(_) => false,
        };
        settled && self.sealer.as_ref().is_some_and(|sealer| sealer.can_seal())
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        if self.can_seal() { self.sealer.take() } else { None }
    }

    fn mechanism(&self) -> &'static str {
        self.mechanisms.get(self.chosen).map_or("SPNEGO", |mechanism| mechanism.mechanism())
    }
}
