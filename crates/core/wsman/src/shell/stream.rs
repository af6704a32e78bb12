//! Streams, and Send, which carries input, [MS-WSMV] 3.1.4.13.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::receive::DesiredStream;
use super::{attribute, only};
use crate::error::Error;
use crate::ns;
use crate::selector::{attributes_except, parse_boolean};
use crate::xml::{Attribute, Element, Node, is_space};

/// `rsp:Stream`: a piece of input or output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both roles build it field by field")]
pub struct Stream {
    /// The stream's name: `stdin`, `stdout`, `stderr`, `pr`; see [`super::stream_name`].
    pub name: String,
    /// The command that it belongs to; absent for streams of the shell itself.
    pub command_id: Option<String>,
    /// Whether nothing follows; absent means false.
    pub end: bool,
    /// `Unit`, a URI for the kind of data.
    pub unit: Option<String>,
    /// `EndUnit`: whether a unit of data ends here.
    pub end_unit: Option<bool>,
    /// The bytes, out of their base64; compressed where the shell compresses.
    pub data: Vec<u8>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
}

impl Stream {
    /// Reads `rsp:Stream`.
    ///
    /// # Errors
    ///
    /// There is no name, a boolean is none, or the text is not base64.
    pub fn from_element(element: &Element) -> Result<Self, Error> {
        let boolean = |local, name| match element.attribute(local) {
            Some(text) => parse_boolean(text).map(Some).ok_or(Error::Value(name)),
            None => Ok(None),
        };
        let name = attribute(element, "Name");
        if element.elements().next().is_some() {
            return Err(Error::Value("rsp:Stream"));
        }
        Ok(Self {
            name: name.ok_or(Error::Missing { parent: "rsp:Stream", name: "Name" })?,
            command_id: attribute(element, "CommandId"),
            end: boolean("End", "rsp:Stream/@End")?.unwrap_or_default(),
            unit: attribute(element, "Unit"),
            end_unit: boolean("EndUnit", "rsp:Stream/@EndUnit")?,
            data: decode_base64(&element.text()).ok_or(Error::Value("rsp:Stream"))?,
            attributes: attributes_except(
                element,
                &[("", "Name"), ("", "CommandId"), ("", "End"), ("", "Unit"), ("", "EndUnit")],
            ),
        })
    }

    /// Writes `rsp:Stream`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut stream = Element::new(ns::SHELL, "Stream").with_attribute("Name", &self.name);
        if let Some(id) = &self.command_id {
            stream = stream.with_attribute("CommandId", id);
        }
        if let Some(unit) = &self.unit {
            stream = stream.with_attribute("Unit", unit);
        }
        if let Some(end_unit) = self.end_unit {
            stream = stream.with_attribute("EndUnit", end_unit.to_string());
        }
        if self.end {
            stream = stream.with_attribute("End", "true");
        }
        stream.attributes.extend(self.attributes.iter().cloned());
        stream.with_text(STANDARD.encode(&self.data))
    }
}

/// The bytes of a base64 text; the output is smaller than the text, which the reader bounded.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches(is_space);
    if let Ok(data) = STANDARD.decode(text) {
        return Some(data);
    }
    // White space inside is rare, and only then is the text worth a second look.
    let bare: Vec<u8> = text.bytes().filter(|&byte| !is_space(byte.into())).collect();
    (bare.len() < text.len()).then(|| STANDARD.decode(bare).ok())?
}

/// `rsp:Send`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Send {
    /// The pieces, at least one. Empty data is allowed.
    pub streams: Vec<Stream>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl Send {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, has no stream, or one that is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Send")?;
        let mut send = Self { attributes: element.attributes.clone(), ..Self::default() };
        for child in element.elements() {
            if child.is(ns::SHELL, "Stream") {
                send.streams.push(Stream::from_element(child)?);
            } else {
                send.other.push(child.clone());
            }
        }
        if send.streams.is_empty() {
            return Err(Error::Missing { parent: "rsp:Send", name: "rsp:Stream" });
        }
        Ok(send)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut send = Element::new(ns::SHELL, "Send");
        send.attributes.clone_from(&self.attributes);
        self.streams.iter().for_each(|stream| send.push(stream.to_element()));
        send.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![send]
    }
}

/// `rsp:SendResponse`, empty on every known service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct SendResponse {
    /// The stream that more input is wanted for, which the schema allows.
    pub desired: Option<DesiredStream>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl SendResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let mut response = Self::default();
        for child in only(body, "SendResponse")?.elements() {
            if child.is(ns::SHELL, "DesiredStream") && response.desired.is_none() {
                response.desired = Some(DesiredStream::from_element(child));
            } else {
                response.other.push(child.clone());
            }
        }
        Ok(response)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::SHELL, "SendResponse");
        if let Some(desired) = &self.desired {
            response.push(desired.to_element());
        }
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}
