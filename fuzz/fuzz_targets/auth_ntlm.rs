//! NTLM messages: no decoder panics, what decodes survives a round trip, and nobody comes in.
#![no_main]

use auth::{
    AcceptStep, Acceptor as _, Answer, Entropy, FileTime, Initiator as _, Input, Question, Secret,
    UserName,
    ntlm::{
        self, AcceptorOptions, Authenticate, AvPairs, Challenge, Credential, InitiatorOptions,
        Negotiate, TargetNames,
    },
};
use libfuzzer_sys::fuzz_target;

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn answer(question: Question) -> Answer {
    match question {
        Question::Challenge => Answer::Challenge {
            server_challenge: [0, 1, 2, 3, 4, 5, 6, 7],
            names: TargetNames::standalone("HOST", "host.example"),
            now: FileTime(133_000_000_000_000_000),
        },
        Question::Ntlm(attempt) => {
            assert!(ntlm::verify(&ntlm::nt_hash(&Secret::from("not guessed")), &attempt).is_none());
            Answer::Refused
        }
        _ => Answer::Refused,
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Negotiate::decode(bytes) {
        assert_eq!(Negotiate::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = Challenge::decode(bytes) {
        drop(message.encode());
    }
    if let Ok(message) = Authenticate::decode(bytes) {
        drop(message.encode());
    }
    if let Ok((pairs, length)) = AvPairs::decode(bytes) {
        assert!(length <= bytes.len());
        let encoded = pairs.encode().expect("what was decoded fits");
        assert_eq!(AvPairs::decode(&encoded).map(|(pairs, _)| pairs), Ok(pairs));
    }

    // As the client's last message, and as the service's challenge.
    let mut acceptor = ntlm::Acceptor::new(AcceptorOptions::default());
    let negotiate = Negotiate { flags: ntlm::Flags(0xE208_82B7), version: [0; 8] }.encode();
    for token in [&negotiate[..], bytes] {
        let mut step = acceptor.step(Input::Token(token));
        while let Ok(AcceptStep::Ask(question)) = step {
            step = acceptor.step(Input::Answer(answer(question)));
        }
        assert!(!matches!(step, Ok(AcceptStep::Done { .. })));
    }
    let credential = Credential::from_password(UserName::parse("alice"), &Secret::from("password"));
    let options = InitiatorOptions::default();
    let mut client =
        ntlm::Initiator::new(credential, options, &mut Zeros, FileTime(0)).expect("a user name");
    drop(client.step(None));
    drop(client.step(Some(bytes)));
});
