//! The file of client certificates: what is accepted is written and read again the same, and no mapping stands for two.
#![cfg_attr(not(test), no_main)]

use server::clients::{Clients, Store};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let clients = match Clients::parse(bytes) {
        Ok(clients) => clients,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let Ok(text) = clients.to_text() else { return };
    assert_eq!(Clients::parse(text.as_bytes()).as_ref(), Ok(&clients));
    for store in [Store::Root, Store::TrustedPeople] {
        assert_eq!(clients.facts(store).count(), clients.certificates(store).len());
    }
    for entry in clients.mappings() {
        let mut again = clients.clone();
        assert!(again.map(entry.clone()).is_err(), "it is there already");
        let issuer = entry.issuer.parse().expect("a thumbprint");
        assert_eq!(again.unmap(&issuer, &entry.subject, &entry.uri).as_ref(), Ok(entry));
    }
    assert!(clients.lists().all(|(_, facts)| facts.fingerprint.len() == 64));
}
