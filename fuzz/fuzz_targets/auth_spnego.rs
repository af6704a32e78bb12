//! SPNEGO tokens: no decoder panics, what decodes survives a round trip, and nobody comes in.
#![no_main]

use auth::{
    AcceptStep, Acceptor as _, Answer, Entropy, FileTime, Initiator as _, Input, Question, Secret,
    UserName,
    ntlm::{self, AcceptorOptions, Credential, InitiatorOptions, TargetNames},
    spnego::{self, NegTokenInit, NegTokenResp},
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
        _ => Answer::Refused,
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = NegTokenInit::decode(bytes) {
        assert_eq!(NegTokenInit::decode(&token.encode()), Ok(token));
    }
    if let Ok(token) = NegTokenResp::decode(bytes) {
        assert_eq!(NegTokenResp::decode(&token.encode()), Ok(token));
    }

    // Twice the same token: as the first one and as the next one.
    let ntlm = ntlm::Acceptor::new(AcceptorOptions::default());
    let mut acceptor = spnego::Acceptor::new(vec![Box::new(ntlm)]).expect("a mechanism");
    for _ in 0..2 {
        let mut step = acceptor.step(Input::Token(bytes));
        while let Ok(AcceptStep::Ask(question)) = step {
            step = acceptor.step(Input::Answer(answer(question)));
        }
        assert!(!matches!(step, Ok(AcceptStep::Done { .. })));
    }
    let credential = Credential::from_password(UserName::parse("alice"), &Secret::from("password"));
    let ntlm =
        ntlm::Initiator::new(credential, InitiatorOptions::default(), &mut Zeros, FileTime(0));
    let mut client =
        spnego::Initiator::new(vec![Box::new(ntlm.expect("a user name"))]).expect("a mechanism");
    drop(client.step(None));
    for _ in 0..2 {
        drop(client.step(Some(bytes)));
    }
});
