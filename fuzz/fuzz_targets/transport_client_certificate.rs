//! Certificates that clients show and revocation lists: no name that could be mapped has a character that none may have,
//! and nobody is believed who was not imported.
#![cfg_attr(not(test), no_main)]

use transport::tls::certificate::{Facts, Subjects};
use transport::tls::revocation::{ListFacts, split};
use transport::tls::{CertificateDer, ClientValidator, Lists, UnixTime, certificates};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// A certificate or a chain of them, DER or PEM; or revocation lists.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(chain) = certificates(bytes.to_vec()) {
        check(&chain);
    }
    let Ok(lists) = split(bytes) else { return };
    for der in &lists {
        let facts = ListFacts::read(der).expect("it was read before");
        assert!(facts.is_about_the_same(&facts) && facts.fingerprint.len() == 64);
        assert!(!facts.issuer.contains(char::is_control));
    }
    let lists = lists.iter().map(|der| (der.as_slice(), "a list".to_owned()));
    assert!(Lists::new(lists).is_ok());
}

fn check(chain: &[CertificateDer<'static>]) {
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    let nobody = ClientValidator::default().validate(chain, now);
    assert!(nobody.is_err());
    for der in chain {
        let Ok(names) = Subjects::read(der) else { continue };
        for name in names.upns.iter().chain(&names.dns) {
            let is_bad = |c: char| c.is_control() || c.is_whitespace();
            assert!(!name.is_empty() && !name.contains(is_bad) && name.chars().count() <= 256);
        }
        let facts = Facts::read(der).expect("it was read before");
        assert!(facts.upns.iter().all(|name| !name.contains(char::is_control)));
        let whole = vec![der.clone()];
        let people = ClientValidator::new(Vec::new(), whole.clone(), Lists::default());
        if let Ok(issuers) = people.validate(&whole, now) {
            assert!(facts.is_self_issued);
            assert_eq!(issuers, [facts.thumbprint]);
        }
        let roots = ClientValidator::new(whole, Vec::new(), Lists::default());
        drop(roots.validate(chain, now));
    }
}
