//! `rsp:Command`: a command of a shell as Enumerate lists it, [MS-WSMV] 3.1.4.8.2.

use super::receive::State;
use super::rsp;
use crate::error::Error;
use crate::ns;
use crate::xml::{Attribute, Element, Node};

/// One command of the enumeration of [`ns::resource::SHELL_COMMAND`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct ListedCommand {
    /// The id.
    pub command_id: String,
    /// The command line; empty for a PowerShell pipeline. Not trimmed.
    pub command_line: Option<String>,
    /// What it does: the short name, or a URI of another service.
    pub state: Option<State>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl ListedCommand {
    /// Reads `rsp:Command`.
    ///
    /// # Errors
    ///
    /// The element is another one, or has no id.
    pub fn from_element(element: &Element) -> Result<Self, Error> {
        if !element.is(ns::SHELL, "Command") {
            return Err(Error::UnexpectedElement(element.name.clone()));
        }
        let mut listed = Self { attributes: element.attributes.clone(), ..Self::default() };
        let mut id = None;
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::SHELL, "CommandId") if id.is_none() => id = Some(child.trimmed_text()),
                (ns::SHELL, "CommandLine") if listed.command_line.is_none() => {
                    listed.command_line = Some(child.text().into_owned());
                }
                (ns::SHELL, "CommandState") if listed.state.is_none() => {
                    listed.state = Some(State::from_name(&child.trimmed_text()));
                }
                _ => listed.other.push(child.clone()),
            }
        }
        let missing = Error::Missing { parent: "rsp:Command", name: "rsp:CommandId" };
        listed.command_id = id.ok_or(missing)?;
        Ok(listed)
    }

    /// Writes `rsp:Command`, children in Windows's order.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut listed = Element::new(ns::SHELL, "Command");
        listed.attributes.clone_from(&self.attributes);
        listed.push(rsp("CommandId", &self.command_id));
        if let Some(line) = &self.command_line {
            listed.push(rsp("CommandLine", line));
        }
        if let Some(state) = &self.state {
            listed.push(rsp("CommandState", state.name()));
        }
        listed.children.extend(self.other.iter().cloned().map(Node::Element));
        listed
    }
}
