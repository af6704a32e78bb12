//! The file `clients`: which client certificates log in as whom. Like `accounts` it is written by the command line tool
//! only, through [`spawner::store`], and read anew by the service for each login.
//!
//! ```toml
//! version = 1
//!
//! [[root]]                 # who may vouch for clients
//! pem = "-----BEGIN CERTIFICATE----- …"
//!
//! [[person]]               # certificates that vouch for themselves, and count themselves
//! pem = "-----BEGIN CERTIFICATE----- …"
//!
//! [[list]]                 # which certificates their authorities took back
//! pem = "-----BEGIN X509 CRL----- …"
//!
//! [[mapping]]
//! issuer = "0011…"         # thumbprint of who vouches
//! subject = "alice@localhost"
//! uri = "*"
//! account = "000102030405060708090a0b0c0d0e0f"
//! enabled = true
//! ```
//!
//! What a login may become is decided by files that root owns: who may vouch decides it as much as the mappings do.
//! Accounts are named by their ids, so that a new account does not inherit what its name led to.

mod judge;
mod record;

use transport::tls::revocation::{self, ListError};
use transport::tls::{CertificateDer, DamagedPem, Facts, Usage, certificates};

use crate::certificates::Thumbprint;
use record::File;

pub use session::mapping::{Entry, InvalidPattern, SubjectPattern, UriPattern};
pub use transport::tls::ListFacts;

pub use judge::{Judge, JudgeError, Presented, Refused, Verdict};

/// The file may have so many bytes; revocation lists of large authorities have several million.
pub const MAX_FILE: usize = 16 * 1024 * 1024;

/// Everything that the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clients {
    roots: Vec<CertificateDer<'static>>,
    people: Vec<CertificateDer<'static>>,
    lists: Vec<Vec<u8>>,
    mappings: Vec<Entry>,
}

/// Where a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two stores that Windows asks too")]
pub enum Store {
    /// Those who may vouch for clients: Windows's `LocalMachine\Root`.
    Root,
    /// Certificates that vouch for themselves: Windows's `LocalMachine\TrustedPeople`.
    TrustedPeople,
}

/// What is wrong with the file, or with what shall be done to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientsError {
    /// The file is longer than 16 MiB.
    #[error("the clients file would be longer than {MAX_FILE} bytes")]
    TooLong,
    /// The file is not text.
    #[error("the clients file is not UTF-8")]
    NotText,
    /// The file is not as this version writes it.
    #[error("the clients file is malformed in line {line}: {problem}")]
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another version wrote the file.
    #[error("the clients file has version {0}; this program knows version 1")]
    Version(u32),
    /// Text that is no PEM.
    #[error(transparent)]
    Pem(#[from] DamagedPem),
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// The certificate cannot be read.
    #[error("the certificate is malformed")]
    Certificate,
    /// A root that may not vouch for anybody.
    #[error("the certificate {0} is no authority (basicConstraints): it can vouch for nobody")]
    NoAuthority(String),
    /// A person that somebody else vouches for.
    #[error("the certificate {0} does not vouch for itself: trusted people do")]
    NotSelfSigned(String),
    /// A person that is no client.
    #[error(
        "the certificate {0} is not meant for clients: clientAuth is missing in its extended key usage"
    )]
    WrongPurpose(String),
    /// The store has the certificate already.
    #[error("the certificate {0} is there already")]
    Taken(String),
    /// Nothing has this thumbprint.
    #[error("there is no certificate {0} there")]
    Unknown(String),
    /// A revocation list cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// A newer list of the same authority is there.
    #[error("there is a newer revocation list of {0}")]
    OlderList(String),
    /// No list is that authority's.
    #[error("there is no revocation list {0}")]
    UnknownList(String),
    /// The same mapping is there already.
    #[error("there is a mapping of {subject} from the issuer {issuer} and {uri} already")]
    MappingTaken {
        /// The issuer's thumbprint.
        issuer: String,
        /// The subject.
        subject: String,
        /// The URI.
        uri: String,
    },
    /// No mapping is this one.
    #[error("there is no such mapping")]
    UnknownMapping,
}

impl Clients {
    /// Reads the file's content. Nothing is guessed: unknown keys, damaged certificates and a missing version are errors.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ClientsError> {
        if bytes.len() > MAX_FILE {
            return Err(ClientsError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ClientsError::NotText)?;
        File::read(text)?.into_clients()
    }

    /// The file's content.
    ///
    /// # Errors
    ///
    /// [`ClientsError::TooLong`].
    pub fn to_text(&self) -> Result<String, ClientsError> {
        let text = File::of(self).to_text();
        if text.len() > MAX_FILE { Err(ClientsError::TooLong) } else { Ok(text) }
    }

    /// The certificates of a store, in the order in which they were added.
    #[must_use]
    pub fn certificates(&self, store: Store) -> &[CertificateDer<'static>] {
        match store {
            Store::Root => &self.roots,
            Store::TrustedPeople => &self.people,
        }
    }

    /// Adds a certificate (DER) to a store.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] for one that could do nothing there: a root that is no authority, one of the people that does not
    /// vouch for itself or is not meant for clients.
    pub fn add(&mut self, store: Store, der: &[u8]) -> Result<Facts, ClientsError> {
        let facts = Facts::read(der).map_err(|_| ClientsError::Certificate)?;
        let thumbprint = facts.thumbprint.clone();
        match store {
            Store::Root if !facts.is_authority => {
                return Err(ClientsError::NoAuthority(thumbprint));
            }
            Store::TrustedPeople if !facts.is_self_issued => {
                return Err(ClientsError::NotSelfSigned(thumbprint));
            }
            Store::TrustedPeople if !facts.usages.contains(&Usage::ClientAuth) => {
                return Err(ClientsError::WrongPurpose(thumbprint));
            }
            Store::Root | Store::TrustedPeople => {}
        }
        let certificates = self.store_mut(store);
        if certificates.iter().any(|one| one.as_ref() == der) {
            return Err(ClientsError::Taken(thumbprint));
        }
        certificates.push(der.to_vec().into());
        Ok(facts)
    }

    /// Adds the certificates of a file (PEM, or one in DER) to a store.
    ///
    /// # Errors
    ///
    /// As [`Self::add`], [`ClientsError::Pem`], [`ClientsError::NoCertificate`].
    pub fn import(&mut self, store: Store, bytes: Vec<u8>) -> Result<Vec<Facts>, ClientsError> {
        let found = certificates(bytes)?;
        if found.is_empty() {
            return Err(ClientsError::NoCertificate);
        }
        found.iter().map(|der| self.add(store, der)).collect()
    }

    /// What the certificates of a store say.
    pub fn facts(&self, store: Store) -> impl Iterator<Item = Facts> {
        self.certificates(store).iter().filter_map(|der| Facts::read(der).ok())
    }

    /// Removes a certificate from a store.
    ///
    /// # Errors
    ///
    /// [`ClientsError::Unknown`].
    pub fn remove(&mut self, store: Store, thumbprint: &Thumbprint) -> Result<(), ClientsError> {
        let thumbprint = thumbprint.to_string();
        let certificates = self.store_mut(store);
        let is_it =
            |one: &CertificateDer<'_>| transport::tls::certificate::thumbprint(one) == thumbprint;
        let at = certificates.iter().position(is_it).ok_or(ClientsError::Unknown(thumbprint))?;
        certificates.remove(at);
        Ok(())
    }

    const fn store_mut(&mut self, store: Store) -> &mut Vec<CertificateDer<'static>> {
        match store {
            Store::Root => &mut self.roots,
            Store::TrustedPeople => &mut self.people,
        }
    }

    /// The revocation lists (DER) with what they say.
    pub fn lists(&self) -> impl Iterator<Item = (&[u8], ListFacts)> {
        self.lists.iter().filter_map(|der| Some((der.as_slice(), ListFacts::read(der).ok()?)))
    }

    /// Adds the revocation lists of a file (PEM or DER); each takes the place of an older one of the same authority.
    ///
    /// # Errors
    ///
    /// [`ClientsError::List`], [`ClientsError::OlderList`]; nothing changes then.
    pub fn add_lists(&mut self, bytes: &[u8]) -> Result<Vec<ListFacts>, ClientsError> {
        let mut lists = self.lists.clone();
        let mut added = Vec::new();
        for der in revocation::split(bytes)? {
            let facts = ListFacts::read(&der)?;
            let older =
                |old: &Vec<u8>| ListFacts::read(old).is_ok_and(|old| old.is_about_the_same(&facts));
            if let Some(at) = lists.iter().position(older) {
                let old = lists.remove(at);
                if ListFacts::read(&old)?.this_update > facts.this_update {
                    return Err(ClientsError::OlderList(facts.issuer));
                }
            }
            lists.push(der);
            added.push(facts);
        }
        self.lists = lists;
        Ok(added)
    }

    /// Removes the revocation list with this SHA-256, or with the beginning of it where that is enough to tell it.
    ///
    /// # Errors
    ///
    /// [`ClientsError::UnknownList`].
    pub fn remove_list(&mut self, fingerprint: &str) -> Result<(), ClientsError> {
        let wanted = fingerprint.to_ascii_lowercase();
        let is_it = |der: &Vec<u8>| {
            ListFacts::read(der).is_ok_and(|facts| facts.fingerprint.starts_with(&wanted))
        };
        let unknown = || ClientsError::UnknownList(shown(fingerprint));
        let at = self.lists.iter().position(is_it).ok_or_else(unknown)?;
        if wanted.is_empty() || self.lists.iter().filter(|der| is_it(der)).count() > 1 {
            return Err(unknown());
        }
        self.lists.remove(at);
        Ok(())
    }

    /// The mappings in the order in which they were added.
    #[must_use]
    pub fn mappings(&self) -> &[Entry] {
        &self.mappings
    }

    /// Adds a mapping.
    ///
    /// # Errors
    ///
    /// [`ClientsError::MappingTaken`].
    pub fn map(&mut self, entry: Entry) -> Result<(), ClientsError> {
        if self.position(&entry.issuer, &entry.subject, &entry.uri).is_some() {
            return Err(ClientsError::MappingTaken {
                issuer: entry.issuer,
                subject: entry.subject.to_string(),
                uri: entry.uri.to_string(),
            });
        }
        self.mappings.push(entry);
        Ok(())
    }

    /// Removes a mapping and says what it was.
    ///
    /// # Errors
    ///
    /// [`ClientsError::UnknownMapping`].
    pub fn unmap(
        &mut self,
        issuer: &Thumbprint,
        subject: &SubjectPattern,
        uri: &UriPattern,
    ) -> Result<Entry, ClientsError> {
        let at = self.position(&issuer.to_string(), subject, uri);
        at.map(|at| self.mappings.remove(at)).ok_or(ClientsError::UnknownMapping)
    }

    fn position(&self, issuer: &str, subject: &SubjectPattern, uri: &UriPattern) -> Option<usize> {
        let same = |one: &dyn std::fmt::Display, other: &dyn std::fmt::Display| {
            one.to_string().eq_ignore_ascii_case(&other.to_string())
        };
        self.mappings.iter().position(|entry| {
            entry.issuer == issuer && same(&entry.subject, subject) && same(&entry.uri, uri)
        })
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{Identity, NewAuthority, NewClient};

    fn authority() -> Identity {
        NewAuthority { name: "CA".to_owned(), days: 1 }.make().unwrap()
    }

    fn client(authority: Option<&Identity>) -> Identity {
        let upn = Some("alice@localhost".to_owned());
        NewClient { upn, names: Vec::new(), days: 1 }.make(authority).unwrap()
    }

    fn entry(issuer: &str, subject: &str) -> Entry {
        Entry {
            issuer: issuer.to_owned(),
            subject: subject.parse().unwrap(),
            uri: "*".parse().unwrap(),
            account: [7; 16],
            enabled: true,
        }
    }

    fn sample() -> Clients {
        let (authority, alone) = (authority(), client(None));
        let mut clients = Clients::default();
        let pem = authority.certificates_pem().into_bytes();
        clients.import(Store::Root, pem).unwrap();
        clients.add(Store::TrustedPeople, &alone.chain()[0]).unwrap();
        clients.map(entry(&authority.thumbprint(), "*@localhost")).unwrap();
        clients
            .map(Entry { enabled: false, ..entry(&alone.thumbprint(), "alice@localhost") })
            .unwrap();
        clients
    }

    #[test]
    fn file_is_read_as_it_was_written() {
        let clients = sample();
        let text = clients.to_text().unwrap();
        assert_eq!(Clients::parse(text.as_bytes()), Ok(clients));
        assert!(text.starts_with("version = 1\n"), "{text}");
        assert_eq!(Clients::parse(b"version = 1\n"), Ok(Clients::default()));
    }

    #[test]
    fn anything_that_is_not_ours_is_refused() {
        let text = sample().to_text().unwrap();
        let mapping =
            text.split_once("[[mapping]]").unwrap().1.split("[[mapping]]").next().unwrap();
        for broken in [
            String::new(),
            text.replace("version = 1", "version = 2"),
            text.replace("issuer =", "issue ="),
            text.replace("[[root]]", "[[person]]"),
            text.replace("[[person]]", "[[root]]"),
            text.replacen("MII", "MIX", 1),
            text.replacen("-----END CERTIFICATE-----", "", 1),
            text.replace("*@localhost", "a*@localhost"),
            text.replace(&"07".repeat(16), &"07".repeat(15)),
            format!("{text}\n[[mapping]]{mapping}"),
            format!("{text}\nextra = 1\n"),
        ] {
            assert!(Clients::parse(broken.as_bytes()).is_err(), "{broken:.300}");
        }
        assert_eq!(Clients::parse(b"\xff"), Err(ClientsError::NotText));
        assert_eq!(Clients::parse(&vec![b'#'; MAX_FILE + 1]), Err(ClientsError::TooLong));
    }

    #[test]
    fn stores_take_only_what_can_count_in_them() {
        let authority = authority();
        let (issued, alone) = (client(Some(&authority)), client(None));
        let mut clients = Clients::default();
        for (store, identity) in [
            (Store::Root, &issued),
            (Store::Root, &alone),
            (Store::TrustedPeople, &issued),
            (Store::TrustedPeople, &authority),
        ] {
            assert!(clients.add(store, &identity.chain()[0]).is_err(), "{store:?} {identity:?}");
        }
        for (store, identity) in [(Store::Root, &authority), (Store::TrustedPeople, &alone)] {
            let thumbprint = identity.thumbprint();
            assert_eq!(clients.add(store, &identity.chain()[0]).unwrap().thumbprint, thumbprint);
            let again = clients.add(store, &identity.chain()[0]);
            assert_eq!(again, Err(ClientsError::Taken(thumbprint.clone())));
            clients.remove(store, &thumbprint.parse().unwrap()).unwrap();
            let gone = clients.remove(store, &thumbprint.parse().unwrap());
            assert_eq!(gone, Err(ClientsError::Unknown(thumbprint)));
        }
        assert_eq!(clients, Clients::default());
        assert_eq!(clients.import(Store::Root, Vec::new()), Err(ClientsError::NoCertificate));
    }

    #[test]
    fn mapping_is_one_whatever_the_case_of_its_names() {
        let mut clients = sample();
        let issuer = clients.mappings()[0].issuer.clone();
        let again = clients.map(entry(&issuer, "*@LOCALHOST"));
        assert!(matches!(again, Err(ClientsError::MappingTaken { .. })));
        let (issuer, uri) = (issuer.parse().unwrap(), "*".parse().unwrap());
        let removed = clients.unmap(&issuer, &"*@LocalHost".parse().unwrap(), &uri).unwrap();
        assert_eq!(removed.account, [7; 16]);
        let gone = clients.unmap(&issuer, &"*@localhost".parse().unwrap(), &uri);
        assert_eq!(gone, Err(ClientsError::UnknownMapping));
    }

    #[test]
    fn newer_list_takes_the_place_of_the_older_one_and_not_the_other_way_round() {
        use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair};
        use time::{Duration, OffsetDateTime};
        let authority = authority();
        let key = KeyPair::from_pem(&authority.key_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(&authority.chain()[0], key).unwrap();
        let list = |hours: i64| {
            let this_update = OffsetDateTime::now_utc() + Duration::hours(hours);
            let params = CertificateRevocationListParams {
                this_update,
                next_update: this_update + Duration::hours(9),
                crl_number: 1_u64.into(),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            params.signed_by(&issuer).unwrap().der().to_vec()
        };
        let mut clients = Clients::default();
        clients.add_lists(&list(-2)).unwrap();
        let newer = clients.add_lists(&list(-1)).unwrap().remove(0);
        assert_eq!(clients.lists().count(), 1);
        assert_eq!(clients.add_lists(&list(-3)), Err(ClientsError::OlderList("CN=CA".to_owned())));
        for wrong in ["", "00", "zz"] {
            assert!(clients.remove_list(wrong).is_err(), "{wrong}");
        }
        let start: String = newer.fingerprint.to_uppercase().chars().take(12).collect();
        clients.remove_list(&start).unwrap();
        assert_eq!(clients.lists().count(), 0);
    }
}
