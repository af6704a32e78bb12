//! The file `accounts`: who may log in. It is written by the command line tool only, through
//! [`spawner::store`], and read anew by the service for each login.
//!
//! ```toml
//! version = 1
//!
//! [[account]]
//! id = "000102030405060708090a0b0c0d0e0f"
//! name = "alice"
//! nt_hash = "…"
//! groups = ["Administrators"]
//! ```

mod cached;
mod members;
mod verifier;

use std::fmt;

use auth::ntlm::{NtHash, nt_hash};
use auth::{Account, Secret};
use serde::{Deserialize, Serialize};

pub(crate) use cached::{Cached, Stamp};
pub(crate) use members::Members;
pub use verifier::{AccountSource, FileSource, MachineNames, Verifier, VerifyError};

/// The file may have so many bytes.
pub const MAX_FILE: usize = 1024 * 1024;
/// The version that this code reads and writes.
const VERSION: u32 = 1;
/// Windows's limit for the name of a local user is 20; domain names are longer.
const MAX_NAME: usize = 64;
/// The longest name of a group, as on Windows.
const MAX_GROUP: usize = 256;
/// Characters that Windows forbids in the name of a local user, and the `@` that would make a
/// name ambiguous beside `name@host`.
const FORBIDDEN: &[char] =
    &['"', '/', '\\', '[', ']', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@'];

/// All accounts, as the file holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    version: u32,
    #[serde(rename = "account", default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

/// One account in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: Hex,
    name: String,
    nt_hash: HexSecret,
    groups: Vec<String>,
}

/// 16 bytes in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Hex(pub(crate) [u8; 16]);

/// 16 bytes in hexadecimal digits that are never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct HexSecret([u8; 16]);

/// What is wrong with the accounts, or with what shall be done to them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The file is longer than 1 MiB.
    #[error("the accounts file is longer than {MAX_FILE} bytes")]
    TooLong,
    /// The file is not text.
    #[error("the accounts file is not UTF-8")]
    NotText,
    /// The file is not as this version writes it. The text holds no secret.
    #[error("the accounts file is malformed in line {line}: {problem}")]
    Malformed {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another version wrote the file.
    #[error("the accounts file has version {0}; this program knows version {VERSION}")]
    Version(u32),
    /// Two accounts have this name, in whatever case.
    #[error("an account with the name `{0}` exists already")]
    NameTaken(String),
    /// Two accounts have one id.
    #[error("two accounts have the id of `{0}`")]
    IdTaken(String),
    /// The name cannot be that of an account.
    #[error(
        "`{0}` cannot be an account's name: 1 to {MAX_NAME} characters without control \
         characters, blanks at the ends, and \"/\\[]:;|=,+*?<>@"
    )]
    Name(String),
    /// The name cannot be that of a group.
    #[error("`{0}` cannot be a group's name: 1 to {MAX_GROUP} characters, no control characters")]
    Group(String),
    /// No account has this name.
    #[error("there is no account with the name `{0}`")]
    Unknown(String),
}

impl Default for Accounts {
    fn default() -> Self {
        Self { version: VERSION, records: Vec::new() }
    }
}

impl Accounts {
    /// Reads the file's content. Nothing is guessed: unknown keys, doubled names or ids and a
    /// missing version are errors.
    ///
    /// # Errors
    ///
    /// [`AccountsError`] names what is wrong, never a hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, AccountsError> {
        if bytes.len() > MAX_FILE {
            return Err(AccountsError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| AccountsError::NotText)?;
        let accounts: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
            AccountsError::Malformed { line, problem: error.message().to_owned() }
        })?;
        accounts.check()?;
        Ok(accounts)
    }

    fn check(&self) -> Result<(), AccountsError> {
        if self.version != VERSION {
            return Err(AccountsError::Version(self.version));
        }
        let mut names = std::collections::BTreeSet::new();
        let mut ids = std::collections::BTreeSet::new();
        for record in &self.records {
            check_name(&record.name)?;
            record.groups.iter().try_for_each(|group| check_group(group))?;
            if !names.insert(fold(&record.name)) {
                return Err(AccountsError::NameTaken(record.name.clone()));
            }
            if !ids.insert(record.id.0) {
                return Err(AccountsError::IdTaken(record.name.clone()));
            }
        }
        Ok(())
    }

    /// The file's content.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Serializing strings and lists of strings cannot fail; an empty file would be refused
        // when it is read.
        toml::to_string(self).unwrap_or_default()
    }

    /// Adds an account. `id` must be random: it ties the account to its local user, and a new
    /// account of an old name must not inherit the old one's rights.
    ///
    /// # Errors
    ///
    /// [`AccountsError::Name`], [`AccountsError::Group`], [`AccountsError::NameTaken`] or
    /// [`AccountsError::IdTaken`]; nothing changes then.
    pub fn add(
        &mut self,
        id: [u8; 16],
        name: &str,
        password: &Secret,
        groups: Vec<String>,
    ) -> Result<(), AccountsError> {
        check_name(name)?;
        groups.iter().try_for_each(|group| check_group(group))?;
        if self.find(name).is_some() {
            return Err(AccountsError::NameTaken(name.to_owned()));
        }
        if let Some(taken) = self.records.iter().find(|record| record.id.0 == id) {
            return Err(AccountsError::IdTaken(taken.name.clone()));
        }
        let nt_hash = HexSecret(hash_bytes(&nt_hash(password)));
        self.records.push(Record { id: Hex(id), name: name.to_owned(), nt_hash, groups });
        Ok(())
    }

    /// Removes an account and says which id it had.
    ///
    /// # Errors
    ///
    /// [`AccountsError::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<[u8; 16], AccountsError> {
        let at = self.position(name)?;
        Ok(self.records.remove(at).id.0)
    }

    /// Replaces an account's password.
    ///
    /// # Errors
    ///
    /// [`AccountsError::Unknown`].
    pub fn set_password(&mut self, name: &str, password: &Secret) -> Result<(), AccountsError> {
        let at = self.position(name)?;
        if let Some(record) = self.records.get_mut(at) {
            record.nt_hash = HexSecret(hash_bytes(&nt_hash(password)));
        }
        Ok(())
    }

    /// The accounts in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Account> {
        self.records.iter().map(Record::account)
    }

    fn position(&self, name: &str) -> Result<usize, AccountsError> {
        let folded = fold(name);
        self.records
            .iter()
            .position(|record| fold(&record.name) == folded)
            .ok_or_else(|| AccountsError::Unknown(name.to_owned()))
    }

    /// The account of that name, in whatever case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Account> {
        self.record(name).map(Record::account)
    }

    /// The account with that id.
    #[must_use]
    pub fn find_by_id(&self, id: &[u8; 16]) -> Option<Account> {
        self.records.iter().find(|record| record.id.0 == *id).map(Record::account)
    }

    fn record(&self, name: &str) -> Option<&Record> {
        let folded = fold(name);
        self.records.iter().find(|record| fold(&record.name) == folded)
    }
}

impl Record {
    fn account(&self) -> Account {
        Account { id: self.id.0, name: self.name.clone(), groups: self.groups.clone() }
    }

    fn hash(&self) -> NtHash {
        NtHash::from_bytes(self.nt_hash.0)
    }
}

/// One spelling for all cases of a name.
fn fold(name: &str) -> String {
    name.to_lowercase()
}

fn check_name(name: &str) -> Result<(), AccountsError> {
    let fits = !name.is_empty()
        && name.chars().count() <= MAX_NAME
        && name.trim() == name
        && !name.contains(|c: char| c.is_control() || FORBIDDEN.contains(&c))
        && name.chars().any(|c| c != '.');
    if fits { Ok(()) } else { Err(AccountsError::Name(name.to_owned())) }
}

pub(crate) fn check_group(name: &str) -> Result<(), AccountsError> {
    let fits = !name.is_empty()
        && name.chars().count() <= MAX_GROUP
        && !name.contains(|c: char| c.is_control());
    if fits { Ok(()) } else { Err(AccountsError::Group(name.to_owned())) }
}

fn hash_bytes(hash: &NtHash) -> [u8; 16] {
    *hash.expose()
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

fn to_hex(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(32);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        from_hex(&text).map(Self).ok_or("not 32 hexadecimal digits")
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        to_hex(hex.0)
    }
}

impl TryFrom<String> for HexSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        from_hex(&text).map(Self).ok_or("not 32 hexadecimal digits")
    }
}

impl From<HexSecret> for String {
    fn from(hex: HexSecret) -> Self {
        to_hex(hex.0)
    }
}

impl fmt::Debug for HexSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Accounts {
        let mut accounts = Accounts::default();
        let password = Secret::new("Pässword");
        accounts.add([1; 16], "alice", &password, vec!["Administrators".to_owned()]).unwrap();
        accounts.add([2; 16], "Bob", &password, Vec::new()).unwrap();
        accounts
    }

    #[test]
    fn file_is_read_as_it_was_written() {
        let accounts = sample();
        let text = accounts.to_text();
        assert_eq!(Accounts::parse(text.as_bytes()), Ok(accounts));
        assert!(text.starts_with("version = 1\n"), "{text}");
    }

    #[test]
    fn names_are_found_in_any_case_and_are_taken_in_any_case() {
        let mut accounts = sample();
        assert_eq!(accounts.find("ALICE").unwrap().id, [1; 16]);
        let again = accounts.add([3; 16], "BOB", &Secret::new("x"), Vec::new());
        assert_eq!(again, Err(AccountsError::NameTaken("BOB".to_owned())));
        assert_eq!(accounts.remove("bob"), Ok([2; 16]));
        assert_eq!(accounts.remove("bob"), Err(AccountsError::Unknown("bob".to_owned())));
    }

    #[test]
    fn debug_output_shows_no_hash() {
        let accounts = sample();
        let hash = to_hex(hash_bytes(&nt_hash(&Secret::new("Pässword"))));
        assert!(accounts.to_text().contains(&hash));
        assert!(!format!("{accounts:?}").contains(&hash));
        let shorter = hash.split_at(1).1;
        let broken = accounts.to_text().replace(&hash, shorter);
        let error = Accounts::parse(broken.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains(shorter), "{error}");
    }

    #[test]
    fn anything_that_is_not_ours_is_refused() {
        let text = sample().to_text();
        for broken in [
            text.replace("version = 1", ""),
            text.replace("version = 1", "version = 2"),
            text.replace("name =", "nome ="),
            text.replace("\"Bob\"", "\"ALICE\""),
            text.replace(&to_hex([2; 16]), &to_hex([1; 16])),
            text.replace("\"alice\"", "\"a\\\\b\""),
            text.replace("\"alice\"", "\"\""),
            text.replace("\"alice\"", "\"..\""),
            format!("{text}\nextra = 1\n"),
            format!("{text}#{}", "x".repeat(MAX_FILE)),
        ] {
            assert!(Accounts::parse(broken.as_bytes()).is_err(), "{broken:.300}");
        }
        assert_eq!(Accounts::parse(b"\xff"), Err(AccountsError::NotText));
    }

    #[test]
    fn names_with_forbidden_characters_are_no_names() {
        for name in ["", " a", "a\\b", "a@b", "a:b", "a\nb", "..", &"x".repeat(65)] {
            assert_eq!(check_name(name), Err(AccountsError::Name(name.to_owned())));
        }
        for name in ["a", "Jörg Müller", "svc-backup.2"] {
            assert_eq!(check_name(name), Ok(()));
        }
    }
}
