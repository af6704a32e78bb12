//! Messages: whatever frame and type decode, they encode to what decodes to the same again.
#![cfg_attr(not(test), no_main)]

use psrp::clixml::Limits;
use psrp::message::{Destination, Frame};
use psrp::messages::{KINDS, Message};
use uuid::Uuid;

const LIMITS: Limits = Limits { bytes: 20_000, depth: 20, values: 500 };
const WIDE: Limits = Limits { bytes: usize::MAX, depth: 200, values: usize::MAX };

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// The first byte says the type, 255 that a whole frame follows; else the text of a message follows.
pub(crate) fn run(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let frame = if first == 255 {
        let Ok(frame) = Frame::decode(rest.to_vec()) else { return };
        assert_eq!(Frame::decode(frame.encode()).as_ref(), Ok(&frame));
        frame
    } else {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        let kind = &KINDS[usize::from(first) % KINDS.len()];
        Frame {
            destination: Destination::Client,
            kind: kind.number,
            pool: Uuid::from_u128(1),
            pipeline: Uuid::from_u128(2),
            text: text.to_owned(),
        }
    };
    let (destination, pool, pipeline) = (frame.destination, frame.pool, frame.pipeline);
    match Message::decode(frame, &LIMITS) {
        Ok(message) => {
            let written = message.encode(destination, pool, pipeline);
            let again =
                Message::decode(written.clone(), &WIDE).expect("our own output is readable");
            assert_eq!(again.number(), message.number());
            // Compared as text: a NaN is not equal to itself.
            assert_eq!(again.encode(destination, pool, pipeline), written);
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "a long error"),
    }
}
