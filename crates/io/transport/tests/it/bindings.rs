//! The hash of a channel binding follows the certificate's signature algorithm (RFC 5929 4.1).
//! The certificates are made by the program openssl.

use auth::ChannelBinding;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use transport::tls::certificate::channel_binding;

use crate::support::openssl;

/// A self-signed certificate of `openssl req` with these options.
fn certificate(options: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let line =
        format!("req -x509 -nodes -keyout key.pem -subj /CN=h -outform DER -out c.der {options}");
    openssl(folder.path(), &line);
    std::fs::read(folder.path().join("c.der")).unwrap()
}

#[test]
fn hash_is_that_of_the_signature_and_sha_256_for_broken_ones() {
    let rsa = "-newkey rsa:2048";
    let pss = "-newkey rsa:2048 -sigopt rsa_padding_mode:pss";
    let ecdsa = "-newkey ec -pkeyopt ec_paramgen_curve:P-384";
    for (options, hash) in [
        (format!("{rsa} -md5"), "sha256"),
        (format!("{rsa} -sha1"), "sha256"),
        (format!("{rsa} -sha224"), "sha224"),
        (format!("{rsa} -sha256"), "sha256"),
        (format!("{rsa} -sha384"), "sha384"),
        (format!("{rsa} -sha512"), "sha512"),
        (format!("{pss} -sha1"), "sha256"),
        (format!("{pss} -sha256"), "sha256"),
        (format!("{pss} -sha384"), "sha384"),
        (format!("{pss} -sha512"), "sha512"),
        (format!("{ecdsa} -sha1"), "sha256"),
        (format!("{ecdsa} -sha256"), "sha256"),
        (format!("{ecdsa} -sha384"), "sha384"),
        (format!("{ecdsa} -sha512"), "sha512"),
    ] {
        let der = certificate(&options);
        let digest = match hash {
            "sha224" => Sha224::digest(&der).to_vec(),
            "sha256" => Sha256::digest(&der).to_vec(),
            "sha384" => Sha384::digest(&der).to_vec(),
            _ => Sha512::digest(&der).to_vec(),
        };
        let expected = ChannelBinding::from_tls_server_end_point(&digest);
        assert_eq!(channel_binding(&der), Some(expected), "{options}");
    }
}

#[test]
fn algorithm_without_a_hash_of_its_own_binds_nothing() {
    assert_eq!(channel_binding(&certificate("-newkey ed25519")), None);
    assert_eq!(channel_binding(&certificate("-newkey ed448")), None);
    assert_eq!(channel_binding(b"no certificate"), None);
}
