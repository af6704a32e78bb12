//! Whether a client certificate is believed: the service's half of the one judgement.
//!
//! ```text
//!  chain ──► dates ──► made for clients? ──► among the trusted people? ──yes──► believed, its own issuer
//!                                                     │ no
//!                                                     └──► authority of the service, revocation ──► believed, its issuers
//! ```
//!
//! Whoever may vouch for clients can make a login of every mapped name, so the system's authorities never count: only
//! those that the administrator imported. A certificate that vouches for itself is believed only where it is listed
//! itself, and then it vouches for nobody else. RFC 5280 6.

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{Facts, MAX_CHAIN, Usage};
use super::error::CertificateError;
use super::revocation::{Lists, options};
use super::trust::{anchors, check_dates, refusal};

/// Why a client certificate is not believed. For the log: the client hears nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientCertificateError {
    /// The client showed none.
    #[error("the client showed no certificate")]
    Absent,
    /// It cannot be read.
    #[error("the client certificate is malformed")]
    Malformed,
    /// The chain is too long.
    #[error("the client certificate came in a chain of more than {MAX_CHAIN}")]
    TooLong,
    /// It was made for something else than a client.
    #[error(
        "the client certificate {subject} is not meant for clients: clientAuth is missing in its extended key usage"
    )]
    WrongPurpose {
        /// Whom it names.
        subject: String,
    },
    /// It vouches for itself and is not listed.
    #[error("the client certificate {subject} is self-signed, and not among the trusted people")]
    SelfSigned {
        /// Whom it names.
        subject: String,
    },
    /// Nobody whom the service trusts vouches for it.
    #[error(
        "the client certificate {subject} is signed by an authority that the service does not trust ({issuer})"
    )]
    UnknownAuthority {
        /// Whom it names.
        subject: String,
        /// Who signed it, or the last certificate of the chain.
        issuer: String,
    },
    /// Dates, revocation and what else holds for every certificate.
    #[error(transparent)]
    Certificate(CertificateError),
}

/// The judgement over client certificates, ready for use.
#[derive(Debug, Default)]
pub struct ClientValidator {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    people: Vec<CertificateDer<'static>>,
    lists: Lists,
}

impl ClientValidator {
    /// Believes whom `roots` vouch for, and the certificates `people` themselves. Of the roots only those count that are
    /// authorities (basicConstraints); of the people only those that vouch for themselves.
    #[must_use]
    pub fn new(
        roots: Vec<CertificateDer<'static>>,
        people: Vec<CertificateDer<'static>>,
        lists: Lists,
    ) -> Self {
        let is = |der: &CertificateDer<'_>, what: fn(&Facts) -> bool| {
            Facts::read(der).is_ok_and(|facts| what(&facts))
        };
        let roots: Vec<_> =
            roots.into_iter().filter(|der| is(der, |facts| facts.is_authority)).collect();
        let people =
            people.into_iter().filter(|der| is(der, |facts| facts.is_self_issued)).collect();
        let anchors = anchors(&roots);
        Self { roots, anchors, people, lists }
    }

    /// Judges the chain of a client, its own certificate first, at the time `now`. That the client has the key must be
    /// proven already. Returns the thumbprints of those who vouch for it.
    ///
    /// # Errors
    ///
    /// [`ClientCertificateError`] says what is wrong with it.
    pub fn validate(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Vec<String>, ClientCertificateError> {
        use ClientCertificateError::{Absent, Certificate, Malformed, TooLong, WrongPurpose};
        let (own, others) = chain.split_first().ok_or(Absent)?;
        if chain.len() > MAX_CHAIN {
            return Err(TooLong);
        }
        let facts = Facts::read(own).map_err(|_| Malformed)?;
        check_dates(&facts, now).map_err(Certificate)?;
        if !facts.usages.contains(&Usage::ClientAuth) {
            return Err(WrongPurpose { subject: facts.subject });
        }
        if self.people.iter().any(|one| one == own) {
            return Ok(vec![facts.thumbprint]);
        }
        self.issuers(own, others, &facts, now)
    }

    fn issuers(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        facts: &Facts,
        now: UnixTime,
    ) -> Result<Vec<String>, ClientCertificateError> {
        let end_entity = EndEntityCert::try_from(own)
            .map_err(|error| self.refuse(error, own, others, facts, now))?;
        let lists = self.lists.references();
        let path = end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                others,
                now,
                KeyUsage::client_auth(),
                options(&lists),
                None,
            )
            .map_err(|error| self.refuse(error, own, others, facts, now))?;
        let mut issuers: Vec<String> = path
            .intermediate_certificates()
            .map(|one| super::certificate::thumbprint(&one.der()))
            .collect();
        let mut roots = self.roots.iter().filter(|root| is_anchor(root, path.anchor()));
        // The path may end at several certificates of one authority with one key: a renewed one beside the old.
        let mut ended = None;
        for root in &mut roots {
            let root = Facts::read(root).map_err(|_| ClientCertificateError::Malformed)?;
            match check_dates(&root, now) {
                Ok(()) => issuers.push(root.thumbprint),
                Err(error) => ended = Some(error),
            }
        }
        match ended {
            Some(error) if issuers.len() == path.intermediate_certificates().count() => {
                Err(ClientCertificateError::Certificate(error))
            }
            Some(_) | None => Ok(issuers),
        }
    }

    /// webpki's refusal in the words of the service's log.
    fn refuse(
        &self,
        error: webpki::Error,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        facts: &Facts,
        now: UnixTime,
    ) -> ClientCertificateError {
        let subject = facts.subject.clone();
        let chain: Vec<&CertificateDer<'_>> = std::iter::once(own).chain(others).collect();
        if let Some(revocation) = self.lists.refusal(&error, &chain, now) {
            return ClientCertificateError::Certificate(revocation);
        }
        match refusal(error, facts, others) {
            CertificateError::SelfSigned { .. } => ClientCertificateError::SelfSigned { subject },
            CertificateError::UnknownAuthority { issuer } => {
                ClientCertificateError::UnknownAuthority { subject, issuer }
            }
            CertificateError::WrongPurpose => ClientCertificateError::WrongPurpose { subject },
            CertificateError::Malformed => ClientCertificateError::Malformed,
            other @ (CertificateError::Expired { .. }
            | CertificateError::NotYetValid { .. }
            | CertificateError::WrongName { .. }
            | CertificateError::WrongPin { .. }
            | CertificateError::Absent
            | CertificateError::TooMany
            | CertificateError::Changed
            | CertificateError::Revoked { .. }
            | CertificateError::RevocationListExpired { .. }
            | CertificateError::RevocationListWrong { .. }
            | CertificateError::Unacceptable(_)) => ClientCertificateError::Certificate(other),
        }
    }
}

fn is_anchor(root: &CertificateDer<'_>, anchor: &TrustAnchor<'_>) -> bool {
    webpki::anchor_from_trusted_cert(root).is_ok_and(|one| {
        one.subject == anchor.subject
            && one.subject_public_key_info == anchor.subject_public_key_info
    })
}
