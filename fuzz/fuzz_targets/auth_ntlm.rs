//! NTLM messages: no decoder panics, what decodes survives a round trip, and nobody comes in.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;

use auth::Initiator as _;
use auth::ntlm::{self, Authenticate, AvPairs, Challenge, Flags, Negotiate};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(message) = Negotiate::decode(bytes) {
        assert_eq!(Negotiate::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = Challenge::decode(bytes) {
        let encoded = message.encode().expect("what was decoded fits");
        assert_eq!(Challenge::decode(&encoded), Ok(message));
    }
    if let Ok(message) = Authenticate::decode(bytes) {
        let encoded = message.encode().expect("what was decoded fits");
        let again = Authenticate::decode(&encoded).expect("our own writing");
        // Where every field is empty, no payload says where the head ends.
        assert!(again == message || encoded.len() <= 88, "{message:?} became {again:?}");
    }
    if let Ok((pairs, length)) = AvPairs::decode(bytes) {
        assert!(length <= bytes.len());
        let encoded = pairs.encode().expect("what was decoded fits");
        assert_eq!(encoded.len(), length);
        assert_eq!(AvPairs::decode(&encoded), Ok((pairs, length)));
    }

    // As the client's last message, and after it once more.
    let mut acceptor = login::acceptor();
    let negotiate = Negotiate { flags: Flags(0xE208_82B7), version: [0; 8] }.encode();
    assert!(login::step(&mut acceptor, &negotiate).is_ok());
    let first = login::step(&mut acceptor, bytes).expect_err("nobody comes in");
    assert!(login::step(&mut acceptor, bytes).is_err(), "goes on after {first:?}");
    // As its first message, and then as its last.
    let mut acceptor = login::acceptor();
    if login::step(&mut acceptor, bytes).is_ok() {
        assert!(login::step(&mut acceptor, bytes).is_err());
    }
    // As the service's challenge: an answer to it is a message that services read.
    let mut client = login::initiator();
    drop(client.step(None));
    match client.step(Some(bytes)) {
        Ok(auth::Step::Last(token)) => {
            let message = Authenticate::decode(&token).expect("our own writing");
            assert!(message.mic.is_some() && message.user == "alice");
            assert!(Challenge::decode(bytes).is_ok());
        }
        Ok(step) => panic!("{step:?} after the challenge"),
        Err(error) => assert!(error.to_string().len() < 1_000),
    }
    drop(ntlm::nt_hash(&auth::Secret::from(String::from_utf8_lossy(bytes).into_owned())));
}
