//! The messages between the service and the process that keeps its configuration: what is read is written again the same, and a
//! text whose parts come in their order is the text that was cut.
#![cfg_attr(not(test), no_main)]

use server::configuration::frames::{Event, MAX, PART, Request, parts};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    if let Ok((number, request)) = Request::decode(bytes) {
        assert_eq!(request.encode(number), bytes);
        if let Request::Store { total, offset, part } = &request {
            assert!(part.len() <= PART && offset + part.len() <= *total);
        }
    }
    if let Ok((number, event)) = Event::decode(bytes) {
        let written = event.encode(number);
        assert!(written.len() <= bytes.len());
        assert_eq!(
            Event::decode(&written).expect("what was written is a message"),
            (number, event)
        );
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        cut(text);
    }
}

/// Cuts a text and puts it together as the process does.
fn cut(text: &str) {
    let mut whole = Vec::new();
    for request in parts(text) {
        let frame = request.encode(1);
        assert!(frame.len() <= MAX);
        let (_, read) = Request::decode(&frame).expect("a part is a message");
        let Request::Store { total, offset, part } = read else { panic!("{read:?}") };
        assert_eq!((total, offset), (text.len(), whole.len()));
        whole.extend(part);
    }
    assert_eq!(whole, text.as_bytes());
}
