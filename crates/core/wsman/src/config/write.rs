//! The element of a node.

use super::{Node, Origin, Setting, Value};
use crate::ns;
use crate::xml::Element;

/// The element of a node, with the value that `value` gives each of its settings, in the order of the schema.
///
/// A plug-in's is not made here; that of a listener or a mapping may have more children, which follow.
#[must_use]
pub fn write(node: Node, mut value: impl FnMut(&'static Setting) -> Value) -> Element {
    let prefix = node.path().unwrap_or_default();
    let mut root = Element::new(node.uri(), node.element());
    for setting in node.settings() {
        let rest = setting.path.strip_prefix(prefix).unwrap_or(setting.path);
        let leaf = leaf(node.uri(), setting, value(setting));
        place(&mut root, node.uri(), rest, leaf);
    }
    root
}

/// Puts a leaf where its path says, below the parents that it names: they are made when they are first needed, and the
/// settings of one come one after the other.
fn place(parent: &mut Element, namespace: &'static str, path: &'static str, leaf: Element) {
    let Some((first, rest)) = path.split_once('/') else { return parent.push(leaf) };
    let last = parent.children.last_mut();
    let last = last.and_then(|node| match node {
        crate::xml::Node::Element(element) if element.is(namespace, first) => Some(element),
        crate::xml::Node::Element(_) | crate::xml::Node::Text(_) => None,
    });
    if let Some(found) = last {
        return place(found, namespace, rest, leaf);
    }
    let mut made = Element::new(namespace, first);
    place(&mut made, namespace, rest, leaf);
    parent.push(made);
}

fn leaf(namespace: &'static str, setting: &'static Setting, value: Value) -> Element {
    let element = Element::new(namespace, setting.name());
    let element = match value.source {
        Some(source) => element.with_attribute(Origin::ATTRIBUTE, source.as_str()),
        None => element,
    };
    if value.text.is_empty() { element } else { element.with_text(value.text) }
}

/// The namespaces in which a setting of a node is read: the resource's own, and that of the whole tree.
pub(super) fn is_of(node: Node, namespace: &str) -> bool {
    namespace.eq_ignore_ascii_case(node.uri()) || namespace.eq_ignore_ascii_case(ns::CONFIG)
}
