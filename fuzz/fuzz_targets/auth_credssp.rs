//! CredSSP inside a TLS session that hides nothing: no decoder panics, nobody comes in, and no service that does not know
//! the password is given it.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;

use auth::credssp::{
    Acceptor, AcceptorOptions, Channel, ChannelError, Initiator, InitiatorOptions, TsCredentials,
    TsRequest,
};
use auth::{Initiator as _, Secret, Step, UserName};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(request) = TsRequest::decode(bytes) {
        assert_eq!(TsRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(credentials) = TsCredentials::decode(bytes) {
        let again = TsCredentials::decode(&credentials.encode()).expect("what was read");
        assert_eq!((&again.domain, &again.user), (&credentials.domain, &credentials.user));
        assert_eq!(again.password.expose(), credentials.password.expose());
    }

    // Messages, each behind its length; the bytes themselves as a token.
    let messages = messages(bytes);
    for minimum_version in [2, 5] {
        let options = AcceptorOptions { minimum_version };
        let mut acceptor =
            Acceptor::new(Clear::channel(), vec![Box::new(login::acceptor())], options)
                .expect("one");
        let mut refused = false;
        for token in messages.iter().map(|one| record(one)).chain([bytes.to_vec()]) {
            let step = login::step(&mut acceptor, &token);
            assert!(!refused || step.is_err(), "goes on after an error");
            refused = !matches!(step, Ok(auth::AcceptStep::Reply(_)));
        }

        let credentials = TsCredentials::new(UserName::parse("alice"), Secret::from("password"));
        let options = InitiatorOptions { minimum_version };
        let mechanisms: Vec<Box<dyn auth::spnego::InitiatorMechanism>> =
            vec![Box::new(login::initiator())];
        let mut client =
            Initiator::new(Clear::channel(), mechanisms, credentials, options, &mut login::Zeros)
                .expect("one");
        drop(client.step(None));
        // TLS is complete.
        drop(client.step(Some(&[])));
        let mut refused = false;
        for token in messages.iter().map(|one| record(one)).chain([bytes.to_vec()]) {
            let step = client.step(Some(&token));
            assert!(!refused || step.is_err(), "goes on after an error");
            assert!(!matches!(step, Ok(Step::Last(_) | Step::Done)), "gives the password away");
            refused = step.is_err();
        }
    }
}

/// At most four pieces, each behind two bytes with its length.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut messages) = (bytes, Vec::new());
    while let [low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (message, after) = after.split_at(length);
        messages.push(message.to_vec());
        rest = after;
        if messages.len() == 4 {
            break;
        }
    }
    messages
}

/// A record of application data; what is longer than one holds is cut.
fn record(data: &[u8]) -> Vec<u8> {
    let data = data.get(..data.len().min(16_384)).expect("it is not longer");
    let length = u16::try_from(data.len()).expect("it is short").to_be_bytes();
    [&[23, 3, 3, length[0], length[1]], data].concat()
}

/// A complete session whose records are not encrypted.
#[derive(Debug)]
struct Clear(Vec<u8>);

impl Clear {
    fn channel() -> Box<dyn Channel> {
        Box::new(Self(record(b"")))
    }
}

impl Channel for Clear {
    fn receive(&mut self, records: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let (mut rest, mut data) = (records, Vec::new());
        while let [_, _, _, high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            // Only whole records come here.
            let (content, after) = after.split_at(length);
            data.extend_from_slice(content);
            rest = after;
        }
        Ok(data)
    }

    fn send(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        data.chunks(16_384).for_each(|piece| self.0.extend(record(piece)));
        Ok(())
    }

    fn take_records(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    fn is_handshaking(&self) -> bool {
        false
    }

    fn server_key(&self) -> Option<Vec<u8>> {
        Some(vec![0x30, 1, 2, 3])
    }

    fn trailer(&self, _length: usize) -> usize {
        17
    }
}
