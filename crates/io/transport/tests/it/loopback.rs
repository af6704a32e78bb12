//! The matrix: TLS 1.2 and 1.3 × rustls and OpenSSL × what a certificate may be × what a client asks of it.

use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use transport::tls::{
    Authorities, CertificateError, ClientCertificates, Facts, Identity, Level, TlsError, Trust,
};

use crate::support::{Authority, PATIENCE, client, connect, expired, self_signed, server};

/// Both versions with both libraries: rustls, and OpenSSL with the levels below it.
const BOTH: [(&SupportedProtocolVersion, Level); 6] = [
    (&TLS12, Level::Modern),
    (&TLS13, Level::Modern),
    (&TLS12, Level::Compat),
    (&TLS13, Level::Compat),
    (&TLS12, Level::Legacy),
    (&TLS13, Level::Legacy),
];

/// A piece of a long text whose pieces are not all alike to a record.
const LONG: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz,";

/// What a client made of a host.
fn verdict(made: Result<transport::tls::Connected, TlsError>) -> &'static str {
    match made {
        Ok(_) => "accepted",
        Err(TlsError::Certificate(error)) => match error {
            CertificateError::UnknownAuthority { .. } => "unknown authority",
            CertificateError::SelfSigned { .. } => "self-signed",
            CertificateError::Expired { .. } => "expired",
            CertificateError::NotYetValid { .. } => "not yet valid",
            CertificateError::WrongName { .. } => "wrong name",
            CertificateError::WrongPin { .. } => "wrong pin",
            CertificateError::WrongPurpose => "wrong purpose",
            CertificateError::Malformed
            | CertificateError::Absent
            | CertificateError::Unacceptable(_)
            | _ => panic!("{error}"),
        },
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_certificate_gets_its_verdict_in_both_versions_and_libraries() {
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let list = known.file();
    let trust =
        Trust { authorities: Authorities::Path(list.path().to_owned()), ..Trust::default() };
    let skip_ca = Trust { skip_ca_check: true, ..trust.clone() };
    let skip_cn = Trust { skip_cn_check: true, ..trust.clone() };
    let skip_both = Trust { skip_ca_check: true, skip_cn_check: true, ..trust.clone() };
    let override_name = Trust { server_name: Some("other.test".to_owned()), ..trust.clone() };
    let good = known.issue(&["host.test", "127.0.0.1"]);
    let other = known.issue(&["other.test"]);
    let stranger = unknown.issue(&["host.test"]);
    let alone = self_signed(&["host.test"]);
    let old = known.issue_with(&["host.test"], expired);
    let client_only = known.issue_with(&["host.test"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let pin = |identity: &Identity, key: bool| {
        let facts = identity.facts().unwrap();
        let text = if key { facts.key_fingerprint } else { facts.fingerprint };
        Trust { pins: vec![text.parse().unwrap()], ..Trust::default() }
    };
    let cases: Vec<(&str, &Identity, Trust, &str)> = vec![
        ("good", &good, trust.clone(), "accepted"),
        ("other name", &other, trust.clone(), "wrong name"),
        ("other name, not asked for", &other, skip_cn.clone(), "accepted"),
        ("other name, expected", &other, override_name.clone(), "accepted"),
        ("good, other expected", &good, override_name, "wrong name"),
        ("stranger", &stranger, trust.clone(), "unknown authority"),
        ("stranger, name not asked for", &stranger, skip_cn, "unknown authority"),
        ("stranger, any authority", &stranger, skip_ca.clone(), "accepted"),
        ("self-signed", &alone, trust.clone(), "self-signed"),
        ("self-signed, any authority", &alone, skip_ca.clone(), "accepted"),
        ("other name, any authority", &other, skip_ca, "wrong name"),
        ("other name, nothing asked for", &other, skip_both.clone(), "accepted"),
        ("expired", &old, trust.clone(), "expired"),
        ("expired, nothing asked for", &old, skip_both, "expired"),
        ("for clients", &client_only, trust, "wrong purpose"),
        ("self-signed, pinned", &alone, pin(&alone, false), "accepted"),
        ("self-signed, its key pinned", &alone, pin(&alone, true), "accepted"),
        ("good, another pinned", &good, pin(&alone, false), "wrong pin"),
        ("good, another key pinned", &good, pin(&alone, true), "wrong pin"),
        (
            "good, another pinned, nothing else asked for",
            &good,
            Trust { skip_ca_check: true, skip_cn_check: true, ..pin(&alone, false) },
            "wrong pin",
        ),
    ];
    for (version, level) in BOTH {
        for (what, identity, trust, expected) in &cases {
            let made = connect(identity, version, (trust, level), "host.test").await;
            assert_eq!(verdict(made), *expected, "{what}, {version:?}, {level}");
        }
    }
}

#[tokio::test]
async fn own_ends_talk_and_have_the_same_binding() {
    for (clients, level) in [
        (ClientCertificates::Never, Level::Modern),
        (ClientCertificates::Never, Level::Legacy),
        (ClientCertificates::Late, Level::Modern),
        (ClientCertificates::Late, Level::Compat),
    ] {
        own_ends_talk(clients, level).await;
    }
}

async fn own_ends_talk(clients: ClientCertificates, level: Level) {
    let identity = self_signed(&["localhost", "::1"]);
    let server = Arc::new(server(identity, clients).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = Arc::clone(&server);
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = accepting.accept(stream, PATIENCE).await.unwrap().stream;
        // Several records, more than a socket takes at once; the other end is slow.
        stream.write_all(&LONG.repeat(100_000)).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let trust = Trust { skip_ca_check: true, ..Trust::default() };
    let stream = TcpStream::connect(address).await.unwrap();
    let mut made = client(&trust, level).connect(stream, "::1", PATIENCE).await.unwrap();
    let mut text = Vec::new();
    made.stream.read_to_end(&mut text).await.unwrap();
    assert!(text == LONG.repeat(100_000), "{} bytes", text.len());
    assert!(made.binding.is_some() && made.binding == server.channel_binding());
    task.await.unwrap();
}

#[tokio::test]
async fn client_that_says_nothing_is_cut_off() {
    for clients in [ClientCertificates::Never, ClientCertificates::Late] {
        let server = server(self_signed(&["h"]), clients).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let error = server.accept(stream, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, TlsError::Timeout(_)), "{error}");
    }
}

#[tokio::test]
async fn host_that_says_nothing_is_given_up() {
    for level in [Level::Modern, Level::Compat] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let client = client(&Trust { skip_ca_check: true, ..Trust::default() }, level);
        let error = client.connect(stream, "h", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, TlsError::Timeout(_)), "{error}");
    }
}

#[tokio::test]
async fn port_without_tls_is_told_apart() {
    for level in [Level::Modern, Level::Compat] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut plain, _) = listener.accept().await.unwrap();
        plain.write_all(b"HTTP/1.1 400 \r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let client = client(&Trust { skip_ca_check: true, ..Trust::default() }, level);
        let error = client.connect(stream, "h", PATIENCE).await.unwrap_err();
        assert!(error.hints().concat().contains("no TLS on this port"), "{error:?}");
    }
}

#[tokio::test]
async fn own_certificate_in_the_list_is_believed_even_when_it_is_marked_as_an_authority() {
    let authority = Authority::new("Both");
    let mut params = crate::support::params(&["host.test"]);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity = crate::support::identity(vec![certificate.der().clone()], &key);
    let list = crate::support::file(certificate.pem().as_bytes());
    let listed =
        Trust { authorities: Authorities::Path(list.path().to_owned()), ..Trust::default() };
    for (version, level) in BOTH {
        let made = async |host| connect(&identity, version, (&listed, level), host).await;
        assert_eq!(verdict(made("host.test").await), "accepted");
        assert_eq!(verdict(made("else.test").await), "wrong name");
    }
    let other = authority.file();
    let others =
        Trust { authorities: Authorities::Path(other.path().to_owned()), ..Trust::default() };
    for (version, level) in BOTH {
        let made = connect(&identity, version, (&others, level), "host.test").await;
        assert_eq!(verdict(made), "self-signed");
    }
    assert!(Facts::read(certificate.der()).unwrap().is_self_issued);
}
