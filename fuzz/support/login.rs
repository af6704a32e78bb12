//! What targets about logins share: entropy without surprises, and a service that lets nobody in.

use auth::ntlm::{self, AcceptorOptions, Credential, InitiatorOptions, TargetNames};
use auth::{
    AcceptStep, Acceptor, Answer, Entropy, Error, FileTime, Input, KerberosRefusal, Question,
    Secret, UserName,
};

pub(crate) struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The answers of a service whose users have other passwords than anybody here.
pub(crate) fn refusal(question: Question) -> Answer {
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
        Question::Kerberos(attempt) => {
            assert!(attempt.token.len() <= 64 * 1024 && attempt.token.starts_with(&[0x60]));
            let refusal = KerberosRefusal::NoKey.into();
            Answer::KerberosRefused { refusal, token: Some(b"KRB-ERROR".to_vec()) }
        }
        _ => Answer::Refused,
    }
}

/// Gives a token, and the refusing answers to what is asked about it.
#[allow(dead_code, reason = "not every target that includes this file has tokens")]
pub(crate) fn step(acceptor: &mut dyn Acceptor, token: &[u8]) -> Result<AcceptStep, Error> {
    let mut step = acceptor.step(Input::Token(token));
    while let Ok(AcceptStep::Ask(question)) = step {
        step = acceptor.step(Input::Answer(refusal(question)));
    }
    assert!(!matches!(step, Ok(AcceptStep::Done { .. })), "somebody came in");
    step
}

#[allow(dead_code, reason = "not every target that includes this file has tokens")]
pub(crate) fn acceptor() -> ntlm::Acceptor {
    ntlm::Acceptor::new(AcceptorOptions::default())
}

#[allow(dead_code, reason = "not every target that includes this file has tokens")]
pub(crate) fn initiator() -> ntlm::Initiator {
    let credential = Credential::from_password(UserName::parse("alice"), &Secret::from("password"));
    let options = InitiatorOptions::default();
    ntlm::Initiator::new(credential, options, &mut Zeros, FileTime(0)).expect("a name")
}
