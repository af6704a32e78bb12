//! The validator on plain chains, without any connection, as a second backend would ask it.

use std::fs;
use std::time::Duration;

use rcgen::{CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use transport::tls::{Authorities, CertificateError, Identity, Trust, TrustError, Validator};

use crate::support::{Authority, expired, file, identity, self_signed};

fn validator(authority: &Authority) -> Validator {
    let list = authority.file();
    let authorities = Authorities::Path(list.path().to_owned());
    Validator::new(&Trust { authorities, ..Trust::default() }).unwrap()
}

fn judge(validator: &Validator, identity: &Identity, host: &str) -> Result<(), CertificateError> {
    let host = ServerName::try_from(host).unwrap();
    validator.validate(identity.chain(), &host, UnixTime::now())
}

#[test]
fn names_fit_by_the_rules() {
    let authority = Authority::new("CA");
    let validator = validator(&authority);
    let certificate = authority.issue(&["exact.test", "*.wild.test", "10.1.2.3", "fe80::1"]);
    for host in ["exact.test", "EXACT.test", "a.wild.test", "10.1.2.3", "fe80::1"] {
        assert_eq!(judge(&validator, &certificate, host), Ok(()), "{host}");
    }
    for host in
        ["wild.test", "a.b.wild.test", "exact.test.evil", "10.1.2.4", "fe80::2", "other.test"]
    {
        let error = judge(&validator, &certificate, host).unwrap_err();
        let CertificateError::WrongName { wanted, found, .. } = error else { panic!("{error}") };
        assert_eq!(wanted, host);
        assert_eq!(found, ["exact.test", "*.wild.test", "10.1.2.3", "fe80::1"]);
    }
}

#[test]
fn address_in_the_text_of_a_name_does_not_count_as_an_address() {
    let authority = Authority::new("CA");
    let certificate = authority.issue_with(&["x.test"], |params| {
        let name = rcgen::SanType::DnsName("10.1.2.3".try_into().unwrap());
        params.subject_alt_names = vec![name];
    });
    let error = judge(&validator(&authority), &certificate, "10.1.2.3").unwrap_err();
    assert!(matches!(error, CertificateError::WrongName { .. }), "{error}");
}

#[test]
fn common_name_alone_does_not_count_and_is_told() {
    let authority = Authority::new("CA");
    let certificate = authority.issue_with(&[], |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "host.test");
    });
    let error = judge(&validator(&authority), &certificate, "host.test").unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no name in its subjectAltName") && text.contains("CN=host.test"),
        "{text}"
    );
}

#[test]
fn texts_name_dates_names_and_what_to_do() {
    let authority = Authority::new("Some CA");
    let judged = |identity: &Identity, host: &str| {
        judge(&validator(&authority), identity, host).unwrap_err()
    };
    let old = judged(&authority.issue_with(&["h"], expired), "h");
    assert!(old.to_string().contains("expired on 2023-11-14 22:13:20 UTC"), "{old}");
    let wrong = judged(&authority.issue(&["h", "i"]), "k");
    assert!(wrong.to_string().contains("not for `k`: its names are h, i"), "{wrong}");
    assert!(wrong.hints().concat().contains("--server-name h"));
    let unknown = judged(&Authority::new("Other CA").issue(&["h"]), "h");
    assert!(unknown.to_string().contains("Other CA"), "{unknown}");
    assert!(unknown.hints().concat().contains("--ca"));
    let alone = self_signed(&["h"]);
    let error = judged(&alone, "h");
    assert!(error.to_string().contains("self-signed"), "{error}");
    let fingerprint = alone.facts().unwrap().fingerprint;
    assert!(error.hints()[0].contains(&format!("--pin {fingerprint}")));
}

#[test]
fn namesake_of_an_authority_is_an_unknown_one() {
    let certificate = Authority::new("Same").issue(&["h"]);
    let error = judge(&validator(&Authority::new("Same")), &certificate, "h").unwrap_err();
    assert!(matches!(error, CertificateError::UnknownAuthority { .. }), "{error}");
    let mut params = crate::support::params(&["h"]);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Same");
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = identity(vec![params.self_signed(&key).unwrap().der().clone()], &key);
    let error = judge(&validator(&Authority::new("Same")), &certificate, "h").unwrap_err();
    assert!(matches!(error, CertificateError::SelfSigned { .. }), "{error}");
}

#[test]
fn escape_sequences_in_certificates_reach_no_terminal() {
    let authority = Authority::new("CA\u{1b}]0;owned\u{7}");
    let certificate = authority.issue(&["h"]);
    let error = judge(&validator(&Authority::new("Other")), &certificate, "h").unwrap_err();
    assert!(!error.to_string().contains(['\u{1b}', '\u{7}']), "{error:?}");
}

#[test]
fn chain_through_an_intermediate_is_followed_and_its_dates_count() {
    let root = Authority::new("Root");
    let chain_with = |change: fn(&mut CertificateParams)| {
        let mut params = crate::support::params(&[]);
        params.extended_key_usages.clear();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Middle");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        change(&mut params);
        let middle =
            rcgen::CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root.0)
                .unwrap();
        let key = KeyPair::generate().unwrap();
        let own = crate::support::params(&["h"]).signed_by(&key, &middle).unwrap();
        // Written the wrong way round: the certificate of the key is put first.
        identity(vec![middle.der().clone(), own.der().clone()], &key)
    };
    let validator = validator(&root);
    assert_eq!(judge(&validator, &chain_with(|_| {}), "h"), Ok(()));
    let error = judge(&validator, &chain_with(expired), "h").unwrap_err();
    assert!(error.to_string().contains("CN=Middle"), "{error}");
    assert!(matches!(error, CertificateError::Expired { .. }), "{error}");
}

#[test]
fn chain_of_nothing_and_chain_of_nonsense_are_refused() {
    let validator = validator(&Authority::new("CA"));
    let host = ServerName::try_from("h").unwrap();
    let judged = |chain: &[CertificateDer<'_>]| validator.validate(chain, &host, UnixTime::now());
    assert_eq!(judged(&[]), Err(CertificateError::Absent));
    assert_eq!(judged(&[vec![0x30, 0].into()]), Err(CertificateError::Malformed));
    let good = Authority::new("CA").issue(&["h"]);
    let mut long = good.chain()[0].to_vec();
    long.push(0);
    assert_eq!(judged(&[long.into()]), Err(CertificateError::Malformed));
}

#[test]
fn time_is_the_callers() {
    let authority = Authority::new("CA");
    let certificate = authority.issue(&["h"]);
    let host = ServerName::try_from("h").unwrap();
    let at = |seconds| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        validator(&authority).validate(certificate.chain(), &host, now).unwrap_err()
    };
    assert!(matches!(at(1_000_000_000), CertificateError::NotYetValid { .. }));
    assert!(matches!(at(4_000_000_000), CertificateError::Expired { .. }));
}

#[test]
fn authorities_come_from_files_and_folders_in_pem_and_der() {
    let (one, two) = (Authority::new("One"), Authority::new("Two"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.pem"), format!("# a comment\n{}", one.0.pem())).unwrap();
    fs::write(folder.path().join("two.crt"), two.0.der()).unwrap();
    fs::write(folder.path().join("README"), "nothing").unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    let authorities = Authorities::Path(folder.path().to_owned());
    let validator = Validator::new(&Trust { authorities, ..Trust::default() }).unwrap();
    for authority in [&one, &two] {
        assert_eq!(judge(&validator, &authority.issue(&["h"]), "h"), Ok(()));
    }
    assert!(judge(&validator, &Authority::new("Three").issue(&["h"]), "h").is_err());
}

#[test]
fn authorities_that_are_none_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let text = file(b"no certificate");
    for path in [empty.path(), text.path(), std::path::Path::new("/nonexistent")] {
        let authorities = Authorities::Path(path.to_owned());
        let error = Validator::new(&Trust { authorities, ..Trust::default() }).unwrap_err();
        assert!(matches!(&error, TrustError::Read { path: named, .. } if named == path), "{error}");
    }
}
