//! The file of Kerberos principals: what is accepted is written and read again the same, no mapping stands for two, and no
//! principal leads anywhere that its own line does not say.
#![cfg_attr(not(test), no_main)]

use server::principals::{Grant, Principals, Target, decide};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let principals = match Principals::parse(bytes) {
        Ok(principals) => principals,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let Ok(text) = principals.to_text() else { return };
    assert_eq!(Principals::parse(text.as_bytes()).as_ref(), Ok(&principals));
    for entry in principals.entries() {
        let mut again = principals.clone();
        assert!(again.map(entry.clone()).is_err(), "it is there already");
        assert_eq!(again.unmap(&entry.principal).as_ref(), Ok(entry));
        let name = entry.principal.to_string();
        if !entry.enabled || entry.principal.is_everybody() {
            continue;
        }
        // Nothing is closer than the principal itself.
        match (decide(principals.entries(), &name), entry.target) {
            (Ok(Grant::Account(id)), Target::Account(wanted)) => assert_eq!(id, wanted),
            (Ok(Grant::Name { name: found, .. }), Target::SameName) => {
                assert!(name.starts_with(found));
            }
            other => panic!("{other:?}"),
        }
    }
}
