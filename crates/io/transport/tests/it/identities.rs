//! Certificates with keys from the files that people have, made by the program openssl.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use auth::Secret;
use base64::Engine as _;
use transport::tls::{ClientCertificates, Identity, IdentityError, Server, ServerOptions};

use crate::support::openssl;

/// A folder with `cert.pem` and `key.pem`.
fn folder(algorithm: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "req -x509 {algorithm} -nodes -keyout key.pem -subj /CN=h -addext subjectAltName=DNS:h -out cert.pem"
    );
    openssl(folder.path(), &line);
    folder
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn password() -> Secret {
    Secret::new("Pässword 1")
}

#[track_caller]
fn usable(identity: Result<Identity, IdentityError>) {
    let identity = Arc::new(identity.unwrap());
    // Both libraries can use it.
    for clients in [ClientCertificates::Never, ClientCertificates::Late] {
        Server::new(&ServerOptions {
            identity: Arc::clone(&identity),
            clients,
            disable_tls13: false,
        })
        .unwrap();
    }
    // What is written can be read again.
    let (certificates, key) = (identity.certificates_pem(), identity.key_pem());
    let again = Identity::read(certificates.as_bytes(), Some(key.as_bytes()), None).unwrap();
    assert_eq!(again.chain(), identity.chain());
    assert_eq!(*again.key_pem(), *identity.key_pem());
    assert!(!format!("{identity:?}").contains("PRIVATE"));
}

#[test]
fn keys_in_every_form_are_read() {
    for algorithm in ["-newkey rsa:2048", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"] {
        let folder = folder(algorithm);
        let (path, cert) = (folder.path(), read(folder.path(), "cert.pem"));
        usable(Identity::read(&cert, Some(&read(path, "key.pem")), None));
        let together = [read(path, "key.pem"), cert.clone()].concat();
        usable(Identity::read(&together, None, None));
        openssl(path, "pkey -in key.pem -traditional -out old.pem");
        usable(Identity::read(&cert, Some(&read(path, "old.pem")), None));
        for (name, cipher) in [
            ("aes.pem", "-v2 aes-256-cbc"),
            ("sha1.pem", "-v2 aes-128-cbc -v2prf hmacWithSHA1"),
            ("des.pem", "-v2 des3"),
            ("scrypt.pem", "-scrypt"),
        ] {
            let line =
                format!("pkcs8 -topk8 -in key.pem {cipher} -passout env:PASSWORD -out {name}");
            openssl(path, &line);
            let key = read(path, name);
            usable(Identity::read(&cert, Some(&key), Some(&password())));
            let error = |password| Identity::read(&cert, Some(&key), password).unwrap_err();
            assert_eq!(error(None), IdentityError::PasswordMissing, "{name}");
            assert_eq!(error(Some(&Secret::new("x"))), IdentityError::PasswordWrong, "{name}");
        }
    }
}

#[test]
fn key_whose_encryption_asks_for_endless_work_or_memory_is_refused() {
    let folder = folder("-newkey ec -pkeyopt ec_paramgen_curve:P-256");
    let (path, cert) = (folder.path(), read(folder.path(), "cert.pem"));
    // 40,000 rounds become 8 million; 16,384 blocks of 1 KiB grow sixteen times as large.
    for (cipher, before, after) in [
        ("-v2 aes-256-cbc -iter 40000", [2, 3, 0, 0x9c, 0x40], [2, 3, 0x7f, 0xff, 0xff]),
        ("-scrypt -scrypt_N 16384", [0x40, 0, 2, 1, 8], [0x40, 0, 2, 1, 0x7f]),
    ] {
        let line = format!(
            "pkcs8 -topk8 -in key.pem {cipher} -passout env:PASSWORD -outform DER -out sealed"
        );
        openssl(path, &line);
        let pem = |der: &[u8]| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n"
            )
        };
        let mut der = read(path, "sealed");
        let at = der.windows(5).position(|five| five == before).unwrap();
        der[at..at + 5].copy_from_slice(&after);
        let read = Identity::read(&cert, Some(pem(&der).as_bytes()), Some(&password()));
        assert!(matches!(read, Err(IdentityError::Key(_))), "{cipher}: {read:?}");
    }
}

#[test]
fn pfx_in_its_new_and_old_forms_is_read() {
    let folder = folder("-newkey rsa:2048");
    let path = folder.path();
    for form in ["", "-legacy", "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"] {
        let line = format!(
            "pkcs12 -export {form} -in cert.pem -inkey key.pem -passout env:PASSWORD -out c.pfx"
        );
        openssl(path, &line);
        let pfx = read(path, "c.pfx");
        usable(Identity::read(&pfx, None, Some(&password())));
        let error = |password| Identity::read(&pfx, None, password).unwrap_err();
        assert_eq!(error(None), IdentityError::PasswordMissing, "{form}");
        assert_eq!(error(Some(&Secret::new("x"))), IdentityError::PasswordWrong, "{form}");
    }
    openssl(path, "pkcs12 -export -in cert.pem -inkey key.pem -passout pass: -out c.pfx");
    usable(Identity::read(&read(path, "c.pfx"), None, None));
    openssl(path, "pkcs12 -export -nokeys -in cert.pem -passout pass: -out c.pfx");
    let error = Identity::read(&read(path, "c.pfx"), None, None).unwrap_err();
    assert_eq!(error, IdentityError::NoKey);
}

#[test]
fn what_does_not_fit_is_named() {
    let (one, two) = (folder("-newkey rsa:2048"), folder("-newkey rsa:2048"));
    let (cert, key) = (read(one.path(), "cert.pem"), read(one.path(), "key.pem"));
    let other = read(two.path(), "key.pem");
    let error = |certificates: &[u8], key: Option<&[u8]>| {
        Identity::read(certificates, key, Some(&password())).unwrap_err()
    };
    assert_eq!(error(&cert, Some(&other)), IdentityError::KeyOfAnother);
    assert_eq!(error(&cert, None), IdentityError::NoKey);
    assert_eq!(error(b"", None), IdentityError::NoKey);
    assert_eq!(error(&key, None), IdentityError::NoCertificate);
    assert_eq!(
        error(&[cert.clone(), key.clone()].concat(), Some(&other)),
        IdentityError::SeveralKeys(2)
    );
    assert_eq!(error(&cert.repeat(17), Some(&key)), IdentityError::TooMany);
    assert!(matches!(error(b"0\x82\xff\xff", None), IdentityError::Pfx(_)));
    assert!(matches!(error(&cert[..cert.len() - 40], Some(&key)), IdentityError::Pem(_)));
    openssl(one.path(), "rsa -traditional -in key.pem -aes128 -passout env:PASSWORD -out old.pem");
    let old = read(one.path(), "old.pem");
    assert_eq!(error(&cert, Some(&old)), IdentityError::TraditionalEncryption);
}
