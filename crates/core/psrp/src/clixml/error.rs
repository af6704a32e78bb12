//! What can be wrong with CLIXML.

/// Why CLIXML was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {position}")]
pub struct Error {
    /// The offset at which the reader stopped, in bytes of UTF-8.
    pub position: u64,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with CLIXML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A document type declaration.
    #[error("a document type declaration is not allowed")]
    DocumentType,
    /// A character that XML does not allow.
    #[error("character U+{0:04X} is not allowed in XML")]
    IllegalCharacter(u32),
    /// The text of a primitive is not one of its type.
    #[error("the contents of element {0} are not valid")]
    InvalidPrimitive(&'static str),
    /// A dictionary's entry is not a key and a value, in this order, or its key is null.
    #[error("a dictionary's entry is not a key and a value")]
    InvalidEntry,
    /// One of [`super::Limits`] was exceeded.
    #[error("more than {allowed} {limit}")]
    LimitExceeded {
        /// Which limit.
        limit: Limit,
        /// Its value.
        allowed: usize,
    },
    /// A property without the attribute `N`, or with an empty one.
    #[error("a property has no name")]
    MissingName,
    /// A reference without the attribute `RefId`.
    #[error("element {0} has no RefId")]
    MissingRefId(&'static str),
    /// An element of another namespace than CLIXML's.
    #[error("element {0} does not belong to CLIXML's namespace")]
    Namespace(String),
    /// The document has no element where there must be one.
    #[error("there is no element")]
    NoElement,
    /// The markup is broken; the text says how.
    #[error("malformed markup: {0}")]
    Syntax(String),
    /// Something stands after the end.
    #[error("there is something after the end")]
    Trailing,
    /// The text ends inside an element.
    #[error("the text ends too early")]
    Truncated,
    /// An element where CLIXML has none of this name.
    #[error("element {0} is not known here")]
    UnknownElement(String),
    /// A reference to an object that there is not, or not yet.
    #[error("there is no object {0}")]
    UnknownObject(String),
    /// A reference to type names that there are not, or not yet.
    #[error("there are no type names {0}")]
    UnknownTypeNames(String),
    /// Text where only elements may stand, or an element where only text may.
    #[error("text and elements are mixed in element {0}")]
    MixedContent(&'static str),
    /// The document's version is not 1.x.
    #[error("version {0} of CLIXML is not supported")]
    Version(String),
}

/// A limit of [`super::Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes of the text.
    #[error("bytes")]
    Bytes,
    /// Objects inside each other.
    #[error("levels of objects")]
    Depth,
    /// Bytes of the text that references repeat.
    #[error("bytes by references")]
    Repeated,
    /// Values of the text.
    #[error("values")]
    Values,
}
