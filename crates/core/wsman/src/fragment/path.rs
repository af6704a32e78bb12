//! Paths of XPath Level 1, DSP0226 annex D.1.
//!
//! ```text
//! path  = "." | step *( "/" step ) [ "/" leaf ] | leaf
//! step  = [ "child::" ] name [ "[" number "]" ]
//! leaf  = ( "@" | "attribute::" ) name | "text()"
//! name  = "*" | prefix ":*" | [ prefix ":" ] local
//! ```
//!
//! A name without a prefix is of any namespace: properties are written so, whatever class they are of. White space may stand
//! between the tokens.

use crate::fault::{ErrorCode, Fault};
use crate::ns;
use crate::transfer::Fragment;
use crate::xml::{Attribute, Element, Name};

/// The longest expression, in octets: as much as prefixes are looked for in.
const MAX_EXPRESSION: usize = 2_048;

/// A path from the root element of a representation.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    pub(super) leaf: Option<Leaf>,
}

/// From an element to children of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: NameTest,
    /// Which of those that fit, from 1.
    pub(super) index: Option<usize>,
}

/// What is wanted of the elements at the end.
#[derive(Debug)]
pub(super) enum Leaf {
    Attribute(NameTest),
    Text,
}

/// Which names fit; `None` is any.
#[derive(Debug, Clone)]
pub(super) struct NameTest {
    namespace: Option<String>,
    local: Option<String>,
}

impl NameTest {
    pub(super) fn fits(&self, name: &Name) -> bool {
        let namespace = self.namespace.as_deref();
        namespace.is_none_or(|namespace| namespace == name.namespace())
            && self.local.as_deref().is_none_or(|local| local == name.local())
    }

    pub(super) fn find<'a>(&self, attributes: &'a [Attribute]) -> Option<&'a Attribute> {
        attributes.iter().find(|attribute| self.fits(&attribute.name))
    }

    /// The name that it is, where it is one.
    pub(super) fn to_name(&self) -> Option<Name> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        self.local.as_deref().map(|local| Name::from_parts(namespace, local))
    }
}

impl Path {
    /// Reads the expression of a fragment.
    pub(super) fn parse(fragment: &Fragment) -> Result<Self, Box<Fault>> {
        check_dialect(fragment)?;
        if fragment.expression.len() > MAX_EXPRESSION {
            return Err(refused(fragment, "is too long"));
        }
        let mut parser = Parser { fragment, rest: fragment.expression.trim() };
        if parser.rest.is_empty() {
            return Err(refused(fragment, "is empty"));
        }
        if parser.rest.starts_with('/') {
            return Err(refused(fragment, "begins with \"/\", and must be relative"));
        }
        let mut path = Self { steps: Vec::new(), leaf: None };
        loop {
            if path.leaf.is_some() {
                return Err(refused(fragment, "goes on behind a text or an attribute"));
            }
            parser.segment(&mut path)?;
            if parser.rest.is_empty() {
                return Ok(path);
            }
            if !parser.eat("/") {
                return Err(refused(fragment, "is none of XPath Level 1"));
            }
        }
    }
}

fn check_dialect(fragment: &Fragment) -> Result<(), Box<Fault>> {
    match &fragment.dialect {
        Some(dialect) if dialect != ns::XPATH => {
            let text = format!("The dialect {} of fragments is not supported. ", shown(dialect));
            let mut fault = Fault::new(ErrorCode::FRAGMENT_DIALECT_UNAVAILABLE, text);
            fault.other.push(Element::new(ns::WSMAN, "FragmentDialect").with_text(ns::XPATH));
            Err(Box::new(fault))
        }
        Some(_) | None => Ok(()),
    }
}

struct Parser<'a> {
    fragment: &'a Fragment,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// What stands between two "/".
    fn segment(&mut self, path: &mut Path) -> Result<(), Box<Fault>> {
        if self.eat("@") || self.eat("attribute::") {
            path.leaf = Some(Leaf::Attribute(self.name()?));
            return Ok(());
        }
        if self.rest.starts_with('.') && !self.rest.starts_with("..") {
            self.eat(".");
            return Ok(());
        }
        self.eat("child::");
        let name = self.name()?;
        if self.eat("(") {
            let is_text = name.namespace.is_none() && name.local.as_deref() == Some("text");
            if !is_text || !self.eat(")") {
                return Err(refused(self.fragment, "has a function other than text()"));
            }
            path.leaf = Some(Leaf::Text);
            return Ok(());
        }
        let index = if self.eat("[") { Some(self.index()?) } else { None };
        path.steps.push(Step { name, index });
        Ok(())
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Result<NameTest, Box<Fault>> {
        let first = self.word()?;
        // A colon belongs to the name only where nothing stands before it.
        let colon = self.rest.strip_prefix(':').filter(|rest| !rest.starts_with(':'));
        let Some(rest) = colon else {
            self.rest = self.rest.trim_start();
            return Ok(NameTest { namespace: None, local: first.map(str::to_owned) });
        };
        self.rest = rest;
        let prefix = first.ok_or_else(|| refused(self.fragment, "has \"*\" for a prefix"))?;
        let local = self.word()?;
        self.rest = self.rest.trim_start();
        let bindings = self.fragment.bindings.iter();
        let namespace = bindings
            .filter(|binding| binding.prefix() == prefix)
            .map(|binding| binding.namespace().to_owned())
            .next()
            .ok_or_else(|| refused(self.fragment, "has a prefix that is not declared"))?;
        Ok(NameTest { namespace: Some(namespace), local: local.map(str::to_owned) })
    }

    /// A name without prefix; `None` is "*".
    fn word(&mut self) -> Result<Option<&'a str>, Box<Fault>> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Ok(None);
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{B7}');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let is_name = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !is_name {
            return Err(refused(self.fragment, "is none of XPath Level 1"));
        }
        self.rest = rest;
        Ok(Some(word))
    }

    /// The number in brackets.
    fn index(&mut self) -> Result<usize, Box<Fault>> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        let index = digits.parse().ok().filter(|index| *index > 0);
        let closed = self.eat("]");
        index
            .filter(|_| closed)
            .ok_or_else(|| refused(self.fragment, "has a condition other than a number from 1"))
    }
}

/// The fault of an expression that cannot be followed.
pub(super) fn refused(fragment: &Fragment, why: &str) -> Box<Fault> {
    let text = format!("The fragment path {} {why}. ", shown(&fragment.expression));
    Box::new(Fault::new(ErrorCode::INVALID_FRAGMENT_PATH, text))
}

/// A quotation of what a client wrote, not too long.
pub(super) fn shown(text: &str) -> String {
    format!("\"{}\"", text.chars().take(200).collect::<String>())
}
