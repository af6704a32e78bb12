//! What targets about XML share: trees without their bindings, and the wire in between.

use wsman::Envelope;
use wsman::xml::{Element, Limits, Node};

/// Limits for what we have written ourselves: it may be longer than what it was made from, and
/// declares namespaces at each element that needs them.
pub(crate) const WIDE: Limits = Limits {
    bytes: usize::MAX,
    depth: 200,
    elements: usize::MAX,
    attributes_per_element: usize::MAX,
    name_length: usize::MAX,
    namespaces: usize::MAX,
    memory: usize::MAX,
};

/// The tree without the bindings, which say more after writing: prefixes of the writer's own choice
/// are in scope then.
pub(crate) fn bare(mut element: Element) -> Element {
    element.bindings.clear();
    for child in &mut element.children {
        if let Node::Element(child) = child {
            *child = bare(std::mem::replace(child, Element::new("", "")));
        }
    }
    element
}

/// A body written and read again, without bindings.
#[allow(dead_code, reason = "not every target that includes this file sends bodies")]
pub(crate) fn wired(body: Vec<Element>) -> Vec<Element> {
    let bytes = Envelope { body, ..Envelope::default() }.encode();
    let envelope = Envelope::decode(&bytes, &WIDE).expect("our own output is readable");
    envelope.body.into_iter().map(bare).collect()
}
