//! [`Initiator`]: the client's half of a negotiation (RFC 4178 3.2, [MS-SPNG] 3.1.5).
//!
//! ```text
//!  Start ──► Send(NegTokenInit with the first mechanism's token) ──► Negotiating
//!  Start ──► Last(the same, where that token may be its last) ──► Negotiating
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
    /// The token that went out with the list, until it is known whether the service took it.
    optimistic: Option<Vec<u8>>,
    /// Held from the mechanism's end until it is handed out.
    sealer: Option<Box<dyn Sealer>>,
}

#[derive(Debug)]
enum State {
    Start,
    Negotiating {
        /// Whether the service has answered, and so confirmed or changed the mechanism.
        answered: bool,
        /// How far the mechanism is.
        progress: Progress,
    },
    Complete,
    Failed(Error),
}

/// How far a mechanism is with what it has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It waits for the service's token.
    Going,
    /// It has said all, and what comes back decides whether that is the end: Kerberos waits for the service's proof.
    Last,
    /// It is complete.
    Done,
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
        let (mech_list, optimistic) = (Vec::new(), None);
        Ok(Self { mechanisms, chosen: 0, mech_list, state, mic, optimistic, sealer: None })
    }

    fn begin(&mut self) -> Result<Step, Error> {
        let (token, progress) = self.ask_mechanism(None)?;
        let oids: Vec<Oid> =
            self.mechanisms.iter().flat_map(|mechanism| mechanism.oids().to_vec()).collect();
        self.optimistic.clone_from(&token);
        let init = NegTokenInit::new(oids, token);
        self.mech_list.clone_from(&init.mech_list);
        self.state = State::Negotiating { answered: false, progress };
        let signs = self.mechanisms.first().is_some_and(|first| first.needs_mech_list_mic());
        Ok(if progress == Progress::Going || signs {
            Step::Send(init.encode())
        } else {
            Step::Last(init.encode())
        })
    }

    /// One step of the chosen mechanism: its token, and how far it is then.
    fn ask_mechanism(
        &mut self,
        token: Option<&[u8]>,
    ) -> Result<(Option<Vec<u8>>, Progress), Error> {
        let mechanism = self.mechanisms.get_mut(self.chosen).ok_or(ApiMisuse::NoMechanism)?;
        Ok(match mechanism.step(token)? {
            Step::Send(token) => (Some(token), Progress::Going),
            Step::Last(token) => (Some(token), Progress::Last),
            Step::Done => (None, Progress::Done),
        })
    }

    /// The service says no, and the mechanism may know what its token in there means.
    fn rejected(&mut self, token: Option<&[u8]>) -> Error {
        if let Some(token) = token
            && let Err(error @ Error::PeerMisbehaved(PeerMisbehaved::Kerberos { .. })) =
                self.ask_mechanism(Some(token))
        {
            return error;
        }
        PeerMisbehaved::Rejected.into()
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

    /// The mechanism's next token after this answer, and how far it is then.
    fn feed(
        &mut self,
        resp: &NegTokenResp,
        answered: bool,
        progress: Progress,
    ) -> Result<(Option<Vec<u8>>, Progress), Error> {
        let optimistic = self.optimistic.take();
        let named = resp.supported_mech.as_ref().filter(|_| !answered);
        let changed = match named {
            Some(oid) => self.choose(oid)?,
            None => false,
        };
        match (&resp.response_token, changed) {
            (Some(_), true) => {
                let (message, field) = ("NegTokenResp", "responseToken");
                Err(DecodeError { message, field, kind: DecodeErrorKind::Invalid }.into())
            }
            (None, true) => self.ask_mechanism(None),
            (Some(token), false) => self.ask_mechanism(Some(token)),
            // The same mechanism by its other name: the token was made for the first one, and nobody has read it.
            (None, false)
                if resp.neg_state != Some(NegState::AcceptCompleted)
                    && named.is_some_and(|oid| !self.is_first(oid)) =>
            {
                Ok((optimistic, progress))
            }
            (None, false) => match progress {
                Progress::Going => Err(PeerMisbehaved::EndedEarly.into()),
                // Whether an end without a token is enough is the mechanism's to say.
                Progress::Last => self.ask_mechanism(None),
                Progress::Done => Ok((None, Progress::Done)),
            },
        }
    }

    /// Whether this is the very first name of our list.
    fn is_first(&self, oid: &Oid) -> bool {
        self.mechanisms.first().and_then(|first| first.oids().first()) == Some(oid)
    }

    fn answer(&mut self, bytes: &[u8], answered: bool, progress: Progress) -> Result<Step, Error> {
        let resp = NegTokenResp::decode(bytes)?;
        if resp.neg_state == Some(NegState::Reject) {
            return Err(self.rejected(resp.response_token.as_deref()));
        }
        self.mic.needed |= resp.neg_state == Some(NegState::RequestMic);
        let (token, progress) = self.feed(&resp, answered, progress)?;
        self.state = State::Negotiating { answered: true, progress };
        let own_mic = self.exchange_mics(progress, resp.mech_list_mic.as_deref())?;
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
            let signed = !self.mic.needed || self.mic.sent;
            return Ok(if progress != Progress::Going && signed {
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

    fn take_context(&mut self) {
        if let Some(mechanism) = self.mechanisms.get_mut(self.chosen) {
            self.mic.needed |= mechanism.needs_mech_list_mic();
            if let Some(sealer) = mechanism.context() {
                self.sealer = Some(sealer);
            }
        }
    }

    /// Checks the service's signature and makes ours, as soon as the mechanism has the keys for it.
    fn exchange_mics(
        &mut self,
        progress: Progress,
        theirs: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if progress != Progress::Going {
            self.take_context();
        }
        let keyed = self.sealer.is_some();
        if progress == Progress::Going || progress == Progress::Last && !keyed {
            return match theirs {
                Some(_) => Err(PeerMisbehaved::MechListMicWrong.into()),
                None => Ok(None),
            };
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
    fn end_without_token(&mut self, progress: Progress) -> Result<Step, Error> {
        match progress {
            Progress::Going => return Err(ApiMisuse::TokenDue.into()),
            Progress::Last => {
                let (None, Progress::Done) = self.ask_mechanism(None)? else {
                    return Err(PeerMisbehaved::EndedEarly.into());
                };
                self.take_context();
            }
            Progress::Done => {}
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
            (&State::Negotiating { answered, progress }, Some(token)) => {
                self.answer(token, answered, progress)
            }
            (&State::Negotiating { progress, .. }, None) => self.end_without_token(progress),
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
            State::Negotiating { answered: true, progress: Progress::Last | Progress::Done } => {
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
