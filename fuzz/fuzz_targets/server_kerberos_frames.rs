//! The messages between the service and its Kerberos process: what is read is written again the same, and nothing is both a
//! question and an answer.
#![cfg_attr(not(test), no_main)]

use server::kerberos::frames::{Event, MAX, Request};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let request = Request::decode(bytes);
    let event = Event::decode(bytes);
    assert!(request.is_err() || event.is_err());
    if let Ok((number, request)) = request {
        let written = request.encode(number).expect("what was read is not too long");
        assert_eq!(written.as_slice(), bytes);
    }
    if let Ok((number, event)) = event {
        let written = event.encode(number);
        assert!(written.len() <= MAX);
        // Names of keys may be cut when they are written again; nothing else is.
        if !matches!(event, Event::Ready { .. }) {
            assert_eq!(written.as_slice(), bytes);
        }
    }
}
