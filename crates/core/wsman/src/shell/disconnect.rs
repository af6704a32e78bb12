//! Disconnect: leaves a shell running without a client, [MS-WSMV] 3.1.4.15. Its answer has an empty
//! body.

use super::{duration, only, rsp};
use crate::duration::Duration;
use crate::error::Error;
use crate::ns;
use crate::xml::{Attribute, Element, Node};

/// What becomes of output while nobody collects it, [MS-WSMV] 2.2.5.10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "[MS-WSMV] 2.2.5.10 names these two")]
pub enum BufferMode {
    /// It is kept, and what produces it is held back when the buffer is full.
    #[default]
    Block,
    /// The oldest is thrown away when the buffer is full.
    Drop,
}

impl BufferMode {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "Block",
            Self::Drop => "Drop",
        }
    }

    /// The mode of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Block, Self::Drop].into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, Error> {
        Self::from_name(&element.trimmed_text()).ok_or(Error::Value("rsp:BufferMode"))
    }

    pub(super) fn to_element(self) -> Element {
        rsp("BufferMode", self.name())
    }
}

/// `rsp:Disconnect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Disconnect {
    /// How long the shell may stay without a client; absent leaves its idle time-out as it is.
    pub idle_timeout: Option<Duration>,
    /// What becomes of its output meanwhile; absent leaves the shell's mode as it is.
    pub buffer_mode: Option<BufferMode>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl Disconnect {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Disconnect")?;
        let mut disconnect = Self { attributes: element.attributes.clone(), ..Self::default() };
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::SHELL, "IdleTimeOut" | "IdleTimeout") => {
                    disconnect.idle_timeout = Some(duration(child, "rsp:IdleTimeOut")?);
                }
                (ns::SHELL, "BufferMode") => {
                    disconnect.buffer_mode = Some(BufferMode::from_element(child)?);
                }
                _ => disconnect.other.push(child.clone()),
            }
        }
        Ok(disconnect)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut disconnect = Element::new(ns::SHELL, "Disconnect");
        disconnect.attributes.clone_from(&self.attributes);
        if let Some(timeout) = &self.idle_timeout {
            disconnect.push(rsp("IdleTimeOut", timeout.to_string()));
        }
        if let Some(mode) = self.buffer_mode {
            disconnect.push(mode.to_element());
        }
        disconnect.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![disconnect]
    }
}
