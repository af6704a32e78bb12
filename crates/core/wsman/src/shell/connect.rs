//! Connect: takes up a disconnected shell, or a command of it, that another client session made,
//! [MS-WSMV] 3.1.4.17.

use super::description::joined;
use super::disconnect::BufferMode;
use super::{attribute, names, only, payload, rsp};
use crate::error::Error;
use crate::ns;
use crate::selector::attributes_except;
use crate::xml::{Attribute, Element, Node};

/// `rsp:Connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Connect {
    /// The command that is meant; absent for the shell itself.
    pub command_id: Option<String>,
    /// What becomes of output from now on.
    pub buffer_mode: Option<BufferMode>,
    /// What the plug-in is told: the bytes out of `connectXml`'s base64.
    pub connect_xml: Option<Vec<u8>>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl Connect {
    /// A Connect to the shell itself with something for the plug-in.
    #[must_use]
    pub fn shell(connect_xml: Vec<u8>) -> Self {
        Self { connect_xml: Some(connect_xml), ..Self::default() }
    }

    /// A Connect to a command.
    #[must_use]
    pub fn command(command_id: &str) -> Self {
        Self { command_id: Some(command_id.to_owned()), ..Self::default() }
    }

    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Connect")?;
        let mut connect = Self {
            command_id: attribute(element, "CommandId"),
            attributes: attributes_except(element, &[("", "CommandId")]),
            ..Self::default()
        };
        for child in element.elements() {
            if child.is(ns::SHELL, "BufferMode") {
                connect.buffer_mode = Some(BufferMode::from_element(child)?);
            } else if child.is(ns::POWERSHELL, "connectXml") && connect.connect_xml.is_none() {
                connect.connect_xml = Some(payload::read(child, "connectXml")?);
            } else {
                connect.other.push(child.clone());
            }
        }
        Ok(connect)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut connect = Element::new(ns::SHELL, "Connect");
        if let Some(id) = &self.command_id {
            connect = connect.with_attribute("CommandId", id);
        }
        connect.attributes.extend(self.attributes.iter().cloned());
        if let Some(mode) = self.buffer_mode {
            connect.push(mode.to_element());
        }
        if let Some(data) = &self.connect_xml {
            connect.push(payload::write("connectXml", data));
        }
        connect.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![connect]
    }
}

/// `rsp:ConnectResponse`. That of a command is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct ConnectResponse {
    /// Names of the shell's input streams.
    pub input_streams: Vec<String>,
    /// Names of the shell's output streams.
    pub output_streams: Vec<String>,
    /// What the plug-in says: the bytes out of `connectResponseXml`'s base64.
    pub connect_response_xml: Option<Vec<u8>>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl ConnectResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "ConnectResponse")?;
        let mut response = Self { attributes: element.attributes.clone(), ..Self::default() };
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::SHELL, "InputStreams") => response.input_streams = names(child),
                (ns::SHELL, "OutputStreams") => response.output_streams = names(child),
                (ns::POWERSHELL, "connectResponseXml")
                    if response.connect_response_xml.is_none() =>
                {
                    let data = payload::read(child, "connectResponseXml")?;
                    response.connect_response_xml = Some(data);
                }
                _ => response.other.push(child.clone()),
            }
        }
        Ok(response)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::SHELL, "ConnectResponse");
        response.attributes.clone_from(&self.attributes);
        let lists =
            [("InputStreams", &self.input_streams), ("OutputStreams", &self.output_streams)];
        for (name, list) in lists {
            if let Some(text) = joined(list) {
                response.push(rsp(name, text));
            }
        }
        if let Some(data) = &self.connect_response_xml {
            response.push(payload::write("connectResponseXml", data));
        }
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}
