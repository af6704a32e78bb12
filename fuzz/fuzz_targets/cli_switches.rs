//! The command line of `winrs`: whatever the words are, they are understood or refused with a
//! reason, the command line is passed on as it is, and a password is shown to nobody.
#![cfg_attr(not(test), no_main)]

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

#[cfg(not(test))]
#[path = "../../crates/app/cli/src/command_error.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod command_error;
#[cfg(not(test))]
#[path = "../../crates/app/cli/src/switches.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod switches;
#[cfg(not(test))]
#[path = "../support/winrs.rs"]
mod winrs;

use crate::command_error::Program;
use crate::winrs::args::{Parsed, Request, wants_json};
use crate::winrs::connection::PasswordSource;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// Each line is a word.
pub(crate) fn run(bytes: &[u8]) {
    let words: Vec<OsString> =
        bytes.split(|&byte| byte == b'\n').map(|word| OsString::from_vec(word.to_vec())).collect();
    let _json: bool = wants_json(&words);
    let parsed = match Parsed::new(&words) {
        Ok(parsed) => parsed,
        Err(error) => return assert!(!error.text(Program::Winrs).is_empty()),
    };
    let place = parsed.password_place();
    let secret = place.map(|(word, from)| {
        let word = words.get(word).expect("the place is one of the words").as_bytes();
        word.get(from..).expect("the place is inside the word").to_vec()
    });
    match parsed.request() {
        Ok(Request::Help) => {}
        Ok(Request::Run(connection, invocation)) => {
            assert!(!invocation.command_line.trim_end_matches(' ').is_empty() || words.len() > 1);
            let joined = words.join(std::ffi::OsStr::new(" "));
            assert!(joined.as_bytes().ends_with(invocation.command_line.as_bytes()));
            assert!(invocation.environment.iter().all(|(name, _)| !name.is_empty()));
            if let PasswordSource::Given(password) = &connection.password {
                assert_eq!(Some(password.expose().as_bytes()), secret.as_deref());
                let shown = format!("{connection:?}{invocation:?}");
                assert!(password.expose().len() < 8 || !shown.contains(password.expose()));
            }
        }
        Err(error) => {
            let text = error.text(Program::Winrs);
            assert!(!text.is_empty());
        }
    }
}
