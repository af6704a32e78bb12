//! Feeds the envelope decoder, and everything that reads what it made.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wsman::identify::IdentifyResponse;
use wsman::shell::{CommandResponse, CreateResponse, ReceiveResponse, Request};
use wsman::xml::Limits;
use wsman::{Envelope, Fault};

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::decode(bytes, &Limits::default()) else {
        return;
    };
    drop(envelope.header.check_request());
    drop(Request::from_envelope(&envelope));
    drop(Fault::from_envelope(&envelope).map(|fault| fault.map(|fault| fault.to_string())));
    drop(IdentifyResponse::from_envelope(&envelope));
    drop(CreateResponse::from_body(&envelope.body));
    drop(CommandResponse::from_body(&envelope.body));
    drop(ReceiveResponse::from_body(&envelope.body));
    // What is written once is a fixed point. The output may be longer than the input.
    let written = envelope.encode();
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    let again = Envelope::decode(&written, &limits).expect("our own output is readable");
    assert_eq!(again.encode(), written);
});
