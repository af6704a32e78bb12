//! The bounded reader: quick-xml finds the markup, the rules and the limits are here.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::element::{Attribute, Binding, Element, Node, is_space};
use super::error::{Error, ErrorKind, Limit};
use super::name::{Name, Namespace};
use crate::charset::Charset;
use crate::ns;

/// Bounds of a document. The default is safe for a request from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document. 512,000 is `MaxEnvelopeSizekb`'s default on Windows.
    pub bytes: usize,
    /// Elements inside each other.
    pub depth: usize,
    /// Elements of the document.
    pub elements: usize,
    /// Attributes and namespace declarations of one element.
    pub attributes_per_element: usize,
    /// Bytes of one name, prefix or namespace URI.
    pub name_length: usize,
    /// Namespace declarations in scope at one place.
    pub namespaces: usize,
    /// Bytes of memory that the decoded elements may take, their text included. A document whose elements have names and
    /// values of usual length takes at most ten times its own bytes; one of the shortest elements a hundred times.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 512_000,
            depth: 100,
            elements: 50_000,
            attributes_per_element: 64,
            name_length: 2_048,
            namespaces: 64,
            memory: 16 * 1024 * 1024,
        }
    }
}

/// Reads a document: UTF-8, or UTF-16 with a byte order mark; with or without an XML declaration.
///
/// # Errors
///
/// As [`decode_as`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Element, Error> {
    decode_as(bytes, Charset::Utf8, limits)
}

/// Reads a document in the charset that a `Content-Type` declares, unless a byte order mark says
/// otherwise.
///
/// # Errors
///
/// The document is larger or deeper than `limits` allow, is not well-formed XML 1.0 with
/// namespaces, or holds what SOAP 1.2 forbids: a document type, a processing instruction.
pub fn decode_as(bytes: &[u8], declared: Charset, limits: &Limits) -> Result<Element, Error> {
    let at = |position: usize, kind| Error { position: position as u64, kind };
    if bytes.len() > limits.bytes {
        return Err(at(limits.bytes, ErrorKind::exceeded(Limit::Bytes, limits.bytes)));
    }
    let charset = Charset::of_message(bytes, declared);
    let text = charset.decode(bytes)?;
    if let Some((position, c)) = first_illegal(&text) {
        return Err(at(position, ErrorKind::IllegalCharacter(c.into())));
    }
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.check_end_names = true;
    let mut decoder = Decoder::new(limits, charset);
    loop {
        let step = match reader.read_event() {
            Ok(event) => decoder.handle(event),
            Err(error) => Err(from_quick_xml(&error)),
        };
        match step {
            Ok(false) => {}
            Ok(true) => break,
            Err(kind) => return Err(Error { position: reader.buffer_position(), kind }),
        }
    }
    let position = reader.buffer_position();
    if !decoder.open.is_empty() {
        return Err(Error { position, kind: ErrorKind::Truncated });
    }
    decoder.root.ok_or(Error { position, kind: ErrorKind::NoElement })
}

/// An element whose end was not seen yet.
struct Open {
    element: Element,
    /// How many bindings were in scope outside it.
    outer: usize,
    has_elements: bool,
    has_text: bool,
}

struct Decoder<'l> {
    limits: &'l Limits,
    charset: Charset,
    scope: Vec<Binding>,
    open: Vec<Open>,
    root: Option<Element>,
    elements: usize,
    /// Bytes of memory that the elements take.
    memory: usize,
    started: bool,
}

impl<'l> Decoder<'l> {
    const fn new(limits: &'l Limits, charset: Charset) -> Self {
        Self {
            limits,
            charset,
            scope: Vec::new(),
            open: Vec::new(),
            root: None,
            elements: 0,
            memory: 0,
            started: false,
        }
    }

    /// Takes one event; true at the end of the document.
    fn handle(&mut self, event: Event<'_>) -> Result<bool, ErrorKind> {
        let first = !self.started;
        self.started = true;
        match event {
            Event::Start(start) => self.start(&start)?,
            Event::Empty(start) => {
                self.start(&start)?;
                self.end()?;
            }
            Event::End(_) => self.end()?,
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err(ErrorKind::Syntax("]]> in text".to_owned()));
                }
                self.text(&text.xml10_content())?;
            }
            Event::CData(text) => {
                if self.open.is_empty() {
                    return Err(ErrorKind::SecondRoot);
                }
                self.text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                if self.open.is_empty() {
                    return Err(ErrorKind::SecondRoot);
                }
                let mut buffer = [0; 4];
                self.text(resolve(&reference)?.encode_utf8(&mut buffer))?;
            }
            Event::Comment(_) => {}
            Event::Decl(declaration) => {
                if !first {
                    return Err(ErrorKind::ProcessingInstruction);
                }
                check_declaration(&declaration, self.charset)?;
            }
            Event::PI(_) => return Err(ErrorKind::ProcessingInstruction),
            Event::DocType(_) => return Err(ErrorKind::DocumentType),
            Event::Eof => return Ok(true),
        }
        Ok(false)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), ErrorKind> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(ErrorKind::SecondRoot);
        }
        if self.open.len() >= self.limits.depth {
            return Err(ErrorKind::exceeded(Limit::Depth, self.limits.depth));
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(ErrorKind::exceeded(Limit::Elements, self.limits.elements));
        }
        let outer = self.scope.len();
        let attributes = self.declare(start)?;
        let qname = start.name();
        self.spend(size_of::<Node>() + ALLOCATION + qname.as_ref().len())?;
        let name = self.resolve_name(qname.as_ref(), true)?;
        let mut element = Element::named(name);
        if attributes > 0 {
            self.attributes(start, attributes, &mut element)?;
        }
        self.open.push(Open { element, outer, has_elements: false, has_text: false });
        Ok(())
    }

    /// Takes the namespace declarations into scope and counts the other attributes.
    fn declare(&mut self, start: &BytesStart<'_>) -> Result<usize, ErrorKind> {
        let outer = self.scope.len();
        let mut seen = 0;
        let mut others = 0;
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| ErrorKind::Syntax(error.to_string()))?;
            seen += 1;
            if seen > self.limits.attributes_per_element {
                return Err(ErrorKind::exceeded(
                    Limit::Attributes,
                    self.limits.attributes_per_element,
                ));
            }
            let key: &str = attribute.key.as_ref();
            let prefix = match key.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) if rest.starts_with(':') => rest.trim_start_matches(':'),
                Some(_) | None => {
                    others += 1;
                    continue;
                }
            };
            let uri = attribute_value(&attribute.value)?;
            self.check_binding(key, prefix, &uri)?;
            if self.scope.iter().skip(outer).any(|binding| binding.prefix == prefix) {
                return Err(ErrorKind::DuplicateAttribute(shorten(key)));
            }
            if self.scope.len() >= self.limits.namespaces {
                return Err(ErrorKind::exceeded(Limit::Namespaces, self.limits.namespaces));
            }
            self.scope.push(Binding::new(prefix, &uri));
        }
        Ok(others)
    }

    fn check_binding(&self, key: &str, prefix: &str, uri: &str) -> Result<(), ErrorKind> {
        if prefix.is_empty() {
            if key != "xmlns" {
                return Err(ErrorKind::IllegalName(shorten(key)));
            }
        } else if uri.is_empty() || prefix == "xmlns" || (prefix == "xml") != (uri == ns::XML) {
            return Err(ErrorKind::UnboundPrefix(shorten(prefix)));
        } else {
            self.check_name(prefix)?;
        }
        if uri == ns::XMLNS || (uri == ns::XML && prefix != "xml") {
            return Err(ErrorKind::UnboundPrefix(shorten(prefix)));
        }
        if uri.len() > self.limits.name_length {
            return Err(ErrorKind::exceeded(Limit::NameLength, self.limits.name_length));
        }
        Ok(())
    }

    /// Takes memory for what is decoded.
    fn spend(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.limits.memory {
            return Err(ErrorKind::exceeded(Limit::Memory, self.limits.memory));
        }
        Ok(())
    }

    fn attributes(
        &mut self,
        start: &BytesStart<'_>,
        count: usize,
        element: &mut Element,
    ) -> Result<(), ErrorKind> {
        element.attributes.reserve_exact(count);
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| ErrorKind::Syntax(error.to_string()))?;
            let key: &str = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let name = self.resolve_name(key, false)?;
            if element.attributes.iter().any(|known| known.name == name) {
                return Err(ErrorKind::DuplicateAttribute(shorten(&name.to_string())));
            }
            let value = attribute_value(&attribute.value)?;
            self.spend(size_of::<Attribute>() + 2 * ALLOCATION + key.len() + value.len())?;
            self.bind_prefixes(&value, &mut element.bindings)?;
            element.attributes.push(Attribute { name, value });
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), ErrorKind> {
        if name.len() > self.limits.name_length {
            return Err(ErrorKind::exceeded(Limit::NameLength, self.limits.name_length));
        }
        if is_ncname(name) { Ok(()) } else { Err(ErrorKind::IllegalName(shorten(name))) }
    }

    /// The default namespace holds for elements only.
    fn resolve_name(&self, qname: &str, is_element: bool) -> Result<Name, ErrorKind> {
        let Some((prefix, local)) = qname.split_once(':') else {
            self.check_name(qname)?;
            let namespace = if is_element { self.lookup("") } else { None };
            return Ok(Name::resolved(namespace.cloned().unwrap_or(Namespace::NONE), qname));
        };
        self.check_name(prefix)?;
        self.check_name(local)?;
        let namespace = match prefix {
            "xml" => &Namespace::Known(ns::XML),
            _ => self.lookup(prefix).ok_or_else(|| ErrorKind::UnboundPrefix(shorten(prefix)))?,
        };
        Ok(Name::resolved(namespace.clone(), local))
    }

    fn lookup(&self, prefix: &str) -> Option<&Namespace> {
        self.scope
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix)
            .map(|binding| &binding.namespace)
    }

    /// Remembers what the prefixes in a value are bound to, where they are bound at all.
    fn bind_prefixes(&mut self, value: &str, bindings: &mut Vec<Binding>) -> Result<(), ErrorKind> {
        if value.len() > QNAME_CONTENT {
            return Ok(());
        }
        let mut pieces = value.split(':').peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                break;
            }
            let prefix = piece.rsplit(|c| !is_name_char(c)).next().unwrap_or_default();
            if prefix.is_empty() || bindings.iter().any(|binding| binding.prefix == prefix) {
                continue;
            }
            let found = self.scope.iter().rev().find(|binding| binding.prefix == prefix).cloned();
            if let Some(found) = found {
                self.spend(size_of::<Binding>() + ALLOCATION + prefix.len())?;
                bindings.push(found);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), ErrorKind> {
        self.spend(text.len())?;
        let significant = !text.chars().all(is_space);
        let Some(open) = self.open.last_mut() else {
            return if significant { Err(ErrorKind::SecondRoot) } else { Ok(()) };
        };
        open.has_text |= significant;
        match open.element.children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            Some(Node::Element(_)) | None => {
                if !text.is_empty() {
                    push(&mut open.element.children, Node::Text(text.to_owned()));
                    self.spend(size_of::<Node>() + 2 * ALLOCATION)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ErrorKind> {
        let Some(mut closed) = self.open.pop() else {
            return Ok(());
        };
        let element = &mut closed.element;
        if closed.has_elements && !closed.has_text {
            element.children.retain(|node| matches!(node, Node::Element(_)));
        }
        if closed.has_text {
            let mut bindings = std::mem::take(&mut element.bindings);
            for node in &element.children {
                if let Node::Text(text) = node {
                    self.bind_prefixes(text, &mut bindings)?;
                }
            }
            element.bindings = bindings;
        }
        element.children.shrink_to_fit();
        self.scope.truncate(closed.outer);
        match self.open.last_mut() {
            Some(parent) => {
                parent.has_elements = true;
                push(&mut parent.element.children, Node::Element(closed.element));
            }
            None => self.root = Some(closed.element),
        }
        Ok(())
    }
}

/// Most elements have one child, a text: room for more comes with the second.
fn push(children: &mut Vec<Node>, node: Node) {
    if children.is_empty() {
        children.reserve_exact(1);
    }
    children.push(node);
}

/// What an allocation takes beside its content.
const ALLOCATION: usize = 24;

/// QNames, XPath fragments and filters are searched for prefixes up to this many bytes; longer
/// text is data.
const QNAME_CONTENT: usize = 2_048;

impl ErrorKind {
    const fn exceeded(limit: Limit, allowed: usize) -> Self {
        Self::LimitExceeded { limit, allowed }
    }
}

fn from_quick_xml(error: &quick_xml::Error) -> ErrorKind {
    // A syntax error of quick-xml is always markup that the end of the document cuts off.
    if matches!(error, quick_xml::Error::Syntax(_)) {
        ErrorKind::Truncated
    } else {
        ErrorKind::Syntax(shorten(&error.to_string()))
    }
}

/// Error texts quote at most this much of what a peer sent.
fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

fn check_declaration(
    declaration: &quick_xml::events::BytesDecl<'_>,
    charset: Charset,
) -> Result<(), ErrorKind> {
    let expected = match charset {
        Charset::Utf8 => "utf-8",
        Charset::Utf16 => "utf-16",
    };
    let version = declaration.version().map_err(|error| ErrorKind::Syntax(error.to_string()))?;
    if &*version != "1.0" {
        return Err(ErrorKind::Syntax(format!("XML version {}", shorten(&version))));
    }
    match declaration.encoding() {
        Some(Ok(name)) if !name.eq_ignore_ascii_case(expected) => {
            Err(ErrorKind::Encoding(shorten(&name)))
        }
        Some(Err(error)) => Err(ErrorKind::Syntax(error.to_string())),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// An attribute value, references resolved and white space normalised (XML 1.0, 3.3.3).
fn attribute_value(raw: &str) -> Result<String, ErrorKind> {
    let special = |c: char| matches!(c, '<' | '&' | '\t' | '\r' | '\n');
    if !raw.contains(special) {
        return Ok(raw.to_owned());
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(found) = rest.find(special) {
        let (before, from) = rest.split_at(found);
        value.push_str(before);
        let mut after = from.chars();
        match after.next() {
            Some('<') => return Err(ErrorKind::Syntax("< in an attribute value".to_owned())),
            Some('&') => {
                let (reference, next) = after
                    .as_str()
                    .split_once(';')
                    .ok_or_else(|| ErrorKind::Syntax("& without ;".to_owned()))?;
                value.push(resolve(reference)?);
                rest = next;
            }
            Some('\r') => {
                value.push(' ');
                // A line end of two characters is one.
                rest = after.as_str().strip_prefix('\n').unwrap_or(after.as_str());
            }
            Some(_) | None => {
                value.push(' ');
                rest = after.as_str();
            }
        }
    }
    value.push_str(rest);
    Ok(value)
}

/// The character that a reference (without `&` and `;`) stands for.
fn resolve(reference: &str) -> Result<char, ErrorKind> {
    let number = match reference {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        _ => match reference.strip_prefix('#') {
            None => return Err(ErrorKind::UnknownEntity(shorten(reference))),
            Some(digits) => match digits.strip_prefix('x') {
                Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    u32::from_str_radix(hex, 16)
                }
                None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse(),
                Some(_) | None => return Err(ErrorKind::UnknownEntity(shorten(reference))),
            },
        },
    };
    let number = number.map_err(|_| ErrorKind::UnknownEntity(shorten(reference)))?;
    char::from_u32(number).filter(|c| is_legal(*c)).ok_or(ErrorKind::IllegalCharacter(number))
}

/// Whether XML 1.0 allows the character (production `Char`).
pub(crate) const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{1_0000}'..)
}

fn first_illegal(text: &str) -> Option<(usize, char)> {
    // The scan of bytes has no branches to break it up: it is what makes the common case cheap.
    // 0xEF starts U+FFFE and U+FFFF, and much that is legal.
    let suspicious = text.as_bytes().chunks(4096).any(|chunk| {
        let found = chunk.iter().fold(0, |found, &byte| {
            let control = (byte < 0x20) & (byte != 9) & (byte != 10) & (byte != 13);
            found | u8::from(control | (byte == 0xEF))
        });
        found != 0
    });
    if suspicious { text.char_indices().find(|(_, c)| !is_legal(*c)) } else { None }
}

/// Whether an element or an attribute can have this local name: an NCName, Namespaces in XML 1.0, production 4. What writes XML does
/// not ask: whoever makes names of what somebody typed does.
#[must_use]
pub fn is_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

const fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{1_0000}'..='\u{E_FFFF}')
}

const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
