//! Challenges of Digest: none panics, and whatever one says, the answer is a header that its own rules can be read by.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;

use auth::Secret;
use auth::digest::{Challenge, Initiator};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// The first line is a challenge, the second one `Authentication-Info`, the third one another challenge.
pub(crate) fn run(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (first, info, second) = (line(), line(), line());
    let password = Secret::from("password");
    let mut digest = Initiator::new("al\"ice", &password, &mut login::Zeros).expect("a name");
    let Ok(challenge) = Challenge::parse(first) else { return };
    assert!(digest.challenge(vec![challenge.clone()]));
    answer(&mut digest, &challenge);
    digest.accepted(Some(info));
    answer(&mut digest, &challenge);
    if let Ok(other) = Challenge::parse(second) {
        let is_stale = other.is_stale();
        assert_eq!(digest.challenge(vec![other.clone()]), is_stale);
        if is_stale {
            answer(&mut digest, &other);
            assert!(!digest.challenge(vec![other]), "more than one new try");
        }
    }
}

/// Realm and nonce come back, and read by the same rules they are what they were.
fn answer(digest: &mut Initiator, challenge: &Challenge) {
    let answer = digest.authorize("POST", "/wsman").expect("a challenge is there");
    assert!(!answer.iter().any(|&byte| byte < b' ' && byte != b'\t'), "breaks out of its header");
    let again = Challenge::parse(&answer).expect("realm and nonce are there");
    assert_eq!(again.algorithm(), challenge.algorithm());
}
