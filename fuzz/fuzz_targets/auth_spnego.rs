//! SPNEGO tokens: no decoder panics, what decodes survives a round trip, and nobody comes in.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;

use auth::Initiator as _;
use auth::spnego::{self, NegTokenInit, NegTokenResp};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(token) = NegTokenInit::decode(bytes) {
        assert_eq!(NegTokenInit::decode(&token.encode()), Ok(token));
    }
    if let Ok(token) = NegTokenResp::decode(bytes) {
        assert_eq!(NegTokenResp::decode(&token.encode()), Ok(token));
    }

    // One token as the first and as the next one; and two tokens, cut at a length in front.
    let half = bytes.first().map_or(0, |length| usize::from(*length).min(bytes.len() - 1));
    let (one, other) = bytes.get(1..).unwrap_or_default().split_at(half);
    for tokens in [[bytes, bytes], [one, other]] {
        let mut acceptor =
            spnego::Acceptor::new(vec![Box::new(login::acceptor())]).expect("a mechanism");
        let mut refused = false;
        for token in tokens {
            let step = login::step(&mut acceptor, token);
            assert!(!refused || step.is_err(), "goes on after an error");
            refused = step.is_err();
        }
        let mut client =
            spnego::Initiator::new(vec![Box::new(login::initiator())]).expect("a mechanism");
        drop(client.step(None));
        let mut refused = false;
        for token in tokens {
            let step = client.step(Some(token));
            assert!(!refused || step.is_err(), "goes on after an error");
            // The services's answer to our last message must be signed with a key that it has not.
            assert!(!matches!(step, Ok(auth::Step::Done)), "believes anybody");
            refused = step.is_err();
        }
    }
}
