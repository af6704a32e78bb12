//! The writer: no XML declaration, no white space, only the prefixes that are needed.

use std::borrow::Cow;

use super::element::{Binding, Element, Node};
use super::name::{Name, Namespace};
use super::reader::is_legal;
use crate::ns;

/// Writes an element as a document of its own.
#[must_use]
pub fn encode(element: &Element) -> Vec<u8> {
    let mut writer = Writer::new(String::with_capacity(256));
    writer.element(element);
    writer.out.into_bytes()
}

/// Writes a document in steps: [`Writer::begin`], then content.
pub(crate) fn write_document(capacity: usize, content: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new(String::with_capacity(capacity));
    content(&mut writer);
    writer.out
}

/// Output and the namespaces in scope.
pub(crate) struct Writer {
    out: String,
    scope: Vec<Binding>,
}

impl Writer {
    const fn new(out: String) -> Self {
        Self { out, scope: Vec::new() }
    }

    /// Writes markup as it stands.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// Writes the start tag of the root. Windows puts the language first.
    pub(crate) fn begin(&mut self, root: &Element, lang: Option<&str>) {
        let (name, attributes) = self.names(root);
        self.out.push('<');
        self.out.push_str(&name);
        if let Some(lang) = lang {
            self.attribute("xml:lang", lang);
        }
        self.declarations(0);
        for (name, value) in attributes {
            self.attribute(&name, value);
        }
        self.out.push('>');
    }

    pub(crate) fn element(&mut self, element: &Element) {
        let outer = self.scope.len();
        let (name, attributes) = self.names(element);
        self.out.push('<');
        self.out.push_str(&name);
        self.declarations(outer);
        if has_default_namespace(element) {
            self.attribute("xmlns", element.name.namespace());
        }
        for (name, value) in attributes {
            self.attribute(&name, value);
        }
        if element.children.is_empty() {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            for child in &element.children {
                match child {
                    Node::Element(child) => self.element(child),
                    Node::Text(text) => escape(text, false, &mut self.out),
                }
            }
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        self.scope.truncate(outer);
    }

    /// Takes what the element needs into scope; its name and attributes with prefixes.
    fn names<'e>(&mut self, element: &'e Element) -> (String, Vec<(String, &'e str)>) {
        for binding in &element.bindings {
            let prefix = binding.prefix();
            if !matches!(prefix, "" | "xml" | "xmlns")
                && self.resolve(prefix) != Some(&binding.namespace)
            {
                self.scope.push(binding.clone());
            }
        }
        let name = if has_default_namespace(element) {
            element.name.local().to_owned()
        } else {
            self.qname(&element.name)
        };
        let attributes = element
            .attributes
            .iter()
            .map(|attribute| (self.qname(&attribute.name), attribute.value.as_str()))
            .collect();
        (name, attributes)
    }

    fn declarations(&mut self, outer: usize) {
        for binding in self.scope.iter().skip(outer) {
            self.out.push_str(" xmlns:");
            self.out.push_str(&binding.prefix);
            self.out.push_str("=\"");
            escape(binding.namespace(), true, &mut self.out);
            self.out.push('"');
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, true, &mut self.out);
        self.out.push('"');
    }

    /// What a prefix means here.
    fn resolve(&self, prefix: &str) -> Option<&Namespace> {
        self.scope.iter().rev().find(|binding| binding.prefix == prefix).map(|b| &b.namespace)
    }

    /// The name with a prefix that is in scope, after a declaration where none is. A default
    /// namespace is never declared for what is inside, so that a name in no namespace needs none.
    fn qname(&mut self, name: &Name) -> String {
        if name.namespace().is_empty() {
            return name.local().to_owned();
        }
        let prefix = self.prefix(name.namespace_shared());
        [&prefix, ":", name.local()].concat()
    }

    fn prefix(&mut self, namespace: &Namespace) -> Cow<'static, str> {
        if namespace.as_str() == ns::XML {
            return Cow::Borrowed("xml");
        }
        let known = self.scope.iter().rev().find(|binding| {
            binding.namespace == *namespace && self.resolve(&binding.prefix) == Some(namespace)
        });
        if let Some(binding) = known {
            return binding.prefix.clone();
        }
        let free = |prefix: &str| self.resolve(prefix).is_none();
        let prefix = match ns::preferred_prefix(namespace.as_str()) {
            Some(preferred) if free(preferred) => Cow::Borrowed(preferred),
            Some(_) | None => {
                // A scope has fewer bindings than there are numbers to try.
                let number = (1..=self.scope.len() + 1).find(|n| free(&format!("ns{n}")));
                Cow::Owned(format!("ns{}", number.unwrap_or_default()))
            }
        };
        self.scope.push(Binding { prefix: prefix.clone(), namespace: namespace.clone() });
        prefix
    }
}

/// Whether the element is written with a default namespace: everybody writes PowerShell's payloads
/// so, and they stay readable for those who look for their names alone. No element is inside that
/// would inherit it.
fn has_default_namespace(element: &Element) -> bool {
    element.name.namespace() == ns::POWERSHELL && element.elements().next().is_none()
}

/// Appends `text` escaped. Characters that XML cannot carry become `?`, as Windows writes them.
fn escape(text: &str, in_attribute: bool, out: &mut String) {
    let mut rest = text;
    while let Some(found) = first_special(rest.as_bytes(), in_attribute) {
        let (before, from) = rest.split_at(found);
        out.push_str(before);
        let mut chars = from.chars();
        match chars.next() {
            Some('<') => out.push_str("&lt;"),
            Some('&') => out.push_str("&amp;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            // A reader would make a line feed of a carriage return.
            Some('\r') => out.push_str("&#13;"),
            Some('\n') if in_attribute => out.push_str("&#10;"),
            Some('\t') if in_attribute => out.push_str("&#9;"),
            Some(c) if is_legal(c) => out.push(c),
            Some(_) | None => out.push('?'),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// Bytes that are looked at together.
const STRIDE: usize = 64;

/// The place of the first byte that needs a closer look.
fn first_special(bytes: &[u8], in_attribute: bool) -> Option<usize> {
    // Without a branch for each byte, the compiler compares many of them at once; long text is
    // base64, which has none of these.
    let special = |byte: u8| {
        (byte < 0x20)
            | (byte == b'<')
            | (byte == b'&')
            | (byte == b'>')
            | (byte == 0xEF)
            | (in_attribute & (byte == b'"'))
    };
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let clean = |stride: &&[u8; STRIDE]| {
        stride.iter().fold(0, |found, &byte| found | u8::from(special(byte))) == 0
    };
    let start = strides.iter().take_while(clean).count() * STRIDE;
    let rest = bytes.get(start..).unwrap_or_default();
    rest.iter().position(|&byte| special(byte)).map(|place| start + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_found_at_every_place_of_a_stride() {
        for length in [0, 1, 63, 64, 65, 127, 128, 200] {
            let clean = vec![b'A'; length];
            assert_eq!(first_special(&clean, true), None);
            for place in 0..length {
                for byte in [b'<', b'&', b'>', 0xEF, b'\r', 0] {
                    let mut bytes = clean.clone();
                    bytes[place] = byte;
                    assert_eq!(first_special(&bytes, false), Some(place), "{byte} at {place}");
                }
                let mut quoted = clean.clone();
                quoted[place] = b'"';
                assert_eq!(first_special(&quoted, true), Some(place));
                assert_eq!(first_special(&quoted, false), None);
            }
        }
    }
}
