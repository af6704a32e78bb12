//! The items of an enumeration, and how both namespaces write them.

use super::is_either;
use crate::error::Error;
use crate::ns;
use crate::selector::EndpointReference;
use crate::xml::{Element, Node};

/// `w:EnumerationMode`: what the items shall be, DSP0226 8.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "DSP0226 8.7 names these; absent means objects")]
pub enum Mode {
    /// The objects themselves.
    #[default]
    Object,
    /// References to them.
    Reference,
    /// Both.
    ObjectAndReference,
}

impl Mode {
    /// The name on the wire; objects alone are asked for by saying nothing.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Object => "EnumerateObject",
            Self::Reference => "EnumerateEPR",
            Self::ObjectAndReference => "EnumerateObjectAndEPR",
        }
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, Error> {
        let text = element.trimmed_text();
        [Self::Object, Self::Reference, Self::ObjectAndReference]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or(Error::Value("w:EnumerationMode"))
    }
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "DSP0226 8.7 has these three")]
pub enum Item {
    /// An object.
    Object(Element),
    /// A reference to one.
    Reference(EndpointReference),
    /// An object and the reference to it.
    Both(Element, EndpointReference),
}

impl Item {
    /// The object, where it is there.
    #[must_use]
    pub const fn object(&self) -> Option<&Element> {
        match self {
            Self::Object(object) | Self::Both(object, _) => Some(object),
            Self::Reference(_) => None,
        }
    }

    /// The reference, where it is there.
    #[must_use]
    pub const fn reference(&self) -> Option<&EndpointReference> {
        match self {
            Self::Reference(reference) | Self::Both(_, reference) => Some(reference),
            Self::Object(_) => None,
        }
    }

    /// Reads a child of `w:Items` or `n:Items`. What is no reference in due form is an object.
    #[must_use]
    pub fn from_element(element: &Element) -> Self {
        let is_reference = |element: &Element| element.is(ns::ADDRESSING, "EndpointReference");
        if is_reference(element)
            && let Some(reference) = EndpointReference::from_element(element)
        {
            return Self::Reference(reference);
        }
        if element.is(ns::WSMAN, "Item") {
            let mut parts = element.elements();
            if let (Some(object), Some(reference), None) =
                (parts.next(), parts.next(), parts.next())
                && is_reference(reference)
                && let Some(reference) = EndpointReference::from_element(reference)
            {
                return Self::Both(object.clone(), reference);
            }
        }
        Self::Object(element.clone())
    }

    /// Writes it.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let written = |reference: &EndpointReference| {
            reference.to_element(Element::new(ns::ADDRESSING, "EndpointReference"))
        };
        match self {
            Self::Object(object) => object.clone(),
            Self::Reference(reference) => written(reference),
            Self::Both(object, reference) => Element::new(ns::WSMAN, "Item")
                .with_child(object.clone())
                .with_child(written(reference)),
        }
    }
}

/// Whose namespace `Items` and `EndOfSequence` are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two namespaces")]
pub enum Spelling {
    /// WS-Enumeration's, as in a PullResponse.
    #[default]
    Enumeration,
    /// WS-Management's, as in an EnumerateResponse of Windows.
    WsMan,
}

impl Spelling {
    const fn namespace(self) -> &'static str {
        match self {
            Self::Enumeration => ns::ENUMERATION,
            Self::WsMan => ns::WSMAN,
        }
    }
}

/// Some items, and whether they are the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct Batch {
    /// The items; `None` where the element is absent.
    pub items: Option<Vec<Element>>,
    /// `EndOfSequence`: nothing follows.
    pub is_last: bool,
    /// Whose namespace both are written in.
    pub spelling: Spelling,
}

impl Batch {
    pub(super) const fn new(spelling: Spelling) -> Self {
        Self { items: None, is_last: false, spelling }
    }

    /// The items as what they are.
    pub fn typed(&self) -> impl Iterator<Item = Item> {
        self.items.iter().flatten().map(Item::from_element)
    }

    /// Takes a child of an answer; false where it is something else.
    pub(super) fn take(&mut self, child: &Element) -> bool {
        if is_either(child, "Items") && self.items.is_none() {
            self.items = Some(child.elements().cloned().collect());
        } else if is_either(child, "EndOfSequence") && !self.is_last {
            self.is_last = true;
        } else {
            return false;
        }
        self.spelling = if child.name.namespace() == ns::WSMAN {
            Spelling::WsMan
        } else {
            Spelling::Enumeration
        };
        true
    }

    /// Writes the children of an answer.
    pub(super) fn write(&self, answer: &mut Element) {
        let namespace = self.spelling.namespace();
        if let Some(items) = &self.items {
            let mut list = Element::new(namespace, "Items");
            list.children.extend(items.iter().cloned().map(Node::Element));
            answer.push(list);
        }
        if self.is_last {
            answer.push(Element::new(namespace, "EndOfSequence"));
        }
    }
}
