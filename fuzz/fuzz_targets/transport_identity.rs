//! Certificates and keys as `transom cert import` takes them, PEM and PFX: what is read can be
//! written and read again, and texts in it cannot do anything to a terminal.
#![cfg_attr(not(test), no_main)]

use auth::Secret;
use transport::tls::certificate::{Facts, channel_binding};
use transport::tls::identity::Identity;
use transport::tls::trust::Pin;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// One file; after a line of two dashes a second one with the key.
pub(crate) fn run(bytes: &[u8]) {
    let cut = bytes.windows(4).position(|part| part == b"\n--\n");
    let (one, key) = match cut.and_then(|at| bytes.split_at_checked(at + 4)) {
        Some((one, key)) => (one, Some(key)),
        None => (bytes, None),
    };
    let password = Secret::from("password");
    for password in [None, Some(&password)] {
        match Identity::read(one, key, password) {
            Ok(identity) => check(&identity),
            Err(error) => assert!(error.to_string().len() < 1_000),
        }
    }
    if let Ok(facts) = Facts::read(bytes) {
        check_facts(&facts);
        let binding = channel_binding(bytes);
        assert_eq!(binding.is_some(), channel_binding(bytes).is_some());
    }
    if let Some(pin) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Pin>().ok()) {
        assert_eq!(pin.to_string().parse::<Pin>().ok(), Some(pin));
    }
}

fn check(identity: &Identity) {
    let certificates = identity.certificates_pem();
    let key = identity.key_pem();
    let again = Identity::read(certificates.as_bytes(), Some(key.as_bytes()), None);
    let again = again.expect("our own writing");
    assert_eq!(again.thumbprint(), identity.thumbprint());
    assert_eq!(again.chain(), identity.chain());
    assert_eq!(*again.key_pem(), *key);
    check_facts(&identity.facts().expect("they were read before"));
}

fn check_facts(facts: &Facts) {
    let names = facts.names.iter().chain([&facts.subject, &facts.issuer]);
    for text in names {
        assert!(!text.contains(char::is_control) && text.chars().count() <= 256);
    }
    assert!(facts.names.len() <= 100);
    assert!(!facts.not_before.to_string().is_empty() && !facts.not_after.to_string().is_empty());
    assert_eq!((facts.thumbprint.len(), facts.fingerprint.len()), (40, 64));
}
