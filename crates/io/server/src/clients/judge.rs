//! The verdict over client certificates: the chain, then the mapping.

use std::fmt;
use std::io;
use std::sync::Arc;

use session::mapping::{self, Entry, Facts, Grant, Subject, Unmapped};
use transport::tls::certificate::Subjects;
use transport::tls::revocation::ListError;
use transport::tls::{
    self, CertificateDer, ClientCertificateError, ClientValidator, Lists, UnixTime,
};

use super::{Clients, ClientsError, MAX_FILE, Store};
use crate::accounts::{AccountSource, Cached};

/// A verdict holds for so many seconds.
const HOLDS: u64 = 60;

/// Judges client certificates by the file `clients` as it is now.
#[derive(Debug)]
pub struct Judge {
    source: Arc<dyn AccountSource>,
    known: Cached<Rules>,
}

/// The file, ready for use.
#[derive(Debug)]
struct Rules {
    validator: ClientValidator,
    entries: Vec<Entry>,
}

/// What the log is told of a client certificate. Texts that a terminal would obey are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presented {
    /// Its thumbprint.
    pub thumbprint: String,
    /// Its UPN or DNS name, where it has one; else its subject.
    pub subject: String,
}

/// A verdict that let a client in. It holds for a minute at most, since time goes on for certificates and lists.
#[derive(Debug)]
pub struct Verdict {
    rules: Arc<Rules>,
    chain: Vec<CertificateDer<'static>>,
    since: UnixTime,
    made: Vec<Entry>,
    grant: Grant,
}

impl Verdict {
    fn holds(
        &self,
        rules: &Arc<Rules>,
        made: &[Entry],
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let age = now.as_secs().checked_sub(self.since.as_secs());
        let is_same = Arc::ptr_eq(&self.rules, rules) && self.made == made && self.chain == chain;
        is_same && age.is_some_and(|age| age < HOLDS)
    }
}

/// Why a certificate is no login; for the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not believed.
    #[error(transparent)]
    Certificate(#[from] ClientCertificateError),
    /// It is nobody's.
    #[error(transparent)]
    Unmapped(#[from] Unmapped),
    /// The account that it was mapped to is gone.
    #[error("the certificate is mapped to an account that was removed")]
    NoAccount,
}

/// Why no verdict came about; the login is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The file cannot be read.
    #[error("the client certificates' file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file is wrong.
    #[error(transparent)]
    Clients(#[from] ClientsError),
    /// A revocation list in it is wrong.
    #[error(transparent)]
    List(#[from] ListError),
}

impl Presented {
    /// Of a chain, the own certificate first; `None` for one that cannot be read.
    #[must_use]
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let facts = tls::Facts::read(chain.first()?).ok()?;
        let name = facts.upns.into_iter().chain(facts.names).next();
        Some(Self { thumbprint: facts.thumbprint, subject: name.unwrap_or(facts.subject) })
    }
}

impl fmt::Display for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.subject, self.thumbprint)
    }
}

impl Judge {
    /// A judge by the file of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn AccountSource>) -> Self {
        Self { source, known: Cached::new() }
    }

    /// Judges the chain of a client, which has proven to have the key, at the time `now`: what it leads to, or why it leads
    /// to nothing. `made` are mappings beside those of the file. `last` is the connection's last verdict, which need not be found
    /// again while both stay as they are.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] where no verdict is possible: the login must then be refused.
    pub async fn judge(
        &self,
        chain: &[CertificateDer<'static>],
        now: UnixTime,
        made: &[Entry],
        last: &mut Option<Verdict>,
    ) -> Result<Result<Grant, Refused>, JudgeError> {
        let rules = self.rules().await?;
        if let Some(last) = last.as_ref().filter(|last| last.holds(&rules, made, chain, now)) {
            return Ok(Ok(last.grant.clone()));
        }
        let decided = rules.decide(chain, made, now);
        *last = decided.as_ref().ok().map(|grant| {
            let grant = grant.clone();
            Verdict { rules, chain: chain.to_vec(), since: now, made: made.to_vec(), grant }
        });
        Ok(decided)
    }

    /// The mappings of the file.
    ///
    /// # Errors
    ///
    /// [`JudgeError`].
    pub(crate) async fn mappings(&self) -> Result<Vec<Entry>, JudgeError> {
        Ok(self.rules().await?.entries.clone())
    }

    async fn rules(&self) -> Result<Arc<Rules>, JudgeError> {
        let Some(file) = self.source.open_clients().await? else {
            return Ok(Arc::new(Rules::of(&Clients::default())?));
        };
        self.known.get(file, MAX_FILE, |bytes| Ok(Rules::of(&Clients::parse(bytes)?)?))
    }
}

impl Rules {
    fn of(clients: &Clients) -> Result<Self, ListError> {
        let certificates = |store| clients.certificates(store).to_vec();
        let lists = clients.lists().map(|(der, facts)| {
            (der, format!("transom cert list, {}", facts.fingerprint.get(..16).unwrap_or_default()))
        });
        let validator = ClientValidator::new(
            certificates(Store::Root),
            certificates(Store::TrustedPeople),
            Lists::new(lists)?,
        );
        Ok(Self { validator, entries: clients.mappings().to_vec() })
    }

    fn decide(
        &self,
        chain: &[CertificateDer<'_>],
        made: &[Entry],
        now: UnixTime,
    ) -> Result<Grant, Refused> {
        let issuers = self.validator.validate(chain, now)?;
        let own = chain.first().ok_or(ClientCertificateError::Absent)?;
        let names = Subjects::read(own).map_err(|_| ClientCertificateError::Malformed)?;
        let upns = names.upns.into_iter().map(Subject::Upn);
        let subjects: Vec<Subject> = upns.chain(names.dns.into_iter().map(Subject::Dns)).collect();
        let entries = [self.entries.as_slice(), made].concat();
        Ok(mapping::decide(&entries, Facts { issuers: &issuers, subjects: &subjects })?)
    }
}
