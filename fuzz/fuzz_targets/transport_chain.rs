//! Chains of certificates as a peer shows them: whatever they are, they are judged without a panic, the same way twice, and
//! nothing of them reaches a terminal that it would obey.
#![cfg_attr(not(test), no_main)]

use std::sync::OnceLock;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use transport::tls::certificate::{Facts, channel_binding, thumbprint};
use transport::tls::{CertificateError, Trust, Validator, identity};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// Two bytes with the length of a certificate, the certificate, and so on; the rest is a last one.
pub(crate) fn run(mut bytes: &[u8]) {
    let mut chain = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (certificate, after) = rest.split_at(length);
        chain.push(CertificateDer::from(certificate.to_vec()));
        bytes = after;
        if chain.len() == 20 {
            break;
        }
    }
    let host = ServerName::try_from("host.test").expect("a name");
    for (validator, skips) in validators() {
        for seconds in [0, 1_700_000_000, 4_000_000_000] {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let verdict = validator.validate(&chain, &host, now);
            assert_eq!(verdict, validator.validate(&chain, &host, now));
            match verdict {
                Ok(()) => assert!(*skips && Facts::read(&chain[0]).is_ok(), "nobody vouches"),
                Err(error) => check(&error),
            }
        }
    }
    for certificate in &chain {
        let named = identity::thumbprints(certificate);
        if Facts::read(certificate).is_ok() {
            assert_eq!(named, [thumbprint(certificate)]);
            let _binding = channel_binding(certificate);
        }
    }
}

/// One that believes nobody but the pinned, and one that asks for dates only; with whether it skips checks.
fn validators() -> &'static [(Validator, bool); 2] {
    static ONCE: OnceLock<[(Validator, bool); 2]> = OnceLock::new();
    ONCE.get_or_init(|| {
        let pins = vec!["ab".repeat(32).parse().expect("a pin")];
        let pinned = Trust { pins, ..Trust::default() };
        let skips = Trust { skip_ca_check: true, skip_cn_check: true, ..Trust::default() };
        [
            (Validator::new(&pinned).expect("no files"), false),
            (Validator::new(&skips).expect("no files"), true),
        ]
    })
}

fn check(error: &CertificateError) {
    for text in [error.to_string()].into_iter().chain(error.hints()) {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}
