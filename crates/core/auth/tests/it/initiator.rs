//! What our client does with the challenges of other services.

use auth::{
    Error, Initiator as _, PeerMisbehaved, Step,
    ntlm::{Authenticate, AvId, AvPairs, Challenge, Flags, Negotiate, Protection},
};

use crate::support::{NOW, Outcome, Setup};

fn challenge() -> Challenge {
    let mut pairs = AvPairs::default();
    pairs.set(AvId::NB_DOMAIN_NAME, vec![b'D', 0]);
    pairs.set(AvId::NB_COMPUTER_NAME, vec![b'S', 0]);
    pairs.set(AvId(0x77), vec![1, 2, 3]);
    pairs.set(AvId::FLAGS, vec![1, 0, 0, 0]);
    pairs.set(AvId::TIMESTAMP, 42_u64.to_le_bytes().to_vec());
    Challenge {
        flags: Flags(0xE28A_8235),
        server_challenge: [1; 8],
        target_name: "S".to_owned(),
        target_info: pairs.encode().unwrap(),
        version: [0; 8],
    }
}

fn binding() -> auth::ChannelBinding {
    auth::ChannelBinding::from_tls_server_end_point(&[0xCB; 32])
}

fn answer(challenge: &Challenge) -> Result<Step, Error> {
    let mut client = Setup { client_binding: Some(binding()), ..Setup::default() }.ntlm_initiator();
    client.step(None).unwrap();
    let result = client.step(Some(&challenge.encode().unwrap()));
    assert_eq!(result.is_ok(), client.can_seal());
    if let Err(error) = &result {
        assert_eq!(
            client.step(Some(&challenge.encode().unwrap())).as_ref(),
            Err(error),
            "an error is final"
        );
        assert!(client.sealer().is_none());
    }
    result
}

fn attributes(step: Step) -> (Authenticate, u64, AvPairs) {
    let Step::Last(token) = step else { panic!("{step:?}") };
    let message = Authenticate::decode(&token).unwrap();
    let time = u64::from_le_bytes(message.nt_response[24..32].try_into().unwrap());
    let (pairs, _) = AvPairs::decode(&message.nt_response[44..]).unwrap();
    (message, time, pairs)
}

#[test]
fn all_target_information_is_copied_and_ours_added() {
    let (message, time, pairs) = attributes(answer(&challenge()).unwrap());
    assert_eq!(pairs.value(AvId(0x77)), Some(&[1, 2, 3][..]));
    assert_eq!(pairs.flags(), Ok(3), "the service's flags stay, ours is added");
    assert_eq!(pairs.channel_bindings(), Ok(Some(*binding().as_bytes())));
    let spn: Vec<u8> = "HTTP/testhost.example".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(pairs.value(AvId::TARGET_NAME), Some(spn.as_slice()));
    assert_eq!(time, 42);
    assert_eq!(message.lm_response, [0; 24]);
    assert!(message.mic.is_some_and(|mic| mic != [0; 16]));
    assert_eq!(message.workstation, "CLIENT");
}

#[test]
fn without_the_services_time_our_own_is_sent_with_an_lm_v2_response() {
    let mut challenge = challenge();
    let (pairs, _) = AvPairs::decode(&challenge.target_info).unwrap();
    let mut shorter = AvPairs::default();
    for id in [AvId::NB_DOMAIN_NAME, AvId::NB_COMPUTER_NAME] {
        shorter.set(id, pairs.value(id).unwrap().to_vec());
    }
    challenge.target_info = shorter.encode().unwrap();
    let (message, time, _) = attributes(answer(&challenge).unwrap());
    assert_eq!(time, NOW.0);
    assert_eq!(&message.lm_response[16..], [0x55; 8]);
}

#[test]
fn challenge_that_grants_too_little_is_refused_by_name() {
    let needed = [
        (Flags::UNICODE, "Unicode"),
        (Flags::SIGN, "signing"),
        (Flags::SEAL, "sealing"),
        (Flags::KEY_128, "128-bit keys"),
        (Flags::EXTENDED_SESSIONSECURITY, "extended session security"),
        (Flags::TARGET_INFO, "target information"),
    ];
    for (flag, name) in needed {
        let mut challenge = challenge();
        challenge.flags = challenge.flags & !flag;
        assert_eq!(answer(&challenge), Err(PeerMisbehaved::FlagNotGranted(name).into()));
    }
}

#[test]
fn where_sealing_is_optional_a_service_without_it_gives_no_sealer() {
    let setup = Setup { protection: Protection::Optional, ..Setup::default() };
    let mut challenge = challenge();
    challenge.flags = challenge.flags & !Flags::SEAL;
    let mut client = setup.ntlm_initiator();
    client.step(None).unwrap();
    assert!(matches!(client.step(Some(&challenge.encode().unwrap())), Ok(Step::Last(_))));
    assert!(!client.can_seal() && client.sealer().is_none());
}

#[test]
fn unsealed_login_asks_for_no_sealing_and_takes_none() {
    for spnego in [false, true] {
        let setup =
            Setup { unsealed: true, protection: Protection::Optional, spnego, ..Setup::default() };
        let mut asked = Vec::new();
        let mut wire = |leg: usize, token: &mut Vec<u8>| {
            if leg == 0 {
                asked.clone_from(token);
            }
        };
        let (client, login) = setup.run_over(&mut wire).unwrap();
        assert!(client.is_none() && login.sealer.is_none_or(|sealer| !sealer.can_seal()));
        if !spnego {
            let flags = Negotiate::decode(&asked).unwrap().flags;
            assert!(!flags.contains(Flags::SEAL) && flags.contains(Flags::SIGN), "{flags:?}");
        }
    }
    // A service that grants it all the same changes nothing, and one that requires it refuses.
    let mut client = Setup { unsealed: true, ..Setup::default() }.ntlm_initiator();
    client.step(None).unwrap();
    assert!(challenge().flags.contains(Flags::SEAL));
    assert!(matches!(client.step(Some(&challenge().encode().unwrap())), Ok(Step::Last(_))));
    assert!(!client.can_seal() && client.sealer().is_none());
    let strict = Setup { unsealed: true, ..Setup::default() }.run();
    let refusal = Error::Refused(auth::Refusal::ProtectionTooWeak("sealing"));
    assert!(matches!(strict, Outcome::ServiceRefused(error) if error == refusal));
}

#[test]
fn service_without_names_is_refused() {
    let mut challenge = challenge();
    challenge.target_info = AvPairs::default().encode().unwrap();
    assert_eq!(answer(&challenge), Err(PeerMisbehaved::TargetNamesMissing.into()));
}

#[test]
fn service_without_key_exchange_gets_the_key_of_the_response() {
    let mut challenge = challenge();
    challenge.flags = challenge.flags & !Flags::KEY_EXCH;
    let (message, ..) = attributes(answer(&challenge).unwrap());
    assert!(message.encrypted_session_key.is_empty());
    assert!(!message.flags.contains(Flags::KEY_EXCH));
}

#[test]
fn flags_that_nobody_asked_for_do_not_come_back() {
    let mut challenge = challenge();
    challenge.flags = challenge.flags | Flags::DATAGRAM | Flags(0x80) | Flags::OEM;
    let (message, ..) = attributes(answer(&challenge).unwrap());
    assert_eq!((message.flags & (Flags::DATAGRAM | Flags(0x80) | Flags::OEM)).0, 0);
}

#[test]
fn offsets_and_lengths_out_of_bounds_are_refused() {
    let good = challenge().encode().unwrap();
    for (at, value) in [
        (12, 0xFF),
        (13, 0xFF),
        (16, 0xFF),
        (19, 0xFF),
        (40, 0xFF),
        (41, 0xFF),
        (44, 0xFF),
        (44, 8),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        let mut client = Setup::default().ntlm_initiator();
        client.step(None).unwrap();
        assert!(matches!(client.step(Some(&bytes)), Err(Error::Decode(_))), "byte {at}");
    }
}

#[test]
fn oversized_target_information_is_refused_and_not_cut() {
    let mut challenge = challenge();
    let mut pairs = AvPairs::default();
    pairs.set(AvId::NB_DOMAIN_NAME, vec![b'D', 0]);
    pairs.set(AvId::NB_COMPUTER_NAME, vec![b'S'; 65_500]);
    challenge.target_info = pairs.encode().unwrap();
    assert!(matches!(
        answer(&challenge),
        Err(Error::ApiMisuse(auth::ApiMisuse::TooLong("NtChallengeResponse")))
    ));
}
