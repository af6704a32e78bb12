//! The verdict over logins: the only code that looks at hashes.
//!
//! A name that nobody has costs the same work as a known one with a wrong password, and gets the
//! same answer.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use auth::ntlm::{NtHash, NtlmAttempt, TargetNames, nt_hash, verify, verify_unknown};
use auth::{Account, Answer, FileTime, Question, Secret, UserName};
use rustix::io::Errno;
use session::mapping::Entry;
use spawner::frames::root::Reason;
use spawner::network::{RequestError, Spawner};
use spawner::store::{CLIENTS, PRINCIPALS};
use spawner::users::FILE as USERS;

use super::cached::Cached;
use super::{Accounts, AccountsError, MAX_FILE, Record};
use crate::BoxFuture;
use crate::settings::CertMapping;

/// Where the accounts file comes from. It is asked for each login, so that a change counts at
/// once.
pub trait AccountSource: Send + Sync + fmt::Debug {
    /// Opens the file as it is now, to be read from its start.
    fn open(&self) -> BoxFuture<'_, io::Result<File>>;

    /// The same for the file of client certificates, which lies beside it; `None` where there is none.
    fn open_clients(&self) -> BoxFuture<'_, io::Result<Option<File>>>;

    /// The same for the file of Kerberos principals.
    fn open_principals(&self) -> BoxFuture<'_, io::Result<Option<File>>>;

    /// The same for the file that says which local user is which account.
    fn open_users(&self) -> BoxFuture<'_, io::Result<Option<File>>>;

    /// To which of the groups that [`Config::groups`](crate::Config::groups) names an account belongs by its local user: a
    /// bit for each, the first one's the lowest. Without a local user to none.
    fn members<'a>(&'a self, account: &'a [u8; 16]) -> BoxFuture<'a, io::Result<u64>>;
}

/// Accounts in a file that this process may read itself.
#[derive(Debug, Clone)]
pub struct FileSource(pub PathBuf);

impl AccountSource for FileSource {
    fn open(&self) -> BoxFuture<'_, io::Result<File>> {
        let opened = File::open(&self.0);
        Box::pin(async move { opened })
    }

    fn open_clients(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        let opened = self.beside(CLIENTS);
        Box::pin(async move { opened })
    }

    fn open_principals(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        let opened = self.beside(PRINCIPALS);
        Box::pin(async move { opened })
    }

    fn open_users(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        let opened = self.beside(USERS);
        Box::pin(async move { opened })
    }

    /// Accounts of a plain file have no local users.
    fn members<'a>(&'a self, _: &'a [u8; 16]) -> BoxFuture<'a, io::Result<u64>> {
        Box::pin(async { Ok(0) })
    }
}

impl FileSource {
    fn beside(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.0.with_file_name(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AccountSource for Spawner {
    fn open(&self) -> BoxFuture<'_, io::Result<File>> {
        Box::pin(async move { self.accounts().await.map_err(io::Error::other) })
    }

    fn open_clients(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        Box::pin(async move { unless_absent(self.clients().await) })
    }

    fn open_principals(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        Box::pin(async move { unless_absent(self.principals().await) })
    }

    fn open_users(&self) -> BoxFuture<'_, io::Result<Option<File>>> {
        Box::pin(async move { unless_absent(self.users().await) })
    }

    fn members<'a>(&'a self, account: &'a [u8; 16]) -> BoxFuture<'a, io::Result<u64>> {
        Box::pin(async move { Self::members(self, *account).await.map_err(io::Error::other) })
    }
}

/// A file that need not be there.
fn unless_absent(opened: Result<File, RequestError>) -> io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(RequestError::Refused {
            reason: Reason::ClientsFile | Reason::PrincipalsFile | Reason::UsersFile,
            errno,
        }) if errno == Errno::NOENT.raw_os_error() => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// What this machine calls itself towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineNames {
    host: String,
    targets: TargetNames,
}

impl MachineNames {
    /// From a host name, with or without a domain.
    #[must_use]
    pub fn new(host: &str) -> Self {
        let host = host.trim().to_owned();
        let short = host.split('.').next().unwrap_or_default();
        let netbios: String = short.chars().take(15).collect::<String>().to_uppercase();
        let targets = TargetNames::standalone(netbios, host.clone());
        Self { host, targets }
    }

    /// This machine's own name.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let names = rustix::system::uname();
        match names.nodename().to_string_lossy().trim() {
            "" => Self::new("localhost"),
            name => Self::new(name),
        }
    }

    /// The name that faults carry as `Machine`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The names for an NTLM challenge.
    #[must_use]
    pub fn targets(&self) -> &TargetNames {
        &self.targets
    }

    /// Whether a domain in a login means this machine: its names in any case, `.` or nothing.
    pub(crate) fn is_here(&self, domain: &str) -> bool {
        let short = self.host.split('.').next().unwrap_or_default();
        [
            "",
            ".",
            "localhost",
            short,
            &self.host,
            &self.targets.netbios_computer,
            &self.targets.dns_computer,
        ]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(domain))
    }

    /// The bare account name in a login; `None` when it belongs to another machine or domain.
    fn account_name<'a>(&self, domain: &str, user: &'a str) -> Option<&'a str> {
        if !self.is_here(domain) {
            return None;
        }
        match user.rsplit_once('@') {
            Some((name, host)) => self.is_here(host).then_some(name),
            None => Some(user),
        }
    }
}

/// Answers what logins ask.
#[derive(Debug)]
pub struct Verifier {
    source: Arc<dyn AccountSource>,
    names: MachineNames,
    known: Cached<Accounts>,
}

/// Why no verdict came about; the login is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The accounts cannot be read.
    #[error("the accounts cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The accounts file is wrong.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The mechanism asks what this verifier does not know.
    #[error("the login asks for something unknown")]
    Question,
}

impl Verifier {
    /// A verifier over the accounts of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn AccountSource>, names: MachineNames) -> Self {
        Self { source, names, known: Cached::new() }
    }

    /// What this machine calls itself.
    #[must_use]
    pub fn names(&self) -> &MachineNames {
        &self.names
    }

    /// The name whose password a question is about; all spellings of a local name are one. `None`
    /// for a question that is about no password.
    pub(crate) fn name_of(&self, question: &Question) -> Option<String> {
        let of = |domain: &str, user: &str| match self.names.account_name(domain, user) {
            Some(name) => name.to_owned(),
            None => format!("{domain}\\{user}"),
        };
        match question {
            Question::Ntlm(attempt) => Some(of(&attempt.domain, &attempt.user)),
            Question::Password { user, .. } => {
                let parsed = UserName::parse(user);
                Some(of(&parsed.domain, &parsed.user))
            }
            // Certificates and tickets are no passwords that somebody could guess.
            Question::Challenge | Question::Certificate | Question::Kerberos(_) | _ => None,
        }
    }

    /// Answers one question of a login.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] where no verdict is possible: the login must then be refused.
    pub async fn answer(&self, question: Question) -> Result<Answer, VerifyError> {
        match question {
            Question::Challenge => self.challenge(),
            Question::Ntlm(attempt) => Ok(self.judge_ntlm(&*self.accounts().await?, &attempt)),
            Question::Password { user, password } => {
                Ok(self.judge_password(&*self.accounts().await?, &user, &password))
            }
            Question::Certificate | Question::Kerberos(_) | _ => Err(VerifyError::Question),
        }
    }

    /// The account with an id; `None` where it is gone.
    pub(crate) async fn account(&self, id: &[u8; 16]) -> Result<Option<Account>, VerifyError> {
        Ok(self.accounts().await?.find_by_id(id))
    }

    /// The account of that name, in whatever case; `None` where there is none.
    pub(crate) async fn account_called(&self, name: &str) -> Result<Option<Account>, VerifyError> {
        Ok(self.accounts().await?.find(name))
    }

    /// Seals a mapping of client certificates with the hash of its account's password; `None` where the account is gone.
    pub(crate) async fn seal(&self, entry: &Entry) -> Result<Option<[u8; 32]>, VerifyError> {
        let accounts = self.accounts().await?;
        let record = accounts.records.iter().find(|record| record.id.0 == entry.account);
        Ok(record.map(|record| record.hash().tag(&CertMapping::sealed_text(entry))))
    }

    /// The entries of those mappings that the present passwords of their accounts have sealed.
    pub(crate) async fn sealed(&self, mappings: &[CertMapping]) -> Result<Vec<Entry>, VerifyError> {
        if mappings.is_empty() {
            return Ok(Vec::new());
        }
        let accounts = self.accounts().await?;
        let is_sealed = |mapping: &&CertMapping| {
            let text = CertMapping::sealed_text(&mapping.entry());
            let mut records = accounts.records.iter();
            let record = records.find(|record| record.id.0 == mapping.account);
            record.is_some_and(|record| record.hash().has_tagged(&text, &mapping.seal))
        };
        Ok(mappings.iter().filter(is_sealed).map(CertMapping::entry).collect())
    }

    fn challenge(&self) -> Result<Answer, VerifyError> {
        let mut server_challenge = [0; 8];
        getrandom::fill(&mut server_challenge)?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = FileTime::from_unix(since);
        Ok(Answer::Challenge { server_challenge, names: self.names.targets.clone(), now })
    }

    fn judge_ntlm(&self, accounts: &Accounts, attempt: &NtlmAttempt) -> Answer {
        let name = self.names.account_name(&attempt.domain, &attempt.user);
        let Some(record) = name.and_then(|name| accounts.record(name)) else {
            verify_unknown(attempt);
            return Answer::Refused;
        };
        match verify(&record.hash(), attempt) {
            Some(key) => Answer::Accepted { account: record.account(), session_key: Some(key) },
            None => Answer::Refused,
        }
    }

    fn judge_password(&self, accounts: &Accounts, user: &str, password: &Secret) -> Answer {
        let given = nt_hash(password);
        let parsed = UserName::parse(user);
        let name = self.names.account_name(&parsed.domain, &parsed.user);
        let record = name.and_then(|name| accounts.record(name));
        let hash = record.map_or(NtHash::from_bytes([0; 16]), Record::hash);
        // The comparison comes first and always: it takes the same time wherever they differ.
        match (hash == given, record) {
            (true, Some(record)) => {
                Answer::Accepted { account: record.account(), session_key: None }
            }
            (true | false, _) => Answer::Refused,
        }
    }

    async fn accounts(&self) -> Result<Arc<Accounts>, VerifyError> {
        let file = self.source.open().await?;
        self.known.get(file, MAX_FILE, |bytes| Ok(Accounts::parse(bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    async fn verdict(verifier: &Verifier, user: &str, password: &str) -> Option<String> {
        let password = Secret::new(password);
        let question = Question::Password { user: user.to_owned(), password };
        match verifier.answer(question).await.unwrap() {
            Answer::Accepted { account, .. } => Some(account.name),
            Answer::Refused => None,
            other @ (Answer::Challenge { .. } | _) => panic!("{other:?}"),
        }
    }

    /// Puts a file with one account in the place of the old one.
    fn write(path: &Path, name: &str, password: &str) {
        let mut accounts = Accounts::default();
        accounts.add([1; 16], name, &Secret::new(password), Vec::new()).unwrap();
        let fresh = path.with_extension("new");
        fs::write(&fresh, accounts.to_text()).unwrap();
        fs::rename(&fresh, path).unwrap();
    }

    #[tokio::test]
    async fn every_form_of_a_local_name_is_understood_and_no_foreign_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        write(&path, "Alice", "pw");
        let source = Arc::new(FileSource(path));
        let verifier = Verifier::new(source, MachineNames::new("box.example.test"));
        for user in [
            "alice",
            "ALICE",
            r".\alice",
            r"LocalHost\alice",
            r"BOX\alice",
            r"box.example.test\Alice",
            "alice@box",
            "alice@Box.Example.Test",
        ] {
            assert_eq!(verdict(&verifier, user, "pw").await.as_deref(), Some("Alice"), "{user}");
            assert_eq!(verdict(&verifier, user, "pW").await, None);
        }
        for user in ["bob", r"OTHER\alice", "alice@other", "", r"BOX\", "@box"] {
            assert_eq!(verdict(&verifier, user, "pw").await, None, "{user}");
        }
    }

    #[test]
    fn spellings_of_a_local_name_are_one_and_foreign_names_are_others() {
        let source = Arc::new(FileSource(PathBuf::new()));
        let verifier = Verifier::new(source, MachineNames::new("box"));
        let name = |user: &str| {
            let password = Secret::new("pw");
            verifier.name_of(&Question::Password { user: user.to_owned(), password }).unwrap()
        };
        for user in ["alice", r".\alice", r"BOX\alice", "alice@box"] {
            assert_eq!(name(user), "alice", "{user}");
        }
        assert_eq!(name(r"OTHER\alice"), r"OTHER\alice");
        assert!(verifier.name_of(&Question::Challenge).is_none());
    }

    #[tokio::test]
    async fn changed_file_counts_at_the_next_login() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let source = Arc::new(FileSource(path.clone()));
        let verifier = Verifier::new(source, MachineNames::new("box"));
        for password in ["one", "two"] {
            write(&path, "alice", password);
            assert_eq!(verdict(&verifier, "alice", password).await.as_deref(), Some("alice"));
        }
        assert_eq!(verdict(&verifier, "alice", "one").await, None);
    }
}
