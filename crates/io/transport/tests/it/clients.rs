//! The judgement over client certificates on plain chains.

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, OtherNameValue, SanType,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use transport::tls::certificate::Subjects;
use transport::tls::{
    CertificateError, ClientCertificateError, ClientValidator, Facts, Identity, Lists, Usage,
};

use crate::support::{Authority, expired, identity, openssl, params};

const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// Makes the parameters those of a client certificate.
fn client(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let upn = OtherNameValue::Utf8String("alice@localhost".to_owned());
    params.subject_alt_names.push(SanType::OtherName((UPN.to_vec(), upn)));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "alice");
}

fn root(authority: &Authority) -> CertificateDer<'static> {
    authority.0.der().clone()
}

fn alone(change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = params(&[]);
    client(&mut params);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    identity(vec![params.self_signed(&key).unwrap().der().clone()], &key)
}

fn judge(
    validator: &ClientValidator,
    identity: &Identity,
) -> Result<Vec<String>, ClientCertificateError> {
    validator.validate(identity.chain(), UnixTime::now())
}

fn with(roots: &[&Authority], people: &[&Identity]) -> ClientValidator {
    ClientValidator::new(
        roots.iter().map(|authority| root(authority)).collect(),
        people.iter().map(|one| one.chain()[0].clone()).collect(),
        Lists::default(),
    )
}

#[test]
fn certificate_of_an_imported_authority_is_believed_and_tells_its_issuers() {
    let authority = Authority::new("CA");
    let certificate = authority.issue_with(&["host.test"], client);
    let thumbprint = Facts::read(authority.0.der()).unwrap().thumbprint;
    assert_eq!(judge(&with(&[&authority], &[]), &certificate), Ok(vec![thumbprint]));
    let facts = certificate.facts().unwrap();
    assert_eq!(facts.upns, ["alice@localhost"]);
    assert_eq!(facts.usages, [Usage::ClientAuth]);
    assert!(!facts.is_authority && Facts::read(authority.0.der()).unwrap().is_authority);
    let names = Subjects::read(&certificate.chain()[0]).unwrap();
    assert_eq!((names.upns, names.dns), (vec!["alice@localhost".into()], vec!["host.test".into()]));
}

#[test]
fn chain_through_an_intermediate_tells_every_issuer() {
    let authority = Authority::new("Root");
    let mut middle = params(&[]);
    middle.extended_key_usages.clear();
    middle.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    middle.distinguished_name.push(DnType::CommonName, "Middle");
    let middle =
        rcgen::CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), &authority.0)
            .unwrap();
    let mut own = params(&[]);
    client(&mut own);
    let key = KeyPair::generate().unwrap();
    let own = own.signed_by(&key, &middle).unwrap();
    let whole = identity(vec![own.der().clone(), middle.der().clone()], &key);
    let thumbprints =
        [middle.der(), authority.0.der()].map(|der| Facts::read(der).unwrap().thumbprint);
    assert_eq!(judge(&with(&[&authority], &[]), &whole), Ok(thumbprints.to_vec()));
    let bare = identity(vec![own.der().clone()], &key);
    let error = judge(&with(&[&authority], &[]), &bare).unwrap_err();
    assert!(matches!(error, ClientCertificateError::UnknownAuthority { .. }), "{error}");
}

#[test]
fn authorities_that_were_not_imported_do_not_count() {
    let certificate = Authority::new("CA").issue_with(&[], client);
    for validator in [with(&[], &[]), with(&[&Authority::new("CA")], &[])] {
        let error = judge(&validator, &certificate).unwrap_err();
        assert!(error.to_string().contains("does not trust (CN=CA)"), "{error}");
    }
}

#[test]
fn self_signed_certificate_counts_only_among_the_trusted_people() {
    let certificate = alone(|_| {});
    let thumbprint = certificate.thumbprint();
    assert_eq!(judge(&with(&[], &[&certificate]), &certificate), Ok(vec![thumbprint]));
    for validator in [
        with(&[], &[]),
        with(&[], &[&alone(|_| {})]),
        // Among the authorities it vouches for nobody, itself included.
        ClientValidator::new(vec![certificate.chain()[0].clone()], Vec::new(), Lists::default()),
    ] {
        let error = judge(&validator, &certificate).unwrap_err();
        assert!(error.to_string().contains("not among the trusted people"), "{error}");
    }
}

#[test]
fn trusted_person_vouches_for_nobody_else() {
    let mut own = params(&[]);
    client(&mut own);
    let person = rcgen::CertifiedIssuer::self_signed(own, KeyPair::generate().unwrap()).unwrap();
    let mut other = params(&[]);
    client(&mut other);
    other.distinguished_name.push(DnType::CommonName, "mallory");
    let key = KeyPair::generate().unwrap();
    let other = identity(vec![other.signed_by(&key, &person).unwrap().der().clone()], &key);
    let listed = person.der().clone();
    for validator in [
        ClientValidator::new(Vec::new(), vec![listed.clone()], Lists::default()),
        ClientValidator::new(vec![listed.clone()], vec![listed.clone()], Lists::default()),
    ] {
        assert!(judge(&validator, &other).is_err());
    }
}

#[test]
fn dates_purpose_and_form_count_for_all() {
    let authority = Authority::new("CA");
    let old = authority.issue_with(&[], |params| {
        client(params);
        expired(params);
    });
    let old_person = alone(expired);
    let server = authority.issue(&["h"]);
    let unsaid = authority.issue_with(&["h"], |params| params.extended_key_usages.clear());
    let validator = with(&[&authority], &[&old_person]);
    for expired in [&old, &old_person] {
        let error = judge(&validator, expired).unwrap_err();
        let is_expired =
            matches!(error, ClientCertificateError::Certificate(CertificateError::Expired { .. }));
        assert!(is_expired, "{error}");
    }
    for other in [&server, &unsaid] {
        let error = judge(&validator, other).unwrap_err();
        assert!(matches!(error, ClientCertificateError::WrongPurpose { .. }), "{error}");
    }
    let now = UnixTime::now();
    assert_eq!(validator.validate(&[], now), Err(ClientCertificateError::Absent));
    let nonsense: CertificateDer<'_> = vec![0x30, 0].into();
    assert_eq!(
        validator.validate(std::slice::from_ref(&nonsense), now),
        Err(ClientCertificateError::Malformed)
    );
    let mut many = old.chain().to_vec();
    many.extend(std::iter::repeat_n(nonsense, 17));
    assert_eq!(validator.validate(&many, now), Err(ClientCertificateError::TooLong));
}

#[test]
fn authority_whose_time_is_over_vouches_no_more() {
    let mut own = params(&[]);
    own.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    expired(&mut own);
    let old =
        Authority(rcgen::CertifiedIssuer::self_signed(own, KeyPair::generate().unwrap()).unwrap());
    let error = judge(&with(&[&old], &[]), &old.issue_with(&[], client)).unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

#[test]
fn revoked_client_is_refused() {
    let authority = Authority::new("CA");
    let certificate = |serial: u64| {
        authority.issue_with(&[], |params| {
            client(params);
            params.serial_number = Some(serial.into());
        })
    };
    let validator = |from, until| {
        let list = authority.list(&[7], from, until);
        let lists = Lists::new([(list.der().as_ref(), "the list".to_owned())]).unwrap();
        ClientValidator::new(vec![root(&authority)], Vec::new(), lists)
    };
    let fresh = validator(-60, 3600);
    assert!(judge(&fresh, &certificate(8)).is_ok());
    let error = judge(&fresh, &certificate(7)).unwrap_err();
    assert_eq!(error.to_string(), "the certificate CN=alice was revoked by its authority");
    let error = judge(&validator(-7200, -3600), &certificate(8)).unwrap_err();
    assert!(error.to_string().contains("revocation list of CN=CA (the list)"), "{error}");
}

/// The recipe of Ansible's guide to WinRM, for the user `username`.
#[test]
fn certificate_by_ansibles_recipe_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = "distinguished_name = req_distinguished_name\n[req_distinguished_name]\n[v3_req_client]\n\
                  extendedKeyUsage = clientAuth\n\
                  subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:username@localhost\n";
    std::fs::write(folder.path().join("openssl.conf"), config).unwrap();
    openssl(
        folder.path(),
        "req -config openssl.conf -x509 -nodes -days 3650 -newkey rsa:2048 -out cert.pem -outform PEM \
         -keyout cert_key.pem -subj /CN=username -extensions v3_req_client",
    );
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let made = Identity::read(&read("cert.pem"), Some(&read("cert_key.pem")), None).unwrap();
    assert_eq!(made.facts().unwrap().upns, ["username@localhost"]);
    assert!(judge(&with(&[], &[&made]), &made).is_ok());
}

#[test]
fn names_that_are_none_are_left_out() {
    let name = |text: &str| {
        let value = OtherNameValue::Utf8String(text.to_owned());
        SanType::OtherName((UPN.to_vec(), value))
    };
    let made = alone(|params| {
        params.subject_alt_names =
            ["a@b", "", "a b", "x\u{0}y", &"x".repeat(300)].map(name).to_vec();
        let other = OtherNameValue::Utf8String("c@d".to_owned());
        params
            .subject_alt_names
            .push(SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 4], other)));
    });
    assert_eq!(Subjects::read(&made.chain()[0]).unwrap().upns, ["a@b"]);
}
