//! The XML reader: its limits hold, what it reads can be written and read again, and both charsets
//! bring the same tree.
#![cfg_attr(not(test), no_main)]

#[path = "../support/tree.rs"]
mod tree;

use tree::{WIDE, bare};
use wsman::Charset;
use wsman::xml::{Element, Limits, decode, decode_as, encode};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits {
        bytes: 20_000,
        depth: 20,
        elements: 200,
        attributes_per_element: 12,
        name_length: 100,
        namespaces: 12,
        memory: 500_000,
    };
    drop(decode_as(bytes, Charset::Utf16, &limits));
    let element = match decode(bytes, &limits) {
        Ok(element) => element,
        Err(error) => {
            assert!(error.to_string().len() < 1_000, "a long error for {} bytes", bytes.len());
            return;
        }
    };
    assert!(bytes.len() <= limits.bytes);
    let mut elements = 0;
    check(&element, 1, &mut elements, &limits);

    let written = encode(&element);
    let again = decode(&written, &WIDE).expect("our own output is readable");
    assert_eq!(encode(&again), written);
    check_bindings(&element, &again);
    assert_eq!(bare(again), bare(element.clone()));

    // A declaration of the encoding would be a lie in the other charset.
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.trim_start_matches('\u{feff}').starts_with("<?xml")
    {
        let text = text.trim_start_matches('\u{feff}');
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let little = Charset::Utf16.encode(text.to_owned());
        for wide in [big, little] {
            assert_eq!(decode_as(&wide, Charset::Utf16, &WIDE).as_ref(), Ok(&element));
        }
    }
}

fn check(element: &Element, depth: usize, elements: &mut usize, limits: &Limits) {
    *elements += 1;
    assert!(depth <= limits.depth && *elements <= limits.elements);
    assert!(element.attributes.len() <= limits.attributes_per_element);
    assert!(element.bindings.len() <= limits.namespaces);
    let names = element.attributes.iter().map(|attribute| &attribute.name);
    for name in names.chain([&element.name]) {
        assert!(!name.local().is_empty() && name.local().len() <= limits.name_length);
    }
    for child in element.elements() {
        check(child, depth + 1, elements, limits);
    }
}

/// What a prefix in a value meant, it means still.
fn check_bindings(before: &Element, after: &Element) {
    for binding in &before.bindings {
        if !matches!(binding.prefix(), "xml" | "xmlns") {
            assert!(after.bindings.contains(binding), "{binding:?} is lost");
        }
    }
    for (before, after) in before.elements().zip(after.elements()) {
        check_bindings(before, after);
    }
}
