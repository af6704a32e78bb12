//! Sealed bodies: arbitrary frames, and messages of our own that are changed on their way.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;

use auth::ntlm;
use auth::{
    AcceptStep, Acceptor as _, Account, Answer, Error, Initiator as _, Input, Question, Sealed,
    Sealer, Step,
};
use session::http::sealed::{Dialect, Frame, Protocol, is_sealed, open, seal};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";
const PIECES: &str = "multipart/x-multi-encrypted;protocol=\"application/HTTP-CredSSP-session-encrypted\";boundary=\"Encrypted Boundary\"";
const SOAP: &str = "application/soap+xml;charset=UTF-8";

pub(crate) fn run(bytes: &[u8]) {
    let announced = [Some(CONTENT_TYPE), Some(PIECES), std::str::from_utf8(bytes).ok()];
    for content_type in announced.into_iter().flatten() {
        if let Ok(opened) = open(&mut Open, content_type, bytes.to_vec()) {
            assert!(is_sealed(content_type) && opened.body.len() < bytes.len());
            // What was opened can be sealed again in the same dialect.
            let text = opened.content_type.clone();
            let sealed = seal(&mut Open, opened.frame, &text, opened.body.clone()).expect("open");
            let again = open(&mut Open, &sealed.content_type, sealed.body);
            assert_eq!(again.as_ref(), Ok(&opened));
        }
    }

    // Of our own message one byte is another: it opens to what was sealed, or not at all.
    let [change, low, high, message @ ..] = bytes else { return };
    let (mut client, mut server) = contexts();
    let dialect = if change & 1 == 0 { Dialect::Bare } else { Dialect::Tab };
    let frame = Frame { protocol: Protocol::Spnego, dialect };
    let mut sealed = seal(&mut *client, frame, SOAP, message.to_vec()).expect("a context");
    let at = usize::from(u16::from_le_bytes([*low, *high]));
    let changed = sealed.body.get_mut(at).map(|byte| *byte ^= change);
    // Padding that some clients leave behind their messages does not come out.
    let is_utf16 = matches!(message, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, ..]);
    let text = message.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let text = if is_utf16 { text.next_multiple_of(2) } else { text };
    let expected = message.get(..text.min(message.len())).expect("it is not longer");
    match open(&mut *server, &sealed.content_type, sealed.body) {
        Ok(opened) => assert_eq!(opened.body, expected),
        Err(error) => assert!(changed.is_some() && *change != 0, "{error}"),
    }
}

/// A login's two ends.
fn contexts() -> (Box<dyn Sealer>, Box<dyn Sealer>) {
    let mut client = login::initiator();
    let mut server = login::acceptor();
    let hash = ntlm::nt_hash(&auth::Secret::from("password"));
    let mut token = None;
    loop {
        let (Step::Send(sent) | Step::Last(sent)) = client.step(token.as_deref()).expect("a login")
        else {
            panic!("the client is done before the service")
        };
        let mut step = server.step(Input::Token(&sent)).expect("a login");
        while let AcceptStep::Ask(question) = step {
            let answer = match question {
                Question::Ntlm(attempt) => Answer::Accepted {
                    account: Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() },
                    session_key: ntlm::verify(&hash, &attempt),
                },
                other => login::refusal(other),
            };
            step = server.step(Input::Answer(answer)).expect("a login");
        }
        match step {
            AcceptStep::Done { login, .. } => {
                let client = client.sealer().expect("the client has a context");
                return (client, login.sealer.expect("the service has a context"));
            }
            AcceptStep::Reply(reply) => token = Some(reply),
            AcceptStep::Refused { .. } => panic!("the service refuses"),
            AcceptStep::Ask(_) => {}
        }
    }
}

/// A seal that lets everything pass.
#[derive(Debug)]
struct Open;

impl Sealer for Open {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, _: &mut Vec<u8>) -> Result<Sealed, Error> {
        Ok(Sealed::new(Vec::new(), 0))
    }

    fn unseal(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn mech_list_mic(&mut self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn check_mech_list_mic(&mut self, _: &[u8], _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn expect_mech_list_mic(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
