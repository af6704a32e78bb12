//! What the client refuses to send.

use client::error::ConfigError;
use client::{Authentication, Client, Config, Credentials, ErrorKind, Settings};
use session::client::trusted_hosts::TrustedHosts;

fn config(endpoint: &str) -> Config {
    let credentials = Credentials { user: "alice".into(), password: "secret".into() };
    Config::new(endpoint.parse().unwrap(), credentials)
}

fn refusal(config: Config) -> Option<ConfigError> {
    match Client::new(config).err()?.kind() {
        ErrorKind::Config(error) => Some(error.clone()),
        other => panic!("{other}"),
    }
}

#[test]
fn host_that_is_not_trusted_is_refused_with_windows_error_and_says_what_to_do() {
    for authentication in [Authentication::Ntlm, Authentication::Negotiate] {
        let unlisted = Config { authentication, ..config("http://server.example:5985") };
        let error = Client::new(unlisted.clone()).unwrap_err();
        assert!(error.to_string().contains("2150858980"), "{error}");
        assert!(error.hints()[0].contains("TrustedHosts"), "{:?}", error.hints());
        let settings = Settings {
            trusted_hosts: TrustedHosts::parse("*.example").unwrap(),
            ..Settings::default()
        };
        assert_eq!(refusal(Config { settings, ..unlisted }), None);
    }
}

#[test]
fn loopback_needs_no_entry() {
    for endpoint in ["http://127.0.0.1:5985", "localhost", "http://[::1]:5985"] {
        assert_eq!(refusal(config(endpoint)), None, "{endpoint}");
    }
}

#[test]
fn basic_over_http_needs_allow_unencrypted_and_a_trusted_host() {
    let basic = Config { authentication: Authentication::Basic, ..config("http://127.0.0.1:5985") };
    assert_eq!(refusal(basic.clone()), Some(ConfigError::BasicUnencrypted));
    let settings = Settings { allow_unencrypted: true, ..Settings::default() };
    assert_eq!(refusal(Config { settings: settings.clone(), ..basic.clone() }), None);
    let far = Config { endpoint: "http://far:5985".parse().unwrap(), settings, ..basic };
    assert_eq!(refusal(far), Some(ConfigError::NotTrusted));
}

#[test]
fn password_is_in_no_debug_output() {
    let text = format!("{:?}", config("localhost"));
    assert!(!text.contains("secret"), "{text}");
}
