//! Answers that may be several messages, and requests for operations on resources: what is read is written as it was.
#![cfg_attr(not(test), no_main)]

use std::time::Duration;

use uuid::Uuid;
use wsman::shell::RequestContext;
use wsman::transfer::{Created, Locator, Operation};
use wsman::xml::Limits;
use wsman::{Charset, Envelope, robust};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(envelope) = robust::decode(bytes, Charset::Utf8, &Limits::default()) else { return };
    let _control = robust::Control::from_envelope(&envelope);
    if let Ok(created) = Created::from_body(&envelope.body) {
        assert_eq!(Created::from_body(&created.to_body()), Ok(created));
    }
    let locator = Locator::from_header(&envelope.header);
    let Ok(operation) = Operation::from_envelope(&envelope) else { return };
    let context = RequestContext::new("http://h/wsman", "urn:x", Uuid::nil());
    let again = operation.to_envelope(&context, &locator, Uuid::nil(), Duration::from_secs(20));
    let again = Envelope::decode(&again.encode(), &Limits::default()).expect("our own writing");
    if let Operation::Invoke { .. } = operation {
        // A method of another resource has the whole action for its name, in whatever case the resource is written.
        assert!(matches!(Operation::from_envelope(&again), Ok(Operation::Invoke { .. })));
    } else {
        assert_eq!(Operation::from_envelope(&again), Ok(operation));
    }
}
