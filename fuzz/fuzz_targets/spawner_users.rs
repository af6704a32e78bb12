//! The file of local users: nothing panics, and a file that is accepted is written as the same bytes again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spawner::users::Users;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(users) = Users::parse(bytes) {
        assert_eq!(users.to_bytes(), bytes);
    }
});
