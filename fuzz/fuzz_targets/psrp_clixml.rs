//! The reader of CLIXML: its limits hold, and what it reads is written so that it reads the same again.
#![cfg_attr(not(test), no_main)]

use psrp::clixml::{Content, Limits, Value, decode, decode_document, encode, encode_document};

const LIMITS: Limits = Limits { bytes: 20_000, depth: 20, values: 500 };
/// For what we have written ourselves: escapes and references may take more room than they did.
const WIDE: Limits = Limits { bytes: usize::MAX, depth: 200, values: usize::MAX };

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match decode(text, &LIMITS) {
        Ok(value) => {
            assert!(text.len() <= LIMITS.bytes);
            let mut values = 0;
            count(&value, 0, &mut values);
            let written = encode(&value);
            let again = decode(&written, &WIDE).expect("our own output is readable");
            // Compared as text: a NaN is not equal to itself.
            assert_eq!(encode(&again), written);
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "a long error"),
    }
    if let Ok(items) = decode_document(text, &LIMITS) {
        let written = encode_document(&items);
        let again = decode_document(&written, &WIDE).expect("our own output is readable");
        assert_eq!(again.len(), items.len());
        assert_eq!(encode_document(&again), written);
    }
}

/// Goes through all of it once, as a caller would.
fn count(value: &Value, depth: usize, values: &mut usize) {
    *values += 1;
    // An object that is referred to again is met again; no text of this length has more of them.
    if *values > 10 * LIMITS.values {
        return;
    }
    assert!(depth <= LIMITS.depth, "deeper than allowed");
    let Value::Object(object) = value else { return };
    match &object.content {
        Content::Base(base) => count(base, depth + 1, values),
        Content::Dictionary(entries) => {
            for (key, value) in entries {
                count(key, depth + 1, values);
                count(value, depth + 1, values);
            }
        }
        _ => {
            for item in object.items().unwrap_or_default() {
                count(item, depth + 1, values);
            }
        }
    }
    for (_, value) in object.adapted.values().chain(object.extended.values()) {
        count(value, depth + 1, values);
    }
}
