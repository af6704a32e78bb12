//! Expanded names: a namespace and a local part, borrowed where this crate knows them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::ns;

/// An expanded name. Cloning is cheap, names that this crate knows are never allocated.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    namespace: Namespace,
    local: Cow<'static, str>,
}

impl Name {
    /// A name made of constants. No namespace is the empty string.
    #[must_use]
    pub const fn new(namespace: &'static str, local: &'static str) -> Self {
        Self { namespace: Namespace::Known(namespace), local: Cow::Borrowed(local) }
    }

    /// A name made of text from elsewhere.
    #[must_use]
    pub fn from_parts(namespace: &str, local: &str) -> Self {
        Self::resolved(Namespace::from_uri(namespace), local)
    }

    pub(crate) fn resolved(namespace: Namespace, local: &str) -> Self {
        Self { namespace, local: known_local(local) }
    }

    /// The namespace URI; empty for a name in no namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    /// The local part.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Whether this is the name `{namespace}local`.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace() == namespace
    }

    pub(crate) fn namespace_shared(&self) -> &Namespace {
        &self.namespace
    }
}

/// Clark's notation, `{namespace}local`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace().is_empty() {
            f.write_str(&self.local)
        } else {
            write!(f, "{{{}}}{}", self.namespace(), self.local)
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A namespace URI. Unknown ones are shared: otherwise one long declaration, used by many short
/// elements, would be copied for each of them.
#[derive(Clone)]
pub(crate) enum Namespace {
    /// One of the constants in [`ns`], or no namespace.
    Known(&'static str),
    /// Anything else.
    Other(Arc<str>),
}

impl Namespace {
    pub(crate) const NONE: Self = Self::Known("");

    pub(crate) fn from_uri(uri: &str) -> Self {
        if uri.is_empty() {
            return Self::NONE;
        }
        ns::known(uri).map_or_else(|| Self::Other(Arc::from(uri)), Self::Known)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(uri) => uri,
            Self::Other(uri) => uri,
        }
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

fn known_local(local: &str) -> Cow<'static, str> {
    let known = LOCALS.binary_search(&local).ok().and_then(|found| LOCALS.get(found).copied());
    known.map_or_else(|| Cow::Owned(local.to_owned()), Cow::Borrowed)
}

/// Names that every shell conversation uses, sorted by bytes.
const LOCALS: [&str; 95] = [
    "Action",
    "ActivityId",
    "Address",
    "Arguments",
    "Body",
    "BufferMode",
    "ChildProcesses",
    "ClientIP",
    "Code",
    "Command",
    "CommandId",
    "CommandLine",
    "CommandResponse",
    "CommandState",
    "CompressionMode",
    "CompressionType",
    "DataLocale",
    "DesiredStream",
    "Detail",
    "Encoding",
    "End",
    "EndpointReference",
    "Envelope",
    "Environment",
    "ExitCode",
    "Fault",
    "FaultDetail",
    "FaultTo",
    "FragmentTransfer",
    "From",
    "Header",
    "Identify",
    "IdentifyResponse",
    "IdleTimeOut",
    "InputStreams",
    "Lifetime",
    "Locale",
    "Machine",
    "MachineID",
    "MaxEnvelopeSize",
    "MaxIdleTimeOut",
    "MemoryUsed",
    "Message",
    "MessageID",
    "MustComply",
    "Name",
    "OperationID",
    "OperationTimeout",
    "Option",
    "OptionSet",
    "OutputStreams",
    "Owner",
    "ProcessId",
    "ProfileLoaded",
    "ProviderFault",
    "Reason",
    "Receive",
    "ReceiveResponse",
    "ReferenceParameters",
    "ReferenceProperties",
    "RelatesTo",
    "ReplyTo",
    "RequestEPR",
    "RequestTotalItemsCountEstimate",
    "ResourceCreated",
    "ResourceURI",
    "ResourceUri",
    "Selector",
    "SelectorSet",
    "Send",
    "SendResponse",
    "SequenceId",
    "SessionId",
    "Shell",
    "ShellId",
    "ShellInactivity",
    "ShellRunTime",
    "Signal",
    "SignalResponse",
    "State",
    "Stream",
    "Subcode",
    "Text",
    "To",
    "Type",
    "Value",
    "Variable",
    "WSManFault",
    "WorkingDirectory",
    "lang",
    "mustUnderstand",
    "nil",
    "path",
    "provider",
    "type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_locals_are_sorted_and_unique() {
        assert!(LOCALS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn known_names_borrow_and_unknown_ones_survive() {
        let name = Name::from_parts(ns::SHELL, "Stream");
        assert!(matches!(name.local, Cow::Borrowed(_)));
        assert!(matches!(name.namespace, Namespace::Known(_)));
        let name = Name::from_parts("urn:x", "Y");
        assert_eq!(name.to_string(), "{urn:x}Y");
        assert!(name.is("urn:x", "Y") && !name.is("", "Y"));
    }
}
