//! Each reason for which the NTLM acceptor lets a client not in.

use auth::{
    AcceptStep, CbtPolicy, ChannelBinding, Error, FileTime, Refusal, Step,
    ntlm::{Authenticate, AvId, AvPairs, Challenge, Flags, MicPolicy, Negotiate, Protection},
};

use crate::support::{Outcome, Setup, Verifier};

#[track_caller]
fn refused(outcome: Outcome, reason: Refusal) {
    match outcome {
        Outcome::ServiceRefused(Error::Refused(seen)) => assert_eq!(seen, reason),
        other => panic!("{other:?}, not {reason:?}"),
    }
}

/// Changes the AUTHENTICATE_MESSAGE on its way, without mending what protects it.
fn with_authenticate(setup: &Setup, change: impl Fn(&mut Authenticate)) -> Outcome {
    setup.run_over(&mut |leg, token| {
        if leg == 2 {
            let mut message = Authenticate::decode(token).unwrap();
            change(&mut message);
            *token = message.encode().unwrap();
        }
    })
}

/// Plain NTLM messages by hand, for clients that differ from ours: the response is right, the rest is as told.
struct OtherClient {
    negotiate: Flags,
    authenticate: Flags,
    av_flags: Option<u32>,
    time: FileTime,
}

impl Default for OtherClient {
    /// As WinRb does it: no promise of an integrity code, and its own flags.
    fn default() -> Self {
        let flags = Flags(0xE008_8237);
        Self { negotiate: flags, authenticate: flags, av_flags: None, time: crate::support::NOW }
    }
}

impl OtherClient {
    fn run(&self, setup: &Setup) -> Result<AcceptStep, Error> {
        let mut acceptor = setup.acceptor();
        let negotiate = Negotiate { flags: self.negotiate, version: [0; 8] }.encode();
        // The answer is made by hand from the published functions: HMAC-MD5 over MD4.
        let AcceptStep::Reply(challenge) = setup.verifier.token(&mut acceptor, &negotiate[..32])?
        else {
            panic!("no challenge")
        };
        let challenge = Challenge::decode(&challenge).unwrap();
        let (mut pairs, _) = AvPairs::decode(&challenge.target_info).unwrap();
        if let Some(flags) = self.av_flags {
            pairs.set(AvId::FLAGS, flags.to_le_bytes().to_vec());
        }
        let key = ntowf_v2(setup.password, setup.user);
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(self.time.0.to_le_bytes());
        temp.extend([0x33; 8]);
        temp.extend([0; 4]);
        temp.extend(pairs.encode().unwrap());
        temp.extend([0; 4]);
        let proof = hmac_md5(&key, &[&challenge.server_challenge[..], &temp].concat());
        let message = Authenticate {
            flags: self.authenticate,
            domain: String::new(),
            user: setup.user.to_owned(),
            workstation: String::new(),
            lm_response: vec![0; 24],
            nt_response: [proof.as_slice(), &temp].concat(),
            encrypted_session_key: vec![0x44; 16],
            version: [0; 8],
            mic: None,
        };
        setup.verifier.token(&mut acceptor, &message.encode().unwrap())
    }
}

fn hmac_md5(key: &[u8], data: &[u8]) -> [u8; 16] {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<md5::Md5>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn ntowf_v2(password: &str, user: &str) -> [u8; 16] {
    use md4::Digest as _;
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let hash = md4::Md4::digest(utf16(password));
    hmac_md5(&hash, &utf16(&user.to_uppercase()))
}

#[test]
fn wrong_password_and_unknown_user_look_alike() {
    for spnego in [false, true] {
        refused(
            Setup { password: "wrong", spnego, ..Setup::default() }.run(),
            Refusal::WrongCredentials,
        );
        refused(
            Setup { user: "mallory", spnego, ..Setup::default() }.run(),
            Refusal::WrongCredentials,
        );
    }
}

#[test]
fn another_user_with_alices_password_hash_is_refused() {
    // The response of alice under the name of somebody else, who has the same password.
    let outcome = with_authenticate(&Setup::default(), |message| message.user = "Jörg".to_owned());
    refused(outcome, Refusal::WrongCredentials);
}

#[test]
fn cleared_target_info_flag_helps_nobody() {
    let clear = |message: &mut Authenticate| message.flags = message.flags & !Flags::TARGET_INFO;
    for mic_policy in [MicPolicy::WhenPromised, MicPolicy::Required] {
        let setup = Setup { mic_policy, ..Setup::default() };
        refused(with_authenticate(&setup, clear), Refusal::TargetInfoCleared);
        // The bypass of another implementation: the flag cleared, no integrity code, and a wrong password.
        let setup = Setup {
            mic_policy,
            password: "wrong",
            protection: Protection::Optional,
            ..Setup::default()
        };
        let outcome = with_authenticate(&setup, |message| {
            clear(message);
            message.mic = None;
        });
        refused(outcome, Refusal::MicMissing);
        let answer = OtherClient::default().run(&setup).unwrap_err();
        let expected = match mic_policy {
            MicPolicy::Required => Refusal::MicMissing,
            _ => Refusal::WrongCredentials,
        };
        assert_eq!(answer, Error::Refused(expected));
    }
}

#[test]
fn stripped_integrity_code_is_refused() {
    for mic_policy in [MicPolicy::WhenPromised, MicPolicy::Required] {
        let setup = Setup { mic_policy, ..Setup::default() };
        refused(with_authenticate(&setup, |message| message.mic = None), Refusal::MicMissing);
        refused(
            with_authenticate(&setup, |message| message.mic = Some([0; 16])),
            Refusal::MicMissing,
        );
        refused(
            with_authenticate(&setup, |message| message.mic = Some([1; 16])),
            Refusal::MicWrong,
        );
    }
    // The promise is part of the response.
    let outcome = with_authenticate(&Setup::default(), |message| {
        let at =
            message.nt_response.windows(8).position(|at| *at == [6, 0, 4, 0, 2, 0, 0, 0]).unwrap();
        message.nt_response[at + 4] = 0;
        message.mic = None;
    });
    refused(outcome, Refusal::WrongCredentials);
}

#[test]
fn client_that_never_promised_a_code_is_let_in_unless_the_policy_asks_for_one() {
    let setup = Setup::default();
    let Ok(AcceptStep::Done { login, .. }) = OtherClient::default().run(&setup) else {
        panic!("refused")
    };
    assert!(login.sealer.is_some_and(|sealer| sealer.can_seal()));
    let setup = Setup { mic_policy: MicPolicy::Required, ..Setup::default() };
    assert_eq!(
        OtherClient::default().run(&setup).unwrap_err(),
        Error::Refused(Refusal::MicMissing)
    );
    let client = OtherClient { av_flags: Some(AvPairs::FLAG_MIC), ..OtherClient::default() };
    assert_eq!(client.run(&Setup::default()).unwrap_err(), Error::Refused(Refusal::MicMissing));
}

#[test]
fn ntlm_v1_response_is_refused() {
    let outcome = with_authenticate(&Setup::default(), |message| message.nt_response.truncate(24));
    refused(outcome, Refusal::NtlmV1);
}

#[test]
fn anonymous_login_is_refused() {
    let anonymous: [fn(&mut Authenticate); 3] = [
        |message| message.user.clear(),
        |message| message.nt_response.clear(),
        |message| message.flags = message.flags | Flags::ANONYMOUS,
    ];
    for change in anonymous {
        refused(with_authenticate(&Setup::default(), change), Refusal::Anonymous);
    }
}

#[test]
fn recorded_login_does_not_work_again() {
    let setup = Setup::default();
    let mut tokens = Vec::new();
    setup.run_over(&mut |_, token| tokens.push(token.clone())).unwrap();
    let verifier = Verifier { server_challenge: [9; 8], ..Verifier::default() };
    let mut acceptor = setup.acceptor();
    verifier.token(&mut acceptor, &tokens[0]).unwrap();
    let error = verifier.token(&mut acceptor, &tokens[2]).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::WrongCredentials));
    // The refusal is final, also for a token that would be right.
    assert_eq!(setup.verifier.token(&mut acceptor, &tokens[0]).unwrap_err(), error);
}

#[test]
fn the_same_message_after_the_end_is_refused() {
    for spnego in [false, true] {
        let setup = Setup { spnego, ..Setup::default() };
        let (mut client, mut acceptor) = (setup.initiator(), setup.acceptor());
        let mut last = Vec::new();
        crate::support::run(client.as_mut(), &mut acceptor, &setup.verifier, &mut |leg, token| {
            if leg == 2 {
                last.clone_from(token);
            }
        })
        .unwrap();
        let error = setup.verifier.token(&mut acceptor, &last).unwrap_err();
        assert_eq!(error, Error::Refused(Refusal::TokenAfterEnd));
    }
}

#[test]
fn changed_negotiate_and_challenge_messages_are_noticed() {
    for leg in [0, 1] {
        let outcome = Setup::default().run_over(&mut |at, token| {
            if at == leg {
                // 56-bit keys taken out: nothing needs them, so only the integrity code can tell.
                let place = if leg == 0 { 15 } else { 23 };
                token[place] &= 0x7F;
            }
        });
        refused(outcome, Refusal::MicWrong);
    }
}

#[test]
fn wrong_and_missing_channel_bindings_are_refused() {
    let own = Some(ChannelBinding::from_tls_server_end_point(&[1; 32]));
    let other = Some(ChannelBinding::from_tls_server_end_point(&[2; 32]));
    for spnego in [false, true] {
        let setup = |client_binding, cbt_policy| {
            Setup { client_binding, service_binding: own, cbt_policy, spnego, ..Setup::default() }
                .run()
        };
        refused(setup(other, CbtPolicy::Relaxed), Refusal::ChannelBindingWrong);
        refused(setup(other, CbtPolicy::Strict), Refusal::ChannelBindingWrong);
        refused(setup(None, CbtPolicy::Strict), Refusal::ChannelBindingMissing);
        setup(other, CbtPolicy::None).unwrap();
    }
}

#[test]
fn stale_timestamp_is_refused() {
    let hour = 36_000_000_000;
    let at = |hours: u64, late: bool| {
        let now = crate::support::NOW.0;
        let time = FileTime(if late { now + hours * hour } else { now - hours * hour });
        OtherClient { time, ..OtherClient::default() }.run(&Setup::default())
    };
    for late in [false, true] {
        assert_eq!(at(37, late).unwrap_err(), Error::Refused(Refusal::StaleTimestamp));
        assert!(at(35, late).is_ok());
    }
}

#[test]
fn protection_taken_out_on_the_way_ends_the_login() {
    let needed = [
        (Flags::SIGN, "signing"),
        (Flags::SEAL, "sealing"),
        (Flags::KEY_128, "128-bit keys"),
        (Flags::EXTENDED_SESSIONSECURITY, "extended session security"),
    ];
    for (flag, name) in needed {
        // In the client's last message.
        let outcome =
            with_authenticate(&Setup::default(), |message| message.flags = message.flags & !flag);
        refused(outcome, Refusal::ProtectionTooWeak(name));
        // In its first one.
        let outcome = Setup::default().run_over(&mut |leg, token| {
            if leg == 0 {
                let mut message = Negotiate::decode(token).unwrap();
                message.flags = message.flags & !flag;
                *token = message.encode();
            }
        });
        refused(outcome, Refusal::ProtectionTooWeak(name));
        // In ours.
        let outcome = Setup::default().run_over(&mut |leg, token| {
            if leg == 1 {
                let mut message = Challenge::decode(token).unwrap();
                message.flags = message.flags & !flag;
                *token = message.encode().unwrap();
            }
        });
        assert!(
            matches!(&outcome, Outcome::ClientRefused(Error::PeerMisbehaved(error)) if error.to_string().contains(name)),
            "{outcome:?}"
        );
        // Where TLS protects the messages, the integrity code still tells.
        let setup = Setup { protection: Protection::Optional, ..Setup::default() };
        let outcome = with_authenticate(&setup, |message| message.flags = message.flags & !flag);
        refused(outcome, Refusal::MicWrong);
    }
}

#[test]
fn login_without_sealing_hands_out_no_sealer() {
    let flags = Flags(0xE008_8237) & !Flags::SEAL;
    let client = OtherClient { negotiate: flags, authenticate: flags, ..OtherClient::default() };
    let setup = Setup { protection: Protection::Optional, ..Setup::default() };
    let Ok(AcceptStep::Done { login, .. }) = client.run(&setup) else { panic!("refused") };
    assert!(login.sealer.is_none());
    assert_eq!(
        client.run(&Setup::default()).unwrap_err(),
        Error::Refused(Refusal::ProtectionTooWeak("sealing"))
    );
}

#[test]
fn protection_that_was_not_granted_cannot_be_claimed() {
    let all = Flags(0xE008_8237);
    let client = OtherClient {
        negotiate: all & !Flags::KEY_EXCH,
        authenticate: all,
        ..OtherClient::default()
    };
    assert_eq!(
        client.run(&Setup::default()).unwrap_err(),
        Error::Refused(Refusal::FlagNotGranted("key exchange"))
    );
}

#[test]
fn text_in_a_code_page_is_refused() {
    let client = OtherClient { negotiate: Flags(0xE008_8236), ..OtherClient::default() };
    assert_eq!(client.run(&Setup::default()).unwrap_err(), Error::Refused(Refusal::NotUnicode));
    let client = OtherClient { authenticate: Flags(0xE008_8236), ..OtherClient::default() };
    assert!(matches!(client.run(&Setup::default()), Err(Error::Refused(Refusal::Malformed(_)))));
}

#[test]
fn exchanged_key_of_a_wrong_length_is_refused() {
    let outcome =
        with_authenticate(&Setup::default(), |message| message.encrypted_session_key.truncate(15));
    refused(outcome, Refusal::SessionKeyMissing);
}

#[test]
fn oversized_message_is_refused() {
    let setup = Setup::default();
    let mut acceptor = setup.acceptor();
    let Ok(Step::Send(mut token)) = setup.initiator().step(None) else { panic!() };
    token.resize(70_000, 0);
    assert!(matches!(
        setup.verifier.token(&mut acceptor, &token),
        Err(Error::Refused(Refusal::Malformed(error))) if error.kind == auth::DecodeErrorKind::TooLong
    ));
}

#[test]
fn the_ntlm_half_alone_refuses_the_same_message_after_the_end() {
    let setup = Setup::default();
    let (mut client, mut acceptor) = (setup.ntlm_initiator(), setup.ntlm_acceptor());
    let mut last = Vec::new();
    crate::support::run(&mut client, &mut acceptor, &setup.verifier, &mut |_, token| {
        last.clone_from(token)
    })
    .unwrap();
    let error = setup.verifier.token(&mut acceptor, &last).unwrap_err();
    assert_eq!(error, Error::Refused(Refusal::TokenAfterEnd));
}
