//! Envelopes: everything that looks at a header takes whatever the decoder lets through, and what
//! is written once is a fixed point in both charsets.
#![cfg_attr(not(test), no_main)]

#[path = "../support/tree.rs"]
mod tree;

use std::mem::discriminant;

use tree::{WIDE, bare};
use wsman::shell::server::{Incoming, RequestToken};
use wsman::xml::Limits;
use wsman::{Charset, Envelope, Fault, ns};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { elements: 2_000, ..Limits::default() };
    let envelope = match Envelope::decode(bytes, &limits) {
        Ok(envelope) => envelope,
        Err(error) => {
            let fault = Fault::from(&error);
            assert!(fault.error_code().is_some() && !fault.text().is_empty());
            return;
        }
    };
    let written = envelope.encode();
    let again = Envelope::decode(&written, &WIDE).expect("our own output is readable");
    assert_eq!(again.encode(), written);
    let wide = Envelope::decode(&envelope.encode_as(Charset::Utf16), &WIDE);
    assert_eq!(wide.expect("our own UTF-16 is readable").encode(), written);

    // Nothing of it was lost on the way.
    assert_eq!((&again.lang, &again.attributes), (&envelope.lang, &envelope.attributes));
    let (one, other) = (&envelope.header, &again.header);
    let kinds = |envelope: &Envelope| {
        let kind = |block: &wsman::Block| (discriminant(&block.value), block.must_understand);
        envelope.header.blocks.iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&envelope), kinds(&again));
    assert_eq!((one.action(), one.to()), (other.action(), other.to()));
    assert_eq!((one.message_id(), one.relates_to()), (other.message_id(), other.relates_to()));
    assert_eq!((one.shell_id(), one.operation_id()), (other.shell_id(), other.operation_id()));
    assert_eq!(one.operation_timeout(), other.operation_timeout());
    assert_eq!(one.max_envelope_size(), other.max_envelope_size());
    let bodies = [envelope.body.clone(), again.body.clone()];
    let [one, other] = bodies.map(|body| body.into_iter().map(bare).collect::<Vec<_>>());
    assert_eq!(one, other);

    check_answer(&envelope);
}

/// Whatever a request is, its answer relates to it and is a message that clients can read.
fn check_answer(envelope: &Envelope) {
    let checked = envelope.header.check_request();
    assert_eq!(checked.is_ok(), envelope.header.check_request().is_ok());
    let answer = match checked {
        Ok(()) => {
            let (id, max) = (envelope.header.message_id(), envelope.header.max_envelope_size());
            assert!(id.is_some_and(|id| !id.is_empty()));
            assert!(max.is_none_or(|max| max >= wsman::MIN_ENVELOPE_SIZE));
            let token = RequestToken(1);
            let now = std::time::Instant::now();
            match Incoming::from_envelope(token, envelope, now, 100_000, uuid::Uuid::nil()) {
                Ok(_) => {
                    envelope.reply(ns::action::RECEIVE_RESPONSE, uuid::Uuid::max(), Vec::new())
                }
                Err(fault) => fault.to_envelope(Some(&envelope.header), uuid::Uuid::max(), "host"),
            }
        }
        Err(fault) => fault.to_envelope(Some(&envelope.header), uuid::Uuid::max(), "host"),
    };
    let bytes = answer.encode();
    let read = Envelope::decode(&bytes, &WIDE).expect("our answers are readable");
    assert_eq!(read.header.relates_to(), envelope.header.message_id());
    assert_eq!(Fault::is_in(&read), Fault::is_in(&answer));
    let fault = Fault::from_envelope(&read).expect("our faults are readable");
    assert!(fault.is_none_or(|fault| fault.text().len() <= 4 * 2_048));
}
