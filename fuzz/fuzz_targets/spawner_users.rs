//! The file of local users: nothing panics, and a file that is accepted is written as the same bytes again.
#![cfg_attr(not(test), no_main)]

use spawner::users::Users;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    match Users::parse(bytes) {
        Ok(users) => {
            assert_eq!(users.to_bytes(), bytes);
            for mapping in users.iter() {
                assert_eq!(users.find(&mapping.account), Some(mapping));
            }
        }
        Err(error) => assert!(error.to_string().len() < 1_000),
    }
}
