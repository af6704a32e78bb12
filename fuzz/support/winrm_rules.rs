//! What holds of every command line of `winrm`. It stands among the program's own files, whose parts see each other only.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use wsman::transfer::Locator;
use wsman::xml::{self, Limits};

use crate::command_error::Program;
use crate::winrm::grammar::{self, FilterText, Invocation, Operation, Request};
use crate::winrm::input::{self, Input};
use crate::winrm::passwords;

/// Each line is a word.
pub(crate) fn check(bytes: &[u8]) {
    let words: Vec<OsString> =
        bytes.split(|&byte| byte == b'\n').map(|word| OsString::from_vec(word.to_vec())).collect();
    let places = passwords::places(&words);
    for (word, from) in &places {
        let length = words.get(*word).map(|word| word.len());
        assert!(*word <= words.len() && length.is_none_or(|length| *from <= length));
    }
    match grammar::read(&words) {
        Ok(Request::Help(topic)) => assert!(!topic.text().is_empty()),
        Ok(Request::Message(_)) => {}
        Ok(Request::Operate(invocation)) => {
            let Invocation { switches, operation, .. } = &*invocation;
            for secret in [&switches.password, &switches.proxypassword].into_iter().flatten() {
                let is_there = |(word, from): &(usize, usize)| {
                    let bytes = words.get(*word).map(|word| word.as_bytes()).unwrap_or_default();
                    bytes.get(*from..) == Some(secret.as_bytes())
                };
                assert!(secret.is_empty() || places.iter().any(is_there), "a password stays");
            }
            operate(operation);
        }
        Err(error) => assert!(!error.text(Program::Winrm).is_empty()),
    }
}

fn operate(operation: &Operation) {
    match operation {
        Operation::Get(locator) | Operation::Delete(locator) => named(locator),
        Operation::Set(locator, input) => {
            named(locator);
            given(locator, "Method", input);
        }
        Operation::Create(locator, input) => {
            named(locator);
            input.iter().for_each(|input| given(locator, "Method", input));
        }
        Operation::Invoke { locator, method, input } => {
            named(locator);
            input.iter().for_each(|input| given(locator, method, input));
        }
        Operation::Enumerate(locator, listing) => {
            named(locator);
            assert!(locator.fragment.is_none());
            if let Some(FilterText::Selectors(set)) = &listing.filter {
                assert!(set.duplicate().is_none());
            }
        }
        Operation::ConfigSddl(_) | Operation::Identify | Operation::QuickConfig { .. } => {}
    }
}

fn named(locator: &Locator) {
    assert!(!locator.resource_uri.is_empty());
    assert!(!locator.resource_uri.contains(char::is_whitespace));
    assert!(locator.selectors.duplicate().is_none());
}

/// What is made of `@{…}` is read as what it is.
fn given(locator: &Locator, method: &str, input: &Input) {
    let Input::Pairs(pairs) = input else { return };
    let uri = &locator.resource_uri;
    for made in [input::for_create(uri, pairs), input::for_method(uri, method, pairs)] {
        let Ok(element) = made else { continue };
        assert_eq!(element.elements().count(), pairs.len());
        let written = xml::encode(&element);
        let read = xml::decode(&written, &Limits::default()).expect("what is written is XML");
        assert_eq!(read.elements().count(), pairs.len());
    }
}
