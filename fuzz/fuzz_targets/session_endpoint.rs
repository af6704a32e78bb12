//! Endpoints and trusted hosts as users write them: what is read is written and read again the same,
//! and nothing in it can leave its place in a request.
#![cfg_attr(not(test), no_main)]

use session::client::endpoint::Endpoint;
use session::client::trusted_hosts::TrustedHosts;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// An endpoint; after a line feed a list of trusted hosts.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, list) = text.split_once('\n').unwrap_or((text, text));
    let trusted = TrustedHosts::parse(list);
    for use_ssl in [false, true] {
        let Ok(endpoint) = Endpoint::parse(text, use_ssl) else { continue };
        let written = endpoint.to_string();
        let bad = |c: char| c.is_control() || c.is_whitespace();
        assert!(!written.contains(bad) && !endpoint.authority().contains(['@', '/', '?', '#']));
        let mut again = Endpoint::parse(&written, false).expect("our own writing");
        // The zone is ours alone and does not travel.
        assert!(endpoint.host.starts_with(&again.host));
        again.host.clone_from(&endpoint.host);
        assert_eq!(again, endpoint);
        assert!(!endpoint.is_loopback() || endpoint.address().is_some() || !text.contains('.'));
        if let Ok(trusted) = &trusted {
            let allowed = trusted.allows(&endpoint);
            assert!(allowed || !(trusted.contains(&endpoint.host) || endpoint.is_loopback()));
        }
    }
}
