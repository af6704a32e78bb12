//! Security descriptors: no text panics, and what is read is written so that it is read as the same again.
#![cfg_attr(not(test), no_main)]

use auth::sddl::SecurityDescriptor;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// The bytes are the text.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(descriptor) = text.parse::<SecurityDescriptor>() else { return };
    let written = descriptor.to_string();
    assert_eq!(written.parse(), Ok(descriptor), "{written}");
}
