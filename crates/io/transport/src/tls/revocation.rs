//! Certificates that were taken back: revocation lists (CRLs, RFC 5280 5) from files, for hosts and for clients.
//!
//! Nothing is fetched from the network: whoever wants lists to count puts them into files and keeps them fresh. A list
//! counts for the certificates of its issuer, in the whole chain; certificates whose issuer has no list are judged
//! without one. A list whose time is over refuses every certificate that it is about.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::{Facts, Moment, hexadecimal, moment, printable};
use super::error::{CertificateError, TrustError};
use super::roots;

/// No more lists are taken; a company's authorities have a dozen.
const MAX_LISTS: usize = 1_000;

/// What is asked about revocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct Revocation {
    /// A file with revocation lists (PEM, or one in DER), or a folder of such files.
    pub lists: Option<PathBuf>,
    /// The lists do not count.
    pub skip: bool,
}

/// Revocation lists that were read.
#[derive(Debug, Default)]
pub struct Lists {
    /// Newest first: of two lists of one issuer the newer one counts.
    lists: Vec<List>,
}

struct List {
    crl: CertRevocationList<'static>,
    facts: ListFacts,
    source: String,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("facts", &self.facts).field("source", &self.source).finish()
    }
}

/// What people want to know of a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListFacts {
    /// Who made it: the authority whose certificates it is about.
    pub issuer: String,
    /// When it was made.
    pub this_update: Moment,
    /// Until when it counts.
    pub next_update: Moment,
    /// How many certificates it takes back.
    pub revoked: usize,
    /// SHA-256 of the list in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// The issuer's name and the part of its certificates that the list is about, as they stand in it.
    scope: Vec<u8>,
}

/// Why bytes are no revocation list that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The text is damaged.
    #[error("the PEM text is damaged: {0}")]
    Pem(String),
    /// There is no list.
    #[error("no revocation list in it")]
    Nothing,
    /// The list is malformed, or of a kind that is not known here (delta and indirect lists).
    #[error("a revocation list cannot be used: {0}")]
    Unusable(String),
    /// There are too many.
    #[error("more than {MAX_LISTS} revocation lists")]
    TooMany,
}

/// The lists in a file: DER, or PEM with one or several; each as DER.
///
/// # Errors
///
/// [`ListError`], also for a list that cannot be used.
pub fn split(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ListError> {
    let mut found = Vec::new();
    // A SEQUENCE; PEM begins with a dash or a comment.
    if bytes.first() == Some(&0x30) {
        found.push(bytes.to_vec());
    } else {
        for block in Pem::iter_from_buffer(bytes) {
            let block = block.map_err(|error| ListError::Pem(error.to_string()))?;
            if block.label == "X509 CRL" {
                found.push(block.contents);
            }
        }
    }
    if found.is_empty() {
        return Err(ListError::Nothing);
    }
    found.iter().try_for_each(|der| parse(der).map(drop))?;
    Ok(found)
}

fn parse(der: &[u8]) -> Result<(CertRevocationList<'static>, ListFacts), ListError> {
    let owned = OwnedCertRevocationList::from_der(der)
        .map_err(|error| ListError::Unusable(error.to_string()))?;
    let malformed = || ListError::Unusable("malformed".to_owned());
    let (_, read) = CertificateRevocationList::from_der(der).map_err(|_| malformed())?;
    let next = read.next_update().ok_or_else(malformed)?;
    let facts = ListFacts {
        issuer: printable(&read.issuer().to_string()),
        this_update: Moment::from_unix(read.last_update().timestamp()),
        next_update: Moment::from_unix(next.timestamp()),
        revoked: read.iter_revoked_certificates().count(),
        fingerprint: hexadecimal(&Sha256::digest(der)),
        scope: scope(&read),
    };
    Ok((owned.into(), facts))
}

fn scope(list: &CertificateRevocationList<'_>) -> Vec<u8> {
    let mut scope = list.issuer().as_raw().to_vec();
    let is_part = |oid: &str| oid == "2.5.29.28";
    for extension in list.extensions() {
        if is_part(&extension.oid.to_id_string()) {
            scope.extend_from_slice(extension.value);
        }
    }
    scope
}

impl ListFacts {
    /// Whether the other list is about the same certificates: the newer one takes the older one's place.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.scope == other.scope
    }

    /// Reads a list (DER).
    ///
    /// # Errors
    ///
    /// [`ListError::Unusable`].
    pub fn read(der: &[u8]) -> Result<Self, ListError> {
        parse(der).map(|(_, facts)| facts)
    }
}

impl Lists {
    /// Takes lists in DER, each with words for where it comes from.
    ///
    /// # Errors
    ///
    /// [`ListError::Unusable`], [`ListError::TooMany`].
    pub fn new<'a>(lists: impl IntoIterator<Item = (&'a [u8], String)>) -> Result<Self, ListError> {
        let mut all = Vec::new();
        for (der, source) in lists {
            if all.len() >= MAX_LISTS {
                return Err(ListError::TooMany);
            }
            let (crl, facts) = parse(der)?;
            all.push(List { crl, facts, source });
        }
        all.sort_by_key(|list| std::cmp::Reverse(list.facts.this_update));
        Ok(Self { lists: all })
    }

    /// Reads what a client's settings name; no lists where they name nothing or skip it.
    pub(super) fn of(revocation: &Revocation) -> Result<Self, TrustError> {
        match &revocation.lists {
            Some(path) if !revocation.skip => Self::read(path),
            Some(_) | None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, TrustError> {
        let mut all = Vec::new();
        let wrong = |path: &Path, error: ListError| TrustError::Read {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        for (file, bytes) in roots::files(path)? {
            match split(&bytes) {
                Ok(found) => {
                    all.extend(found.into_iter().map(|der| (der, file.display().to_string())));
                }
                // What a folder has besides.
                Err(ListError::Nothing) if file != path => {}
                Err(error) => return Err(wrong(&file, error)),
            }
        }
        if all.is_empty() {
            return Err(wrong(path, ListError::Nothing));
        }
        let lists = all.iter().map(|(der, source)| (der.as_slice(), source.clone()));
        Self::new(lists).map_err(|error| wrong(path, error))
    }

    /// The lists as webpki asks for them.
    pub(super) fn references(&self) -> Vec<&CertRevocationList<'static>> {
        self.lists.iter().map(|list| &list.crl).collect()
    }

    /// Why webpki refused, where it is about revocation.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "webpki's other refusals are not about revocation"
    )]
    pub(super) fn refusal(
        &self,
        error: &webpki::Error,
        chain: &[&CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<CertificateError> {
        use webpki::Error as Webpki;
        match error {
            Webpki::CertRevoked => Some(CertificateError::Revoked {
                subject: self.revoked(chain).unwrap_or_else(|| "of the chain".to_owned()),
            }),
            Webpki::CrlExpired { next_update, .. } => {
                let until = moment(*next_update);
                let list = self.lists.iter().find(|list| list.facts.next_update == until);
                let (issuer, file) = list.map_or_else(
                    || ("an authority of the chain".to_owned(), "unknown".to_owned()),
                    |list| (list.facts.issuer.clone(), list.source.clone()),
                );
                let now = moment(now);
                Some(CertificateError::RevocationListExpired { issuer, file, until, now })
            }
            Webpki::InvalidCrlSignatureForPublicKey
            | Webpki::IssuerNotCrlSigner
            | Webpki::InvalidCrlNumber
            | Webpki::InvalidSerialNumber
            | Webpki::UnsupportedCrlIssuingDistributionPoint
            | Webpki::UnsupportedCrlSignatureAlgorithmContext(_)
            | Webpki::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_)
            | Webpki::UnsupportedRevocationReason => Some(CertificateError::RevocationListWrong {
                file: self.sources(chain),
                problem: error.to_string(),
            }),
            _ => None,
        }
    }

    /// The first certificate of the chain that a list of its issuer names.
    fn revoked(&self, chain: &[&CertificateDer<'_>]) -> Option<String> {
        let is_named = |der: &&&CertificateDer<'_>| {
            let Ok(certificate) = EndEntityCert::try_from(**der) else { return false };
            self.lists.iter().any(|list| {
                list.crl.issuer() == certificate.issuer()
                    && matches!(list.crl.find_serial(certificate.serial()), Ok(Some(_)))
            })
        };
        let found = chain.iter().find(is_named)?;
        Facts::read(found).ok().map(|facts| facts.subject)
    }

    /// Where the lists of the chain's issuers come from.
    fn sources(&self, chain: &[&CertificateDer<'_>]) -> String {
        let mut sources: Vec<&str> = Vec::new();
        for der in chain {
            let Ok(certificate) = EndEntityCert::try_from(*der) else { continue };
            let of_issuer = |list: &&List| list.crl.issuer() == certificate.issuer();
            sources.extend(self.lists.iter().filter(of_issuer).map(|list| list.source.as_str()));
        }
        sources.dedup();
        sources.join(", ")
    }
}

/// Every certificate of a chain is looked for; those of issuers without a list pass.
pub(super) fn options<'a>(
    lists: &'a [&'a CertRevocationList<'a>],
) -> Option<RevocationOptions<'a>> {
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    Some(
        builder
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Allow)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build(),
    )
}
