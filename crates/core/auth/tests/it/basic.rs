//! Basic logins.

use auth::{ApiMisuse, Error, Initiator as _, Refusal, Scheme, Secret, Step, basic};

use crate::support::{Outcome, PASSWORD, Verifier, run};

#[test]
fn name_and_password_beyond_ascii_travel_as_utf_8() {
    let mut client = basic::Initiator::new(r"DOM\Jörg", &Secret::from(PASSWORD)).unwrap();
    assert_eq!(client.scheme(), Scheme::Basic);
    assert_eq!(client.step(None), Ok(Step::Last(r"DOM\Jörg:Pässwörd: 1".as_bytes().to_vec())));
    assert_eq!(client.step(None), Ok(Step::Done));
    assert!(!client.can_seal() && client.sealer().is_none());
}

#[test]
fn right_password_is_let_in_and_wrong_or_unknown_look_alike() {
    let attempt = |user: &str, password: &str| {
        let mut client = basic::Initiator::new(user, &Secret::from(password)).unwrap();
        run(&mut client, &mut basic::Acceptor::new(), &Verifier::default(), &mut |_, _| {})
    };
    let Outcome::In { login, .. } = attempt(r"TESTHOST\Jörg", PASSWORD) else { panic!("refused") };
    assert_eq!((login.account.name.as_str(), login.mechanism), ("Jörg", "Basic"));
    for (user, password) in [("alice", "wrong"), ("mallory", PASSWORD)] {
        let outcome = attempt(user, password);
        assert!(
            matches!(outcome, Outcome::ServiceRefused(Error::Refused(Refusal::WrongCredentials))),
            "{user}: {outcome:?}"
        );
    }
}

#[test]
fn what_basic_cannot_carry_is_refused_before_it_is_sent() {
    let new = |user: &str, password: &str| {
        basic::Initiator::new(user, &Secret::from(password)).unwrap_err()
    };
    assert_eq!(new("a:b", "x"), ApiMisuse::UserNameHasColon);
    assert_eq!(new("", "x"), ApiMisuse::UserNameEmpty);
    assert_eq!(new("a", "x\n"), ApiMisuse::ControlCharacter);
}

#[test]
fn malformed_tokens_are_refused_for_good() {
    for token in [&b"alice"[..], b":secret", b"alice:\0", &[b'a'; 5000]] {
        let mut acceptor = basic::Acceptor::new();
        let first = Verifier::default().token(&mut acceptor, token).unwrap_err();
        assert!(matches!(first, Error::Refused(_)), "{first:?}");
        assert_eq!(Verifier::default().token(&mut acceptor, b"alice:x").unwrap_err(), first);
    }
}

#[test]
fn token_after_the_end_is_refused() {
    let mut acceptor = basic::Acceptor::new();
    let token = format!("alice:{PASSWORD}");
    Verifier::default().token(&mut acceptor, token.as_bytes()).unwrap();
    let again = Verifier::default().token(&mut acceptor, token.as_bytes()).unwrap_err();
    assert_eq!(again, Error::Refused(Refusal::TokenAfterEnd));
}
