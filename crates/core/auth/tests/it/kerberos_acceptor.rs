//! The service's half of a Kerberos login: what gets to the owner of the keytab, and what its verdicts lead to.

use auth::{
    AcceptStep, Acceptor as _, Answer, ApiMisuse, CbtPolicy, ChannelBinding, Delegated, Error,
    FileTime, Input, KerberosRefusal, Login, PeerMisbehaved, Question, Refusal, Ticket,
    kerberos::{
        Acceptor, AcceptorOptions, Context, KerberosAccepted, KerberosAttempt, KerberosSealer,
        KrbError, Role,
    },
    ntlm::Protection,
    spnego::{self, AcceptorMechanism as _, NegState, NegTokenInit, NegTokenResp, Oid},
};

use crate::{
    kerberos_support::{REPEAT, SKEW, accepted, ap_rep, ap_req, context, framed},
    support::{Fixed, Setup, hex},
};

fn binding() -> ChannelBinding {
    ChannelBinding::from_tls_server_end_point(&[7; 32])
}

fn options() -> AcceptorOptions {
    AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: None,
        cbt_policy: CbtPolicy::Relaxed,
    }
}

fn acceptor(options: AcceptorOptions) -> Acceptor {
    Acceptor::new(options, &mut Fixed(3))
}

fn asked(acceptor: &mut dyn auth::Acceptor, token: &[u8]) -> KerberosAttempt {
    match acceptor.step(Input::Token(token)).unwrap() {
        AcceptStep::Ask(Question::Kerberos(attempt)) => attempt,
        other => panic!("{other:?}"),
    }
}

fn answered(
    acceptor: &mut dyn auth::Acceptor,
    accepted: KerberosAccepted,
) -> Result<(Option<Vec<u8>>, Login), Error> {
    match acceptor.step(Input::Answer(Answer::Kerberos(Box::new(accepted))))? {
        AcceptStep::Done { token, login } => Ok((token, login)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_asked_about_and_answered_in_one_round_trip() {
    let mut acceptor = acceptor(options());
    let attempt = asked(&mut acceptor, &ap_req());
    assert_eq!((attempt.token, attempt.channel_binding), (ap_req(), None));
    let (reply, login) = answered(&mut acceptor, accepted()).unwrap();
    assert_eq!(reply.as_deref(), Some(ap_rep().as_slice()));
    assert_eq!((login.mechanism, login.account.name.as_str()), ("Kerberos", "alice"));
    assert!(login.delegated.is_none());
    let mut client = KerberosSealer::new(context(Role::Initiator), true, &mut Fixed(4));
    let mut data = b"hello".to_vec();
    let sealed = auth::Sealer::seal(&mut client, &mut data).unwrap();
    login.sealer.unwrap().unseal(&sealed.header, &mut data).unwrap();
    assert_eq!(data, b"hello");
    let error = acceptor.step(Input::Token(&ap_req())).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::TokenAfterEnd));
}

#[test]
fn a_client_without_mutual_authentication_is_let_in_without_a_token() {
    let mut acceptor = acceptor(options());
    asked(&mut acceptor, &ap_req());
    let (reply, _) =
        answered(&mut acceptor, KerberosAccepted { reply: None, ..accepted() }).unwrap();
    assert_eq!(reply, None);
}

#[test]
fn a_ticket_that_came_with_the_login_is_handed_on() {
    let mut acceptor = acceptor(options());
    asked(&mut acceptor, &ap_req());
    let delegated = Ticket::new(b"cache".to_vec());
    let (_, login) = answered(&mut acceptor, KerberosAccepted { delegated, ..accepted() }).unwrap();
    let Some(Delegated::Ticket(ticket)) = login.delegated else { panic!() };
    assert_eq!(ticket.expose(), b"cache");
}

#[test]
fn only_tokens_framed_as_ap_req_are_asked_about() {
    let mut of_spnego = ap_req();
    of_spnego[4..13].copy_from_slice(&[0x2B; 9]);
    let mut long = ap_req();
    long.resize(64 * 1024 + 1, 0);
    let cases = [
        Vec::new(),
        b"AP-REQ".to_vec(),
        ap_req()[..14].to_vec(),
        framed([2, 0], b"AP-REP"),
        framed([3, 0], b"KRB-ERROR"),
        of_spnego,
        long,
    ];
    for token in cases {
        let mut acceptor = acceptor(options());
        let error = acceptor.step(Input::Token(&token)).unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::Malformed(_))), "{error:?}");
        // An error is final.
        assert_eq!(acceptor.step(Input::Token(&ap_req())).unwrap_err(), error);
    }
}

#[test]
fn the_policy_decides_which_binding_is_asked_about_and_whether_one_must_be_there() {
    let cases = [
        (CbtPolicy::None, None, false, None),
        (CbtPolicy::Relaxed, Some(binding()), false, None),
        (CbtPolicy::Relaxed, Some(binding()), true, None),
        (CbtPolicy::Strict, Some(binding()), true, None),
        (CbtPolicy::Strict, Some(binding()), false, Some(Refusal::ChannelBindingMissing)),
    ];
    for (cbt_policy, asked_binding, channel_bound, refusal) in cases {
        let channel_binding = Some(binding());
        let mut acceptor = acceptor(AcceptorOptions { channel_binding, cbt_policy, ..options() });
        assert_eq!(asked(&mut acceptor, &ap_req()).channel_binding, asked_binding);
        let result = answered(&mut acceptor, KerberosAccepted { channel_bound, ..accepted() });
        assert_eq!(result.err(), refusal.map(Error::Refused), "{cbt_policy:?} {channel_bound}");
    }
    // On plain HTTP there is nothing to bind to.
    let mut acceptor = acceptor(AcceptorOptions { cbt_policy: CbtPolicy::Strict, ..options() });
    assert_eq!(asked(&mut acceptor, &ap_req()).channel_binding, None);
    answered(&mut acceptor, accepted()).unwrap();
}

#[test]
fn sealing_must_be_asked_for_where_it_is_due() {
    let mut strict = acceptor(options());
    asked(&mut strict, &ap_req());
    let unsealed = || KerberosAccepted { confidential: false, ..accepted() };
    let error = answered(&mut strict, unsealed()).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::ProtectionTooWeak("confidentiality")));

    let mut lax = acceptor(AcceptorOptions { protection: Protection::Optional, ..options() });
    asked(&mut lax, &ap_req());
    let (_, login) = answered(&mut lax, unsealed()).unwrap();
    assert!(login.sealer.is_none(), "a context that only signs looks like one that seals");
}

#[test]
fn a_key_of_a_wrong_length_is_nobodys_login() {
    let mut acceptor = acceptor(options());
    asked(&mut acceptor, &ap_req());
    let context = Context { key: vec![9; 16].into(), ..context(Role::Acceptor) };
    let error = answered(&mut acceptor, KerberosAccepted { context, ..accepted() }).unwrap_err();
    assert_eq!(error, Error::ApiMisuse(ApiMisuse::SessionKeyMissing));
    assert_eq!(acceptor.step(Input::Token(&ap_req())).unwrap_err(), error);
}

#[test]
fn a_refusal_is_final_and_brings_the_services_words_along() {
    let refusal = Refusal::Kerberos(KerberosRefusal::Replayed);
    for token in [None, Some(b"KRB-ERROR".to_vec())] {
        let mut acceptor = acceptor(options());
        asked(&mut acceptor, &ap_req());
        let answer = Answer::KerberosRefused { refusal, token: token.clone() };
        match (acceptor.step(Input::Answer(answer)), token) {
            (Ok(AcceptStep::Refused { token: seen, refusal: why }), Some(token)) => {
                assert_eq!((seen, why), (token, refusal));
            }
            (Err(error), None) => assert_eq!(error, Error::Refused(refusal)),
            (other, _) => panic!("{other:?}"),
        }
        let error = acceptor.step(Input::Token(&ap_req())).unwrap_err();
        assert_eq!(error, Error::Refused(refusal));
        let answer = Answer::Kerberos(Box::new(accepted()));
        assert_eq!(acceptor.step(Input::Answer(answer)).unwrap_err(), error);
    }
    let mut acceptor = acceptor(options());
    asked(&mut acceptor, &ap_req());
    let error = acceptor.step(Input::Answer(Answer::Refused)).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::WrongCredentials));
}

#[test]
fn wrong_use_changes_nothing() {
    let mut acceptor = acceptor(options());
    let early = acceptor.step(Input::Answer(Answer::Kerberos(Box::new(accepted()))));
    assert_eq!(early.unwrap_err(), Error::ApiMisuse(ApiMisuse::AnswerUnasked));
    asked(&mut acceptor, &ap_req());
    let second = acceptor.step(Input::Token(&ap_req())).unwrap_err();
    assert_eq!(second, Error::ApiMisuse(ApiMisuse::AnswerDue));
    let account = accepted().account;
    let of_another = Answer::Accepted { account, session_key: None };
    let error = acceptor.step(Input::Answer(of_another)).unwrap_err();
    assert_eq!(error, Error::ApiMisuse(ApiMisuse::AnswerUnasked));
    answered(&mut acceptor, accepted()).unwrap();
}

fn negotiate(options: AcceptorOptions) -> spnego::Acceptor {
    let ntlm = Setup::default().ntlm_acceptor();
    spnego::Acceptor::new(vec![Box::new(acceptor(options)), Box::new(ntlm)]).unwrap()
}

#[test]
fn inside_spnego_either_name_leads_to_kerberos() {
    for oid in [Oid::MS_KERBEROS, Oid::KERBEROS] {
        let list = vec![oid.clone(), Oid::NTLMSSP];
        let mut acceptor = negotiate(options());
        let init = NegTokenInit::new(list, Some(ap_req())).encode();
        assert_eq!(asked(&mut acceptor, &init).token, ap_req());
        let (reply, login) = answered(&mut acceptor, accepted()).unwrap();
        let resp = NegTokenResp::decode(&reply.unwrap()).unwrap();
        assert_eq!(resp.neg_state, Some(NegState::AcceptCompleted));
        assert_eq!((resp.supported_mech, resp.mech_list_mic), (Some(oid), None));
        assert_eq!(resp.response_token.as_deref(), Some(ap_rep().as_slice()));
        assert!(login.sealer.is_some());
    }
}

#[test]
fn under_negotiate_a_token_without_spnego_is_answered_in_kind() {
    let mut acceptor = negotiate(options());
    assert_eq!(asked(&mut acceptor, &ap_req()).token, ap_req());
    let (reply, login) = answered(&mut acceptor, accepted()).unwrap();
    assert_eq!((reply.as_deref(), login.mechanism), (Some(ap_rep().as_slice()), "Kerberos"));
    assert!(!self::acceptor(options()).takes_raw(b"NTLMSSP\0"));
}

#[test]
fn a_refusal_inside_spnego_is_a_reject_with_the_mechanisms_words() {
    let mut acceptor = negotiate(options());
    let init = NegTokenInit::new(vec![Oid::KERBEROS], Some(ap_req())).encode();
    asked(&mut acceptor, &init);
    let refusal = Refusal::Kerberos(KerberosRefusal::Skew);
    let answer = Answer::KerberosRefused { refusal, token: Some(b"KRB-ERROR".to_vec()) };
    let Ok(AcceptStep::Refused { token, .. }) = acceptor.step(Input::Answer(answer)) else {
        panic!()
    };
    let resp = NegTokenResp::decode(&token).unwrap();
    assert_eq!(resp.neg_state, Some(NegState::Reject));
    assert_eq!(resp.response_token.as_deref(), Some(&b"KRB-ERROR"[..]));
    assert_eq!(acceptor.step(Input::Token(&init)).unwrap_err(), Error::Refused(refusal));
}

/// Without confidentiality there is no sealer, but the list of mechanisms is signed all the same.
#[test]
fn as_the_second_choice_both_sides_sign_the_list_even_where_nothing_is_sealed() {
    for confidential in [true, false] {
        let lax = AcceptorOptions { protection: Protection::Optional, ..options() };
        let mut acceptor = negotiate(lax);
        let init = NegTokenInit::new(vec![Oid::NEGOEX, Oid::KERBEROS], Some(vec![1]));
        let Ok(AcceptStep::Reply(reply)) = acceptor.step(Input::Token(&init.encode())) else {
            panic!()
        };
        let resp = NegTokenResp::decode(&reply).unwrap();
        assert_eq!(resp.neg_state, Some(NegState::RequestMic));
        assert_eq!(resp.supported_mech, Some(Oid::KERBEROS));

        let mut next = NegTokenResp::default();
        next.response_token = Some(ap_req());
        asked(&mut acceptor, &next.encode());
        let answer = KerberosAccepted { confidential, ..accepted() };
        let Ok(AcceptStep::Reply(reply)) =
            acceptor.step(Input::Answer(Answer::Kerberos(Box::new(answer))))
        else {
            panic!()
        };
        let resp = NegTokenResp::decode(&reply).unwrap();
        assert_eq!(resp.neg_state, Some(NegState::AcceptIncomplete));
        let mut client = KerberosSealer::new(context(Role::Initiator), confidential, &mut Fixed(4));
        let client: &mut dyn auth::Sealer = &mut client;
        client.check_mech_list_mic(&init.mech_list, &resp.mech_list_mic.unwrap()).unwrap();

        let mut last = NegTokenResp::default();
        last.mech_list_mic = Some(client.mech_list_mic(&init.mech_list).unwrap());
        let step = acceptor.step(Input::Token(&last.encode())).unwrap();
        let AcceptStep::Done { login, .. } = step else { panic!() };
        assert_eq!(login.sealer.is_some(), confidential);
    }
}

#[test]
fn errors_of_mit_are_read() {
    let error = KrbError::decode(&hex(SKEW)).unwrap();
    assert_eq!((error.code, error.service_time, &error.text), (37, 1_796_053_288, &None));
    assert_eq!(error.service, "HTTP/host.test@TRANSOM.TEST");
    assert_eq!(KrbError::decode(&framed([3, 0], &hex(SKEW))).unwrap(), error);
    let repeat = KrbError::decode(&hex(REPEAT)).unwrap();
    assert_eq!((repeat.code, repeat.text.as_deref()), (34, Some("Request replay")));
    assert!(KrbError::decode(&framed([2, 0], &hex(SKEW))).is_err());
    for cut in 0..hex(REPEAT).len() {
        assert!(KrbError::decode(&hex(REPEAT)[..cut]).is_err());
    }
}

#[test]
fn a_clock_that_is_wrong_is_told_in_seconds() {
    let unix = |seconds: u64| FileTime(FileTime::UNIX_EPOCH.0 + seconds * 10_000_000);
    let error = KrbError::decode(&hex(SKEW)).unwrap();
    for (now, words) in [
        (1_796_053_288 - 412, "its clock is 412 seconds ahead of ours (KRB_AP_ERR_SKEW)"),
        (1_796_053_288 + 3600, "its clock is 3600 seconds behind ours (KRB_AP_ERR_SKEW)"),
    ] {
        let error = error.clone().into_error(unix(now));
        assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::Kerberos { .. })));
        let shown = error.to_string();
        assert!(shown.contains(words) && shown.contains("HTTP/host.test@TRANSOM.TEST"), "{shown}");
    }
    let shown = KrbError::decode(&hex(REPEAT)).unwrap().into_error(unix(1_796_053_288)).to_string();
    assert!(shown.contains("KRB_AP_ERR_REPEAT") && shown.contains("Request replay"), "{shown}");
}
