//! The published example values of [MS-NLMP] 4.2.4, read from the corpora.

use auth::{
    AcceptStep, Answer, FileTime, Input, Question, Secret, UserName,
    ntlm::{
        self, Authenticate, AvId, AvPairs, Challenge, Credential, Flags, InitiatorOptions,
        Negotiate, NtlmAttempt,
    },
};

use crate::support::{Verifier, corpus, hex};

/// The hex dumps of a section, each begun by offset zero.
fn dumps(text: &[u8]) -> Vec<Vec<u8>> {
    let mut dumps: Vec<Vec<u8>> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let Some((offset, row)) = line.split_once(": ") else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        let bytes = row.split(' ').take(16).map_while(|pair| {
            (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        });
        if offset == 0 {
            dumps.push(bytes.collect());
        } else if let Some(dump) = dumps.last_mut() {
            dump.truncate(offset);
            dump.extend(bytes);
        }
    }
    dumps
}

fn section(test: &str, number: &str) -> Option<Vec<Vec<u8>>> {
    corpus(test, &format!("ms-nlmp/{number}.txt")).map(|text| dumps(&text))
}

const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

#[test]
fn s4_2_4_3_messages_decode_and_encode_to_the_same_bytes() {
    let Some(dumps) = section("s4_2_4_3_messages", "4.2.4.3") else { return };
    let [challenge, authenticate] = &dumps[..] else { panic!("{} dumps", dumps.len()) };
    let decoded = Challenge::decode(challenge).unwrap();
    assert_eq!(decoded.server_challenge, SERVER_CHALLENGE);
    assert_eq!(decoded.target_name, "Server");
    let (pairs, length) = AvPairs::decode(&decoded.target_info).unwrap();
    assert_eq!(length, 36);
    assert_eq!(pairs.value(AvId::NB_DOMAIN_NAME), Some(hex("44006f006d00610069006e00").as_slice()));
    assert_eq!(pairs.encode().unwrap(), decoded.target_info);
    assert_eq!(&decoded.encode().unwrap(), challenge);

    let decoded = Authenticate::decode(authenticate).unwrap();
    assert_eq!(
        (decoded.domain.as_str(), decoded.user.as_str(), decoded.workstation.as_str()),
        ("Domain", "User", "COMPUTER")
    );
    assert_eq!(decoded.mic, None);
    assert_eq!(&decoded.encode().unwrap(), authenticate);
}

#[test]
fn s4_2_4_1_and_2_response_is_right_and_gives_the_published_keys() {
    let Some(messages) = section("s4_2_4_1_and_2_response", "4.2.4.3") else { return };
    let base_key = section("s4_2_4_1_and_2_response", "4.2.4.1.2").unwrap();
    let proof = section("s4_2_4_1_and_2_response", "4.2.4.2.2").unwrap();
    let message = Authenticate::decode(&messages[1]).unwrap();
    let (nt_proof, temp) = message.nt_response.split_first_chunk::<16>().unwrap();
    assert_eq!(nt_proof.as_slice(), proof[0]);
    let mut attempt = NtlmAttempt {
        user: message.user.clone(),
        domain: message.domain.clone(),
        server_challenge: SERVER_CHALLENGE,
        nt_proof: *nt_proof,
        temp: temp.to_vec(),
    };
    let hash = ntlm::nt_hash(&Secret::from("Password"));
    let key = ntlm::verify(&hash, &attempt).unwrap();
    assert_eq!(key.expose().as_slice(), base_key[0]);
    // The user's case does not matter, the domain's does.
    attempt.user = "uSER".to_owned();
    assert!(ntlm::verify(&hash, &attempt).is_some());
    attempt.domain = "DOMAIN".to_owned();
    assert!(ntlm::verify(&hash, &attempt).is_none());
}

#[test]
fn s4_2_4_4_client_seals_to_the_published_bytes_and_acceptor_opens_them() {
    let Some(messages) = section("s4_2_4_4_sealing", "4.2.4.3") else { return };
    let values = section("s4_2_4_4_sealing", "4.2.4.4").unwrap();
    let (plain, sealed, signature) = (&values[1], &values[4], &values[7]);

    // With the published client challenge and session key, but our own attributes: the keys are the same.
    struct Published(bool);
    impl auth::Entropy for Published {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(if std::mem::replace(&mut self.0, true) { 0x55 } else { 0xaa });
        }
    }
    let user = UserName::parse(r"Domain\User");
    let credential = Credential::from_password(user, &Secret::from("Password"));
    let mut client = ntlm::Initiator::new(
        credential,
        InitiatorOptions::default(),
        &mut Published(false),
        FileTime(0),
    )
    .unwrap();
    auth::Initiator::step(&mut client, None).unwrap();
    auth::Initiator::step(&mut client, Some(&messages[0])).unwrap();
    let mut data = plain.clone();
    let header = auth::Initiator::sealer(&mut client).unwrap().seal(&mut data).unwrap().header;
    assert_eq!((&data, &header), (sealed, signature));

    // The published answer has no integrity code and the time zero.
    let verifier =
        Verifier { server_challenge: SERVER_CHALLENGE, now: FileTime(0), ..Verifier::default() };
    let mut acceptor = ntlm::Acceptor::new(ntlm::AcceptorOptions::default());
    let negotiate = Negotiate { flags: Flags(0xE208_8233), version: [0; 8] }.encode();
    verifier.token(&mut acceptor, &negotiate).unwrap();
    let Ok(AcceptStep::Done { login, .. }) = verifier.token(&mut acceptor, &messages[1]) else {
        panic!("refused")
    };
    let mut data = sealed.clone();
    login.sealer.unwrap().unseal(signature, &mut data).unwrap();
    assert_eq!(&data, plain);
}

#[test]
fn s3_2_5_1_2_response_made_with_an_empty_domain_is_right_too() {
    let setup = crate::support::Setup { user: "alice", ..Default::default() };
    let (mut client, mut acceptor) = (setup.initiator(), setup.acceptor());
    let Ok(auth::Step::Send(negotiate)) = client.step(None) else { panic!() };
    let Ok(AcceptStep::Reply(challenge)) = setup.verifier.token(&mut acceptor, &negotiate) else {
        panic!()
    };
    let Ok(auth::Step::Last(token)) = client.step(Some(&challenge)) else { panic!() };
    let Ok(AcceptStep::Ask(Question::Ntlm(mut attempt))) =
        auth::Acceptor::step(&mut acceptor, Input::Token(&token))
    else {
        panic!()
    };
    attempt.domain = "SOMETHING".to_owned();
    assert!(matches!(setup.verifier.answer(Question::Ntlm(attempt)), Answer::Accepted { .. }));
}
