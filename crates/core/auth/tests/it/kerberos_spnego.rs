//! Negotiation with Kerberos in it: one round trip, the service's proof, refusals in its own words, and what somebody on
//! the way could try with the list of mechanisms.

use auth::{
    AcceptStep, CbtPolicy, Error, Initiator as _, KerberosRefusal, PeerMisbehaved, Refusal, Step,
    kerberos::{Acceptor, AcceptorOptions},
    ntlm::Protection,
    spnego::{self, AcceptorMechanism, NegState, NegTokenInit, NegTokenResp, Oid},
};

use crate::{
    kerberos_support::{MutualInitiator, REPEAT, ap_rep, ap_req},
    support::{Fixed, Outcome, Setup, Verifier, hex, run},
};

fn client() -> spnego::Initiator {
    let ntlm = Setup::default().ntlm_initiator();
    spnego::Initiator::new(vec![Box::<MutualInitiator>::default(), Box::new(ntlm)]).unwrap()
}

fn ntlm_before_kerberos() -> spnego::Initiator {
    let ntlm = Setup::default().ntlm_initiator();
    spnego::Initiator::new(vec![Box::new(ntlm), Box::<MutualInitiator>::default()]).unwrap()
}

fn kerberos() -> Acceptor {
    let options = AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: None,
        cbt_policy: CbtPolicy::Relaxed,
    };
    Acceptor::new(options, &mut Fixed(3))
}

fn service() -> spnego::Acceptor {
    let ntlm = Setup::default().ntlm_acceptor();
    spnego::Acceptor::new(vec![Box::new(kerberos()), Box::new(ntlm)]).unwrap()
}

fn kerberos_only() -> spnego::Acceptor {
    spnego::Acceptor::new(vec![Box::new(kerberos())]).unwrap()
}

/// Both ways, after whatever the login took of the numbers.
fn seals_both_ways(outcome: Outcome) {
    let (client, login) = outcome.unwrap();
    let (mut client, mut service) = (client.unwrap(), login.sealer.unwrap());
    for _ in 0..2 {
        let mut data = b"hello".to_vec();
        let sealed = client.seal(&mut data).unwrap();
        service.unseal(&sealed.header, &mut data).unwrap();
        assert_eq!(data, b"hello");
        let sealed = service.seal(&mut data).unwrap();
        client.unseal(&sealed.header, &mut data).unwrap();
        assert_eq!(data, b"hello");
    }
}

type Half<'a> = (&'a mut spnego::Initiator, &'a mut spnego::Acceptor);

fn run_over((client, acceptor): Half<'_>, wire: &mut dyn FnMut(usize, &mut Vec<u8>)) -> Outcome {
    run(client, acceptor, &Verifier::default(), wire)
}

#[test]
fn the_first_token_may_be_the_last_and_the_proof_comes_back() {
    let (mut client, mut service) = (client(), service());
    let mut tokens = Vec::new();
    let outcome = run_over((&mut client, &mut service), &mut |_, token| tokens.push(token.clone()));
    assert_eq!((tokens.len(), client.mechanism()), (2, "Kerberos"));
    let init = NegTokenInit::decode(&tokens[0]).unwrap();
    assert_eq!(init.mech_types, [Oid::MS_KERBEROS, Oid::KERBEROS, Oid::NTLMSSP]);
    assert_eq!(init.mech_token, Some(ap_req()));
    assert_eq!(NegTokenResp::decode(&tokens[1]).unwrap().response_token, Some(ap_rep()));
    seals_both_ways(outcome);

    let mut alone = self::client();
    assert!(matches!(alone.step(None), Ok(Step::Last(_))));
    assert!(!alone.can_seal() && alone.sealer().is_none(), "nothing is sealed before the proof");
}

#[test]
fn a_service_with_ntlm_only_gets_ntlm_and_signatures() {
    let (mut client, mut service) = (client(), Setup::default().acceptor());
    let mut legs = 0;
    let outcome = run_over((&mut client, &mut service), &mut |_, _| legs += 1);
    assert_eq!((legs, client.mechanism()), (6, "NTLM"));
    seals_both_ways(outcome);
}

#[test]
fn kerberos_as_the_second_choice_takes_signatures_from_both_sides_before_sealing() {
    let (mut client, mut service) = (ntlm_before_kerberos(), kerberos_only());
    let mut tokens = Vec::new();
    let outcome = run_over((&mut client, &mut service), &mut |_, token| tokens.push(token.clone()));
    assert_eq!((tokens.len(), client.mechanism()), (6, "Kerberos"));
    for (at, token) in tokens[1..].iter().enumerate() {
        let resp = NegTokenResp::decode(token).unwrap();
        assert_eq!(resp.mech_list_mic.is_some(), (2..4).contains(&at), "token {at}");
    }
    seals_both_ways(outcome);
}

/// A list in which the service knows the second name only: nobody has read the token that was made for the first.
#[derive(Debug)]
struct OneName(Acceptor);

impl auth::Acceptor for OneName {
    fn step(&mut self, input: auth::Input<'_>) -> Result<AcceptStep, Error> {
        self.0.step(input)
    }
}

impl AcceptorMechanism for OneName {
    fn oids(&self) -> &[Oid] {
        &[Oid::KERBEROS]
    }

    fn takes_raw(&self, token: &[u8]) -> bool {
        self.0.takes_raw(token)
    }

    fn needs_mech_list_mic(&self) -> bool {
        false
    }
}

#[test]
fn a_service_that_knows_the_second_name_only_gets_the_same_token_again_and_signatures() {
    let mut client = client();
    let mut service = spnego::Acceptor::new(vec![Box::new(OneName(kerberos()))]).unwrap();
    let mut tokens = Vec::new();
    let outcome = run_over((&mut client, &mut service), &mut |_, token| tokens.push(token.clone()));
    assert_eq!(tokens.len(), 6);
    let resp = NegTokenResp::decode(&tokens[1]).unwrap();
    assert_eq!((resp.supported_mech, resp.response_token), (Some(Oid::KERBEROS), None));
    assert_eq!(NegTokenResp::decode(&tokens[2]).unwrap().response_token, Some(ap_req()));
    seals_both_ways(outcome);
}

/// Gives the client one answer to its first token.
fn answer_to_first(change: impl Fn(&mut NegTokenResp)) -> Result<Step, Error> {
    let mut client = client();
    client.step(None).unwrap();
    let mut resp = NegTokenResp::default();
    change(&mut resp);
    let step = client.step(Some(&resp.encode()));
    assert!(step.is_ok() || !client.can_seal() && client.sealer().is_none());
    step
}

#[test]
fn a_service_that_proves_nothing_is_refused() {
    let not_mutual = Err(Error::PeerMisbehaved(PeerMisbehaved::NotMutual));
    // Everything is fine, it says, but the token that only it can make is not there.
    let stripped = answer_to_first(|resp| {
        resp.neg_state = Some(NegState::AcceptCompleted);
        resp.supported_mech = Some(Oid::MS_KERBEROS);
    });
    assert_eq!(stripped, not_mutual);
    let forged = answer_to_first(|resp| {
        resp.neg_state = Some(NegState::AcceptCompleted);
        resp.response_token = Some(b"forged".to_vec());
    });
    assert_eq!(forged, not_mutual);
    // It lets the request through without a word.
    let mut client = client();
    client.step(None).unwrap();
    assert_eq!(client.step(None), not_mutual);
    assert_eq!(client.step(None), not_mutual);
    assert!(client.sealer().is_none());
    // By the second name, so that the token would go out again: but it is at its end already.
    let other_name = answer_to_first(|resp| {
        resp.neg_state = Some(NegState::AcceptCompleted);
        resp.supported_mech = Some(Oid::KERBEROS);
    });
    assert_eq!(other_name, not_mutual);
}

#[test]
fn a_reject_is_told_in_the_services_words_where_it_has_some() {
    let words = answer_to_first(|resp| {
        resp.neg_state = Some(NegState::Reject);
        resp.response_token = Some(hex(REPEAT));
    });
    assert!(
        matches!(&words, Err(Error::PeerMisbehaved(PeerMisbehaved::Kerberos { error, .. }))
            if error.code == 34),
        "{words:?}"
    );
    for token in [None, Some(b"garbage".to_vec()), Some(ap_rep())] {
        let rejected = answer_to_first(|resp| {
            resp.neg_state = Some(NegState::Reject);
            resp.response_token.clone_from(&token);
        });
        assert_eq!(rejected, Err(Error::PeerMisbehaved(PeerMisbehaved::Rejected)));
    }
}

#[test]
fn a_signature_before_there_are_keys_is_refused() {
    let early = answer_to_first(|resp| {
        resp.neg_state = Some(NegState::RequestMic);
        resp.supported_mech = Some(Oid::KERBEROS);
        resp.mech_list_mic = Some(vec![0; 28]);
    });
    assert_eq!(early, Err(Error::PeerMisbehaved(PeerMisbehaved::MechListMicWrong)));
}

/// Somebody on the way wants NTLM, which can be relayed, in the place of Kerberos, which cannot.
#[test]
fn a_list_that_was_stripped_or_reordered_leads_to_no_login_by_ntlm() {
    let lists: [(Vec<Oid>, Option<Vec<u8>>); 4] = [
        (vec![Oid::NTLMSSP], None),
        (vec![Oid::NTLMSSP, Oid::MS_KERBEROS, Oid::KERBEROS], None),
        (vec![Oid::NTLMSSP, Oid::MS_KERBEROS, Oid::KERBEROS], Some(ap_req())),
        (vec![Oid::NEGOEX, Oid::NTLMSSP], None),
    ];
    for (list, token) in lists {
        let (mut client, mut service) = (client(), service());
        let outcome = run_over((&mut client, &mut service), &mut |leg, bytes| {
            if leg == 0 {
                *bytes = NegTokenInit::new(list.clone(), token.clone()).encode();
            }
        });
        assert!(
            matches!(
                outcome,
                Outcome::ServiceRefused(Error::Refused(
                    Refusal::MechListMicWrong | Refusal::Malformed(_)
                ))
            ),
            "{list:?}: {outcome:?}"
        );
    }
}

/// The service's choice, changed on its way: the client's signature is over the list that it sent, and the service has
/// chosen otherwise.
#[test]
fn a_choice_that_was_changed_leads_to_no_login() {
    let (mut client, mut service) = (client(), service());
    let outcome = run_over((&mut client, &mut service), &mut |leg, bytes| {
        if leg == 1 {
            let mut resp = NegTokenResp::default();
            resp.neg_state = Some(NegState::RequestMic);
            resp.supported_mech = Some(Oid::NTLMSSP);
            *bytes = resp.encode();
        }
    });
    assert!(matches!(outcome, Outcome::ServiceRefused(_)), "{outcome:?}");
}

#[test]
fn a_token_that_is_refused_is_told_to_the_client_in_the_services_words() {
    let (mut client, mut service) = (client(), service());
    let Ok(Step::Last(token)) = client.step(None) else { panic!() };
    let mut init = NegTokenInit::decode(&token).unwrap();
    init.mech_token.as_mut().unwrap().push(0);
    let step = Verifier::default().token(&mut service, &init.encode()).unwrap();
    let AcceptStep::Refused { token, refusal } = step else { panic!("{step:?}") };
    assert_eq!(refusal, Refusal::Kerberos(KerberosRefusal::Replayed));
    let told = client.step(Some(&token)).unwrap_err();
    assert!(told.to_string().contains("KRB_AP_ERR_REPEAT"), "{told}");
}
