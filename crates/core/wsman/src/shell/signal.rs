//! Signal: interrupts or ends a command, [MS-WSMV] 3.1.4.12.

use std::borrow::Cow;

use super::{attribute, only, rsp};
use crate::error::Error;
use crate::ns;
use crate::selector::attributes_except;
use crate::xml::{Attribute, Element, Node};

/// `rsp:Signal`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Signal {
    /// The command.
    pub command_id: Option<String>,
    /// What shall happen to it.
    pub code: SignalCode,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

/// `rsp:Code`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalCode {
    /// As Ctrl+Break does.
    CtrlBreak,
    /// As Ctrl+C does.
    CtrlC,
    /// PowerShell's Ctrl+C, which stops a pipeline; its URI is misspelt in the protocol.
    PowerShellCtrlC,
    /// End it, and forget its output.
    Terminate,
    /// Another URI.
    Other(String),
}

impl SignalCode {
    /// The URI.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        let known = URIS.iter().find(|(code, _)| code == self);
        match (known, self) {
            (Some((_, uri)), _) => Cow::Borrowed(uri),
            (None, Self::Other(uri)) => Cow::Borrowed(uri),
            (None, Self::CtrlBreak | Self::CtrlC | Self::PowerShellCtrlC | Self::Terminate) => {
                Cow::Borrowed("")
            }
        }
    }

    /// The code of a URI, in any case: some clients write `Terminate`.
    #[must_use]
    pub fn from_uri(uri: &str) -> Self {
        let known = URIS.iter().find(|(_, known)| known.eq_ignore_ascii_case(uri));
        known.map_or_else(|| Self::Other(uri.to_owned()), |(code, _)| code.clone())
    }

    /// Whether it is PowerShell's Ctrl+C, also in the right spelling, which pypsrp sends.
    #[must_use]
    pub fn is_powershell_ctrl_c(&self) -> bool {
        let uri = self.uri();
        *self == Self::PowerShellCtrlC || uri.eq_ignore_ascii_case("powershell/signal/ctrl_c")
    }
}

const URIS: [(SignalCode, &str); 4] = [
    (
        SignalCode::CtrlBreak,
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_break",
    ),
    (SignalCode::CtrlC, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_c"),
    (SignalCode::PowerShellCtrlC, "powershell/signal/crtl_c"),
    (
        SignalCode::Terminate,
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate",
    ),
];

impl Signal {
    /// A signal for a command.
    #[must_use]
    pub fn command(command_id: &str, code: SignalCode) -> Self {
        let command_id = Some(command_id.to_owned());
        Self { command_id, code, attributes: Vec::new(), other: Vec::new() }
    }

    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or has no code.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Signal")?;
        let mut code = None;
        let mut other = Vec::new();
        for child in element.elements() {
            if child.is(ns::SHELL, "Code") && code.is_none() {
                code = Some(SignalCode::from_uri(&child.trimmed_text()));
            } else {
                other.push(child.clone());
            }
        }
        Ok(Self {
            command_id: attribute(element, "CommandId"),
            code: code.ok_or(Error::Missing { parent: "rsp:Signal", name: "rsp:Code" })?,
            attributes: attributes_except(element, &[("", "CommandId")]),
            other,
        })
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut signal = Element::new(ns::SHELL, "Signal");
        if let Some(id) = &self.command_id {
            signal = signal.with_attribute("CommandId", id);
        }
        signal.attributes.extend(self.attributes.iter().cloned());
        signal.push(rsp("Code", self.code.uri()));
        signal.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![signal]
    }
}

/// `rsp:SignalResponse`, empty on every known service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct SignalResponse {
    /// Child elements.
    pub other: Vec<Element>,
}

impl SignalResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        Ok(Self { other: only(body, "SignalResponse")?.elements().cloned().collect() })
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::SHELL, "SignalResponse");
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}
