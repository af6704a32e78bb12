//! Negotiation: choice of a mechanism, signatures over the list, and what an attacker could do to them.

use auth::{
    AcceptStep, Acceptor as _, Account, Error, Initiator as _, Input, Login, PeerMisbehaved,
    Refusal, Scheme, SealError, Sealed, Sealer, Step,
    spnego::{
        self, AcceptorMechanism, InitiatorMechanism, NegState, NegTokenInit, NegTokenResp, Oid,
    },
};

use crate::support::{Outcome, Setup, Verifier, run};

/// A mechanism of one round trip with a last token from the service, in the shape of Kerberos.
#[derive(Debug, Default)]
struct OneRound {
    asked: bool,
    answered: bool,
}

/// Its context: signatures that tell the sides apart, and no idea of what the peer will send.
#[derive(Debug)]
struct OneRoundSealer(u8);

const OIDS: [Oid; 2] = [Oid::MS_KERBEROS, Oid::KERBEROS];

impl auth::Initiator for OneRound {
    fn scheme(&self) -> Scheme {
        Scheme::Kerberos
    }

    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, Error> {
        match token {
            None if !self.asked => {
                self.asked = true;
                Ok(Step::Send(b"AP-REQ".to_vec()))
            }
            Some(b"AP-REP") if !self.answered => {
                self.answered = true;
                Ok(Step::Done)
            }
            _ => Err(PeerMisbehaved::TokenAfterEnd.into()),
        }
    }

    fn can_seal(&self) -> bool {
        self.answered
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        self.answered.then(|| Box::new(OneRoundSealer(b'C')) as Box<dyn Sealer>)
    }

    fn mechanism(&self) -> &'static str {
        "Kerberos"
    }
}

impl InitiatorMechanism for OneRound {
    fn oids(&self) -> &[Oid] {
        &OIDS
    }

    fn context(&mut self) -> Option<Box<dyn Sealer>> {
        auth::Initiator::sealer(self)
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}

impl auth::Acceptor for OneRound {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        let Input::Token(b"AP-REQ") = input else { return Err(Refusal::WrongCredentials.into()) };
        let account = Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() };
        let login = Login::new(account, Some(Box::new(OneRoundSealer(b'S'))), "Kerberos");
        Ok(AcceptStep::Done { token: Some(b"AP-REP".to_vec()), login })
    }
}

impl AcceptorMechanism for OneRound {
    fn oids(&self) -> &[Oid] {
        &OIDS
    }

    fn takes_raw(&self, token: &[u8]) -> bool {
        token == b"AP-REQ"
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}

impl Sealer for OneRoundSealer {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, _data: &mut Vec<u8>) -> Result<Sealed, Error> {
        Ok(Sealed::new(vec![self.0], 0))
    }

    fn unseal(&mut self, _header: &[u8], _data: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn mech_list_mic(&mut self, mech_list: &[u8]) -> Result<Vec<u8>, Error> {
        Ok([&[self.0], mech_list].concat())
    }

    fn check_mech_list_mic(&mut self, mech_list: &[u8], mic: &[u8]) -> Result<(), Error> {
        let peer = if self.0 == b'C' { b'S' } else { b'C' };
        if mic == [&[peer], mech_list].concat() { Ok(()) } else { Err(SealError::Tampered.into()) }
    }

    fn expect_mech_list_mic(&mut self, _mech_list: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn kerberos_first() -> spnego::Initiator {
    let ntlm = Setup::default().ntlm_initiator();
    spnego::Initiator::new(vec![Box::<OneRound>::default(), Box::new(ntlm)]).unwrap()
}

fn ntlm_first() -> spnego::Initiator {
    let ntlm = Setup::default().ntlm_initiator();
    spnego::Initiator::new(vec![Box::new(ntlm), Box::<OneRound>::default()]).unwrap()
}

fn ntlm_only() -> spnego::Acceptor {
    Setup::default().acceptor()
}

fn kerberos_only() -> spnego::Acceptor {
    spnego::Acceptor::new(vec![Box::<OneRound>::default()]).unwrap()
}

type Change = fn(&mut NegTokenResp);
type Half<'a> = (&'a mut spnego::Initiator, &'a mut spnego::Acceptor);

fn run_over((client, acceptor): Half<'_>, wire: &mut dyn FnMut(usize, &mut Vec<u8>)) -> Outcome {
    run(client, acceptor, &Verifier::default(), wire)
}

/// Changes one NegTokenResp on its way.
fn change_resp(at: usize, change: impl Fn(&mut NegTokenResp)) -> impl FnMut(usize, &mut Vec<u8>) {
    move |leg, token| {
        if leg == at {
            let mut resp = NegTokenResp::decode(token).unwrap();
            change(&mut resp);
            *token = resp.encode();
        }
    }
}

#[test]
fn kerberos_first_and_ntlm_only_restarts_with_ntlm_and_signatures() {
    let (mut client, mut acceptor) = (kerberos_first(), ntlm_only());
    let mut tokens = Vec::new();
    let outcome =
        run_over((&mut client, &mut acceptor), &mut |_, token| tokens.push(token.clone()));
    let (mut sealer, mut login) = outcome.unwrap();
    assert_eq!((login.mechanism, client.mechanism(), tokens.len()), ("NTLM", "NTLM", 6));

    let init = NegTokenInit::decode(&tokens[0]).unwrap();
    assert_eq!(init.mech_types, [Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NTLMSSP]);
    let first = NegTokenResp::decode(&tokens[1]).unwrap();
    assert_eq!(first.neg_state, Some(NegState::RequestMic));
    assert_eq!(first.supported_mech, Some(Oid::NTLMSSP));
    assert_eq!(first.response_token, None);
    let second = NegTokenResp::decode(&tokens[3]).unwrap();
    assert_eq!((second.neg_state, second.supported_mech), (Some(NegState::AcceptIncomplete), None));
    assert!(NegTokenResp::decode(&tokens[4]).unwrap().mech_list_mic.is_some());
    let last = NegTokenResp::decode(&tokens[5]).unwrap();
    assert_eq!(last.neg_state, Some(NegState::AcceptCompleted));
    assert!(last.mech_list_mic.is_some());

    let mut data = b"hello".to_vec();
    let sealed = sealer.as_mut().unwrap().seal(&mut data).unwrap();
    login.sealer.as_mut().unwrap().unseal(&sealed.header, &mut data).unwrap();
    assert_eq!(data, b"hello");
}

#[test]
fn kerberos_as_first_choice_takes_one_round_trip_without_signatures() {
    let (mut client, mut acceptor) = (kerberos_first(), kerberos_only());
    let mut tokens = Vec::new();
    let outcome =
        run_over((&mut client, &mut acceptor), &mut |_, token| tokens.push(token.clone()));
    let (sealer, login) = outcome.unwrap();
    assert!(sealer.is_some() && login.sealer.is_some());
    assert_eq!((login.mechanism, client.mechanism(), tokens.len()), ("Kerberos", "Kerberos", 2));
    let resp = NegTokenResp::decode(&tokens[1]).unwrap();
    // The client's own spelling of the identifier comes back.
    assert_eq!(resp.supported_mech, Some(Oid::MS_KERBEROS));
    assert_eq!((resp.neg_state, resp.mech_list_mic), (Some(NegState::AcceptCompleted), None));
}

#[test]
fn kerberos_as_second_choice_takes_signatures_from_both_sides() {
    let (mut client, mut acceptor) = (ntlm_first(), kerberos_only());
    let mut tokens = Vec::new();
    let outcome =
        run_over((&mut client, &mut acceptor), &mut |_, token| tokens.push(token.clone()));
    let (_, login) = outcome.unwrap();
    assert_eq!((login.mechanism, tokens.len()), ("Kerberos", 6));
    let resp = NegTokenResp::decode(&tokens[3]).unwrap();
    assert_eq!(resp.neg_state, Some(NegState::AcceptIncomplete));
    assert!(resp.mech_list_mic.is_some() && resp.response_token.is_some());

    let changes: [Change; 2] =
        [|resp| resp.mech_list_mic = None, |resp| resp.mech_list_mic = Some(b"C?".to_vec())];
    for change in changes {
        let (mut client, mut acceptor) = (ntlm_first(), kerberos_only());
        let outcome = run_over((&mut client, &mut acceptor), &mut change_resp(4, change));
        assert!(
            matches!(
                outcome,
                Outcome::ServiceRefused(Error::Refused(
                    Refusal::MechListMicMissing | Refusal::MechListMicWrong
                ))
            ),
            "{outcome:?}"
        );
        let (mut client, mut acceptor) = (ntlm_first(), kerberos_only());
        let outcome = run_over((&mut client, &mut acceptor), &mut change_resp(3, change));
        assert!(
            matches!(
                outcome,
                Outcome::ClientRefused(Error::PeerMisbehaved(
                    PeerMisbehaved::MechListMicMissing | PeerMisbehaved::MechListMicWrong
                ))
            ),
            "{outcome:?}"
        );
        assert!(!client.can_seal() && client.sealer().is_none());
    }
}

#[test]
fn mechanism_taken_out_of_the_list_is_noticed_by_the_service() {
    let (mut client, mut acceptor) = (kerberos_first(), ntlm_only());
    let outcome = run_over((&mut client, &mut acceptor), &mut |leg, token| {
        if leg == 0 {
            *token = NegTokenInit::new(vec![Oid::KERBEROS, Oid::NTLMSSP], None).encode();
        }
    });
    assert!(
        matches!(outcome, Outcome::ServiceRefused(Error::Refused(Refusal::MechListMicWrong))),
        "{outcome:?}"
    );
}

#[test]
fn clients_signature_stripped_or_changed_is_refused() {
    let setup = Setup { spnego: true, ..Setup::default() };
    let outcome = setup.run_over(&mut change_resp(2, |resp| resp.mech_list_mic = None));
    assert!(
        matches!(outcome, Outcome::ServiceRefused(Error::Refused(Refusal::MechListMicMissing))),
        "{outcome:?}"
    );
    let outcome =
        setup.run_over(&mut change_resp(2, |resp| resp.mech_list_mic.as_mut().unwrap()[5] ^= 1));
    assert!(
        matches!(outcome, Outcome::ServiceRefused(Error::Refused(Refusal::MechListMicWrong))),
        "{outcome:?}"
    );
}

#[test]
fn services_signature_stripped_or_changed_is_refused() {
    let setup = Setup { spnego: true, ..Setup::default() };
    let cases: [(Change, PeerMisbehaved); 4] = [
        (|resp| resp.mech_list_mic = None, PeerMisbehaved::MechListMicMissing),
        (|resp| resp.mech_list_mic.as_mut().unwrap()[5] ^= 1, PeerMisbehaved::MechListMicWrong),
        (|resp| resp.neg_state = Some(NegState::Reject), PeerMisbehaved::Rejected),
        (|resp| resp.neg_state = Some(NegState::AcceptIncomplete), PeerMisbehaved::NothingToSend),
    ];
    for (change, error) in cases {
        let outcome = setup.run_over(&mut change_resp(3, change));
        assert!(
            matches!(&outcome, Outcome::ClientRefused(Error::PeerMisbehaved(seen)) if *seen == error),
            "{outcome:?}"
        );
    }
}

#[test]
fn services_first_answer_must_make_sense() {
    let setup = Setup { spnego: true, ..Setup::default() };
    let cases: [(Change, PeerMisbehaved); 4] = [
        (|resp| resp.supported_mech = Some(Oid::KERBEROS), PeerMisbehaved::MechanismNotOffered),
        (|resp| resp.response_token = None, PeerMisbehaved::EndedEarly),
        (|resp| resp.neg_state = Some(NegState::AcceptCompleted), PeerMisbehaved::EndedEarly),
        (|resp| resp.mech_list_mic = Some(vec![0; 16]), PeerMisbehaved::MechListMicWrong),
    ];
    for (change, error) in cases {
        let outcome = setup.run_over(&mut change_resp(1, change));
        assert!(
            matches!(&outcome, Outcome::ClientRefused(Error::PeerMisbehaved(seen)) if *seen == error),
            "{outcome:?} {error:?}"
        );
    }
    // A token for a mechanism that has not spoken yet.
    let (mut client, mut acceptor) = (kerberos_first(), ntlm_only());
    let outcome = run_over(
        (&mut client, &mut acceptor),
        &mut change_resp(1, |resp| resp.response_token = Some(vec![1])),
    );
    assert!(matches!(outcome, Outcome::ClientRefused(Error::Decode(_))), "{outcome:?}");
}

#[test]
fn raw_ntlm_is_answered_raw() {
    Setup::default().run_over(&mut |_, token| assert!(token.starts_with(b"NTLMSSP\0"))).unwrap();
}

#[test]
fn key_streams_begin_anew_after_the_signatures_but_the_count_goes_on() {
    for (spnego, sequence) in [(false, 0), (true, 1)] {
        let (client, login) = Setup { spnego, ..Setup::default() }.run().unwrap();
        for mut sealer in [client.unwrap(), login.sealer.unwrap()] {
            let header = sealer.seal(&mut b"first".to_vec()).unwrap().header;
            assert_eq!(header[12..], u32::to_le_bytes(sequence));
        }
    }
}

#[test]
fn first_sealed_body_may_travel_with_the_last_token() {
    for spnego in [false, true] {
        let setup = Setup { spnego, ..Setup::default() };
        let (mut client, mut acceptor) = (setup.initiator(), setup.acceptor());
        let Ok(Step::Send(token)) = client.step(None) else { panic!() };
        let Ok(AcceptStep::Reply(token)) = setup.verifier.token(&mut acceptor, &token) else {
            panic!()
        };
        assert!(!client.can_seal() && client.sealer().is_none());
        let Ok(Step::Last(token)) = client.step(Some(&token)) else { panic!() };
        assert!(client.can_seal());
        let mut sealer = client.sealer().unwrap();
        assert!(client.sealer().is_none(), "handed out once");
        let mut body = b"<s:Envelope/>".to_vec();
        let sealed = sealer.seal(&mut body).unwrap();

        let Ok(AcceptStep::Done { token, mut login }) = setup.verifier.token(&mut acceptor, &token)
        else {
            panic!()
        };
        assert_eq!(token.is_some(), spnego);
        let service = login.sealer.as_mut().unwrap();
        service.unseal(&sealed.header, &mut body).unwrap();
        assert_eq!(body, b"<s:Envelope/>");
        let sealed = service.seal(&mut body).unwrap();
        assert_eq!(client.step(token.as_deref()), Ok(Step::Done));
        sealer.unseal(&sealed.header, &mut body).unwrap();
    }
}

#[test]
fn list_without_a_mechanism_of_ours_is_refused() {
    let mut acceptor = ntlm_only();
    let token = NegTokenInit::new(vec![Oid::NEGOEX, Oid::KERBEROS], Some(vec![1])).encode();
    let error = acceptor.step(Input::Token(&token)).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::NoCommonMechanism));
    assert!(spnego::Acceptor::new(Vec::new()).is_err());
    assert!(spnego::Initiator::new(Vec::new()).is_err());
}

#[test]
fn first_token_without_a_mechanism_token_is_answered_with_the_choice() {
    let mut acceptor = ntlm_only();
    let token = NegTokenInit::new(vec![Oid::NTLMSSP], None).encode();
    let Ok(AcceptStep::Reply(reply)) = acceptor.step(Input::Token(&token)) else { panic!() };
    let resp = NegTokenResp::decode(&reply).unwrap();
    assert_eq!((resp.neg_state, resp.response_token), (Some(NegState::AcceptIncomplete), None));
    let reject = NegTokenResp::decode(&reply).map(|mut resp| {
        resp.neg_state = Some(NegState::Reject);
        resp.encode()
    });
    let error = acceptor.step(Input::Token(&reject.unwrap())).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::Rejected));
}
