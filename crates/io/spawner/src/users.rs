//! The file `users`: which local user an account becomes. Root reads it at each Open and only root's tool writes it.
//!
//! ```text
//! transom-users 1
//! 0f8c...32 hexadecimal digits... 1000 - alice
//! 77aa...                         0 allow-root root
//! ```
//!
//! Fields are separated by one space, each line ends with a line feed, the user's name comes last. There are no comments,
//! empty lines or other spellings, so that a file has one meaning and a meaning has one file.

use std::fmt::Write as _;

use crate::AccountId;
use crate::store::{Lock, Store, StoreError};

/// The file's name in the state directory.
pub const FILE: &str = "users";
/// Most bytes of the file.
pub const MAX_LENGTH: u64 = 1024 * 1024;
/// Most bytes of a local user's name.
pub const MAX_NAME: usize = 256;

const FIRST_LINE: &str = "transom-users 1";

/// One line: an account and the local user that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of one version of the file")]
pub struct Mapping {
    /// The account.
    pub account: AccountId,
    /// The local user's name.
    pub local_user: String,
    /// The uid that the user had when the account was mapped; a keeper refuses another one.
    pub uid: u32,
    /// Whether the uid may be 0.
    pub allow_root: bool,
}

/// The whole file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    mappings: Vec<Mapping>,
}

/// Why bytes are no `users` file. Lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than [`MAX_LENGTH`].
    #[error("longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The first line is not the version line.
    #[error("the first line is not `{FIRST_LINE}`")]
    Version,
    /// A line that is not one mapping, or without its line feed.
    #[error("line {line}: {what}")]
    Line {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Why a mapping cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The account has a mapping already.
    #[error("the account is already mapped to the local user {0}")]
    Mapped(String),
    /// The name cannot stand in the file or in the system's user database.
    #[error("{0:?} cannot be a local user's name")]
    Name(String),
    /// Uid 0 without `allow_root`.
    #[error("the local user {0} is root: say --allow-root if that is meant")]
    Root(String),
    /// Not as root, and there is another account already.
    #[error(
        "a service that does not run as root serves one account only, and there is one already"
    )]
    SecondAccount,
    /// Not as root, and the local user is another one.
    #[error("a service that does not run as root cannot become the local user {0}")]
    OtherUser(String),
}

fn usable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(['-', ' '])
        && !name.ends_with(' ')
        && !name.chars().any(|character| character.is_control() || matches!(character, ':' | '/'))
}

impl Users {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`ParseError`] for everything that [`Users::to_bytes`] does not make.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_LENGTH) {
            return Err(ParseError::TooLong);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ParseError::Line { line: 0, what: "not UTF-8" })?;
        let mut lines = text.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(ParseError::Version);
        }
        // Behind the last line feed there is nothing, which `split` gives as one empty piece.
        if lines.next_back() != Some("") {
            return Err(ParseError::Line {
                line: text.split('\n').count(),
                what: "no line feed at the end",
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut mappings = Vec::new();
        for (index, line) in lines.enumerate() {
            let mapping =
                parse_line(line).map_err(|what| ParseError::Line { line: index + 2, what })?;
            if !seen.insert(mapping.account) {
                return Err(ParseError::Line {
                    line: index + 2,
                    what: "the account has a line already",
                });
            }
            mappings.push(mapping);
        }
        Ok(Self { mappings })
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        for mapping in &self.mappings {
            for byte in mapping.account {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            let root = if mapping.allow_root { "allow-root" } else { "-" };
            let _ = writeln!(text, " {} {root} {}", mapping.uid, mapping.local_user);
        }
        text.into_bytes()
    }

    /// The mapping of an account.
    #[must_use]
    pub fn find(&self, account: &AccountId) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.account == *account)
    }

    /// All mappings in the file's order. The first is the one that a service serves which does not run as root.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter()
    }

    /// Adds a mapping at the end. `running_as` is the uid of the tool, which will be the service's: if it is not 0, there can
    /// be one account only, and its local user is that one.
    ///
    /// # Errors
    /// [`InsertError`].
    pub fn insert(&mut self, mapping: Mapping, running_as: u32) -> Result<(), InsertError> {
        if let Some(there) = self.find(&mapping.account) {
            return Err(InsertError::Mapped(there.local_user.clone()));
        }
        if !usable(&mapping.local_user) {
            return Err(InsertError::Name(mapping.local_user));
        }
        if mapping.uid == 0 && !mapping.allow_root {
            return Err(InsertError::Root(mapping.local_user));
        }
        if running_as != 0 && !self.mappings.is_empty() {
            return Err(InsertError::SecondAccount);
        }
        if running_as != 0 && mapping.uid != running_as {
            return Err(InsertError::OtherUser(mapping.local_user));
        }
        self.mappings.push(mapping);
        Ok(())
    }

    /// Removes an account's mapping; says whether there was one.
    pub fn remove(&mut self, account: &AccountId) -> bool {
        let before = self.mappings.len();
        self.mappings.retain(|mapping| mapping.account != *account);
        self.mappings.len() != before
    }

    /// Reads the file of a state directory; an absent file has no mappings.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be trusted, read or parsed.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let Some(bytes) = store.read(FILE, MAX_LENGTH)? else { return Ok(Self::default()) };
        Self::parse(&bytes).map_err(|error| store.content(FILE, &error))
    }

    /// Replaces the file of a state directory.
    ///
    /// # Errors
    /// [`StoreError`]; the old file stays then.
    pub fn write(&self, store: &Store, lock: &Lock) -> Result<(), StoreError> {
        let bytes = self.to_bytes();
        Self::parse(&bytes).map_err(|error| store.content(FILE, &error))?;
        store.replace(lock, FILE, &bytes)
    }
}

fn parse_line(line: &str) -> Result<Mapping, &'static str> {
    let mut fields = line.splitn(4, ' ');
    let (Some(account), Some(uid), Some(root), Some(name)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("not four fields with one space between them");
    };
    let allow_root = match root {
        "-" => false,
        "allow-root" => true,
        _ => return Err("the third field is neither `-` nor `allow-root`"),
    };
    let number: u32 = uid.parse().map_err(|_| "the uid is no number")?;
    // One spelling per number: no sign, no leading zero. The largest one means "no change" to the kernel.
    if number.to_string() != uid || number == u32::MAX {
        return Err("the uid is no uid");
    }
    if !usable(name) {
        return Err("the name cannot be a local user's");
    }
    Ok(Mapping {
        account: parse_account(account)
            .ok_or("the account is not 32 lower-case hexadecimal digits")?,
        local_user: name.to_owned(),
        uid: number,
        allow_root,
    })
}

fn parse_account(text: &str) -> Option<AccountId> {
    let mut account = AccountId::default();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != account.len() || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (to, [high, low]) in account.iter_mut().zip(pairs) {
        *to = digit(*high)? << 4 | digit(*low)?;
    }
    Some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(account: u8, local_user: &str, uid: u32) -> Mapping {
        Mapping { account: [account; 16], local_user: local_user.into(), uid, allow_root: false }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut users = Users::default();
        users.insert(mapping(1, "alice", 1000), 0).unwrap();
        users.insert(mapping(2, "CORP\\bob smith", 70_000), 0).unwrap();
        users.insert(Mapping { allow_root: true, ..mapping(3, "root", 0) }, 0).unwrap();
        assert_eq!(Users::parse(&users.to_bytes()), Ok(users));
    }

    #[test]
    fn other_spellings_are_refused() {
        let id = "0".repeat(32);
        let file = |line: String| Users::parse(format!("{FIRST_LINE}\n{line}").as_bytes());
        assert!(file(format!("{id} 1000 - a\n")).is_ok());
        for line in [
            format!("{id} 1000 - a"),
            format!("{id} 1000 - a\n\n"),
            format!("{id} 01000 - a\n"),
            format!("{id} +1 - a\n"),
            format!("{id} 4294967295 - a\n"),
            format!("{id} 1000  - a\n"),
            format!("{id} 1000 - a \n"),
            format!("{id} 1000 - a\r\n"),
            format!("{id} 1000 - a:b\n"),
            format!("{id} 1000 root a\n"),
            format!("{}A 1000 - a\n", "0".repeat(31)),
            format!("{id}0 1000 - a\n"),
            format!("{id} 1000 - a\n{id} 1001 - b\n"),
        ] {
            assert!(file(line.clone()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_unprivileged_service_gets_one_account_of_its_own_user() {
        let mut users = Users::default();
        assert_eq!(
            users.insert(mapping(1, "bob", 1001), 1000),
            Err(InsertError::OtherUser("bob".into()))
        );
        users.insert(mapping(1, "alice", 1000), 1000).unwrap();
        assert_eq!(users.insert(mapping(2, "alice", 1000), 1000), Err(InsertError::SecondAccount));
        assert_eq!(users.insert(mapping(2, "root", 0), 0), Err(InsertError::Root("root".into())));
    }
}
