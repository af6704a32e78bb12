//! The file `principals`: which Kerberos principals log in as whom. Like `accounts` it is written by the command line tool
//! only, through [`spawner::store`], and read anew by the service for each login.
//!
//! ```toml
//! version = 1
//!
//! [[principal]]
//! name = "alice@EXAMPLE.COM"
//! account = "000102030405060708090a0b0c0d0e0f"
//! enabled = true
//!
//! [[principal]]
//! name = "*@AD.EXAMPLE.COM"     # no account: the one that is called as the principal is
//! ignore_case = true
//! enabled = true
//! ```
//!
//! Accounts are named by their ids, so that a new account does not inherit what its name led to; where the name itself is
//! the rule, it does.

mod judge;
mod record;

use record::File;

pub use session::principals::{
    Entry, Grant, InvalidPrincipal, PrincipalPattern, Target, Unmapped, decide,
};

pub use judge::{Judge, JudgeError, Refused};

/// The file may have so many bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// Everything that the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principals {
    entries: Vec<Entry>,
}

/// What is wrong with the file, or with what shall be done to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalsError {
    /// The file is longer than 1 MiB.
    #[error("the principals file would be longer than {MAX_FILE} bytes")]
    TooLong,
    /// The file is not text.
    #[error("the principals file is not UTF-8")]
    NotText,
    /// The file is not as this version writes it.
    #[error("the principals file is malformed in line {line}: {problem}")]
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another version wrote the file.
    #[error("the principals file has version {0}; this program knows version 1")]
    Version(u32),
    /// The principal of a mapping is none.
    #[error(transparent)]
    Principal(#[from] InvalidPrincipal),
    /// A name of several parts cannot be an account's.
    #[error("{0} has several parts: an account of the same name cannot be meant")]
    SeveralParts(String),
    /// The principal is mapped already.
    #[error("there is a mapping of {0} already")]
    Taken(String),
    /// The principal is not mapped.
    #[error("there is no mapping of {0}")]
    Unknown(String),
}

impl Principals {
    /// Reads the file's content. Nothing is guessed: unknown keys, doubled principals and a missing version are errors.
    ///
    /// # Errors
    ///
    /// [`PrincipalsError`] names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, PrincipalsError> {
        if bytes.len() > MAX_FILE {
            return Err(PrincipalsError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PrincipalsError::NotText)?;
        File::read(text)?.into_principals()
    }

    /// The file's content.
    ///
    /// # Errors
    ///
    /// [`PrincipalsError::TooLong`].
    pub fn to_text(&self) -> Result<String, PrincipalsError> {
        let text = File::of(self).to_text();
        if text.len() > MAX_FILE { Err(PrincipalsError::TooLong) } else { Ok(text) }
    }

    /// The mappings in the order in which they were added.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a mapping.
    ///
    /// # Errors
    ///
    /// [`PrincipalsError::Taken`], [`PrincipalsError::SeveralParts`] for one that could lead nowhere.
    pub fn map(&mut self, entry: Entry) -> Result<(), PrincipalsError> {
        if entry.target == Target::SameName && !entry.principal.is_plain() {
            return Err(PrincipalsError::SeveralParts(entry.principal.to_string()));
        }
        if self.entries.iter().any(|one| one.principal == entry.principal) {
            return Err(PrincipalsError::Taken(entry.principal.to_string()));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Removes a mapping and says what it was.
    ///
    /// # Errors
    ///
    /// [`PrincipalsError::Unknown`].
    pub fn unmap(&mut self, principal: &PrincipalPattern) -> Result<Entry, PrincipalsError> {
        let at = self.entries.iter().position(|entry| entry.principal == *principal);
        let at = at.ok_or_else(|| PrincipalsError::Unknown(principal.to_string()))?;
        Ok(self.entries.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Principals {
        let mut principals = Principals::default();
        let entry = |principal: &str, target| Entry {
            principal: principal.parse().unwrap(),
            target,
            ignore_case: false,
            enabled: true,
        };
        principals.map(entry("alice@LAB.TEST", Target::Account([7; 16]))).unwrap();
        let everybody = entry("*@AD.TEST", Target::SameName);
        principals.map(Entry { ignore_case: true, ..everybody }).unwrap();
        let off = entry("host/web@LAB.TEST", Target::Account([8; 16]));
        principals.map(Entry { enabled: false, ..off }).unwrap();
        principals
    }

    #[test]
    fn file_is_read_as_it_was_written() {
        let principals = sample();
        let text = principals.to_text().unwrap();
        assert_eq!(Principals::parse(text.as_bytes()), Ok(principals));
        assert!(text.starts_with("version = 1\n"), "{text}");
        assert_eq!(Principals::parse(b"version = 1\n"), Ok(Principals::default()));
    }

    #[test]
    fn anything_that_is_not_ours_is_refused() {
        let text = sample().to_text().unwrap();
        for broken in [
            String::new(),
            text.replace("version = 1", "version = 2"),
            text.replace("name =", "nome ="),
            text.replace("enabled = true\n", ""),
            text.replace("alice@LAB.TEST", "alice"),
            text.replace("alice@LAB.TEST", "*@AD.TEST"),
            text.replace("*@AD.TEST", "host/web@AD.TEST"),
            text.replace(&"07".repeat(16), &"07".repeat(15)),
            format!("{text}\nextra = 1\n"),
        ] {
            assert!(Principals::parse(broken.as_bytes()).is_err(), "{broken:.300}");
        }
        assert_eq!(Principals::parse(b"\xff"), Err(PrincipalsError::NotText));
        assert_eq!(Principals::parse(&vec![b'#'; MAX_FILE + 1]), Err(PrincipalsError::TooLong));
    }

    #[test]
    fn mapping_is_there_once_and_gone_once() {
        let mut principals = sample();
        let entry = principals.entries()[0].clone();
        let taken = PrincipalsError::Taken("alice@LAB.TEST".to_owned());
        assert_eq!(principals.map(entry.clone()), Err(taken));
        assert_eq!(principals.unmap(&entry.principal), Ok(entry.clone()));
        let unknown = PrincipalsError::Unknown("alice@LAB.TEST".to_owned());
        assert_eq!(principals.unmap(&entry.principal), Err(unknown));
        let several = Entry { principal: "a/b@R".parse().unwrap(), ..entry };
        let several = Entry { target: Target::SameName, ..several };
        assert!(matches!(principals.map(several), Err(PrincipalsError::SeveralParts(_))));
    }
}
