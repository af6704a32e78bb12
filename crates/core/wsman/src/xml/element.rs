//! The element tree that messages are decoded to and encoded from.

use std::borrow::Cow;

use super::name::{Name, Namespace};

/// An attribute other than a namespace declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The expanded name; un-prefixed attributes are in no namespace.
    pub name: Name,
    /// The normalised value.
    pub value: String,
}

/// What an element may contain. Comments are dropped by the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "XML content without comments and instructions has no third kind"
)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data, with references resolved.
    Text(String),
}

/// A prefix that a QName in this element's text or `xsi:type` uses, with what it was bound to.
///
/// The reader drops namespace declarations; without these a value such as `cim:cimString` would
/// lose its meaning when the element is written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub(crate) prefix: Cow<'static, str>,
    pub(crate) namespace: Namespace,
}

impl Binding {
    /// Binds `prefix` to `namespace`.
    #[must_use]
    pub fn new(prefix: &str, namespace: &str) -> Self {
        Self { prefix: Cow::Owned(prefix.to_owned()), namespace: Namespace::from_uri(namespace) }
    }

    /// A binding made of constants.
    #[must_use]
    pub const fn constant(prefix: &'static str, namespace: &'static str) -> Self {
        Self { prefix: Cow::Borrowed(prefix), namespace: Namespace::Known(namespace) }
    }

    /// The prefix, without the colon.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The namespace URI.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_str()
    }
}

/// An element with its attributes and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The expanded name.
    pub name: Name,
    /// Attributes in document order, without namespace declarations.
    pub attributes: Vec<Attribute>,
    /// Content in document order. White space between child elements is not kept.
    pub children: Vec<Node>,
    /// Prefixes that values inside this element need; see [`Binding`].
    pub bindings: Vec<Binding>,
}

impl Element {
    /// An empty element `{namespace}local`.
    #[must_use]
    pub const fn new(namespace: &'static str, local: &'static str) -> Self {
        Self::named(Name::new(namespace, local))
    }

    /// An empty element.
    #[must_use]
    pub const fn named(name: Name) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new(), bindings: Vec::new() }
    }

    /// Adds text at the end. Empty text adds nothing.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.children.push(Node::Text(text));
        }
        self
    }

    /// Adds an attribute in no namespace.
    #[must_use]
    pub fn with_attribute(self, local: &'static str, value: impl Into<String>) -> Self {
        self.with_attribute_ns("", local, value)
    }

    /// Adds an attribute `{namespace}local`.
    #[must_use]
    pub fn with_attribute_ns(
        mut self,
        namespace: &'static str,
        local: &'static str,
        value: impl Into<String>,
    ) -> Self {
        self.attributes.push(Attribute { name: Name::new(namespace, local), value: value.into() });
        self
    }

    /// Adds a child element at the end.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Adds a child element at the end.
    pub fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// Whether the element's name is `{namespace}local`.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.is(namespace, local)
    }

    /// The value of an attribute in no namespace.
    #[must_use]
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_ns("", local)
    }

    /// The value of the attribute `{namespace}local`.
    #[must_use]
    pub fn attribute_ns(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.is(namespace, local))
            .map(|attribute| attribute.value.as_str())
    }

    /// The element's own text, without that of child elements. Borrows unless it is in pieces.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut text = Cow::Borrowed("");
        for node in &self.children {
            if let Node::Text(piece) = node {
                if text.is_empty() {
                    text = Cow::Borrowed(piece.as_str());
                } else {
                    text.to_mut().push_str(piece);
                }
            }
        }
        text
    }

    /// The element's own text without white space around it: what URIs, ids and numbers are.
    #[must_use]
    pub fn trimmed_text(&self) -> String {
        self.text().trim_matches(is_space).to_owned()
    }

    /// The element's own text, taken out without a copy where it is in one piece.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut pieces = self.children.into_iter().filter_map(|node| match node {
            Node::Text(text) => Some(text),
            Node::Element(_) => None,
        });
        let mut text = pieces.next().unwrap_or_default();
        for piece in pieces {
            text.push_str(&piece);
        }
        text
    }

    /// The first child element `{namespace}local`.
    #[must_use]
    pub fn child(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.elements().find(|element| element.is(namespace, local))
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The child elements, taken out.
    pub fn into_elements(self) -> impl Iterator<Item = Self> {
        self.children.into_iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Whether there is neither text nor a child element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// What a QName in this element's text or attributes refers to: namespace and local part.
    /// A prefix that is bound nowhere gives `None`, a name without one is in no namespace.
    #[must_use]
    pub fn qname<'a>(&'a self, value: &'a str) -> Option<(&'a str, &'a str)> {
        let Some((prefix, local)) = value.trim_matches(is_space).split_once(':') else {
            return Some(("", value));
        };
        self.bindings
            .iter()
            .find(|binding| binding.prefix == prefix)
            .map(|binding| (binding.namespace.as_str(), local))
    }
}

/// White space as XML defines it.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
