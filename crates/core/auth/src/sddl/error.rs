//! [`SddlError`], what is wrong with a descriptor's text.

use super::{MAX_ENTRIES, MAX_TEXT};

/// What is wrong with the text of a security descriptor. On the wire each is `ERROR_WSMAN_INVALID_SECURITY_DESCRIPTOR`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SddlError {
    /// The text is longer than [`MAX_TEXT`].
    #[error("the descriptor is longer than {MAX_TEXT} bytes")]
    TooLong,
    /// A list has more than [`MAX_ENTRIES`] entries.
    #[error("a list has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// A part does not begin as one of the four.
    #[error("`{0}` begins none of the parts O:, G:, D: and S:")]
    Part(String),
    /// A part comes twice.
    #[error("the part {0}: is there twice")]
    Twice(char),
    /// A list has a flag that does not exist.
    #[error("`{0}` is none of the flags P, AR and AI of a list")]
    AclFlag(String),
    /// An entry has not the form of one.
    #[error("`{0}` is no entry: (kind;flags;rights;object;inherited object;SID)")]
    Entry(String),
    /// An entry is of a kind that does not exist or that nothing here obeys.
    #[error("`{0}` is none of the kinds of entries A, D, OA, OD, AU, AL, OU and OL")]
    Kind(String),
    /// An entry has a flag that does not exist.
    #[error("`{0}` is none of the flags OI, CI, NP, IO, ID, SA and FA of an entry")]
    AceFlag(String),
    /// An entry has a right that does not exist.
    #[error("`{0}` is no right")]
    Right(String),
    /// An entry names an object in another form than that of a GUID, or is of a kind that has none.
    #[error("`{0}` is no GUID of an object here")]
    Object(String),
    /// What should be a SID is none.
    #[error("`{0}` is no SID, and no short name of one")]
    Sid(String),
    /// Nothing decides.
    #[error("the descriptor has no part D:, which says who may")]
    NoDacl,
    /// An entry stands in the other list.
    #[error("the entry ({0}) stands in the wrong list: D: allows and denies, S: audits")]
    Misplaced(String),
}
