//! Small texts inside messages: durations, booleans, ids, names of errors, charsets.
#![cfg_attr(not(test), no_main)]

use wsman::{Charset, Duration, ErrorCode, parse_boolean, same_id};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    for charset in [Charset::Utf8, Charset::Utf16] {
        let text = charset.to_utf8(bytes);
        assert!(text.len() <= bytes.len() * 2);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(duration) = text.parse::<Duration>() {
        assert_eq!(duration.to_string().parse::<Duration>().as_ref(), Ok(&duration));
        assert_eq!(duration.is_negative(), duration.length().is_none());
        if let Some(length) = duration.length() {
            for written in [Duration::seconds(length), Duration::days(length)] {
                let again: Duration = written.to_string().parse().expect("our own writing");
                assert_eq!(again, written);
                assert!(again.length() <= Some(length));
            }
        }
    }
    if parse_boolean(text).is_some() {
        assert!(text.trim().len() <= "false".len());
    }
    if let Some(code) = ErrorCode::by_name(text) {
        assert!(code.name().is_some_and(|name| name.eq_ignore_ascii_case(text)));
    }
    let charset = Charset::of_content_type(text);
    assert_eq!(Charset::of_content_type(charset.content_type()), charset);
    let (one, other) = text.split_at_checked(text.len() / 2).unwrap_or((text, ""));
    assert!(same_id(text, text));
    assert_eq!(same_id(one, other), same_id(other, one));
}
