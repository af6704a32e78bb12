//! Whose account a principal is, by the file `principals` as it is now.

use std::io;
use std::sync::Arc;

use auth::Account;
use session::principals::{Grant, Unmapped, decide};

use super::{MAX_FILE, Principals, PrincipalsError};
use crate::accounts::{AccountSource, Cached, Verifier, VerifyError};

/// Finds the account of a principal that a ticket has proven.
#[derive(Debug)]
pub struct Judge {
    source: Arc<dyn AccountSource>,
    known: Cached<Principals>,
}

/// Why a principal is no login; for the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is nobody's.
    #[error(transparent)]
    Unmapped(#[from] Unmapped),
    /// The account that it was mapped to is gone.
    #[error("the principal is mapped to an account that was removed")]
    NoAccount,
    /// No account is called as the principal is.
    #[error("no account has the principal's name")]
    NoSuchName,
}

/// Why no verdict came about; the login is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The file cannot be read.
    #[error("the file of Kerberos principals cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file is wrong.
    #[error(transparent)]
    Principals(#[from] PrincipalsError),
    /// The accounts cannot be read.
    #[error(transparent)]
    Accounts(#[from] VerifyError),
}

impl Judge {
    /// A judge by the file of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn AccountSource>) -> Self {
        Self { source, known: Cached::new() }
    }

    /// The account of a principal, or why there is none.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] where no verdict is possible: the login must then be refused.
    pub async fn judge(
        &self,
        principal: &str,
        verifier: &Verifier,
    ) -> Result<Result<Account, Refused>, JudgeError> {
        let principals = self.principals().await?;
        let grant = match decide(principals.entries(), principal) {
            Ok(grant) => grant,
            Err(reason) => return Ok(Err(reason.into())),
        };
        Ok(match grant {
            Grant::Account(id) => verifier.account(&id).await?.ok_or(Refused::NoAccount),
            Grant::Name { name, ignore_case } => {
                // Accounts are found in any case; which principals those of another case are is the realm's matter.
                let found = verifier.account_called(name).await?;
                found
                    .filter(|account| ignore_case || account.name == name)
                    .ok_or(Refused::NoSuchName)
            }
        })
    }

    async fn principals(&self) -> Result<Arc<Principals>, JudgeError> {
        let Some(file) = self.source.open_principals().await? else {
            return Ok(Arc::default());
        };
        self.known.get(file, MAX_FILE, |bytes| Ok(Principals::parse(bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use auth::Secret;

    use super::*;
    use crate::accounts::{Accounts, FileSource, MachineNames};

    fn write(path: &Path, content: &str) {
        let fresh = path.with_extension("new");
        fs::write(&fresh, content).unwrap();
        fs::rename(&fresh, path).unwrap();
    }

    async fn account(
        judge: &Judge,
        verifier: &Verifier,
        principal: &str,
    ) -> Result<String, Refused> {
        judge.judge(principal, verifier).await.unwrap().map(|account| account.name)
    }

    #[tokio::test]
    async fn accounts_are_found_by_id_and_by_name_and_the_file_counts_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut accounts = Accounts::default();
        for (id, name) in [([1; 16], "alice"), ([2; 16], "Bob")] {
            accounts.add(id, name, &Secret::new("pw"), Vec::new()).unwrap();
        }
        let path = folder.path().join("accounts");
        write(&path, &accounts.to_text());
        let source = Arc::new(FileSource(path));
        let verifier = Verifier::new(Arc::<FileSource>::clone(&source), MachineNames::new("box"));
        let judge = Judge::new(source);
        let unmapped = Err(Refused::Unmapped(Unmapped::Principal));
        assert_eq!(account(&judge, &verifier, "alice@R").await, unmapped);
        let (one, gone) = ("01".repeat(16), "09".repeat(16));
        write(
            &folder.path().join("principals"),
            &format!(
                "version = 1\n[[principal]]\nname = \"admin@R\"\naccount = \"{one}\"\nenabled = true\n\
                 [[principal]]\nname = \"old@R\"\naccount = \"{gone}\"\nenabled = true\n\
                 [[principal]]\nname = \"*@R\"\nenabled = true\n\
                 [[principal]]\nname = \"*@AD\"\nignore_case = true\nenabled = true\n"
            ),
        );
        for (principal, told) in [
            ("admin@R", Ok("alice".to_owned())),
            ("old@R", Err(Refused::NoAccount)),
            ("alice@R", Ok("alice".to_owned())),
            // In this realm Alice is not alice, and bob is not Bob.
            ("Alice@R", Err(Refused::NoSuchName)),
            ("bob@R", Err(Refused::NoSuchName)),
            ("carol@R", Err(Refused::NoSuchName)),
            ("ALICE@AD", Ok("alice".to_owned())),
            ("bob@AD", Ok("Bob".to_owned())),
        ] {
            assert_eq!(account(&judge, &verifier, principal).await, told, "{principal}");
        }
        write(&folder.path().join("principals"), "version = 1\n");
        assert_eq!(account(&judge, &verifier, "alice@R").await, unmapped);
        write(&folder.path().join("principals"), "version = 3\n");
        assert!(judge.judge("alice@R", &verifier).await.is_err());
    }
}
