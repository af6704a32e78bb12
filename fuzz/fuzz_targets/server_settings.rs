//! The service's settings, and listeners and thumbprints as the command line takes them: what is
//! accepted keeps its ranges, and errors name a line that there is.
#![cfg_attr(not(test), no_main)]

use std::path::Path;

use server::certificates::Thumbprint;
use server::settings::{Listener, Settings, SettingsError};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Settings::parse(text, Path::new("config.toml")) {
        Ok(settings) => {
            assert!(settings.max_envelope_size() >= 32 * 1024);
            assert!((500..=u128::from(u32::MAX)).contains(&settings.max_timeout().as_millis()));
            assert!((1..=512).contains(&settings.service.max_connections));
            assert!(settings.packet_retrieval_time().as_secs() >= 1);
            assert!(settings.winrs.idle().as_secs() >= 60);
            assert!(settings.winrs.memory_per_shell().is_none_or(|bytes| bytes >= 1 << 20));
            settings.listeners.iter().for_each(check_listener);
        }
        Err(SettingsError::Wrong { line, key, .. }) => {
            assert!(line <= text.split_inclusive('\n').count() && key.len() <= text.len() + 1);
        }
        Err(_) => {}
    }
    if let Ok(listener) = text.parse::<Listener>() {
        check_listener(&listener);
    }
    if let Ok(thumbprint) = text.parse::<Thumbprint>() {
        let digits = thumbprint.to_string();
        assert!(digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(digits.parse().as_ref(), Ok(&thumbprint));
    }
}

/// A listener is read from what it writes, but for its certificate, which an address does not name.
fn check_listener(listener: &Listener) {
    let again: Listener = listener.to_string().parse().expect("our own writing");
    assert_eq!(again, Listener { certificate: None, ..listener.clone() });
    assert!(listener.path().starts_with('/'));
}
