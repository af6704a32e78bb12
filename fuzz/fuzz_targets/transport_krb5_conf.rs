//! `krb5.conf` and what it includes: whatever it is, it is read within its limits or refused with a line, and what is
//! looked up in it is what stands there.
#![cfg_attr(not(test), no_main)]

use transport::kerberos::configuration::{Configuration, MAX_FILES, Piece, parent_realm};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// Files with a line of two dashes between them: the first two are the configuration, each further one is what the next
/// `include` gets.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\n--\n");
    let mut next = |name: &str| {
        let content = parts.next()?.as_bytes().to_vec();
        Some(Piece { name: name.to_owned(), content })
    };
    let files: Vec<_> = ["one", "two"].into_iter().filter_map(&mut next).collect();
    let read = Configuration::parse(&files, &mut |_| {
        next("included").map(|piece| vec![piece]).ok_or_else(|| "there is no more".to_owned())
    });
    let configuration = match read {
        Ok(configuration) => configuration,
        Err(error) => {
            assert!(error.line <= text.lines().count() + 1 && !error.what.is_empty());
            return;
        }
    };
    assert!(configuration.files().len() <= MAX_FILES);
    let realms = configuration.known_realms();
    for realm in realms.iter().take(20) {
        assert!(text.contains(realm) || text.contains('\\'), "{realm:?} stands nowhere");
        let found = configuration.realm_of_domain(realm).expect("it is known");
        assert!(found.eq_ignore_ascii_case(realm));
        for kdc in configuration.kdcs(realm) {
            assert!(!kdc.host.is_empty());
        }
        if let Some(other) = configuration.realm_in_other_case(realm) {
            assert!(other != *realm && other.eq_ignore_ascii_case(realm));
        }
    }
    for host in ["web.example.com", "EXAMPLE.com.", "192.0.2.1", "[::1]", "a", ".", ""] {
        let exact = configuration.realm_of_host(host);
        if let Some(line) = exact {
            assert!(realms.contains(&line.realm));
            assert!(configuration.realm_of_host_ignoring_case(host).is_some());
            assert!(host.to_ascii_lowercase().contains(line.key));
        }
        assert!(parent_realm(host).is_none_or(|realm| !realm.is_empty()));
    }
}
