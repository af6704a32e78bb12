//! Reconnect: takes up a disconnected shell, or a command of it, from the same client session,
//! [MS-WSMV] 3.1.4.16. Its answer has an empty body.

use super::disconnect::BufferMode;
use super::{attribute, only};
use crate::error::Error;
use crate::ns;
use crate::selector::attributes_except;
use crate::xml::{Attribute, Element, Node};

/// The body of a Reconnect: empty, or `rsp:Reconnect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Reconnect {
    /// The command that is meant; absent for the shell itself.
    pub command_id: Option<String>,
    /// What becomes of output from now on.
    pub buffer_mode: Option<BufferMode>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl Reconnect {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let element = only(body, "Reconnect")?;
        let mut reconnect = Self {
            command_id: attribute(element, "CommandId"),
            attributes: attributes_except(element, &[("", "CommandId")]),
            ..Self::default()
        };
        for child in element.elements() {
            if child.is(ns::SHELL, "BufferMode") {
                reconnect.buffer_mode = Some(BufferMode::from_element(child)?);
            } else {
                reconnect.other.push(child.clone());
            }
        }
        Ok(reconnect)
    }

    /// Writes the body: none at all where there is nothing to say, as Windows's client does.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        if *self == Self::default() {
            return Vec::new();
        }
        let mut reconnect = Element::new(ns::SHELL, "Reconnect");
        if let Some(id) = &self.command_id {
            reconnect = reconnect.with_attribute("CommandId", id);
        }
        reconnect.attributes.extend(self.attributes.iter().cloned());
        if let Some(mode) = self.buffer_mode {
            reconnect.push(mode.to_element());
        }
        reconnect.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![reconnect]
    }
}
