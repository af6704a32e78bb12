//! The SOAP 1.2 envelope.

use uuid::Uuid;

use crate::charset::Charset;
use crate::error::Error;
use crate::header::{Block, Header, HeaderValue};
use crate::ns;
use crate::xml::{self, Attribute, Binding, Element, Limits};

/// A SOAP envelope: typed header, body elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `xml:lang` of the envelope; every reply has one (DSP0226 R6.3-4).
    pub lang: Option<String>,
    /// Other attributes of the envelope.
    pub attributes: Vec<Attribute>,
    /// The header blocks.
    pub header: Header,
    /// The child elements of `s:Body`.
    pub body: Vec<Element>,
}

impl Envelope {
    /// Reads an envelope: UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    ///
    /// As [`Self::decode_as`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::decode_as(bytes, Charset::Utf8, limits)
    }

    /// Reads an envelope in the charset that its `Content-Type` declares, unless a byte order mark
    /// says otherwise.
    ///
    /// # Errors
    ///
    /// The bytes are not text of the charset, not XML within `limits`, or not a SOAP 1.2 envelope with one body.
    /// What is wrong inside header blocks is kept for [`Header::check_request`], so that the fault
    /// can name the message.
    pub fn decode_as(bytes: &[u8], declared: Charset, limits: &Limits) -> Result<Self, Error> {
        let root = xml::decode_as(bytes, declared, limits)?;
        if root.name.local() != "Envelope" {
            return Err(Error::NotAnEnvelope(root.name));
        }
        if root.name.namespace() != ns::SOAP {
            return Err(Error::SoapVersion(root.name.namespace().to_owned()));
        }
        let mut envelope = Self::default();
        for attribute in &root.attributes {
            if attribute.name.is(ns::XML, "lang") {
                envelope.lang = Some(attribute.value.clone());
            } else {
                envelope.attributes.push(attribute.clone());
            }
        }
        let mut seen_header = false;
        let mut seen_body = false;
        for child in root.into_elements() {
            if child.is(ns::SOAP, "Header") && !seen_header && !seen_body {
                seen_header = true;
                envelope.header.blocks = child.into_elements().map(Block::from_element).collect();
            } else if child.is(ns::SOAP, "Body") && !seen_body {
                seen_body = true;
                envelope.body = child.into_elements().collect();
            } else {
                return Err(Error::UnexpectedElement(child.name));
            }
        }
        if seen_body { Ok(envelope) } else { Err(Error::NoBody) }
    }

    /// Writes the envelope as Windows does: no XML declaration, no white space between elements,
    /// and the namespaces that it uses declared in front. In UTF-8, without a byte order mark.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(Charset::Utf8)
    }

    /// [`Self::encode`] in that charset.
    #[must_use]
    pub fn encode_as(&self, charset: Charset) -> Vec<u8> {
        charset.encode(self.write())
    }

    fn write(&self) -> String {
        let header: Vec<_> = self.header.blocks.iter().map(Block::to_element).collect();
        let mut used = Used::default();
        used.mark(ns::SOAP);
        for element in header.iter().chain(&self.body) {
            used.walk(element);
        }
        for attribute in &self.attributes {
            used.mark(attribute.name.namespace());
        }
        let bindings = used.bindings();
        let root = Element {
            attributes: self.attributes.clone(),
            bindings: bindings.clone(),
            ..Element::new(ns::SOAP, "Envelope")
        };
        xml::write_document(1024 + used.text, |writer| {
            writer.begin(&root, self.lang.as_deref());
            if header.is_empty() {
                writer.raw("<s:Header/>");
            } else {
                writer.raw("<s:Header>");
                header.iter().for_each(|element| writer.element(element));
                writer.raw("</s:Header>");
            }
            writer.raw("<s:Body>");
            self.body.iter().for_each(|element| writer.element(element));
            writer.raw("</s:Body></s:Envelope>");
        })
    }

    /// The reply to this request: `a:RelatesTo` repeats its `a:MessageID` byte for byte, the order
    /// of the headers is Windows's. An operation's id is echoed with the sequence number 1.
    #[must_use]
    pub fn reply(&self, action: &str, message_id: Uuid, body: Vec<Element>) -> Self {
        self.header.reply(action, message_id, body)
    }

    /// The action, if there is one.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.header.action()
    }

    /// The first element of the body.
    #[must_use]
    pub fn body_element(&self) -> Option<&Element> {
        self.body.first()
    }
}

impl Header {
    /// See [`Envelope::reply`]: a request is not needed whole to be answered.
    #[must_use]
    pub fn reply(&self, action: &str, message_id: Uuid, body: Vec<Element>) -> Envelope {
        let mut header = Self::default()
            .with(HeaderValue::Action(action.to_owned()))
            .with(HeaderValue::MessageId(uuid_uri(message_id)));
        if let Some(operation) = self.operation_id() {
            header = header
                .with_must_understand(HeaderValue::OperationId(operation.to_owned()), false)
                .with(HeaderValue::SequenceId(1));
        }
        header = header.with(HeaderValue::To(ns::ANONYMOUS.to_owned()));
        if let Some(id) = self.message_id() {
            header = header.with(HeaderValue::RelatesTo(id.to_owned()));
        }
        let lang = Some("en-US".to_owned());
        Envelope { lang, attributes: Vec::new(), header, body }
    }
}

/// `uuid:` and the GUID in capitals, as Windows writes message and session ids.
#[must_use]
pub fn uuid_uri(id: Uuid) -> String {
    format!("uuid:{}", guid(id))
}

/// The GUID in capitals, as Windows writes shell and command ids.
#[must_use]
pub fn guid(id: Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    id.hyphenated().encode_upper(&mut buffer).to_owned()
}

/// Whether two ids are the same: GUIDs in any case, with or without `uuid:` or `urn:uuid:` and
/// braces; ids that are no GUIDs by their text without regard to case.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    bare_id(one).eq_ignore_ascii_case(bare_id(other))
}

fn bare_id(id: &str) -> &str {
    let id = id.trim_matches(xml::is_space);
    let id = strip_prefix_ignoring_case(id, "urn:").unwrap_or(id);
    let id = strip_prefix_ignoring_case(id, "uuid:").unwrap_or(id);
    id.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(id)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// Which of the customary namespaces a message uses, and how much text it has.
#[derive(Default)]
struct Used {
    found: [bool; ns::ON_ENVELOPE.len()],
    text: usize,
}

impl Used {
    fn mark(&mut self, namespace: &str) {
        for (found, (_, known)) in self.found.iter_mut().zip(ns::ON_ENVELOPE) {
            *found |= known == namespace;
        }
    }

    fn walk(&mut self, element: &Element) {
        self.mark(element.name.namespace());
        self.text += 64;
        for attribute in &element.attributes {
            self.mark(attribute.name.namespace());
            self.text += attribute.value.len() + 32;
        }
        for child in &element.children {
            match child {
                xml::Node::Element(child) => self.walk(child),
                xml::Node::Text(text) => self.text += text.len(),
            }
        }
    }

    fn bindings(&self) -> Vec<Binding> {
        let used = self.found.iter().zip(ns::ON_ENVELOPE).filter(|(found, _)| **found);
        used.map(|(_, (prefix, namespace))| Binding::constant(prefix, namespace)).collect()
    }
}
