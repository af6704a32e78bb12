//! Both frame decoders of the spawner: nothing panics, and whatever decodes encodes to the same bytes again.
#![cfg_attr(not(test), no_main)]

use spawner::frames::{keeper, root};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok((sequence, request)) = root::Request::decode(bytes) {
        assert_eq!(request.encode(sequence), bytes);
    }
    if let Ok((sequence, event)) = root::Event::decode(bytes) {
        assert_eq!(event.encode(sequence), bytes);
    }
    if let Ok(request) = keeper::Request::decode(bytes) {
        assert_eq!(request.encode().as_deref(), Ok(bytes));
    }
    if let Ok(event) = keeper::Event::decode(bytes) {
        assert_eq!(event.encode(), bytes);
    }
}
