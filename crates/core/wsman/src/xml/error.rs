//! What can be wrong with a document.

/// Why a document was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {position}")]
pub struct Error {
    /// The offset at which the reader stopped, in bytes of UTF-8.
    pub position: u64,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An attribute stands twice in one element, by expanded name.
    #[error("attribute {0} stands twice")]
    DuplicateAttribute(String),
    /// The XML declaration names another encoding than the message has. SOAP over WinRM decides
    /// the encoding by the `Content-Type` and the byte order mark.
    #[error("declared encoding {0} is not that of the message")]
    Encoding(String),
    /// A character that XML 1.0 does not allow, as itself or as a reference.
    #[error("character U+{0:04X} is not allowed in XML")]
    IllegalCharacter(u32),
    /// Something that is not a name stands where a name must stand.
    #[error("{0:?} is not a name")]
    IllegalName(String),
    /// One of [`super::Limits`] was exceeded.
    #[error("more than {allowed} {limit}")]
    LimitExceeded {
        /// Which limit.
        limit: Limit,
        /// Its value.
        allowed: usize,
    },
    /// A document type declaration: SOAP 1.2 forbids it, and it is how entities get in.
    #[error("a document type declaration is not allowed")]
    DocumentType,
    /// The document has no root element.
    #[error("there is no element")]
    NoElement,
    /// The bytes are not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The bytes are not UTF-16: half a character, or an odd number of bytes.
    #[error("the text is not UTF-16")]
    NotUtf16,
    /// A processing instruction: SOAP 1.2 forbids it.
    #[error("a processing instruction is not allowed")]
    ProcessingInstruction,
    /// Something stands after, before or beside the one root element.
    #[error("there is something outside the one root element")]
    SecondRoot,
    /// The markup is broken; the text says how.
    #[error("malformed markup: {0}")]
    Syntax(String),
    /// The document ends inside an element.
    #[error("the document ends too early")]
    Truncated,
    /// A prefix that no declaration in scope binds, or a forbidden binding.
    #[error("prefix {0:?} is not bound")]
    UnboundPrefix(String),
    /// An entity other than the five of XML itself.
    #[error("entity {0:?} is not known")]
    UnknownEntity(String),
}

/// Which of [`super::Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Attributes and namespace declarations of one element.
    Attributes,
    /// Bytes of the document.
    Bytes,
    /// Elements inside each other.
    Depth,
    /// Elements of the document.
    Elements,
    /// Bytes of memory that the elements take.
    Memory,
    /// Bytes of a name, a prefix or a namespace URI.
    NameLength,
    /// Namespace declarations in scope at one place.
    Namespaces,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attributes => "attributes in one element",
            Self::Bytes => "bytes",
            Self::Depth => "levels of elements",
            Self::Elements => "elements",
            Self::Memory => "bytes of memory",
            Self::NameLength => "bytes in a name",
            Self::Namespaces => "namespaces in scope",
        })
    }
}
