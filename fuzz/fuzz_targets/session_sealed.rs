//! Opens arbitrary bytes as a sealed body, behind a seal that lets everything pass.
#![no_main]

use auth::{Error, Sealed, Sealer};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Open;

impl Sealer for Open {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, _: &mut Vec<u8>) -> Result<Sealed, Error> {
        Ok(Sealed::new(Vec::new(), 0))
    }

    fn unseal(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn mech_list_mic(&mut self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn check_mech_list_mic(&mut self, _: &[u8], _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn expect_mech_list_mic(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";

fuzz_target!(|data: &[u8]| {
    drop(session::http::sealed::open(&mut Open, CONTENT_TYPE, data.to_vec()));
    if let Ok(text) = std::str::from_utf8(data) {
        drop(session::http::sealed::open(&mut Open, text, data.to_vec()));
    }
});
