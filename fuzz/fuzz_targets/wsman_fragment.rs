//! Parts of a resource: any path, on any document, with any part. What is refused changes nothing, and what is written is read.
#![cfg_attr(not(test), no_main)]

use wsman::transfer::Fragment;
use wsman::xml::{Binding, Element, Limits, decode};
use wsman::{fragment, ns};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// The path, the document and the content of the part, each on lines of its own: the document begins at the first "<" of a line.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (whole, part) = rest.split_once('\n').unwrap_or((rest, ""));
    let Ok(whole) = decode(whole.as_bytes(), &Limits::default()) else { return };
    let bindings = vec![Binding::new("w", ns::WSMAN), Binding::new("cfg", ns::CONFIG)];
    let wanted = Fragment { bindings, ..Fragment::xpath(path) };
    let text = part;
    let part = Element::new(ns::WSMAN, "XmlFragment");
    let part = match decode(text.as_bytes(), &Limits::default()) {
        Ok(element) => part.with_child(element),
        Err(_) => part.with_text(text),
    };
    let found = fragment::select(&whole, &wanted);
    for change in [fragment::replace, fragment::insert] {
        let mut changed = whole.clone();
        match change(&mut changed, &wanted, &part) {
            Ok(()) => {
                assert!(found.is_ok());
                fragment::select(&changed, &wanted).expect("the path is a path");
            }
            Err(fault) => {
                assert!(fault.reason.ends_with(". ") && fault.reason.len() < 2_000);
                assert_eq!(changed, whole);
            }
        }
    }
    let mut less = whole.clone();
    match fragment::remove(&mut less, &wanted) {
        Ok(()) => assert_ne!(less, whole),
        Err(_) => assert_eq!(less, whole),
    }
    // A part that is written is the part that is read.
    let mut changed = whole.clone();
    if path.ends_with("text()") && fragment::replace(&mut changed, &wanted, &part).is_ok() {
        let read = fragment::select(&changed, &wanted).expect("the path is a path");
        assert_eq!(read.text(), part.text());
    }
}
