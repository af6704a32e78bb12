//! Revocation lists, on the side of a client that judges hosts.

use std::fs;

use rustls::pki_types::{ServerName, UnixTime};
use transport::tls::revocation::{ListError, split};
use transport::tls::{
    Authorities, CertificateError, Identity, ListFacts, Revocation, Trust, TrustError, Validator,
};

use crate::support::{Authority, openssl, params};

const HOUR: i64 = 3600;

/// A place with an authority's certificate and lists.
struct Place {
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lists")).unwrap();
        let authority = Authority::new("CA");
        fs::write(folder.path().join("ca.pem"), authority.0.pem()).unwrap();
        Self { authority, folder }
    }

    fn host(&self, serial: u64) -> Identity {
        self.authority.issue_with(&["h"], |params| params.serial_number = Some(serial.into()))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join("lists").join(name), bytes).unwrap();
    }

    fn trust(&self) -> Trust {
        Trust {
            authorities: Authorities::Path(self.folder.path().join("ca.pem")),
            revocation: Revocation { lists: Some(self.folder.path().join("lists")), skip: false },
            ..Trust::default()
        }
    }

    fn judge(&self, host: &Identity) -> Result<(), CertificateError> {
        judge(&self.trust(), host)
    }
}

fn judge(trust: &Trust, host: &Identity) -> Result<(), CertificateError> {
    let name = ServerName::try_from("h").unwrap();
    Validator::new(trust).unwrap().validate(host.chain(), &name, UnixTime::now())
}

#[test]
fn revoked_host_is_refused_and_others_of_its_authority_are_not() {
    let place = Place::new();
    place.write("ca.crl", place.authority.list(&[7], -HOUR, HOUR).der());
    let error = place.judge(&place.host(7)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate CN=rcgen self signed cert was revoked by its authority"
    );
    assert_eq!(place.judge(&place.host(8)), Ok(()));
    let skip = Trust {
        revocation: Revocation { skip: true, ..place.trust().revocation },
        ..place.trust()
    };
    assert_eq!(judge(&skip, &place.host(7)), Ok(()));
}

#[test]
fn list_whose_time_is_over_is_named_with_its_file() {
    let place = Place::new();
    place.write("old.pem", place.authority.list(&[7], -2 * HOUR, -HOUR).pem().unwrap().as_bytes());
    let error = place.judge(&place.host(8)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("CN=CA") && text.contains("lists/old.pem"), "{text}");
    assert!(matches!(error, CertificateError::RevocationListExpired { .. }), "{error:?}");
    assert!(error.hints()[0].contains("old.pem"), "{:?}", error.hints());
    // A newer one beside it counts.
    place.write("new.pem", place.authority.list(&[7], -HOUR, HOUR).pem().unwrap().as_bytes());
    assert_eq!(place.judge(&place.host(8)), Ok(()));
    assert!(matches!(place.judge(&place.host(7)), Err(CertificateError::Revoked { .. })));
}

#[test]
fn list_of_somebody_else_says_nothing_and_a_forged_one_is_refused() {
    let place = Place::new();
    place.write("other.crl", Authority::new("Other").list(&[7], -HOUR, HOUR).der());
    assert_eq!(place.judge(&place.host(7)), Ok(()));
    place.write("forged.crl", Authority::new("CA").list(&[9], -HOUR, HOUR).der());
    let error = place.judge(&place.host(7)).unwrap_err();
    assert!(error.to_string().contains("forged.crl"), "{error}");
    assert!(matches!(error, CertificateError::RevocationListWrong { .. }), "{error:?}");
}

#[test]
fn intermediate_that_was_taken_back_takes_its_hosts_with_it() {
    let place = Place::new();
    let mut middle = params(&[]);
    middle.extended_key_usages.clear();
    middle.distinguished_name = rcgen::DistinguishedName::new();
    middle.distinguished_name.push(rcgen::DnType::CommonName, "Middle");
    middle.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    middle.serial_number = Some(5_u64.into());
    let key = rcgen::KeyPair::generate().unwrap();
    let middle = rcgen::CertifiedIssuer::signed_by(middle, key, &place.authority.0).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params(&["h"]).signed_by(&key, &middle).unwrap();
    let host = crate::support::identity(vec![own.der().clone(), middle.der().clone()], &key);
    place.write("ca.crl", place.authority.list(&[], -HOUR, HOUR).der());
    assert_eq!(place.judge(&host), Ok(()));
    place.write("ca.crl", place.authority.list(&[5], -HOUR, HOUR).der());
    let error = place.judge(&host).unwrap_err();
    assert!(error.to_string().contains("CN=Middle was revoked"), "{error}");
}

#[test]
fn files_that_hold_no_list_are_named() {
    let place = Place::new();
    // A folder may hold more than lists, a file that is named may not.
    place.write("README", b"nothing");
    let wrong = |trust: &Trust| {
        let error = Validator::new(trust).unwrap_err();
        let TrustError::Read { path, problem } = error else { panic!("{error}") };
        (path, problem)
    };
    assert!(wrong(&place.trust()).1.contains("no revocation list"));
    place.write("broken.crl", &[0x30, 3, 1, 2, 3]);
    let (path, problem) = wrong(&place.trust());
    assert!(path.ends_with("broken.crl") && problem.contains("cannot be used"), "{problem}");
    let lists = Some("/nonexistent".into());
    let trust = Trust { revocation: Revocation { lists, skip: false }, ..place.trust() };
    assert_eq!(wrong(&trust).0, std::path::Path::new("/nonexistent"));
}

#[test]
fn lists_of_openssl_are_read_and_delta_lists_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\ncrlnumber = number\n\
                  default_md = sha256\ndefault_crl_days = 30\n[delta]\n2.5.29.27 = critical,DER:020101\n";
    fs::write(folder.path().join("ca.cnf"), config).unwrap();
    fs::write(folder.path().join("index"), "").unwrap();
    fs::write(folder.path().join("number"), "01\n").unwrap();
    openssl(
        folder.path(),
        "req -x509 -newkey rsa:2048 -nodes -subj /CN=Corp -keyout ca.key -out ca.pem",
    );
    let make = "ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out list.pem";
    openssl(folder.path(), make);
    let read = |name: &str| split(&fs::read(folder.path().join(name)).unwrap());
    let lists = read("list.pem").unwrap();
    let facts = ListFacts::read(&lists[0]).unwrap();
    assert_eq!((facts.issuer.as_str(), facts.revoked), ("CN=Corp", 0));
    assert_eq!(facts.next_update.unix() - facts.this_update.unix(), 30 * 24 * 3600);
    assert!(matches!(read("ca.pem"), Err(ListError::Nothing)));
    openssl(folder.path(), &format!("{make} -crlexts delta"));
    assert!(matches!(read("list.pem"), Err(ListError::Unusable(_))));
}
