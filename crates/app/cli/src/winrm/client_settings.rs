//! `winrm/config/client` without `-remote`: the user's own settings, which no service keeps.

use wsman::config::Node;
use wsman::ns;
use wsman::transfer::Locator;
use wsman::xml::{Element, Node as Content};

use super::grammar::Operation;
use super::input::{self, Input};
use super::show::{Format, print};
use crate::client_settings::{node, put, read};
use crate::command_error::CommandError;

/// An operation on the user's settings.
#[derive(Debug)]
pub(super) enum Request {
    Get(Node),
    Set(Node, Input),
}

impl Request {
    /// The operation, if it is one on the user's settings. A part of them is asked of the service, which refuses it.
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        let own = |locator: &Locator| {
            let is_whole = locator.fragment.is_none() && locator.selectors.is_empty();
            node(&locator.resource_uri).filter(|_| is_whole)
        };
        match operation {
            Operation::Get(locator) => own(locator).map(Self::Get),
            Operation::Set(locator, input) => {
                own(locator).map(|node| Self::Set(node, input.clone()))
            }
            Operation::Create(..)
            | Operation::Delete(_)
            | Operation::Enumerate(..)
            | Operation::Invoke { .. }
            | Operation::Identify
            | Operation::QuickConfig { .. }
            | Operation::ConfigSddl(_) => None,
        }
    }

    /// Does it, and shows what the settings are then.
    ///
    /// # Errors
    /// The file cannot be read or changed, or has no such setting.
    pub(super) fn run(self, format: Format) -> Result<(), CommandError> {
        let shown = match self {
            Self::Get(node) => read(node)?,
            Self::Set(node, Input::File(path)) => put(node, &input::from_file(&path)?)?,
            Self::Set(node, Input::Pairs(pairs)) => {
                let mut element = read(node)?;
                input::change(&mut element, &pairs)?;
                put(node, &element)?
            }
        };
        print(&format.shown(&shown))
    }
}

/// Where the whole configuration of this computer is shown, the client's part is the user's.
///
/// # Errors
/// The settings cannot be read.
pub(super) fn put_into(resource: &mut Element) -> Result<(), CommandError> {
    if !resource.is(ns::CONFIG, "Config") {
        return Ok(());
    }
    let part = resource.children.iter_mut().find_map(|content| match content {
        Content::Element(child) if child.is(ns::CONFIG, "Client") => Some(child),
        Content::Element(_) | Content::Text(_) => None,
    });
    if let Some(part) = part {
        let mut own = read(Node::Client)?;
        renamed(&mut own);
        *part = own;
    }
    Ok(())
}

/// Inside the whole tree everything is in one namespace.
fn renamed(element: &mut Element) {
    element.name = wsman::xml::Name::from_parts(ns::CONFIG, element.name.local());
    for content in &mut element.children {
        if let Content::Element(child) = content {
            renamed(child);
        }
    }
}
