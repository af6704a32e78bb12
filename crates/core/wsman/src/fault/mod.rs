//! SOAP faults in every shape that Windows and its relatives write.

mod code;
mod codes;
mod map;
mod read;
mod wmi;
mod write;

use std::borrow::Cow;
use std::fmt;

use crate::ns;
use crate::xml::{Attribute, Element, Name};

pub use code::ErrorCode;

/// A SOAP fault, DSP0226 14 and [MS-WSMV] 2.2.4.43.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests and plug-ins build faults field by field")]
pub struct Fault {
    /// `a:Action` of the message that carries the fault.
    pub action: String,
    /// `s:Code/s:Value`.
    pub code: FaultCode,
    /// `s:Code/s:Subcode/s:Value`, expanded.
    pub subcode: Option<Name>,
    /// `s:Reason/s:Text`, without white space around it.
    pub reason: String,
    /// `xml:lang` of the reason.
    pub lang: Option<String>,
    /// `w:FaultDetail`, a URI.
    pub fault_detail: Option<String>,
    /// `f:WSManFault`.
    pub wsman_fault: Option<WsmanFault>,
    /// Everything else in `s:Detail`, such as `MSFT_WmiError`.
    pub other: Vec<Element>,
    /// The header that a `s:MustUnderstand` fault is about.
    pub not_understood: Option<Name>,
}

/// `s:Code/s:Value`, SOAP 1.2 part 1, 5.4.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "SOAP 1.2 names these five")]
pub enum FaultCode {
    /// The message is in an encoding that the receiver does not know.
    DataEncodingUnknown,
    /// A header that must be understood was not.
    MustUnderstand,
    /// The receiver's fault.
    Receiver,
    /// The sender's fault.
    Sender,
    /// Another version of SOAP.
    VersionMismatch,
}

/// `f:WSManFault`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests and plug-ins build faults field by field")]
pub struct WsmanFault {
    /// The number.
    pub code: ErrorCode,
    /// The host that met the error; often empty.
    pub machine: Option<String>,
    /// Attributes other than `Code` and `Machine`.
    pub attributes: Vec<Attribute>,
    /// What `f:Message` says.
    pub message: Message,
}

/// What `f:Message` or `f:ProviderFault` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests and plug-ins build faults field by field")]
pub struct Message {
    /// The text, without white space around it.
    pub text: String,
    /// A fault of the provider below.
    pub provider: Option<Box<ProviderFault>>,
    /// A fault inside a provider's fault.
    pub fault: Option<Box<WsmanFault>>,
    /// Anything else, such as `f:ExtendedError`.
    pub other: Vec<Element>,
}

/// `f:ProviderFault`: the plug-in that met the error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests and plug-ins build faults field by field")]
pub struct ProviderFault {
    /// The plug-in's name.
    pub provider: Option<String>,
    /// The plug-in's file.
    pub path: Option<String>,
    /// Attributes other than these two (`providerId` may stand alone).
    pub attributes: Vec<Attribute>,
    /// What it says.
    pub message: Message,
}

impl Message {
    /// A message that is only text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The innermost text that is not empty: what tells a person most.
    #[must_use]
    pub fn innermost(&self) -> &str {
        let inner = self.provider.as_deref().map(|provider| provider.message.innermost());
        let inner = inner.filter(|text| !text.is_empty());
        let inner = inner.or_else(|| self.fault.as_deref().map(|fault| fault.message.innermost()));
        inner.filter(|text| !text.is_empty()).unwrap_or(&self.text)
    }
}

/// Characters of the text of a fault of our own.
const MAX_TEXT: usize = 2_048;

impl Fault {
    /// The fault of an error code, with the SOAP code, subcode, detail and action that belong to
    /// it. The text is both the reason and the message, cut after 2,048 characters: where it quotes
    /// a request, the answer must not grow with that.
    #[must_use]
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        let shape = map::shape(code.0);
        let mut reason = text.into();
        if let Some((end, _)) = reason.char_indices().nth(MAX_TEXT) {
            reason.truncate(end);
        }
        let message = Message::text(reason.clone());
        let (namespace, local) = shape.subcode;
        let detail = shape.detail;
        Self {
            action: shape.action.to_owned(),
            code: shape.soap,
            subcode: (!local.is_empty()).then_some(Name::new(namespace, local)),
            reason,
            lang: Some("en-US".to_owned()),
            fault_detail: (!detail.is_empty()).then(|| [ns::FAULT_DETAIL, detail].concat()),
            wsman_fault: Some(WsmanFault { code, machine: None, attributes: Vec::new(), message }),
            other: Vec::new(),
            not_understood: None,
        }
    }

    /// The same fault with another `w:FaultDetail`, named by what follows [`ns::FAULT_DETAIL`].
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.fault_detail = Some([ns::FAULT_DETAIL, detail].concat());
        self
    }

    /// The same fault, met by a plug-in: its text moves into `f:ProviderFault`.
    #[must_use]
    pub fn with_provider(mut self, provider: &str, path: &str) -> Self {
        if let Some(fault) = &mut self.wsman_fault {
            let inner = std::mem::take(&mut fault.message);
            fault.message.provider = Some(Box::new(ProviderFault {
                provider: Some(provider.to_owned()),
                path: Some(path.to_owned()),
                attributes: Vec::new(),
                message: inner,
            }));
        }
        self
    }

    /// The error code, wherever this stack put it: `f:WSManFault`, the number in `MSFT_WmiError`,
    /// or what a well-known subcode means on a stack that writes no number (OMI).
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        let wsman = self.wsman_fault.as_ref().map(|fault| fault.code);
        wsman.or_else(|| self.wmi_error_code()).or_else(|| self.code_of_subcode())
    }

    fn wmi_error_code(&self) -> Option<ErrorCode> {
        let number = self.wmi_error()?.child(ns::MSFT_WMI_ERROR, "error_Code")?.trimmed_text();
        number.parse().ok().map(ErrorCode)
    }

    /// `MSFT_WmiError` in the detail, the form that newer hosts use for some quotas.
    #[must_use]
    pub fn wmi_error(&self) -> Option<&Element> {
        self.other.iter().find(|element| element.is(ns::MSFT_WMI_ERROR, "MSFT_WmiError"))
    }

    fn code_of_subcode(&self) -> Option<ErrorCode> {
        let subcode = self.subcode.as_ref()?;
        Some(match (subcode.namespace(), subcode.local()) {
            (ns::WSMAN, "TimedOut") => ErrorCode::OPERATION_TIMEDOUT,
            (ns::WSMAN, "AccessDenied") => ErrorCode::ACCESS_DENIED,
            (ns::WSMAN, "QuotaLimit") => ErrorCode::QUOTA_LIMIT,
            (ns::ADDRESSING, "ActionNotSupported") => ErrorCode::ACTION_NOT_SUPPORTED,
            (ns::ADDRESSING, "DestinationUnreachable") => ErrorCode::INVALID_RESOURCE_URI,
            _ => return None,
        })
    }

    /// The text that tells a person most: the innermost message, else that of `MSFT_WmiError`
    /// (which has the numbers that the reason lacks), else the reason.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let wsman = self.wsman_fault.as_ref().map(|fault| Cow::Borrowed(fault.message.innermost()));
        let wsman = wsman.filter(|text| !text.is_empty());
        let wmi = || self.wmi_error()?.child(ns::MSFT_WMI_ERROR, "Message").map(Element::text);
        wsman.or_else(wmi).unwrap_or(Cow::Borrowed(&self.reason))
    }
}

/// The code with its symbol, then the text: `0x80338029 ERROR_WSMAN_OPERATION_TIMEDOUT: …`.
/// Without a code the subcode stands there. Without a text the code's meaning does.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.error_code();
        match (code, &self.subcode) {
            (Some(code), _) => write!(f, "{code}")?,
            (None, Some(subcode)) => f.write_str(subcode.local())?,
            (None, None) => f.write_str(self.code.local())?,
        }
        let text = self.text();
        let text = Some(text.trim()).filter(|text| !text.is_empty());
        let text = text.or_else(|| code.and_then(ErrorCode::summary));
        match text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

impl FaultCode {
    pub(crate) const fn local(self) -> &'static str {
        match self {
            Self::DataEncodingUnknown => "DataEncodingUnknown",
            Self::MustUnderstand => "MustUnderstand",
            Self::Receiver => "Receiver",
            Self::Sender => "Sender",
            Self::VersionMismatch => "VersionMismatch",
        }
    }

    pub(crate) fn from_local(local: &str) -> Option<Self> {
        Some(match local {
            "DataEncodingUnknown" => Self::DataEncodingUnknown,
            "MustUnderstand" => Self::MustUnderstand,
            "Receiver" => Self::Receiver,
            "Sender" => Self::Sender,
            "VersionMismatch" => Self::VersionMismatch,
            _ => return None,
        })
    }
}
