//! HTTPS against an independent server: whom the client believes, and that its logins work inside.

use std::fs;

use client::error::ConnectionError;
use client::{
    Authentication, Authorities, Client, Config, Credentials, Error, ErrorKind, Protection,
    Settings, ShellOptions, Trust,
};
use tempfile::TempDir;
use testkit::{Stub, report};

use crate::stub::{finish, line};

/// The stub with a certificate for `localhost`, made for this test.
struct Host {
    stub: Stub,
    folder: TempDir,
}

impl Host {
    fn start(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let options = ["--tls", certificate.to_str().unwrap(), key.to_str().unwrap()];
        let stub = Stub::start(test, folder.path(), &options)?;
        Some(Self { stub, folder })
    }

    fn client(&self, host: &str, authentication: Authentication, trust: Trust) -> Client {
        let endpoint = format!("https://{host}:{}", self.stub.port).parse().unwrap();
        let credentials = Credentials { user: Stub::USER.into(), password: Stub::USER.into() };
        let settings = Settings { trust, ..Settings::default() };
        let config = Config { authentication, settings, ..Config::new(endpoint, credentials) };
        Client::new(config).unwrap()
    }

    fn listed(&self) -> Trust {
        let authorities = Authorities::Path(self.folder.path().join("cert.pem"));
        Trust { authorities, ..Trust::default() }
    }
}

async fn run(client: &Client) -> Result<(), Error> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let command = shell.start(line("echo out; exit 7")).await?;
    let (out, _, code) = finish(command).await?;
    assert_eq!((out.as_str(), code), ("out\n", Some(7)));
    shell.close().await
}

#[tokio::test]
async fn every_login_works_inside_tls_without_a_seal() {
    let test = "every_login_works_inside_tls_without_a_seal";
    for authentication in [Authentication::Ntlm, Authentication::Negotiate, Authentication::Basic] {
        let Some(host) = Host::start(test) else { return };
        let client = host.client("localhost", authentication, host.listed());
        run(&client).await.unwrap();
        assert_eq!(client.protection(), Some(Protection::Tls));
        let requests = host.stub.requests();
        // The message rides on the last leg: NTLM has one request before it, Basic none.
        let before = usize::from(authentication != Authentication::Basic);
        let create = requests.iter().position(|name| name.ends_with("-Create"));
        assert_eq!(create, Some(before), "{requests:?}");
        report(&format!(
            "PEER winrm_stub 1: https, {authentication:?}, {} requests for one command on a new connection",
            requests.len()
        ));
    }
}

#[tokio::test]
async fn host_that_is_not_believed_gets_no_request() {
    let Some(host) = Host::start("host_that_is_not_believed_gets_no_request") else { return };
    for (name, trust, problem, hint) in [
        ("localhost", Trust::default(), "self-signed", "--pin"),
        (
            "127.0.0.1",
            host.listed(),
            "not for `127.0.0.1`: its names are localhost",
            "--server-name localhost",
        ),
        (
            "localhost",
            Trust { pins: vec!["00".repeat(32).parse().unwrap()], ..Trust::default() },
            "another one than the pinned",
            "administrator",
        ),
    ] {
        let error = run(&host.client(name, Authentication::Ntlm, trust)).await.unwrap_err();
        let tls = matches!(error.kind(), ErrorKind::Connect(ConnectionError::Tls(_)));
        assert!(tls && error.to_string().contains(problem), "{error}");
        assert!(error.hints().concat().contains(hint), "{:?}", error.hints());
    }
    assert_eq!(host.stub.requests(), [] as [String; 0]);
}

#[tokio::test]
async fn address_with_another_server_name_is_believed() {
    let Some(host) = Host::start("address_with_another_server_name_is_believed") else { return };
    let trust = Trust { server_name: Some("localhost".to_owned()), ..host.listed() };
    run(&host.client("127.0.0.1", Authentication::Ntlm, trust)).await.unwrap();
}

#[test]
fn authorities_that_cannot_be_read_are_an_error_before_anything_is_sent() {
    let endpoint = "https://localhost:1".parse().unwrap();
    let credentials = Credentials { user: "u".into(), password: "p".into() };
    let authorities = Authorities::Path("/nonexistent".into());
    let settings =
        Settings { trust: Trust { authorities, ..Trust::default() }, ..Settings::default() };
    let config = Config { settings, ..Config::new(endpoint, credentials) };
    let error = Client::new(config).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}
